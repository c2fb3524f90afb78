//! Whom a SAML message shows by its provider's settings, and what is told of those that show nobody.

use proptest::prelude::*;
use ring::hmac;

use super::*;
use crate::id::SessionId;
use crate::identity::saml::tests::{ASSERTION, now, provider, signed_as};

fn settings() -> SamlProvider {
    SamlProvider {
        name: "adfs".to_owned(),
        metadata_file: "/idp.xml".into(),
        audience: "icecore".to_owned(),
        recipient: "https://icecore.example/acs".to_owned(),
        groups_attribute: "groups".to_owned(),
        subject_attribute: None,
        members: BTreeMap::from([("owners".to_owned(), vec!["ada@example.com".to_owned()])]),
        require: BTreeMap::new(),
        kind: Kind::Human,
        leeway: Duration::from_secs(30),
    }
}

/// Gives the principal of a good assertion.
pub(in crate::identity) fn asserted() -> Principal {
    judge(&settings(), ASSERTION).unwrap()
}

fn judge(settings: &SamlProvider, assertion: &str) -> Result<Principal, IdentityError> {
    judge_as("_a1", settings, assertion)
}

fn judge_as(
    id: &str,
    settings: &SamlProvider,
    assertion: &str,
) -> Result<Principal, IdentityError> {
    let message = signed_as(id, assertion);
    verify_message(
        settings,
        provider(),
        message.as_bytes(),
        &mut Seen::new(1),
        now(),
    )
}

#[track_caller]
fn refuses(settings: &SamlProvider, assertion: &str, expected: &str) {
    let error = judge(settings, assertion).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_message_shows_subject_groups_and_until_when() {
    let found = asserted();
    let identity = found.identity();
    assert_eq!(identity.protocol(), Protocol::Saml);
    assert_eq!(identity.name(), "adfs:ada@example.com");
    assert_eq!(
        identity.groups().collect::<Vec<_>>(),
        ["adfs:R&D", "adfs:analysts", "adfs:owners"]
    );
    assert_eq!(identity.kind(), Some(Kind::Human));
    assert_eq!(found.issuer(), Some("https://idp.example"));
    let at = |time: &str| Some(format!("2026-11-26T{time}Z").parse().unwrap());
    assert_eq!(found.expires_at(), at("12:05:00"));
    assert_eq!(found.session_ends_at(), at("20:00:00"));
    let digest = digest(&SHA256, b"_a1");
    assert_eq!(
        found.token_sha256().as_ref().map(|one| &one[..]),
        Some(digest.as_ref())
    );
    let without = ASSERTION.replace(" SessionNotOnOrAfter=\"2026-11-26T20:00:00Z\"", "");
    assert_eq!(
        judge(&settings(), &without).unwrap().session_ends_at(),
        None
    );
}

#[test]
fn an_attribute_may_name_the_subject_and_groups_may_have_another_name() {
    let other = SamlProvider {
        subject_attribute: Some("user".to_owned()),
        groups_attribute: "roles".to_owned(),
        ..settings()
    };
    let found = judge(&other, ASSERTION).unwrap();
    assert_eq!(found.identity().name(), "adfs:ada");
    assert_eq!(found.identity().groups().count(), 0);
    let absent = ASSERTION.replace("Name=\"user\"", "Name=\"nick\"");
    refuses(
        &other,
        &absent,
        "SAML message of provider `adfs`: attribute `user`: expected one value, found 0",
    );
}

#[test]
fn a_required_attribute_must_have_one_of_the_values() {
    let require = |value: &str| SamlProvider {
        require: BTreeMap::from([("groups".to_owned(), vec![Pattern(value.to_owned())])]),
        ..settings()
    };
    assert!(judge(&require("R*"), ASSERTION).is_ok());
    refuses(
        &require("owners"),
        ASSERTION,
        "SAML message of provider `adfs`: expected attribute `groups` with one of [\"owners\"], found 2 values, none of \
         which fits",
    );
}

#[test]
fn what_an_odd_assertion_says_is_not_repeated() {
    for (from, to, expected) in [
        (
            ">ada@example.com<",
            ">ada&#9;@example.com<",
            "SAML message of provider `adfs`: expected a subject of 1 to 1024 characters without control characters, \
             found 16 characters",
        ),
        (
            ">analysts<",
            "><",
            "SAML message of provider `adfs`: expected attribute `groups` of 1 to 1024 characters without control \
             characters, found 0 characters",
        ),
    ] {
        refuses(&settings(), &ASSERTION.replace(from, to), expected);
    }
    let value = "<saml:AttributeValue>x</saml:AttributeValue>".repeat(MEMBERS_MAX - 1);
    let many = |more: &str| {
        let start = "<saml:Attribute Name=\"groups\">";
        ASSERTION.replace(start, &format!("{start}{value}{more}"))
    };
    refuses(
        &settings(),
        &many(""),
        "SAML message of provider `adfs`: expected attribute `groups` with at most 1000 values, found 1001",
    );
}

#[test]
fn a_later_assertion_goes_on_for_the_same_subject_alone() {
    let shown = |id: &str, subject: &str, until: &str| {
        let assertion = ASSERTION
            .replace("_a1", id)
            .replace("ada@example.com", subject)
            .replace("T12:05:00Z", until);
        judge_as(id, &settings(), &assertion).unwrap()
    };
    let held = shown("_a1", "ada@example.com", "T12:05:00Z");
    let later = shown("_a2", "ada@example.com", "T12:06:00Z");
    assert!(later.is_same_party(&held) && later.is_fresher_than(&held));
    assert!(!held.is_fresher_than(&held) && !held.is_fresher_than(&later));
    assert!(!shown("_a2", "eve@example.com", "T12:06:00Z").is_same_party(&held));
}

#[test]
fn a_sealed_principal_keeps_its_protocol_and_the_end_of_its_session() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let (session, principal) = (SessionId::new(), asserted());
    let sealed = principal.seal(&key, session).unwrap();
    let restored = Principal::restore(&key, session, &sealed).unwrap();
    assert_eq!(restored, principal);
    assert_eq!(restored.session_ends_at(), principal.session_ends_at());
}

proptest! {
    #[test]
    fn a_required_attribute_never_lets_more_in(pattern in "[a-zR&*]{0,6}") {
        let require = BTreeMap::from([("groups".to_owned(), vec![Pattern(pattern.clone())])]);
        let with = judge(&SamlProvider { require, ..settings() }, ASSERTION);
        let fits = ["analysts", "R&D"].iter().any(|group| Pattern(pattern.clone()).fits(group));
        prop_assert_eq!(with.is_ok(), fits);
    }
}
