//! What the browser brings back, read strictly. Source: RFC 6749 section 4.1.2, RFC 9207.

use percent_encoding::percent_decode_str;

use super::error::SignInError;
use crate::identity::error::cut;
use crate::snowflake::secret::Secret;

/// Longest query that is read; codes of some issuers are signed texts of 2 KB.
const QUERY_MAX_BYTES: usize = 16 << 10;

/// An answer as the browser brought it; nothing of it is proved.
#[derive(Debug, PartialEq, Eq)]
pub struct Callback {
    state: Option<String>,
    issuer: Option<String>,
    code: Option<Secret>,
    error: Option<String>,
}

impl Callback {
    /// Reads the query of the address that the browser asked for.
    ///
    /// # Errors
    /// It is too long, or a member that counts stands twice or is no text.
    pub fn read(query: &str) -> Result<Self, SignInError> {
        if query.len() > QUERY_MAX_BYTES {
            return Err(SignInError::Callback("too long a one"));
        }
        let mut read = Self {
            state: None,
            issuer: None,
            code: None,
            error: None,
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match name {
                "state" => &mut read.state,
                "iss" => &mut read.issuer,
                "error" => &mut read.error,
                "code" => {
                    let code = Some(Secret::new(decoded(value)?));
                    if std::mem::replace(&mut read.code, code).is_some() {
                        return Err(SignInError::Callback("one member twice"));
                    }
                    continue;
                }
                // Others are to be ignored (RFC 6749 section 4.1.2), texts for people among them.
                _ => continue,
            };
            if place.replace(decoded(value)?).is_some() {
                return Err(SignInError::Callback("one member twice"));
            }
        }
        Ok(read)
    }

    /// Tells whether it answers the attempt with this `state`.
    #[must_use]
    pub fn answers(&self, state: &str) -> bool {
        // The state is 256 random bits that are good once: by the time of a comparison nobody finds it.
        self.state.as_deref() == Some(state)
    }

    /// Gives the code, if the issuer that was asked gave one for this attempt.
    ///
    /// # Errors
    /// It answers another attempt, another issuer answered, or the answer is no.
    pub fn code(
        self,
        state: &str,
        issuer: &str,
        promised: Promised,
    ) -> Result<Secret, SignInError> {
        if !self.answers(state) {
            return Err(SignInError::State);
        }
        let is_asked = match (&self.issuer, promised) {
            (Some(found), _) => found == issuer,
            (None, Promised::Issuer) => false,
            (None, Promised::Nothing) => true,
        };
        if !is_asked {
            let found = self.issuer.map(|found| format!("{:?}", cut(&found)));
            return Err(SignInError::Issuer {
                expected: issuer.to_owned(),
                found: found.unwrap_or_else(|| "none, though the issuer promises it".to_owned()),
            });
        }
        match (self.code, self.error) {
            (Some(code), None) if !code.reveal().is_empty() => Ok(code),
            (_, Some(error)) => Err(SignInError::Refused(word(&error))),
            (_, None) => Err(SignInError::Callback("no `code`")),
        }
    }
}

/// What an issuer promises of its answers, by `authorization_response_iss_parameter_supported` (RFC 9207 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promised {
    /// Each says who made it.
    Issuer,
    /// Nothing.
    Nothing,
}

/// Cuts an error to what the standard lets it be: a word (RFC 6749 section 4.1.2.1).
pub(super) fn word(error: &str) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    error.chars().filter(plain).take(64).collect()
}

fn decoded(value: &str) -> Result<String, SignInError> {
    let value = value.replace('+', " ");
    let text = percent_decode_str(&value).decode_utf8();
    text.map(std::borrow::Cow::into_owned)
        .map_err(|_| SignInError::Callback("what is not text"))
}
