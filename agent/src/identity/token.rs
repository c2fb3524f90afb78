//! A JWT as it came: read strictly, its issuer known, nothing of it proved. Source: RFC 7515, RFC 7519, RFC 8725.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::error::{IdentityError, cut};
use crate::snowflake::json::check_strict;

/// Longest token that is read. GitHub's take 2 KB, Entra's with 200 groups 10 KB.
pub const TOKEN_MAX_BYTES: usize = 16 << 10;

/// Header members by which a token would choose its own keys or rules (RFC 7515 section 4.1, RFC 7797, RFC 7516).
const REFUSED: [&str; 10] = [
    "jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "cty", "enc", "epk",
];

/// A token that was read; what it says is not proved.
#[derive(Debug)]
pub struct Token {
    algorithm: String,
    key_id: Option<String>,
    issuer: String,
    pub(super) claims: Map<String, Value>,
    /// Header and claims as they were signed.
    pub(super) signed: String,
    pub(super) signature: Vec<u8>,
}

impl Token {
    /// Tells whether a text means to be a token, so that an ordinary password is not taken for a bad one: three parts, the
    /// first of which begins an object.
    #[must_use]
    pub fn is_like(text: &str) -> bool {
        // A header is base64url of a text that begins with `{\"`.
        text.starts_with("eyJ") && text.split('.').count() == 3
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// Too long, not three parts of base64url without padding, not strict JSON, a header member that is refused.
    pub fn read(text: &str) -> Result<Self, IdentityError> {
        if text.len() > TOKEN_MAX_BYTES {
            return Err(form("at most 16384 bytes", format!("{} bytes", text.len())));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            let expected = "three parts with dots between them (a signed JWT)";
            return Err(form(expected, parts.len().to_string()));
        };
        let head = object("a header that is one JSON object", header)?;
        if let Some(refused) = REFUSED.into_iter().find(|name| head.contains_key(*name)) {
            return Err(IdentityError::Header(refused));
        }
        check_type(&head)?;
        let key_id = match head.get("kid") {
            None => None,
            Some(_) => Some(required(&head, "kid", "a `kid` that is text")?),
        };
        let claims_read = object("claims that are one JSON object", claims)?;
        Ok(Self {
            algorithm: required(&head, "alg", "an `alg` that is text")?,
            key_id,
            issuer: required(&claims_read, "iss", "an `iss` that is text")?,
            claims: claims_read,
            signed: format!("{header}.{claims}"),
            signature: decode("a signature", signature)?,
        })
    }

    /// Gives who says to have made it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Gives the algorithm that it says to be signed by.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// Gives the key that it says to be signed with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Gives the digest that stands for it in the record: of `jti` or, where there is none, of what is signed.
    ///
    /// Not of the whole text: an ECDSA signature has a second form that fits as well.
    pub(super) fn sha256(&self) -> [u8; 32] {
        let jti = self.claims.get("jti").and_then(Value::as_str);
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, jti.unwrap_or(&self.signed).as_bytes()).as_ref());
        sha256
    }
}

/// `typ` says what kind of JWT it is: an ID token's is `JWT` or absent, an access token's `at+jwt` (RFC 9068).
fn check_type(header: &Map<String, Value>) -> Result<(), IdentityError> {
    let Some(found) = header.get("typ") else {
        return Ok(());
    };
    let expected = "a `typ` of JWT or at+jwt";
    let word = found.as_str().map(str::to_ascii_lowercase);
    match word.as_deref() {
        Some("jwt" | "at+jwt" | "application/at+jwt") => Ok(()),
        Some(other) => Err(form(expected, format!("{:?}", cut(other)))),
        None => Err(form(expected, "something that is not text".to_owned())),
    }
}

fn object(expected: &'static str, part: &str) -> Result<Map<String, Value>, IdentityError> {
    let bytes = decode(expected, part)?;
    let read = check_strict(&bytes).and_then(|()| serde_json::from_slice(&bytes));
    read.map_err(|error| {
        // The error's own text may repeat a claim; where it stands is enough.
        let (line, column) = (error.line(), error.column());
        let found = format!("what is none, or has a key twice (line {line}, column {column})");
        form(expected, found)
    })
}

fn decode(expected: &'static str, part: &str) -> Result<Vec<u8>, IdentityError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| {
        let found = "what is not base64url without padding".to_owned();
        form(expected, found)
    })
}

fn required(
    object: &Map<String, Value>,
    key: &str,
    expected: &'static str,
) -> Result<String, IdentityError> {
    match object.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err(form(expected, "something else".to_owned())),
        None => Err(form(expected, "none".to_owned())),
    }
}

fn form(expected: &'static str, found: String) -> IdentityError {
    IdentityError::Form { expected, found }
}
