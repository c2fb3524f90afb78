//! Keys that are held, looked for, and kept for the record.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::identity::{Algorithm, Kind};

const URL: &str = "https://id.acme.test";

fn issuer() -> Issuer {
    Issuer {
        name: "okta".to_owned(),
        url: URL.to_owned(),
        audiences: vec!["icecore".to_owned()],
        parties: Vec::new(),
        keys: KeySource::Discovery,
        algorithms: Algorithm::ALL.to_vec(),
        leeway: Duration::from_secs(60),
        max_age: None,
        groups_claim: "groups".to_owned(),
        members: std::collections::BTreeMap::new(),
        require: std::collections::BTreeMap::new(),
        ci: None,
        kind: Kind::Human,
    }
}

fn token(pair: &Ed25519KeyPair, key: &str, now_s: i64) -> Token {
    let header = json!({ "alg": "EdDSA", "kid": key });
    let claims = json!({
        "iss": URL, "sub": "ada", "aud": "icecore", "iat": now_s, "exp": now_s + 300, "jti": "1",
    });
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let text = [header, claims].map(|part| encode(part.to_string().as_bytes()));
    let text = text.join(".");
    let signature = encode(pair.sign(text.as_bytes()).as_ref());
    Token::read(&format!("{text}.{signature}")).unwrap()
}

#[test]
fn a_token_whose_key_is_held_waits_for_no_look() {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let keys = Keys::read(jwks(&pair).as_bytes()).unwrap();
    let clock = Clock::system();
    let known = Arc::new(Known {
        issuer: issuer(),
        state: std::sync::Mutex::default(),
        looking: Mutex::default(),
    });
    known.state().keys = Some((keys, clock.mono_ns()));
    let issuers = Issuers {
        known: vec![Arc::clone(&known)],
        web: web::Client::new(web::trust(None).unwrap()),
        keep: Arc::new(|_| Ok([0; 32])),
        clock,
        stale_for: Duration::ZERO,
    };
    let now_s = clock.now().timestamp();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Another token, of an invented key, has the issuer asked.
        let _turn = known.looking.lock().await;
        let (invented, good) = (token(&pair, "k2", now_s), token(&pair, "k1", now_s));
        tokio::select! {
            biased;
            _ = issuers.verify(&invented) => panic!("a key that is not held was not looked for"),
            verified = issuers.verify(&good) => {
                let principal = verified.unwrap();
                assert_eq!(principal.identity().name(), "okta:ada");
            }
        }
    });
}

fn jwks(pair: &Ed25519KeyPair) -> String {
    let public = URL_SAFE_NO_PAD.encode(pair.public_key());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": public });
    json!({ "keys": [jwk] }).to_string()
}

#[test]
fn nobody_is_known_by_keys_that_the_record_does_not_have() {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks");
    std::fs::write(&file, jwks(&pair)).unwrap();
    let clock = Clock::system();
    let verified = |keep: Keep| {
        let known = Known {
            issuer: Issuer {
                keys: KeySource::File(file.clone()),
                ..issuer()
            },
            state: std::sync::Mutex::default(),
            looking: Mutex::default(),
        };
        let issuers = Issuers {
            known: vec![Arc::new(known)],
            web: web::Client::offline().unwrap(),
            keep,
            clock,
            stale_for: Duration::ZERO,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let token = token(&pair, "k1", clock.now().timestamp());
        runtime.block_on(issuers.verify(&token))
    };
    let (tell, told) = std::sync::mpsc::channel();
    let principal = verified(Arc::new(move |document| {
        tell.send(document.to_vec()).unwrap();
        Ok(crate::record::sha256(document))
    }));
    let kept = told.recv().unwrap();
    assert_eq!(kept, jwks(&pair).into_bytes());
    let keys = principal.unwrap().keys_sha256();
    assert_eq!(keys, Some(crate::record::sha256(&kept)));
    let refused = verified(Arc::new(|_| Err(RecordError::Closed))).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("cannot be kept"), "{text}");
}
