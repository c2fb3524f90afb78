//! An issuer's public keys, a JWKS read strictly, and the one that a token is checked with. Source: RFC 7517, RFC 7518.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::{IdentityError, cut};
use super::token::Token;
use crate::snowflake::json::check_strict;

/// Longest set of keys that is read; Entra ID's takes 20 KB.
pub const KEYS_MAX_BYTES: usize = 256 << 10;

/// Most keys in a set.
const KEYS_MAX: usize = 128;

/// Least length of an RSA modulus, in bytes: 2048 bits (RFC 7518 section 3.3). Ring takes up to 8192.
const RSA_MIN_BYTES: usize = 256;

/// How a token is signed. HMAC is none of them: whoever checks it could make tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[expect(
    missing_docs,
    reason = "RFC 7518 section 3.1 and RFC 8037 say what each is"
)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// All that can be checked here.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Gives the word of the header's `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Finds an algorithm by its word.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    fn check(self) -> Check {
        match self {
            Self::Rs256 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Check::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Check::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Check::Rsa(&RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Check::Point(Curve::P256, &ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Check::Point(Curve::P384, &ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Check::Point(Curve::Ed25519, &ED25519),
        }
    }
}

/// Which keys an algorithm goes with, and how ring checks it.
enum Check {
    Rsa(&'static RsaParameters),
    Point(Curve, &'static dyn VerificationAlgorithm),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    Ed25519,
}

/// A public key that can check signatures.
#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Point { curve: Curve, bytes: Vec<u8> },
}

/// One key of a set.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    /// The one algorithm that its owner means it for, if it says so.
    algorithm: Option<String>,
    material: Material,
}

/// An issuer's public keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    keys: Vec<Key>,
    sha256: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        f.debug_tuple("Keys").field(&ids).finish()
    }
}

impl Keys {
    /// Reads a JWKS. Keys that are for something else, or of a kind that is not known, are left out; a broken one spoils
    /// the set.
    ///
    /// # Errors
    /// Too long, not strict JSON, a key without its members, an RSA key under 2048 bits, no key that can be used.
    pub fn read(text: &[u8]) -> Result<Self, IdentityError> {
        if text.len() > KEYS_MAX_BYTES {
            return Err(bad("at most 262144 bytes", format!("{} bytes", text.len())));
        }
        let read: Result<Map<String, Value>, _> =
            check_strict(text).and_then(|()| serde_json::from_slice(text));
        let set = read.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            bad(
                "one JSON object",
                format!("none (line {line}, column {column})"),
            )
        })?;
        let Some(Value::Array(listed)) = set.get("keys") else {
            return Err(bad("a list `keys`", "none".to_owned()));
        };
        if listed.len() > KEYS_MAX {
            return Err(bad("at most 128 keys", listed.len().to_string()));
        }
        let mut keys = Vec::new();
        for one in listed {
            keys.extend(key(one)?);
        }
        if keys.is_empty() {
            let expected = "a public key for RSA, P-256, P-384 or Ed25519 signatures";
            return Err(bad(expected, format!("none among {}", listed.len())));
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, text).as_ref());
        Ok(Self { keys, sha256 })
    }

    /// Gives the digest of the set's text.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Tells how many keys can be used.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a set without a key is not read"
    )]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells by which of these algorithms a key here can check.
    #[must_use]
    pub fn algorithms(&self, of: &[Algorithm]) -> Vec<Algorithm> {
        let has_key = |one: &Algorithm| self.keys.iter().any(|key| key.fits(*one));
        of.iter().copied().filter(has_key).collect()
    }

    /// Checks a token's signature by the one key that fits its `kid` and algorithm.
    pub(super) fn check(
        &self,
        issuer: &str,
        algorithm: Algorithm,
        token: &Token,
    ) -> Result<(), IdentityError> {
        let fits = |key: &&Key| {
            let named = token
                .key_id()
                .is_none_or(|id| key.id.as_deref() == Some(id));
            named && key.fits(algorithm)
        };
        let fitting: Vec<&Key> = self.keys.iter().filter(fits).collect();
        let [key] = fitting.as_slice() else {
            return Err(IdentityError::Key {
                issuer: issuer.to_owned(),
                algorithm: algorithm.name(),
                key_id: token.key_id().map(cut),
                found: fitting.len(),
            });
        };
        if key.material.has_signed(algorithm, token) {
            return Ok(());
        }
        Err(IdentityError::Signature {
            issuer: issuer.to_owned(),
        })
    }
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        let meant = self
            .algorithm
            .as_deref()
            .is_none_or(|meant| meant == algorithm.name());
        let fits = match (&self.material, algorithm.check()) {
            (Material::Rsa { .. }, Check::Rsa(_)) => true,
            (Material::Point { curve, .. }, Check::Point(needed, _)) => *curve == needed,
            (Material::Rsa { .. }, Check::Point(..)) | (Material::Point { .. }, Check::Rsa(_)) => {
                false
            }
        };
        meant && fits
    }
}

