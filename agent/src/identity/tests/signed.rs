//! Form, algorithm, key and signature.

use super::*;

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
fn a_token_is_told_from_an_ordinary_password_by_its_form() {
    let token = Signer::ec().token(&header("ES256"), &claims().to_string());
    assert!(Token::is_like(&token) && Token::is_like("eyJ.."));
    for other in [
        "",
        "hunter2",
        "an.ordinary.password",
        "eyJ",
        "eyJ.a",
        "eyJ.a.b.c",
        "ver:1-hint:2-a.b.c",
    ] {
        assert!(!Token::is_like(other), "{other}");
    }
}
