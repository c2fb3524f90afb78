//! A secret in AWS Secrets Manager, asked for by the daemon's own identity.

pub(in crate::upstream::credential) mod identity;
pub(in crate::upstream::credential) mod sign;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::config::{AwsSource, Untrusted};
use crate::web::{self, Request};
use identity::OwnKeys;
use sign::{Call, signed};

/// A secret, or one member of it if it is a JSON object.
pub(super) struct SecretsManager {
    source: AwsSource,
    web: web::Client,
    keys: OwnKeys,
}

impl SecretsManager {
    /// Takes a source; AWS is not asked yet.
    pub(super) fn new(source: &AwsSource, web: &web::Client) -> Self {
        Self {
            source: source.clone(),
            web: web.clone(),
            keys: OwnKeys::new(&source.region, web),
        }
    }

    /// Reads the secret's current version. Source: AWS Secrets Manager API, `GetSecretValue`.
    pub(super) async fn read(&self) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        let now = Clock::system().now();
        let keys = self.keys.read(now).await?;
        let origin = self.origin();
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let body = json!({ "SecretId": self.source.secret_id }).to_string();
        let mut headers = HeaderMap::new();
        let target = HeaderValue::from_static("secretsmanager.GetSecretValue");
        headers.insert(HeaderName::from_static("x-amz-target"), target);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        let call = Call {
            method: "POST",
            host,
            path: "/",
            query: "",
            body: Some(body.as_bytes()),
            region: &self.source.region,
            service: "secretsmanager",
        };
        let headers = signed(&call, headers, &keys, now)
            .ok_or_else(|| self.found("keys that no header can carry"))?;
        let mut request = Request::of_url(format!("{origin}/"));
        request.method = Method::POST;
        request.headers = headers;
        request.body = Zeroizing::new(body.into_bytes());
        let answered = self
            .web
            .send(request)
            .await
            .map_err(|error| self.found(&error.to_string()))?;
        if answered.status != StatusCode::OK {
            // Keys that were revoked are not used again.
            self.keys.forget();
            return Err(self.found(&refusal(answered.status, &answered.body)));
        }
        self.value(&answered.body)
    }

    fn value(&self, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        let body: Value =
            serde_json::from_slice(body).map_err(|_| self.found("an answer that is not JSON"))?;
        let whole = body.get("SecretString").and_then(Value::as_str);
        let whole = whole.ok_or_else(|| self.found("a secret that is no text"))?;
        let Some(key) = &self.source.json_key else {
            return Ok(Zeroizing::new(whole.as_bytes().to_vec()));
        };
        let members: Value = serde_json::from_str(whole)
            .map_err(|_| self.found("a secret that is no JSON object"))?;
        let member = members.get(key).and_then(Value::as_str);
        let member = member
            .ok_or_else(|| self.found("a secret without that key, or with one that is no text"))?;
        Ok(Zeroizing::new(member.as_bytes().to_vec()))
    }

    fn origin(&self) -> String {
        let region = &self.source.region;
        let own = || format!("https://secretsmanager.{region}.amazonaws.com");
        self.source.endpoint.clone().unwrap_or_else(own)
    }

    fn found(&self, found: &str) -> Untrusted {
        let AwsSource {
            secret_id,
            region,
            json_key,
            ..
        } = &self.source;
        let key = json_key
            .as_ref()
            .map_or_else(String::new, |key| format!("key `{key}` of "));
        Untrusted {
            expected: format!("{key}secret `{secret_id}` of AWS Secrets Manager in `{region}`"),
            found: found.to_owned(),
        }
    }
}

/// Says why AWS refused: the status and the name of the error, which is a word of its API.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = body
        .get("__type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default();
    let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let name = if is_word { name } else { "no name" };
    format!("HTTP status {} ({name})", status.as_u16())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Freshness;

    fn value(json_key: Option<&str>, body: &str) -> Result<String, String> {
        let source = AwsSource {
            region: "eu-central-1".to_owned(),
            secret_id: "icecore/acme".to_owned(),
            json_key: json_key.map(str::to_owned),
            endpoint: None,
            freshness: Freshness {
                refresh: Duration::ZERO,
                keep: Duration::ZERO,
            },
        };
        let manager = SecretsManager::new(&source, &web::Client::offline().unwrap());
        let value = manager.value(body.as_bytes());
        value
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
            .map_err(|untrusted| untrusted.found)
    }

    #[test]
    fn a_secret_is_its_text_or_one_member_of_it() {
        let body = r#"{"Name":"icecore/acme","SecretString":"{\"token\":\"t-1\",\"n\":1}"}"#;
        assert_eq!(value(None, body).unwrap(), r#"{"token":"t-1","n":1}"#);
        assert_eq!(value(Some("token"), body).unwrap(), "t-1");
        let absent = "a secret without that key, or with one that is no text";
        assert_eq!(value(Some("n"), body).unwrap_err(), absent);
        assert_eq!(value(Some("other"), body).unwrap_err(), absent);
        let binary = r#"{"SecretBinary":"AAAA"}"#;
        assert_eq!(value(None, binary).unwrap_err(), "a secret that is no text");
        let plain = r#"{"SecretString":"hunter2"}"#;
        let told = value(Some("token"), plain).unwrap_err();
        assert_eq!(told, "a secret that is no JSON object");
    }

    #[test]
    fn a_refusal_names_the_error_and_quotes_nothing() {
        let told = |body: &str| refusal(StatusCode::BAD_REQUEST, body.as_bytes());
        assert_eq!(
            told(r#"{"__type":"x#ResourceNotFoundException","Message":"hunter2"}"#),
            "HTTP status 400 (ResourceNotFoundException)"
        );
        assert_eq!(told(r#"{"__type":"a b"}"#), "HTTP status 400 (no name)");
        assert_eq!(told("<html>"), "HTTP status 400 (no name)");
    }
}
