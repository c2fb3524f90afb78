//! An OAuth client: what it is called, and how it asks a provider's endpoints as itself.
//!
//! Source: RFC 6749 sections 2.3.1 (client password) and 5 (answers).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use super::source::SecretSource;
use super::{CredentialError, text};
use crate::config::SecretAt;
use crate::web::{self, Request, Response, WebError};

/// What is escaped in forms: all but the unreserved characters (RFC 3986 section 2.3), which client secrets are full of
/// and which some providers do not expect escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client that a provider knows, with its secret if it has one.
pub struct OAuthClient {
    id: String,
    secret: Option<SecretSource>,
    web: web::Client,
}

/// Why a provider's endpoint gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// The client's secret cannot be used.
    #[error("{0}")]
    Secret(#[from] CredentialError),
    /// The secret fits into no header.
    #[error("a client secret that no header can carry")]
    Unfit,
    /// The endpoint did not answer.
    #[error("{0}")]
    Web(#[from] WebError),
}

impl OAuthClient {
    /// Takes a client as the config has it; nothing is read.
    ///
    /// # Errors
    /// The secret's source cannot be used.
    pub fn new(
        id: &str,
        secret: Option<&SecretAt>,
        web: &web::Client,
    ) -> Result<Self, CredentialError> {
        Ok(Self {
            id: id.to_owned(),
            secret: secret.map(|at| SecretSource::new(at, web)).transpose()?,
            web: web.clone(),
        })
    }

    /// Gives its name at the provider.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads its secret; nothing is asked.
    pub(super) async fn check(&self) -> Result<(), CredentialError> {
        if let Some(source) = &self.secret {
            text::phrase(source).await?;
        }
        Ok(())
    }

    /// Lets go of a kept secret; tells whether there was one.
    pub(super) fn forget(&self) -> bool {
        self.secret.as_ref().is_some_and(SecretSource::forget)
    }

    /// Sends a form to an endpoint, by name and, if there is one, secret.
    ///
    /// # Errors
    /// The secret cannot be had, or no answer comes.
    pub async fn send(&self, url: &str, form: &[(&str, &str)]) -> Result<Response, Unasked> {
        let mut request = Request::of_url(url);
        request.method = Method::POST;
        let mut pairs = form.to_vec();
        match &self.secret {
            None => pairs.push(("client_id", &self.id)),
            Some(source) => {
                let secret = text::phrase(source).await?;
                let pair = format!("{}:{}", escaped(&self.id), escaped(secret.reveal()));
                let basic = format!("Basic {}", STANDARD.encode(Zeroizing::new(pair).as_bytes()));
                let mut basic = HeaderValue::try_from(basic).map_err(|_| Unasked::Unfit)?;
                basic.set_sensitive(true);
                request.headers.insert(AUTHORIZATION, basic);
            }
        }
        let of_form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, of_form);
        let of_json = HeaderValue::from_static("application/json");
        request.headers.insert(ACCEPT, of_json);
        let written: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        request.body = Zeroizing::new(written.join("&").into_bytes());
        Ok(self.web.send(request).await?)
    }
}

/// Reads the word by which an endpoint says why it refused (RFC 6749 section 5.2); its description may quote what was
/// sent, so it is never read.
#[must_use]
pub fn error_word(answered: &Response) -> Option<String> {
    let body: Value = serde_json::from_slice(&answered.body).ok()?;
    let word = body.get("error")?.as_str()?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (word.len() <= 64 && word.bytes().all(is_word)).then(|| word.to_owned())
}

/// Escapes a value of a form; `+` for a blank is never used, so that both ways to read it agree.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}
