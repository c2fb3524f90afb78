//! Which tokens show an identity, which do not, and what is said of these.

mod checked;
mod laws;
mod said;
mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://id.acme.test";
const NOW_S: i64 = 1_800_000_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW_S, 0).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A private key of an issuer of ours.
pub(crate) enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn rsa() -> Self {
        // Cargo runs tests in their package's folder.
        let file = "src/upstream/credential/keys/plain.pem";
        let der = PrivatePkcs8KeyDer::from_pem_file(file).unwrap();
        Self::Rsa(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap())
    }

    fn ec() -> Self {
        Self::on(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    fn on(curve: &'static signature::EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(curve, der.as_ref(), &random).unwrap())
    }

    pub(crate) fn ed() -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "kid": id, "n": encode(public.n), "e": encode(public.e) })
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(point.len() / 2);
                let crv = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": crv, "kid": id, "x": encode(x), "y": encode(y) })
            }
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": encode(pair.public_key()) })
            }
        }
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::read(self.jwks().as_bytes()).unwrap()
    }

    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.jwk("k1")] }).to_string()
    }

    fn sign(&self, algorithm: &str, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(padding, &random, text.as_bytes(), &mut signature);
                signed.unwrap();
                signature
            }
            Self::Ec(pair) => pair
                .sign(&random, text.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Ed(pair) => pair.sign(text.as_bytes()).as_ref().to_vec(),
        }
    }

    pub(crate) fn token(&self, header: &str, claims: &str) -> String {
        let algorithm: Value = serde_json::from_str(header).unwrap();
        let text = format!("{}.{}", encode(header), encode(claims));
        let signature = self.sign(algorithm["alg"].as_str().unwrap_or_default(), &text);
        format!("{text}.{}", encode(signature))
    }
}

fn issuer() -> Issuer {
    Issuer {
        name: "okta".to_owned(),
        url: URL.to_owned(),
        audiences: vec!["icecore".to_owned(), "icecore-2".to_owned()],
        parties: vec!["client-1".to_owned()],
        keys: KeySource::Discovery,
        algorithms: Algorithm::ALL.to_vec(),
        leeway: Duration::from_secs(60),
        max_age: None,
        groups_claim: "groups".to_owned(),
        members: BTreeMap::new(),
        require: BTreeMap::new(),
        ci: None,
        kind: Kind::Human,
    }
}

fn claims() -> Value {
    json!({
        "iss": URL, "sub": "00u1", "aud": "icecore",
        "iat": NOW_S - 10, "nbf": NOW_S - 10, "exp": NOW_S + 300,
        "groups": ["analysts"], "jti": "t-1",
    })
}

/// Gives a good token's claims with some changed; null takes one out.
fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn header(algorithm: &str) -> String {
    json!({ "alg": algorithm, "typ": "JWT", "kid": "k1" }).to_string()
}

fn judge(issuer: &Issuer, keys: &Keys, token: &str) -> Result<Principal, IdentityError> {
    verify(issuer, keys, &Token::read(token)?, now())
}

fn shows(issuer: &Issuer, claims: &Value) -> Result<Principal, IdentityError> {
    let signer = Signer::ed();
    let token = signer.token(&header("EdDSA"), &claims.to_string());
    judge(issuer, &signer.keys(), &token)
}

/// Gives the principal of a CI job's good token, with some claims changed; for the tests of later stages.
pub(crate) fn job(changes: Value) -> Principal {
    let issuer = Issuer {
        ci: Some(CiSystem::GitHub),
        kind: Kind::Workload,
        ..issuer()
    };
    shows(&issuer, &with(changes)).unwrap()
}

/// A signer whose key is the same for all callers, for the tests of later stages.
fn acme() -> &'static Signer {
    static ACME: std::sync::OnceLock<Signer> = std::sync::OnceLock::new();
    ACME.get_or_init(Signer::ed)
}

/// Gives a token of the tests' issuer, with some claims changed.
pub(crate) fn issued_by_acme(changes: Value) -> String {
    acme().token(&header("EdDSA"), &with(changes).to_string())
}

/// Gives the keys of the tests' issuer.
pub(crate) fn keys_of_acme_text() -> String {
    json!({ "keys": [acme().jwk("k1")] }).to_string()
}

/// Gives the principal of a good SAML assertion, whose provider ends sessions at 20:00 on 2026-11-26.
pub(crate) fn asserted() -> Principal {
    provider::tests::asserted()
}

#[track_caller]
fn refused(issuer: &Issuer, changes: Value, expected: &str) {
    let error = shows(issuer, &with(changes)).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

/// All hosts claim a token under one digest, whatever they call its issuer and however its signature is written.
#[test]
fn a_claims_digest_is_the_tokens_and_its_issuers() {
    let digest = |issuer: &Issuer, changes: Value| {
        let signer = Signer::ec();
        let token = signer.token(&header("ES256"), &with(changes).to_string());
        judge(issuer, &signer.keys(), &token)
            .unwrap()
            .claim_sha256()
    };
    let named = |name: &str| Issuer {
        name: name.to_owned(),
        ..issuer()
    };
    let without_id = || json!({ "jti": null });
    let one = digest(&named("okta"), without_id());
    assert!(one.is_some());
    assert_eq!(one, digest(&named("other"), without_id()));
    assert_ne!(
        one,
        digest(&named("okta"), json!({ "jti": null, "sub": "00u2" }))
    );
    let elsewhere = Issuer {
        url: "https://other.test".to_owned(),
        ..issuer()
    };
    let claims = json!({ "iss": "https://other.test" });
    assert_ne!(digest(&issuer(), json!({})), digest(&elsewhere, claims));
    assert_eq!(
        Principal::host_user("ci".to_owned(), 7).claim_sha256(),
        None
    );
}
