//! What is taken and what is not, shown with assertions that are really signed.

mod canonical;
mod conditions;
mod document;
mod facts;
mod form;
mod laws;
mod metadata;
mod signer;
mod wrapping;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use signer::{Form, Signer, sign};

/// An assertion before it is signed, canonical as it stands; tests change it before or after.
pub(in crate::identity) const ASSERTION: &str = concat!(
    r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1""#,
    r#" IssueInstant="2026-11-26T12:00:00Z" Version="2.0">"#,
    r#"<saml:Issuer>https://idp.example</saml:Issuer>"#,
    r#"<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">ada@example.com"#,
    r#"</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">"#,
    r#"<saml:SubjectConfirmationData InResponseTo="_q7" NotOnOrAfter="2026-11-26T12:05:00Z""#,
    r#" Recipient="https://icecore.example/acs"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>"#,
    r#"<saml:Conditions NotBefore="2026-11-26T12:00:00Z" NotOnOrAfter="2026-11-26T12:10:00Z">"#,
    r#"<saml:AudienceRestriction><saml:Audience>icecore</saml:Audience></saml:AudienceRestriction></saml:Conditions>"#,
    r#"<saml:AuthnStatement AuthnInstant="2026-11-26T11:30:00Z" SessionNotOnOrAfter="2026-11-26T20:00:00Z">"#,
    r#"<saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password"#,
    r#"</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"#,
    r#"<saml:AttributeStatement><saml:Attribute Name="groups"><saml:AttributeValue>analysts</saml:AttributeValue>"#,
    r#"<saml:AttributeValue>R&amp;D</saml:AttributeValue></saml:Attribute>"#,
    r#"<saml:Attribute Name="user"><saml:AttributeValue>ada</saml:AttributeValue></saml:Attribute>"#,
    r#"</saml:AttributeStatement></saml:Assertion>"#,
);

/// A response around it.
fn response(assertion: &str) -> String {
    [
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r1" Version="2.0""#,
        r#" IssueInstant="2026-11-26T12:00:00Z" Destination="https://icecore.example/acs">"#,
        r#"<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://idp.example</saml:Issuer>"#,
        r#"<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>"#,
        assertion,
        "</samlp:Response>",
    ]
    .concat()
}

pub(in crate::identity) fn now() -> DateTime<Utc> {
    "2026-11-26T12:01:00Z".parse().unwrap()
}

/// What the provider publishes that signs by RSA.
pub(in crate::identity) fn provider() -> Provider {
    Provider::read(signer::metadata(&[&Signer::rsa()]).as_bytes()).unwrap()
}

fn settings(signers: &[&Signer]) -> Settings {
    Settings {
        provider: Provider::read(signer::metadata(signers).as_bytes()).unwrap(),
        audience: "icecore".into(),
        recipient: "https://icecore.example/acs".into(),
        in_response_to: None,
        leeway: Duration::from_secs(30),
        attributes: AttributeNames {
            groups: Some("groups".into()),
            user: Some("user".into()),
        },
    }
}

fn judge(message: impl AsRef<[u8]>) -> Result<Assertion, SamlError> {
    verify(
        message.as_ref(),
        &settings(&[&Signer::rsa()]),
        &mut Seen::new(9),
        now(),
    )
}

/// Signs the assertion of id `_a1` by RSA in the usual form.
fn signed(assertion: &str) -> String {
    signed_as("_a1", assertion)
}

/// Signs the assertion of this id likewise.
pub(in crate::identity) fn signed_as(id: &str, assertion: &str) -> String {
    sign(assertion, id, &Signer::rsa(), &Form::default())
}

#[track_caller]
fn accepts(message: impl AsRef<[u8]>) -> Assertion {
    judge(message).unwrap()
}

#[track_caller]
fn refuses(message: impl AsRef<[u8]>, expected: &str) {
    let error = judge(message).unwrap_err();
    assert!(
        error.to_string().contains(expected),
        "expected `{expected}`, found `{error}`"
    );
}

#[test]
fn an_assertion_is_read_alone_and_in_a_response() {
    let alone = signed(ASSERTION);
    let within = response(&alone);
    let expected = accepts(&alone);
    assert_eq!(expected.subject().value, "ada@example.com");
    for message in [
        within.clone(),
        format!("\u{feff}<?xml version='1.0' encoding='UTF-8'?>\r\n{within}"),
    ] {
        assert_eq!(accepts(message), expected);
    }
}

#[test]
fn a_signed_response_covers_the_assertion_in_it() {
    let rsa = Signer::rsa();
    let outer = sign(&response(ASSERTION), "_r1", &rsa, &Form::default());
    let both = sign(&response(&signed(ASSERTION)), "_r1", &rsa, &Form::default());
    assert_eq!(accepts(&outer), accepts(&both));
    refuses(
        outer.replace("ada@", "eve@"),
        "`Response`: expected the digest",
    );
    refuses(
        both.replace(
            "_r1\" Version=\"2.0\"",
            "_r1\"  Version=\"2.0\" Consent=\"x\"",
        ),
        "`Response`: expected the digest",
    );
    refuses(response(ASSERTION), "found no signature");
}

