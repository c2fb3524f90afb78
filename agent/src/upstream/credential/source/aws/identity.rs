//! The daemon's own identity at AWS: environment, web identity token, shared file, instance metadata, in this order.
//!
//! Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers" (the order of the SDKs).

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::{Untrusted, read_secret_file};
use crate::snowflake::secret::Secret;
use crate::web::{Client, Request, Response};

/// Where an instance's metadata is. Source: AWS, "Use the Instance Metadata Service".
const METADATA: &str = "http://169.254.169.254/latest";

/// How long before their end keys are got anew.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(5);

/// Longest file of credentials or token that is read.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// Keys that sign.
#[derive(Clone)]
pub(in crate::upstream) struct Keys {
    /// `AKIA...` or `ASIA...`; names the key and is no secret.
    pub(in crate::upstream) access_key_id: String,
    /// Signs.
    pub(in crate::upstream) secret_access_key: Secret,
    /// Goes with temporary keys.
    pub(in crate::upstream) session_token: Option<Secret>,
    /// When temporary keys end.
    pub(in crate::upstream) expires: Option<DateTime<Utc>>,
}

impl Keys {
    /// Tells whether they can be used for some minutes still.
    pub(in crate::upstream::credential) fn are_good(&self, now: DateTime<Utc>) -> bool {
        self.expires
            .is_none_or(|expires| now + RENEW_BEFORE < expires)
    }
}

/// The daemon's keys, got anew before they end.
pub(in crate::upstream::credential) struct OwnKeys {
    region: String,
    web: Client,
    held: Mutex<Option<Keys>>,
}

impl OwnKeys {
    /// Takes where they are asked for; nothing is asked.
    pub(in crate::upstream::credential) fn new(region: &str, web: &Client) -> Self {
        Self {
            region: region.to_owned(),
            web: web.clone(),
            held: Mutex::new(None),
        }
    }

    /// Gives keys that are good for some minutes still.
    pub(in crate::upstream::credential) async fn read(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Keys, Untrusted> {
        let held = self.held().clone();
        if let Some(keys) = held.filter(|keys| keys.are_good(now)) {
            return Ok(keys);
        }
        let found = find(&self.web, &self.region).await;
        let keys = found.map_err(|cause| Untrusted {
            expected: "keys of the daemon's own at AWS (environment, web identity, shared file or instance metadata)".to_owned(),
            found: cause,
        })?;
        *self.held() = Some(keys.clone());
        Ok(keys)
    }

    /// Lets go of the keys; tells whether there were any.
    pub(in crate::upstream::credential) fn forget(&self) -> bool {
        self.held().take().is_some()
    }

    fn held(&self) -> MutexGuard<'_, Option<Keys>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds the daemon's keys; the error says what was tried last and failed.
async fn find(web: &Client, region: &str) -> Result<Keys, String> {
    if let (Some(id), Some(secret)) = (
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"),
    ) {
        return Ok(Keys {
            access_key_id: id,
            secret_access_key: Secret::new(secret),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
            expires: None,
        });
    }
    if let (Some(file), Some(role)) = (
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
        variable("AWS_ROLE_ARN"),
    ) {
        return of_web_identity(web, region, Path::new(&file), &role).await;
    }
    if let Some(file) = shared_file() {
        return of_shared_file(&file);
    }
    of_instance(&web.clone().of_host_identity()).await
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Gives the shared file, if there is one.
fn shared_file() -> Option<PathBuf> {
    if let Some(named) = variable("AWS_SHARED_CREDENTIALS_FILE") {
        return Some(PathBuf::from(named));
    }
    let file = Path::new("/root/.aws/credentials");
    file.exists().then(|| file.to_owned())
}

fn of_shared_file(file: &Path) -> Result<Keys, String> {
    let shown = file.display();
    let bytes = read_secret_file(file, FILE_MAX_BYTES)
        .map_err(|flaw| format!("expected {}, found {}", flaw.expected, flaw.found))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("`{shown}` is not UTF-8 text"))?;
    let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    of_profile(text, &profile).ok_or_else(|| format!("`{shown}` has no keys under `[{profile}]`"))
}

/// Reads the keys of a profile.
fn of_profile(text: &str, profile: &str) -> Option<Keys> {
    let mut is_inside = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            is_inside = name.trim() == profile;
        } else if is_inside && let Some((name, value)) = line.split_once('=') {
            let value = value.trim().to_owned();
            match name.trim() {
                "aws_access_key_id" => id = Some(value),
                "aws_secret_access_key" => secret = Some(Secret::new(value)),
                "aws_session_token" => token = Some(Secret::new(value)),
                _ => {}
            }
        }
    }
    Some(Keys {
        access_key_id: id?,
        secret_access_key: secret?,
        session_token: token,
        expires: None,
    })
}