impl Material {
    fn has_signed(&self, algorithm: Algorithm, token: &Token) -> bool {
        let (text, signature) = (token.signed.as_bytes(), token.signature.as_slice());
        match (self, algorithm.check()) {
            (Self::Rsa { n, e }, Check::Rsa(parameters)) => RsaPublicKeyComponents { n, e }
                .verify(parameters, text, signature)
                .is_ok(),
            (Self::Point { bytes, .. }, Check::Point(_, by)) => UnparsedPublicKey::new(by, bytes)
                .verify(text, signature)
                .is_ok(),
            (Self::Rsa { .. }, Check::Point(..)) | (Self::Point { .. }, Check::Rsa(_)) => false,
        }
    }
}

/// Reads one key; none if it is not for signatures, or of a kind that cannot be used here.
fn key(value: &Value) -> Result<Option<Key>, IdentityError> {
    let Value::Object(members) = value else {
        return Err(bad(
            "keys that are JSON objects",
            "another value".to_owned(),
        ));
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let signs = text("use").is_none_or(|meant| meant == "sig");
    let verifies = members.get("key_ops").is_none_or(|operations| {
        let operations = operations.as_array();
        operations.is_some_and(|all| all.iter().any(|one| one.as_str() == Some("verify")))
    });
    if !signs || !verifies {
        return Ok(None);
    }
    let material = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => rsa(members)?,
        (Some("EC"), Some("P-256")) => point(Curve::P256, members, 32)?,
        (Some("EC"), Some("P-384")) => point(Curve::P384, members, 48)?,
        (Some("OKP"), Some("Ed25519")) => Material::Point {
            curve: Curve::Ed25519,
            bytes: number("x", members, Some(32))?,
        },
        // Among them `oct`, which would be a shared secret.
        (_, _) => return Ok(None),
    };
    Ok(Some(Key {
        id: text("kid").map(str::to_owned),
        algorithm: text("alg").map(str::to_owned),
        material,
    }))
}

fn rsa(members: &Map<String, Value>) -> Result<Material, IdentityError> {
    let mut n = number("n", members, None)?;
    // Some issuers write the sign byte of DER too, which ring does not take.
    n.drain(..n.iter().take_while(|byte| **byte == 0).count());
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    if n.len() < RSA_MIN_BYTES || bits < RSA_MIN_BYTES * 8 {
        return Err(bad(
            "RSA keys of at least 2048 bits",
            format!("{bits} bits"),
        ));
    }
    let e = number("e", members, None)?;
    Ok(Material::Rsa { n, e })
}

/// Writes a point as ring takes it: uncompressed (SEC 1 section 2.3.3).
fn point(
    curve: Curve,
    members: &Map<String, Value>,
    bytes: usize,
) -> Result<Material, IdentityError> {
    let (x, y) = (
        number("x", members, Some(bytes))?,
        number("y", members, Some(bytes))?,
    );
    let bytes = [vec![4], x, y].concat();
    Ok(Material::Point { curve, bytes })
}

fn number(
    name: &'static str,
    members: &Map<String, Value>,
    length: Option<usize>,
) -> Result<Vec<u8>, IdentityError> {
    let decoded = members
        .get(name)
        .and_then(Value::as_str)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    match decoded {
        Some(bytes) if length.map_or(!bytes.is_empty(), |length| bytes.len() == length) => {
            Ok(bytes)
        }
        _ => Err(bad(
            "keys with their numbers in base64url of the curve's length",
            format!("one whose `{name}` is none"),
        )),
    }
}

fn bad(expected: &'static str, found: String) -> IdentityError {
    IdentityError::Keys { expected, found }
}
