//! What an issuer publishes of itself. Source: OpenID Connect Discovery 1.0, sections 4.1 and 4.3.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::identity::cut;
use crate::snowflake::json::check_strict;
use crate::web::{self, WebError};

/// Why an issuer's document is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("{0}")]
    Web(#[from] WebError),
    #[error("`{url}`: expected HTTP status 200, found {status}")]
    Status { url: String, status: StatusCode },
    #[error("`{url}`: expected {expected}, found {found}")]
    Document {
        url: String,
        expected: String,
        found: String,
    },
}

/// An issuer's document, of the issuer that was asked for.
pub(crate) struct Discovered {
    url: String,
    is_tls: bool,
    text: Vec<u8>,
    members: Map<String, Value>,
}

impl Discovered {
    /// Reads the document of an issuer.
    pub(crate) async fn read(web: &web::Client, issuer: &str) -> Result<Self, DiscoveryError> {
        let base = issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let text = get(web, &url).await?;
        let read: Result<Map<String, Value>, _> =
            check_strict(&text).and_then(|()| serde_json::from_slice(&text));
        let members = match read {
            Ok(members) => members,
            Err(error) => {
                // The error's own text may quote the document, which is as long as its writer likes.
                let (line, column) = (error.line(), error.column());
                return Err(DiscoveryError::Document {
                    url,
                    expected: "one JSON object".to_owned(),
                    found: format!("none (line {line}, column {column})"),
                });
            }
        };
        let read = Self {
            url,
            is_tls: issuer.starts_with("https:"),
            text,
            members,
        };
        match read.text("issuer") {
            Some(named) if named == issuer => Ok(read),
            // Else whoever may write one document of a host could speak for another issuer there.
            other => {
                let expected = "an `issuer` that is the configured `url` to the letter";
                let found = format!("{:?}", other.map(cut));
                Err(read.unlike(expected.to_owned(), found))
            }
        }
    }

    /// Gives the address of an endpoint.
    pub(crate) fn endpoint(&self, name: &str) -> Result<String, DiscoveryError> {
        match self.text(name) {
            // An issuer that is asked by TLS does not send us to whoever listens on this host.
            Some(address) if self.is_tls && !address.starts_with("https:") => {
                let expected = format!("a `{name}` that begins with https");
                Err(self.unlike(expected, format!("{:?}", cut(address))))
            }
            Some(address) => Ok(address.to_owned()),
            None => Err(self.unlike(format!("a `{name}`"), "none".to_owned())),
        }
    }

    /// Gives it to the letter.
    pub(crate) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// Tells whether the issuer says that it does something.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.members.get(name) == Some(&Value::Bool(true))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    fn unlike(&self, expected: String, found: String) -> DiscoveryError {
        DiscoveryError::Document {
            url: self.url.clone(),
            expected,
            found,
        }
    }
}

/// Gets what is at an address.
pub(crate) async fn get(web: &web::Client, url: &str) -> Result<Vec<u8>, DiscoveryError> {
    let answer = web.send(web::Request::of_url(url)).await?;
    if answer.status == StatusCode::OK {
        return Ok(answer.body.to_vec());
    }
    Err(DiscoveryError::Status {
        url: url.to_owned(),
        status: answer.status,
    })
}