/// Trades a token of the host's own for keys. Source: AWS STS API, `AssumeRoleWithWebIdentity`.
async fn of_web_identity(
    web: &Client,
    region: &str,
    file: &Path,
    role: &str,
) -> Result<Keys, String> {
    let bytes = read_secret_file(file, FILE_MAX_BYTES)
        .map_err(|flaw| format!("expected {}, found {}", flaw.expected, flaw.found))?;
    let token = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let body = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=icecore&RoleArn={}&WebIdentityToken={}",
        escaped(role),
        escaped(token)
    );
    let mut request = Request::of_url(format!("https://sts.{region}.amazonaws.com/"));
    request.method = Method::POST;
    request.body = Zeroizing::new(body.into_bytes());
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert(CONTENT_TYPE, form);
    let answered = ask(web, request, "STS").await?;
    let text = std::str::from_utf8(&answered.body).unwrap_or_default();
    of_xml(text).ok_or_else(|| "STS gave an answer without keys".to_owned())
}

/// Reads keys from STS's answer; what they are made of needs no escapes in XML.
fn of_xml(text: &str) -> Option<Keys> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.to_owned())
    };
    Some(Keys {
        access_key_id: element("AccessKeyId")?,
        secret_access_key: Secret::new(element("SecretAccessKey")?),
        session_token: Some(Secret::new(element("SessionToken")?)),
        expires: Some(element("Expiration")?.parse().ok()?),
    })
}

/// Asks the instance for its role's keys, by version 2 alone: version 1 answers whoever can make a request.
async fn of_instance(web: &Client) -> Result<Keys, String> {
    let mut request = Request::of_url(format!("{METADATA}/api/token"));
    request.method = Method::PUT;
    let life = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    request.headers.insert(life, HeaderValue::from_static("60"));
    let token = ask(web, request, "instance metadata").await?;
    let role_at = format!("{METADATA}/meta-data/iam/security-credentials/");
    let role = ask(web, metadata(&role_at, &token)?, "instance metadata").await?;
    let role = std::str::from_utf8(&role.body).unwrap_or_default().trim();
    if role.is_empty()
        || !role
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/')
    {
        return Err("the instance has no role".to_owned());
    }
    let keys = ask(
        web,
        metadata(&format!("{role_at}{role}"), &token)?,
        "instance metadata",
    )
    .await?;
    of_json(&keys.body).ok_or_else(|| "instance metadata gave an answer without keys".to_owned())
}

fn metadata(url: &str, token: &Response) -> Result<Request, String> {
    let mut request = Request::of_url(url);
    let mut value = HeaderValue::from_bytes(&token.body)
        .map_err(|_| "instance metadata gave a token that no header can carry".to_owned())?;
    value.set_sensitive(true);
    request
        .headers
        .insert(HeaderName::from_static("x-aws-ec2-metadata-token"), value);
    Ok(request)
}

fn of_json(body: &[u8]) -> Option<Keys> {
    let found: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| Some(found.get(name)?.as_str()?.to_owned());
    Some(Keys {
        access_key_id: text("AccessKeyId")?,
        secret_access_key: Secret::new(text("SecretAccessKey")?),
        session_token: Some(Secret::new(text("Token")?)),
        expires: Some(text("Expiration")?.parse().ok()?),
    })
}

async fn ask(web: &Client, request: Request, whom: &str) -> Result<Response, String> {
    let answered = web.send(request).await.map_err(|error| error.to_string())?;
    if answered.status.is_success() {
        return Ok(answered);
    }
    Err(format!(
        "{whom} answered with HTTP status {}",
        answered.status.as_u16()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(keys: Option<Keys>) -> Option<(String, String, Option<String>, Option<String>)> {
        keys.map(|keys| {
            (
                keys.access_key_id,
                keys.secret_access_key.reveal().to_owned(),
                keys.session_token.map(|token| token.reveal().to_owned()),
                keys.expires.map(|expires| expires.to_rfc3339()),
            )
        })
    }

    #[test]
    fn keys_are_read_from_each_form() {
        let file = "[other]\naws_access_key_id=NO\naws_secret_access_key=NO\n[ default ]\n# x\naws_access_key_id = AKIA1\naws_secret_access_key = s/1=\n";
        let expected = Some(("AKIA1".to_owned(), "s/1=".to_owned(), None, None));
        assert_eq!(shown(of_profile(file, "default")), expected);
        assert_eq!(shown(of_profile(file, "absent")), None);
        let temporary = |id: &str| {
            Some((
                id.to_owned(),
                "s".to_owned(),
                Some("t".to_owned()),
                Some("2026-11-26T12:00:00+00:00".to_owned()),
            ))
        };
        let xml = "<R><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-11-26T12:00:00Z</Expiration></Credentials></R>";
        assert_eq!(shown(of_xml(xml)), temporary("ASIA1"));
        assert_eq!(shown(of_xml("<R/>")), None);
        let json = br#"{"Code":"Success","AccessKeyId":"ASIA2","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-26T12:00:00Z"}"#;
        assert_eq!(shown(of_json(json)), temporary("ASIA2"));
        assert_eq!(shown(of_json(b"{}")), None);
    }

    #[test]
    fn keys_are_got_anew_before_they_end() {
        let ends: DateTime<Utc> = "2026-11-26T12:00:00Z".parse().unwrap();
        let keys = Keys {
            access_key_id: String::new(),
            secret_access_key: Secret::new(String::new()),
            session_token: None,
            expires: Some(ends),
        };
        assert!(keys.are_good(ends - TimeDelta::minutes(6)));
        assert!(!keys.are_good(ends - TimeDelta::minutes(4)));
    }
}
