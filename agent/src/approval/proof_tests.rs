//! Which proofs show who said it, and which do not.

use std::collections::BTreeMap;

use base64::Engine as _;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use crate::approval::FORMAT_VERSION;
use crate::approval::fixtures::{at, group, rules};
use crate::id::ApprovalId;
use crate::identity::tests::Signer;

fn said(answer: Answer) -> Said {
    Said {
        format_version: FORMAT_VERSION,
        request: ApprovalId::new(),
        digest: "ab".repeat(32),
        answer,
        reason: None,
        grant_s: None,
        decided_at: at(100),
        face: "web".to_owned(),
    }
}

fn token(signer: &Signer, nonce: &str, changes: &[(&str, Value)]) -> String {
    let at_s = at(100).timestamp();
    let mut claims = json!({
        "iss": "https://id.acme.test", "sub": "ann", "aud": "approvals", "iat": at_s, "exp": at_s + 300,
        "auth_time": at_s - 60, "nonce": nonce, "acr": "high", "amr": ["pwd", "otp"], "groups": ["owners"],
    });
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    signer.token(r#"{"alg":"EdDSA","kid":"k1"}"#, &claims.to_string())
}

fn proved(signer: &Signer, decision: &Decision) -> Result<Proved, ProofError> {
    seen(signer, decision, decision.said.decided_at)
}

fn seen(
    signer: &Signer,
    decision: &Decision,
    seen_at: DateTime<Utc>,
) -> Result<Proved, ProofError> {
    let mut rules = rules([("owners", group(&["okta:ann"], 1))]);
    rules.people = BTreeMap::from([("slack:U1".to_owned(), "okta:ann".to_owned())]);
    let keys = signer.keys();
    let by = ProvedBy {
        keys: Some(&keys),
        slack: Some(b"secret"),
    };
    prove(&rules, by, decision, seen_at)
}

fn by_token(signer: &Signer, changes: &[(&str, Value)]) -> Result<Proved, ProofError> {
    let said = said(Answer::Approve);
    let id_token = token(signer, &said.nonce().unwrap(), changes);
    let proof = Proof::IdpPerDecision { id_token };
    proved(signer, &Decision { said, proof })
}

#[test]
fn an_issuer_shows_who_logged_in_for_this_one_decision() {
    let signer = Signer::ed();
    let shown = by_token(&signer, &[]).unwrap();
    assert_eq!(
        (&*shown.person, shown.grade),
        ("okta:ann", Grade::IdpPerDecision)
    );
    assert_eq!((shown.at, shown.acr.as_deref()), (at(100), Some("high")));
    assert!(shown.groups.contains("okta:owners") && shown.amr.contains("otp"));
    let at_s = at(100).timestamp();
    for (claim, value) in [
        ("nonce", json!("icecore-approval:00")),
        ("auth_time", json!(at_s - 301)),
        ("auth_time", json!(at_s + 1)),
        ("auth_time", Value::Null),
        ("aud", json!("icecore")),
        ("iss", json!("https://id.evil.test")),
        ("exp", json!(at_s - 600)),
        ("act", json!({ "sub": "agent" })),
    ] {
        let refused = by_token(&signer, &[(claim, value)]).unwrap_err();
        assert!(
            matches!(refused, ProofError::Token(_)),
            "{claim}: {refused}"
        );
    }
    let said = said(Answer::Approve);
    let id_token = token(&Signer::ed(), &said.nonce().unwrap(), &[]);
    let forged = Decision {
        said,
        proof: Proof::IdpPerDecision { id_token },
    };
    assert!(proved(&signer, &forged).is_err());
}

#[test]
fn a_login_from_before_the_word_was_not_made_for_it() {
    let signer = Signer::ed();
    let at_s = at(100).timestamp();
    assert!(by_token(&signer, &[("auth_time", json!(at_s - 61))]).is_ok());
    let refused = by_token(&signer, &[("auth_time", json!(at_s - 62))]).unwrap_err();
    assert!(matches!(refused, ProofError::OldLogin { .. }), "{refused}");
}

#[test]
fn a_word_that_was_changed_since_is_nobodys() {
    let signer = Signer::ed();
    let said = said(Answer::Deny);
    let id_token = token(&signer, &said.nonce().unwrap(), &[]);
    let changed = Said {
        answer: Answer::Approve,
        ..said
    };
    let proof = Proof::IdpPerDecision { id_token };
    let decision = Decision {
        said: changed,
        proof,
    };
    assert!(proved(&signer, &decision).is_err());
}

#[test]
fn a_word_of_the_first_or_last_time_there_is_proves_nothing() {
    let signer = Signer::ed();
    for decided_at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let said = Said {
            decided_at,
            ..said(Answer::Approve)
        };
        let id_token = token(&signer, &said.nonce().unwrap(), &[]);
        let proof = Proof::IdpPerDecision { id_token };
        let refused = seen(&signer, &Decision { said, proof }, at(100)).unwrap_err();
        assert!(matches!(refused, ProofError::OldLogin { .. }), "{refused}");
    }
}

