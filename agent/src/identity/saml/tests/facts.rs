//! What is read of a good assertion.

use super::*;

#[test]
fn subject_times_and_attributes_are_read_as_they_stand() {
    let found = accepts(signed(ASSERTION));
    let at = |time: &str| {
        format!("2026-11-26T{time}Z")
            .parse::<DateTime<Utc>>()
            .unwrap()
    };
    assert_eq!((found.issuer(), found.id()), ("https://idp.example", "_a1"));
    let format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned();
    assert_eq!(
        *found.subject(),
        NameId {
            value: "ada@example.com".into(),
            format
        }
    );
    assert_eq!(found.groups(), ["analysts", "R&D"]);
    assert_eq!(found.user(), Some("ada"));
    assert_eq!(
        found.attributes().keys().collect::<Vec<_>>(),
        ["groups", "user"]
    );
    assert_eq!(found.authenticated_at(), at("11:30:00"));
    assert_eq!(found.not_on_or_after(), at("12:05:00"));
    assert_eq!(found.session_not_on_or_after(), Some(at("20:00:00")));
}

#[test]
fn attributes_of_one_name_are_one_and_absent_groups_are_none() {
    let again = "<saml:Attribute Name=\"groups\"><saml:AttributeValue>eu</saml:AttributeValue></saml:Attribute>";
    let more = ASSERTION.replace(
        "</saml:AttributeStatement>",
        &format!("{again}</saml:AttributeStatement>"),
    );
    assert_eq!(accepts(signed(&more)).groups(), ["analysts", "R&D", "eu"]);
    assert_eq!(
        accepts(signed(
            &ASSERTION.replace("Name=\"groups\"", "Name=\"teams\"")
        ))
        .groups(),
        [""; 0]
    );
}

#[test]
fn what_the_settings_need_must_be_there_once_and_groups_must_be_there_themselves() {
    for (from, to, expected) in [
        (
            "Name=\"user\"",
            "Name=\"uid\"",
            "attribute `user`: expected one value, found 0",
        ),
        (">ada<", "><", "attribute `user`: expected one value"),
        (
            "Name=\"groups\"",
            "Name=\"user\"",
            "attribute `user`: expected one value, found 3",
        ),
        (
            ">analysts<",
            "><x></x><",
            "`AttributeValue`: expected text alone",
        ),
        (
            "\"groups\"",
            "\"http://schemas.microsoft.com/claims/groups.link\"",
            "expected the groups themselves",
        ),
        (
            "saml:Attribute ",
            "saml:EncryptedAttribute ",
            "expected plain text",
        ),
    ] {
        let mut changed = ASSERTION.replace(from, to);
        if to.starts_with("saml:Encrypted") {
            changed = changed.replace("/saml:Attribute>", "/saml:EncryptedAttribute>");
        }
        refuses(signed(&changed), expected);
    }
}

#[test]
fn the_stated_issuer_is_that_of_the_one_assertion_signed_or_not() {
    let stated = |message: &str| stated_issuer(message.as_bytes());
    let idp = Ok("https://idp.example".to_owned());
    assert_eq!(stated(ASSERTION), idp);
    let other = response(&signed(ASSERTION)).replacen("idp.example", "other.example", 1);
    assert_eq!(stated(&other), idp);
    let two = response(&[ASSERTION, ASSERTION].concat().replacen("_a1", "_a2", 1));
    assert!(
        stated(&two)
            .unwrap_err()
            .to_string()
            .contains("expected one `Assertion`")
    );
    assert!(stated(&ASSERTION.replace("saml:Issuer>", "saml:Maker>")).is_err());
}