#[test]
fn a_signature_that_does_not_hold_refuses_though_another_does() {
    let rsa = Signer::rsa();
    let inner = sign(ASSERTION, "_a1", &Signer::p256(), &Form::default());
    refuses(
        sign(&response(&inner), "_r1", &rsa, &Form::default()),
        "`Assertion`: expected a signature by a key",
    );
}

#[test]
fn every_algorithm_of_the_profile_is_verified() {
    for (signer, method, digest) in [
        (Signer::rsa(), "rsa-sha256", "xmlenc#sha256"),
        (Signer::rsa(), "rsa-sha384", "xmldsig-more#sha384"),
        (Signer::rsa(), "rsa-sha512", "xmlenc#sha512"),
        (Signer::p256(), "ecdsa-sha256", "xmlenc#sha512"),
        (Signer::p384(), "ecdsa-sha384", "xmlenc#sha256"),
    ] {
        let form = Form {
            method,
            digest,
            ..Form::default()
        };
        let message = sign(ASSERTION, "_a1", &signer, &form);
        let found = verify(
            message.as_bytes(),
            &settings(&[&signer]),
            &mut Seen::new(1),
            now(),
        );
        assert_eq!(
            found.map(|assertion| assertion.id().to_owned()),
            Ok("_a1".to_owned()),
            "{method}"
        );
        assert!(matches!(
            verify(
                message.as_bytes(),
                &settings(&[&Signer::other()]),
                &mut Seen::new(1),
                now()
            ),
            Err(SamlError::UnknownKey(_))
        ));
    }
}

#[test]
fn while_a_provider_changes_its_key_both_are_good() {
    let (old, new) = (Signer::other(), Signer::rsa());
    let message = signed(ASSERTION);
    for (keys, is_good) in [
        (vec![&old], false),
        (vec![&old, &new], true),
        (vec![&new, &old], true),
    ] {
        let found = verify(
            message.as_bytes(),
            &settings(&keys),
            &mut Seen::new(1),
            now(),
        );
        assert_eq!(found.is_ok(), is_good);
    }
}

#[test]
fn an_assertion_is_good_once() {
    let (settings, mut seen) = (settings(&[&Signer::rsa()]), Seen::new(2));
    let one = signed(ASSERTION);
    let [two, three] = ["_a2", "_a3"].map(|id| {
        let assertion = ASSERTION.replace("_a1", id);
        signed_as(id, &assertion)
    });
    let mut hand_in =
        |message: &str, now| verify(message.as_bytes(), &settings, &mut seen, now).map(|_| ());
    assert_eq!(hand_in(&one, now()), Ok(()));
    assert_eq!(hand_in(&one, now()), Err(SamlError::Replayed("_a1".into())));
    assert_eq!(
        hand_in(&response(&one), now()),
        Err(SamlError::Replayed("_a1".into()))
    );
    assert_eq!(hand_in(&two, now()), Ok(()));
    assert_eq!(hand_in(&three, now()), Err(SamlError::SeenFull(2)));
    // To the last moment of the leeway the first one is remembered.
    let last = "2026-11-26T12:05:29Z".parse().unwrap();
    assert_eq!(hand_in(&one, last), Err(SamlError::Replayed("_a1".into())));
    assert!(matches!(
        hand_in(&one, last + TimeDelta::seconds(1)),
        Err(SamlError::Over { .. })
    ));
}

#[test]
fn what_one_leeway_lets_in_is_remembered_whatever_another_is() {
    let (long, mut seen) = (settings(&[&Signer::rsa()]), Seen::new(9));
    let short = Settings {
        leeway: Duration::ZERO,
        ..long.clone()
    };
    let (one, another) = (signed(ASSERTION), ASSERTION.replace("_a1", "_a2"));
    let another = signed_as("_a2", &another.replace("T12:05:00Z", "T12:09:00Z"));
    let mut hand_in = |message: &str, settings: &Settings, now| {
        verify(message.as_bytes(), settings, &mut seen, now).map(|_| ())
    };
    assert_eq!(hand_in(&one, &long, now()), Ok(()));
    let late = "2026-11-26T12:05:20Z".parse().unwrap();
    assert_eq!(hand_in(&another, &short, late), Ok(()));
    assert_eq!(
        hand_in(&one, &long, late),
        Err(SamlError::Replayed("_a1".into()))
    );
}

#[test]
fn what_is_over_makes_room_for_what_is_good() {
    let (settings, mut seen) = (settings(&[&Signer::rsa()]), Seen::new(1));
    let later = ASSERTION
        .replace("_a1", "_a2")
        .replace("T12:05:00Z", "T12:09:00Z");
    let later = signed_as("_a2", &later);
    let mut hand_in =
        |message: &str, now| verify(message.as_bytes(), &settings, &mut seen, now).map(|_| ());
    assert_eq!(hand_in(&signed(ASSERTION), now()), Ok(()));
    assert_eq!(hand_in(&later, now()), Err(SamlError::SeenFull(1)));
    let over = "2026-11-26T12:05:30Z".parse().unwrap();
    assert_eq!(hand_in(&later, over), Ok(()));
}