#[test]
fn a_key_decides_for_eight_hours_for_whom_took_it() {
    let signer = Signer::ed();
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let seen_after = |after_s: i64, nonce: &str, seen_s: i64| {
        let said = Said {
            decided_at: at(100 + after_s),
            ..said(Answer::Approve)
        };
        let signature = pair.sign(said.nonce().unwrap().as_bytes());
        let proof = Proof::IdpKey {
            id_token: token(&signer, nonce, &[]),
            key: STANDARD.encode(pair.public_key()),
            signature: STANDARD.encode(signature),
        };
        seen(&signer, &Decision { said, proof }, at(100 + seen_s))
    };
    let by_key = |after_s: i64, nonce: &str| seen_after(after_s, nonce, after_s);
    let nonce = key_nonce(pair.public_key().as_ref());
    let shown = by_key(8 * 3600, &nonce).unwrap();
    assert_eq!((&*shown.person, shown.grade), ("okta:ann", Grade::IdpKey));
    assert!(by_key(8 * 3600 + 1, &nonce).is_err());
    assert!(by_key(-61, &nonce).is_err());
    // A key that was taken signs any time; it counts by when the host saw it.
    assert_eq!(seen_after(1, &nonce, 7200).unwrap().at, at(7300));
    assert!(seen_after(1, &nonce, 8 * 3600 + 1).is_err());
    assert!(seen_after(3600, &nonce, 10).is_err());
    assert!(by_key(1, &key_nonce(b"another")).is_err());
    let said = said(Answer::Approve);
    let proof = Proof::IdpKey {
        id_token: token(&signer, &nonce, &[]),
        key: STANDARD.encode(pair.public_key()),
        signature: STANDARD.encode(pair.sign(b"another")),
    };
    assert!(proved(&signer, &Decision { said, proof }).is_err());
}

/// A click as Slack tells it: `user`, and the value of the button.
fn click(said: &Said, user: &str, value: &str, at_s: i64, secret: &[u8]) -> Proof {
    let payload =
        json!({ "type": "block_actions", "user": { "id": user }, "actions": [{ "value": value }] });
    let payload = payload.to_string();
    let encoded =
        percent_encoding::utf8_percent_encode(&payload, percent_encoding::NON_ALPHANUMERIC);
    let body = format!("payload={encoded}");
    let timestamp = (said.decided_at.timestamp() + at_s).to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let code = hmac::sign(&key, format!("v0:{timestamp}:{body}").as_bytes());
    Proof::Chat {
        service: "slack".to_owned(),
        user: "U1".to_owned(),
        message: STANDARD.encode(body),
        signature: format!("v0={}", hex(code.as_ref())),
        timestamp,
    }
}

#[test]
fn a_click_counts_for_the_person_whom_the_config_names_and_for_the_button_that_was_pressed() {
    let signer = Signer::ed();
    let said = said(Answer::Approve);
    let yes = format!("approve:{}", said.digest);
    let no = format!("deny:{}", said.digest);
    let shows = |proof: Proof| {
        let said = said.clone();
        proved(&signer, &Decision { said, proof })
    };
    let shown = shows(click(&said, "U1", &yes, 0, b"secret")).unwrap();
    assert_eq!((&*shown.person, shown.grade), ("okta:ann", Grade::Chat));
    assert!(shows(click(&said, "U1", &yes, 0, b"another")).is_err());
    assert!(shows(click(&said, "U2", &yes, 0, b"secret")).is_err());
    assert!(shows(click(&said, "U1", &no, 0, b"secret")).is_err());
    assert!(shows(click(&said, "U1", &yes, 301, b"secret")).is_err());
}

proptest! {
    #[test]
    fn any_message_of_a_chat_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), signature in ".{0,80}") {
        drop(payload(&body));
        drop(unhex(&signature));
    }
}
