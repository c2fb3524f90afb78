//! Whose word makes an installation ours, and whose does not.

use serde_json::json;

use super::super::keys::SigningKey;
use super::*;
use crate::identity::tests::{issued_by_acme, keys_of_acme_text};
use crate::identity::{Keys, OperatorIs};

const ISSUER: &str = "https://id.acme.test";

/// When the identity tests' issuer makes its tokens.
fn made_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 - 60, 0).unwrap()
}

fn enrolment(key: &SigningKey) -> Enrolment {
    Enrolment {
        format_version: FORMAT_VERSION,
        org: "acme".to_owned(),
        host_id: "host-1".to_owned(),
        installation: key.public_text(),
        created_at: made_at(),
    }
}

fn enrolled(key: &SigningKey, enrolment: &Enrolment, changes: serde_json::Value) -> Enrolled {
    let document = String::from_utf8(envelope::seal(enrolment, key.pair()).unwrap()).unwrap();
    let mut claims = json!({ "nonce": nonce(document.as_bytes()) });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    Enrolled {
        document,
        id_token: issued_by_acme(claims),
        jwks: String::new(),
    }
}

fn operator(is: OperatorIs) -> [Operator; 1] {
    let keys = Keys::read(keys_of_acme_text().as_bytes()).unwrap();
    [Operator::new(ISSUER, "icecore", is, keys)]
}

fn subject(name: &str) -> OperatorIs {
    OperatorIs::Subject(name.to_owned())
}

#[test]
fn an_operator_vouches_for_one_key_of_one_organisation() {
    let key = SigningKey::make().unwrap();
    let file = enrolled(&key, &enrolment(&key), json!({}));
    let bytes = serde_json::to_vec(&file).unwrap();
    let file = Enrolled::read(&bytes).unwrap();
    let at = ("acme", &*key.id());
    for is in [subject("00u1"), OperatorIs::Group("analysts".to_owned())] {
        let (found, document, who) = file.vouched(at, &operator(is)).unwrap();
        assert_eq!((&found, document), (key.public(), enrolment(&key)));
        assert_eq!(who, "00u1");
    }
    for (at, operators, expected) in [
        (
            ("other", at.1),
            operator(subject("00u1")).to_vec(),
            "organisation other",
        ),
        (("acme", "00"), operator(subject("00u1")).to_vec(), "key 00"),
        (at, operator(subject("00u2")).to_vec(), "operator `00u2`"),
        (
            at,
            operator(OperatorIs::Email("a@acme.test".to_owned())).to_vec(),
            "`email`",
        ),
        (at, Vec::new(), "no operator is trusted"),
    ] {
        let error = file.vouched(at, &operators).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_token_for_something_else_vouches_for_nothing() {
    let key = SigningKey::make().unwrap();
    let at = ("acme", &*key.id());
    let said = enrolment(&key);
    let good = enrolled(&key, &said, json!({}));
    // The nonce of another document of the same host.
    let mut other = enrolled(
        &key,
        &Enrolment {
            host_id: "host-2".to_owned(),
            ..said.clone()
        },
        json!({}),
    );
    other.id_token.clone_from(&good.id_token);
    let late = Enrolment {
        created_at: made_at() - chrono::TimeDelta::hours(2),
        ..said.clone()
    };
    let cases = [
        (other, "`nonce`"),
        (enrolled(&key, &said, json!({ "nonce": null })), "`nonce`"),
        (enrolled(&key, &said, json!({ "aud": "other" })), "`aud`"),
        (enrolled(&key, &late, json!({})), "`iat`"),
        // Signed by another key than it names.
        (
            enrolled(&SigningKey::make().unwrap(), &said, json!({})),
            "not signed by the key",
        ),
    ];
    for (file, expected) in cases {
        let error = file.vouched(at, &operator(subject("00u1"))).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Keys that the store brings along are nobody's word.
    let strangers = Keys::read(
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );
    let stranger = Operator::new(ISSUER, "icecore", subject("00u1"), strangers.unwrap());
    let error = good.vouched(at, &[stranger]).unwrap_err();
    assert!(error.to_string().contains("signature"), "{error}");
}
