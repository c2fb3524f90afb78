//! What a real provider issues is read, once, for us, and for as long as it says.

use icecore::clock::Clock;
use icecore::identity::saml::{self, SamlError, Seen};
use icecore_tests::saml::Provider;
use serde_json::json;

use super::{judge, settings};

#[test]
fn what_samlp_issues_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::rsa(folder.path()).unwrap();
    let settings = settings(&provider);
    let until = json!({ "sessionIndex": "_s1", "nameIdentifierFormat": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" });
    let found = judge(&provider.response(until).unwrap(), &settings).unwrap();
    assert_eq!(found.issuer(), "https://idp.example");
    assert_eq!(found.subject().value, "ada");
    assert_eq!(
        found.subject().format,
        "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    );
    assert_eq!(found.groups(), ["analysts", "R&D"]);
    assert_eq!(found.user(), Some("Ada L."));
    assert_eq!(found.attributes().len(), 6);
    let lifetime = found.not_on_or_after() - found.authenticated_at();
    assert_eq!(lifetime.num_seconds(), 300);
}

#[test]
fn what_samlp_issues_for_others_again_or_encrypted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::rsa(folder.path()).unwrap();
    let settings = settings(&provider);
    let refused = |options| {
        let message = provider.response(options).unwrap();
        judge(&message, &settings).unwrap_err().to_string()
    };
    for (options, expected) in [
        (
            json!({ "audience": "other" }),
            "`AudienceRestriction/Audience`",
        ),
        (
            json!({ "recipient": "https://other.example" }),
            "`SubjectConfirmationData/@Recipient`",
        ),
        (
            json!({ "destination": "https://other.example" }),
            "`Response/@Destination`",
        ),
        (
            json!({ "issuer": "https://other.example" }),
            "`Response/Issuer`",
        ),
        (json!({ "lifetimeInSeconds": -40 }), "expected a time after"),
        (json!({ "signAssertion": false }), "found no signature"),
        (
            json!({ "samlStatusCode": "urn:oasis:names:tc:SAML:2.0:status:Responder" }),
            "`StatusCode`",
        ),
    ] {
        let found = refused(options);
        assert!(
            found.contains(expected),
            "expected `{expected}`, found `{found}`"
        );
    }
    let message = provider.response(json!({})).unwrap();
    let (mut seen, now) = (Seen::new(2), Clock::system().now());
    let mut hand_in = || saml::verify(message.as_bytes(), &settings, &mut seen, now);
    assert!(hand_in().is_ok());
    assert!(matches!(hand_in(), Err(SamlError::Replayed(_))));
    let certificate = provider.certificate().unwrap();
    let key = provider.public_key().unwrap();
    let encrypted = refused(json!({ "encryptionCert": certificate, "encryptionPublicKey": key }));
    assert!(
        encrypted.contains("found an encrypted element"),
        "{encrypted}"
    );
}
