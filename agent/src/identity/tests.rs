//! Which tokens show an identity, which do not, and what is said of these.

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
enum Signer {
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

    fn ed() -> Self {
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

    fn keys(&self) -> Keys {
        Keys::read(json!({ "keys": [self.jwk("k1")] }).to_string().as_bytes()).unwrap()
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

    fn token(&self, header: &str, claims: &str) -> String {
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

#[track_caller]
fn refused(issuer: &Issuer, changes: Value, expected: &str) {
    let error = shows(issuer, &with(changes)).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_token_by_each_algorithm_shows_who_it_is() {
    let p384 = Signer::on(&signature::ECDSA_P384_SHA384_FIXED_SIGNING);
    for (signer, algorithms) in [
        (
            Signer::rsa(),
            vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ),
        (Signer::ec(), vec!["ES256"]),
        (p384, vec!["ES384"]),
        (Signer::ed(), vec!["EdDSA"]),
    ] {
        for algorithm in algorithms {
            let token = signer.token(&header(algorithm), &claims().to_string());
            let principal = judge(&issuer(), &signer.keys(), &token).unwrap();
            let identity = principal.identity();
            assert_eq!(identity.name(), "okta:00u1", "{algorithm}");
            assert_eq!(identity.groups().collect::<Vec<_>>(), ["okta:analysts"]);
            assert_eq!(principal.issuer(), Some(URL));
            assert_eq!(principal.expires_at().unwrap().timestamp(), NOW_S + 300);
            assert_eq!(principal.to_string(), "okta:00u1 of https://id.acme.test");
        }
    }
}

#[test]
fn algorithms_that_the_issuer_may_not_use_are_refused() {
    let signer = Signer::rsa();
    let only = Issuer {
        algorithms: vec![Algorithm::Rs256],
        ..issuer()
    };
    for algorithm in ["none", "None", "HS256", "ES512", "RS512", "rs256", "EdDSA"] {
        let token = signer.token(&header(algorithm), &claims().to_string());
        let error = judge(&only, &signer.keys(), &token).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("token: expected `alg` `RS256` of issuer `okta`, found {algorithm:?}")
        );
    }
    // No signature at all, and an HMAC whose secret is the public key.
    let text = format!(
        "{}.{}",
        encode(header("none")),
        encode(claims().to_string())
    );
    assert!(judge(&issuer(), &signer.keys(), &format!("{text}.")).is_err());
    let public = signer.jwk("k1").to_string();
    let text = format!(
        "{}.{}",
        encode(header("HS256")),
        encode(claims().to_string())
    );
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public.as_bytes());
    let forged = format!(
        "{text}.{}",
        encode(ring::hmac::sign(&secret, text.as_bytes()))
    );
    assert!(judge(&issuer(), &signer.keys(), &forged).is_err());
}

#[test]
fn a_key_must_fit_the_algorithm_and_the_kid() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec());
    let other = json!({ "alg": "RS256", "kid": "k2" }).to_string();
    let unnamed = json!({ "alg": "RS256" }).to_string();
    let text = claims().to_string();
    let check = |set: Value, head: &str, expected: Result<(), &str>| {
        let keys = Keys::read(json!({ "keys": set }).to_string().as_bytes()).unwrap();
        let found = judge(&issuer(), &keys, &rsa.token(head, &text));
        let found = found.map(drop).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    };
    let both = json!([rsa.jwk("k1"), ec.jwk("k2")]);
    check(both.clone(), &header("RS256"), Ok(()));
    check(
        both.clone(),
        &other,
        Err(
            "token: expected a key for RS256 that issuer `okta` publishes as \"k2\", found 0 that fit",
        ),
    );
    check(both, &unnamed, Ok(()));
    check(
        json!([rsa.jwk("k1"), rsa.jwk("k2")]),
        &unnamed,
        Err(
            "token: expected a key for RS256 that issuer `okta` publishes as its only one (the token has no `kid`), \
             found 2 that fit",
        ),
    );
    let mut meant = rsa.jwk("k1");
    meant["alg"] = "PS256".into();
    check(
        json!([meant]),
        &header("RS256"),
        Err(
            "token: expected a key for RS256 that issuer `okta` publishes as \"k1\", found 0 that fit",
        ),
    );
    let keys = ec.keys();
    let foreign = Signer::ec().token(&header("ES256"), &text);
    assert_eq!(
        judge(&issuer(), &keys, &foreign).unwrap_err().to_string(),
        "token: expected a signature of issuer `okta`, found one that does not fit the text"
    );
}

#[test]
fn keys_that_cannot_be_used_are_left_out_and_broken_ones_told() {
    let rsa = Signer::rsa().jwk("k1");
    let check = |set: Value, expected: Result<(), &str>| {
        let found = Keys::read(set.to_string().as_bytes()).map(drop);
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    };
    let secret = json!({ "kty": "oct", "kid": "k1", "k": "AAAA" });
    let mut encrypts = rsa.clone();
    encrypts["use"] = "enc".into();
    check(json!({ "keys": [rsa, secret, encrypts] }), Ok(()));
    check(
        json!({ "keys": [secret, encrypts] }),
        Err(
            "keys: expected a public key for RSA, P-256, P-384 or Ed25519 signatures, found none among 2",
        ),
    );
    let mut short = rsa.clone();
    short["n"] = encode([255; 255]).into();
    check(
        json!({ "keys": [short] }),
        Err("keys: expected RSA keys of at least 2048 bits, found 2040 bits"),
    );
    check(
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }] }),
        Err(
            "keys: expected keys with their numbers in base64url of the curve's length, found one whose `x` is none",
        ),
    );
    check(
        json!({ "key": [] }),
        Err("keys: expected a list `keys`, found none"),
    );
    assert!(Keys::read(br#"{"keys":[],"keys":[]}"#).is_err());
    assert!(Keys::read(&vec![b' '; KEYS_MAX_BYTES + 1]).is_err());
}

#[test]
fn a_token_that_could_be_read_in_two_ways_is_refused() {
    let signer = Signer::ed();
    let head = header("EdDSA");
    let check = |token: &str, expected: &str| {
        let error = judge(&issuer(), &signer.keys(), token).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let text = claims().to_string();
    for name in ["jku", "x5u", "jwk", "x5c", "crit", "b64"] {
        let head = json!({ "alg": "EdDSA", "kid": "k1", (name): "https://evil.test" }).to_string();
        check(
            &signer.token(&head, &text),
            &format!(
                "token: expected a header without `{name}`, which would let the token choose its own keys or rules"
            ),
        );
    }
    let twice = text.replacen('{', "{\"sub\":\"root\",", 1);
    check(
        &signer.token(&head, &twice),
        "token: expected claims that are one JSON object, found what is none, or has a key twice (line 1, column 48)",
    );
    let head_twice = r#"{"alg":"EdDSA","kid":"k1","alg":"EdDSA"}"#;
    assert!(judge(&issuer(), &signer.keys(), &signer.token(head_twice, &text)).is_err());
    let typed = json!({ "alg": "EdDSA", "kid": "k1", "typ": "dpop+jwt" }).to_string();
    check(
        &signer.token(&typed, &text),
        "token: expected a `typ` of JWT or at+jwt, found \"dpop+jwt\"",
    );
    check(
        &format!("{}=", signer.token(&head, &text)),
        "token: expected a signature, found what is not base64url without padding",
    );
    check(
        "a.b",
        "token: expected three parts with dots between them (a signed JWT), found 2",
    );
    check(
        &"a".repeat(TOKEN_MAX_BYTES + 1),
        "token: expected at most 16384 bytes, found 16385 bytes",
    );
}

#[test]
fn issuer_and_audience_must_be_ours() {
    let issuer = issuer();
    refused(
        &issuer,
        json!({ "iss": "https://id.acme.test/" }),
        "token: expected one of the issuers `https://id.acme.test`, found \"https://id.acme.test/\"",
    );
    for (audience, shown) in [
        (json!("other"), "\"other\""),
        (json!([]), "[]"),
        (Value::Null, "none"),
        (json!("Icecore"), "\"Icecore\""),
    ] {
        refused(
            &issuer,
            json!({ "aud": audience }),
            &format!(
                "token of issuer `okta`: expected `aud` with one of [\"icecore\", \"icecore-2\"], found {shown}"
            ),
        );
    }
    assert!(shows(&issuer, &with(json!({ "aud": ["icecore", "icecore-2"] }))).is_ok());
    for party in [Value::Null, json!("client-2")] {
        let changes = json!({ "aud": ["icecore", "other"], "azp": party });
        let error = shows(&issuer, &with(changes)).unwrap_err().to_string();
        assert!(
            error.contains("expected `azp` of [\"client-1\"]"),
            "{error}"
        );
    }
    let both = json!({ "aud": ["icecore", "other"], "azp": "client-1" });
    assert!(shows(&issuer, &with(both)).is_ok());
}

#[test]
fn times_are_checked_with_the_leeway_and_no_more() {
    let issuer = Issuer {
        max_age: Some(Duration::from_secs(600)),
        ..issuer()
    };
    for (changes, good) in [
        (json!({ "exp": NOW_S - 59 }), true),
        (json!({ "exp": NOW_S - 60 }), false),
        (json!({ "iat": NOW_S + 60 }), true),
        (json!({ "iat": NOW_S + 61 }), false),
        (json!({ "nbf": NOW_S + 60 }), true),
        (json!({ "nbf": NOW_S + 61 }), false),
        (json!({ "nbf": null }), true),
        (json!({ "iat": NOW_S - 660 }), true),
        (json!({ "iat": NOW_S - 661 }), false),
        (json!({ "iat": null }), false),
        (json!({ "exp": null }), false),
        (json!({ "exp": "1900000000" }), false),
        (json!({ "exp": -1 }), false),
        (json!({ "exp": i64::MAX }), true),
        (json!({ "nbf": 1.5 }), false),
    ] {
        assert_eq!(
            shows(&issuer, &with(changes.clone())).is_ok(),
            good,
            "{changes}"
        );
    }
    refused(
        &issuer,
        json!({ "exp": NOW_S - 400 }),
        "token of issuer `okta`: expected `exp` in the future, found an expiry 400 s ago",
    );
}

#[test]
fn required_claims_must_have_one_of_their_values() {
    let require = |claim: &str, values: &[&str]| Issuer {
        require: BTreeMap::from([(
            claim.to_owned(),
            values
                .iter()
                .map(|&value| Pattern(value.to_owned()))
                .collect(),
        )]),
        ..issuer()
    };
    for (issuer, changes, good) in [
        (require("team", &["a", "b"]), json!({ "team": "b" }), true),
        (require("team", &["a", "b"]), json!({ "team": "c" }), false),
        (require("team", &["*"]), json!({}), false),
        (require("team", &["*"]), json!({ "team": "" }), false),
        (require("team", &["1"]), json!({ "team": 1 }), true),
        (require("mfa", &["true"]), json!({ "mfa": true }), true),
        (require("a.b", &["x"]), json!({ "a": { "b": "x" } }), true),
        (require("team", &["a"]), json!({ "team": ["a"] }), false),
    ] {
        assert_eq!(
            shows(&issuer, &with(changes.clone())).is_ok(),
            good,
            "{changes}"
        );
    }
    refused(
        &require("repository", &["acme/*"]),
        json!({ "repository": "evil/acme" }),
        "token of issuer `okta`: expected `repository` to be one of [\"acme/*\"], found \"evil/acme\"",
    );
    refused(
        &issuer(),
        json!({ "nonce": format!("{APPROVAL_NONCE}9f") }),
        "token of issuer `okta`: expected `nonce` of a session's token, found that of an approval, which opens no \
         session",
    );
}

#[test]
fn stars_stand_for_any_characters() {
    for (pattern, value, fits) in [
        ("acme/*", "acme/app", true),
        ("acme/*", "acme", false),
        ("*", "", true),
        ("a*a", "a", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("repo:acme/app:*", "repo:acme/app:ref:refs/heads/x/y", true),
        ("x", "xx", false),
        ("*x", "xxy", false),
    ] {
        assert_eq!(
            Pattern(pattern.to_owned()).fits(value),
            fits,
            "{pattern} {value}"
        );
    }
}

#[test]
fn groups_come_from_the_claim_that_the_config_names() {
    let groups = |claim: &str, changes: Value| {
        let issuer = Issuer {
            groups_claim: claim.to_owned(),
            ..issuer()
        };
        let shown = shows(&issuer, &with(changes));
        shown.map(|principal| principal.identity().groups().collect::<Vec<_>>())
    };
    let nested = json!({ "realm_access": { "roles": ["a", "b"] } });
    assert_eq!(
        groups("realm_access.roles", nested).unwrap(),
        ["okta:a", "okta:b"]
    );
    let url = json!({ "https://acme.test/groups": ["a"] });
    assert_eq!(groups("https://acme.test/groups", url).unwrap(), ["okta:a"]);
    assert_eq!(
        groups("roles", json!({ "roles": "one" })).unwrap(),
        ["okta:one"]
    );
    assert!(groups("roles", json!({})).unwrap().is_empty());
    for odd in [
        json!([1]),
        json!({ "a": 1 }),
        json!(["a\u{1b}"]),
        json!([""]),
    ] {
        assert!(groups("groups", json!({ "groups": odd })).is_err());
    }
    let many: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
    assert!(groups("groups", json!({ "groups": many })).is_err());
}

#[test]
fn groups_that_entra_left_out_are_told_with_advice() {
    for changes in [
        json!({ "groups": null, "_claim_names": { "groups": "src1" } }),
        json!({ "groups": null, "hasgroups": true }),
        json!({ "groups": null, "hasgroups": "true" }),
    ] {
        let error = shows(&issuer(), &with(changes)).unwrap_err();
        assert!(matches!(error, IdentityError::Overage { .. }), "{error}");
        assert!(
            error
                .hint()
                .unwrap()
                .contains("groups assigned to the application")
        );
    }
}

#[test]
fn the_config_may_fill_groups_by_subject_and_verified_address() {
    let issuer = Issuer {
        members: BTreeMap::from([
            ("owners".to_owned(), vec!["ada@acme.test".to_owned()]),
            ("staff".to_owned(), vec!["00u1".to_owned()]),
        ]),
        ..issuer()
    };
    for (changes, expected) in [
        (
            json!({ "groups": null, "email": "ada@acme.test", "email_verified": true }),
            vec!["okta:owners", "okta:staff"],
        ),
        (
            json!({ "groups": null, "email": "ada@acme.test", "email_verified": false }),
            vec!["okta:staff"],
        ),
        (
            json!({ "groups": null, "email": "ada@acme.test", "sub": "x" }),
            vec![],
        ),
    ] {
        let principal = shows(&issuer, &with(changes)).unwrap();
        assert_eq!(principal.identity().groups().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn scopes_and_the_acting_agent_are_read() {
    let all =
        with(json!({ "scope": "read  write", "scp": ["read", "x"], "act": { "sub": "bot" } }));
    let principal = shows(&issuer(), &all).unwrap();
    let expected: BTreeSet<String> = ["read", "write", "x"].map(str::to_owned).into();
    assert_eq!(principal.identity().scopes(), &expected);
    assert_eq!(principal.identity().agent(), Some("bot"));
    assert!(shows(&issuer(), &with(json!({ "act": "bot" }))).is_err());
    assert!(shows(&issuer(), &with(json!({ "act": {} }))).is_err());
}

/// Shape: docs.github.com, "OpenID Connect reference".
#[test]
fn a_github_job_is_known_by_its_facts() {
    let issuer = Issuer {
        ci: Some(CiSystem::GitHub),
        kind: Kind::Workload,
        ..issuer()
    };
    let changes = json!({
        "sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app", "repository_id": "74",
        "ref": "refs/heads/main", "sha": "c0ffee", "run_id": "30433642", "run_attempt": "2",
        "workflow_ref": "acme/app/.github/workflows/a.yml@refs/heads/main",
        "job_workflow_ref": "acme/ci/.github/workflows/b.yml@refs/heads/main",
        "actor": "ada", "actor_id": "12", "event_name": "push", "environment": "prod",
        "runner_environment": "self-hosted",
    });
    let principal = shows(&issuer, &with(changes)).unwrap();
    let text = |text: &str| Some(text.to_owned());
    let expected = Ci {
        provider: text("github"),
        repository: text("acme/app"),
        repository_id: text("74"),
        git_ref: text("refs/heads/main"),
        sha: text("c0ffee"),
        workflow_ref: text("acme/app/.github/workflows/a.yml@refs/heads/main"),
        job_workflow_ref: text("acme/ci/.github/workflows/b.yml@refs/heads/main"),
        run_id: text("30433642"),
        run_attempt: Some(2),
        actor: text("ada"),
        actor_id: text("12"),
        event: text("push"),
        environment: text("prod"),
        runner_environment: text("self-hosted"),
    };
    assert_eq!(principal.identity().ci(), &expected);
    assert_eq!(principal.identity().kind(), Some(Kind::Workload));
    assert_eq!(
        principal.identity().name(),
        "okta:repo:acme/app:ref:refs/heads/main"
    );
}

#[test]
fn no_error_repeats_the_token() {
    let signer = Signer::ed();
    let good = signer.token(&header("EdDSA"), &claims().to_string());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for token in [
        format!("{signed}.{}", encode([7; 64])),
        format!("{signed}.{signature}!"),
        format!("{signed}.{signature}.{signature}"),
    ] {
        let error = judge(&issuer(), &signer.keys(), &token).unwrap_err();
        let told = format!("{error} {error:?}");
        for piece in token.split('.').filter(|piece| piece.len() > 8) {
            assert!(!told.contains(piece), "{told}");
        }
    }
}

/// A claim's or header member's name and another value for it.
fn change() -> impl Strategy<Value = (bool, String, Value)> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        prop::collection::vec("[a-z]{0,4}", 0..3).prop_map(Value::from),
    ];
    let known = [
        "iss", "sub", "aud", "iat", "nbf", "exp", "groups", "jti", "alg", "typ", "kid",
    ];
    let name = prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        "[a-z]{1,6}"
    ];
    (any::<bool>(), name, value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_token_with_one_other_byte_is_taken(at in any::<prop::sample::Index>(), other in any::<u8>()) {
        let signer = Signer::ec();
        let good = signer.token(&header("ES256"), &claims().to_string());
        prop_assert!(judge(&issuer(), &signer.keys(), &good).is_ok());
        let mut bytes = good.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = other;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        prop_assert_eq!(judge(&issuer(), &signer.keys(), &changed).is_ok(), changed == good);
    }

    #[test]
    fn no_token_with_another_claim_or_header_is_taken((of_header, name, value) in change()) {
        let signer = Signer::ec();
        let good = signer.token(&header("ES256"), &claims().to_string());
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        let place = usize::from(!of_header);
        let mut object: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[place]).unwrap()).unwrap();
        object[name] = value;
        parts[place] = encode(object.to_string());
        let changed = parts.join(".");
        prop_assert_eq!(judge(&issuer(), &signer.keys(), &changed).is_ok(), changed == good);
    }

    #[test]
    fn any_text_gives_a_token_or_an_error(text in "[A-Za-z0-9_.=-]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(Token::read(&text));
        drop(Token::read(&format!("{}.{}.{}", encode(&bytes), encode(&bytes), text)));
        drop(Keys::read(&bytes));
    }
}
