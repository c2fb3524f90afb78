//! What a provider's endpoints answer. Source: RFC 6749 section 5, RFC 8628 sections 3.2 and 3.5, OpenID Connect Core.

use std::time::Duration;

use serde_json::{Map, Value};

use super::error::SignInError;
use crate::identity::claims;
use crate::snowflake::json::check_strict;
use crate::snowflake::secret::Secret;

/// What a token endpoint gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Shows who signed in; nothing of it is verified.
    pub id_token: Secret,
    /// Gets the next one.
    pub refresh_token: Option<Secret>,
}

impl Tokens {
    /// Reads a good answer.
    ///
    /// # Errors
    /// It is no JSON object with an ID token.
    pub fn read(body: &[u8]) -> Result<Self, SignInError> {
        let answer = object(body)?;
        let token = |name: &str| {
            let text = answer.get(name).and_then(Value::as_str)?;
            let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            is_token.then(|| Secret::new(text.to_owned()))
        };
        let id_token = token("id_token").ok_or_else(|| {
            let found = "none; is `openid` among the client's scopes?".to_owned();
            wrong("an `id_token`", found)
        })?;
        Ok(Self {
            id_token,
            refresh_token: token("refresh_token"),
        })
    }
}

/// What a device authorization endpoint gave.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceCode {
    /// Asks for the tokens.
    pub device_code: Secret,
    /// What the engineer types in.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it, if the issuer has that.
    pub complete_uri: Option<String>,
    /// How long the code is good.
    pub expires_in: Duration,
    /// How long to wait between two questions.
    pub interval: Duration,
}

/// Wait between two questions if the issuer does not say (RFC 8628 section 3.2).
const INTERVAL: Duration = Duration::from_secs(5);

/// How much longer it gets each time that the issuer asks for it (section 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

impl DeviceCode {
    /// Reads a good answer.
    ///
    /// # Errors
    /// A member is absent, or no text that a terminal can show.
    pub fn read(body: &[u8]) -> Result<Self, SignInError> {
        let answer = object(body)?;
        let text = |name: &'static str| {
            let read = claims::text(&answer, name);
            read.map_err(|odd| wrong(name, format!("{}, not one {}", odd.found, odd.expected)))
        };
        let needed = |name| text(name)?.ok_or_else(|| wrong(name, "none".to_owned()));
        let seconds = |name: &str| answer.get(name).and_then(Value::as_u64);
        let expires_in_s =
            seconds("expires_in").ok_or_else(|| wrong("expires_in", "none".to_owned()))?;
        let interval = seconds("interval").map_or(INTERVAL, Duration::from_secs);
        let is_web = |uri: &String| uri.starts_with("https://") || uri.starts_with("http://");
        let verification_uri = needed("verification_uri")?;
        if !is_web(&verification_uri) {
            return Err(wrong(
                "an address as `verification_uri`",
                "another text".to_owned(),
            ));
        }
        Ok(Self {
            device_code: Secret::new(needed("device_code")?),
            user_code: needed("user_code")?,
            verification_uri,
            complete_uri: text("verification_uri_complete")?.filter(is_web),
            // A day is longer than anybody waits.
            expires_in: Duration::from_secs(expires_in_s.min(86_400)),
            interval: interval.clamp(Duration::from_secs(1), Duration::from_secs(60)),
        })
    }
}

/// What to do after a question about a device code.
#[derive(Debug, PartialEq, Eq)]
pub enum Poll {
    /// The tokens are there.
    Done(Tokens),
    /// Ask again after this wait.
    Wait(Duration),
}

impl Poll {
    /// Reads the answer to a question, given the wait before it: its body, or the error's word if it was one.
    ///
    /// # Errors
    /// The issuer, or who sits before it, said no; or what it said is neither.
    pub fn read(
        answer: Result<&[u8], Option<&str>>,
        interval: Duration,
    ) -> Result<Self, SignInError> {
        match answer {
            Ok(body) => Tokens::read(body).map(Self::Done),
            Err(Some("authorization_pending")) => Ok(Self::Wait(interval)),
            Err(Some("slow_down")) => Ok(Self::Wait(interval + SLOWER_BY)),
            Err(Some(word)) => Err(SignInError::Refused(word.to_owned())),
            Err(None) => Err(wrong("tokens, or a word why not", "neither".to_owned())),
        }
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, SignInError> {
    // The error's own text may quote the answer.
    let read = check_strict(body).and_then(|()| serde_json::from_slice(body));
    read.map_err(|_| wrong("one JSON object, no key twice", "something else".to_owned()))
}

fn wrong(expected: &'static str, found: String) -> SignInError {
    SignInError::Answer { expected, found }
}
