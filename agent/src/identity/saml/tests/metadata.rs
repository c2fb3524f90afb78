//! What of a provider's metadata is taken.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_ED25519};

use super::*;

fn read(xml: &str) -> Result<String, String> {
    Provider::read(xml.as_bytes())
        .map(|found| found.entity_id().to_owned())
        .map_err(|error| error.to_string())
}

#[track_caller]
fn refuses_metadata(from: &str, to: &str, expected: &str) {
    let good = signer::metadata(&[&Signer::rsa()]);
    assert!(good.contains(from), "{from}");
    let error = read(&good.replace(from, to)).unwrap_err();
    assert!(
        error.contains(expected),
        "expected `{expected}`, found `{error}`"
    );
}

#[test]
fn metadata_names_the_provider_and_its_signing_keys() {
    let good = signer::metadata(&[&Signer::rsa(), &Signer::p384()]);
    assert_eq!(read(&good), Ok("https://idp.example".into()));
    assert_eq!(
        read(&good.replacen(" use=\"signing\"", "", 1)),
        Ok("https://idp.example".into())
    );
    refuses_metadata(
        "use=\"signing\"",
        "use=\"encryption\"",
        "a certificate to sign with",
    );
    refuses_metadata(
        "protocolSupportEnumeration=\"",
        "protocolSupportEnumeration=\"urn:x:",
        "a certificate to sign with",
    );
    refuses_metadata(
        "IDPSSODescriptor",
        "SPSSODescriptor",
        "a certificate to sign with",
    );
    refuses_metadata(
        "md:EntityDescriptor",
        "md:EntitiesDescriptor",
        "of one provider, found `EntitiesDescriptor`",
    );
    refuses_metadata(
        " entityID=\"https://idp.example\"",
        "",
        "an attribute `entityID`",
    );
    refuses_metadata(
        "<ds:X509Certificate>",
        "<ds:X509Certificate>AAAA",
        "not X.509 in DER",
    );
    refuses_metadata(
        "<ds:X509Certificate>",
        "<ds:X509Certificate>*",
        "expected base64",
    );
    refuses_metadata(
        "ds:X509Certificate",
        "ds:X509Other",
        "`KeyDescriptor`: expected an `X509Certificate`",
    );
}

/// Of an RSA key of 1024 bits: `openssl req -x509 -new -key small.pem -subj /CN=small -days 36500 -outform DER`.
const SMALL: &str = concat!(
    "MIIB/jCCAWegAwIBAgIUSy8Cv0Twe6izSNnxV7AzWmHHVXMwDQYJKoZIhvcNAQELBQAwEDEOMAwGA1UEAwwFc21hbGwwIBcNMjYx",
    "MTI2MTMyMzUxWhgPMjEyNjExMDIxMzIzNTFaMBAxDjAMBgNVBAMMBXNtYWxsMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCy",
    "Dy1vZ02vtyEocpqPgxkkUe2wW3nSY14TxUa7Hw+4PBP61t6DRSWch/YXJZWedQ4bkF9KRRyKGaBLB0J+ZemdlkTtnRwOSyfinUd/",
    "ObhrhpmjmKaQ4yfjh9rqmT4yDq+7Jd4eEcgkrRXL9gnxaProzVLRH335H1ri3bQFBZ09vwIDAQABo1MwUTAdBgNVHQ4EFgQU1LAx",
    "DaIMUiTupzCHjJsjxL3Pa7wwHwYDVR0jBBgwFoAU1LAxDaIMUiTupzCHjJsjxL3Pa7wwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG",
    "9w0BAQsFAAOBgQBo2sZjdxt5ESJ6lXfRAGUXABCTyXpMFesRK/utpbbOeyEHc+mHn6FETot2SegEq62AbBwXs/Vxkj4ayR9Ob5ml",
    "1CTpkMHLfTH0A6tyI139PVbBgPxTYEy4Oo5RoFRNM/4OpscekdEGr5mrlH1GftaO4EOorhUcGmpJSukALzeAzw==",
);

#[test]
fn keys_that_are_too_small_or_of_another_kind_are_refused() {
    let ed25519 = Signer::of(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
    let error = read(&signer::metadata(&[&ed25519])).unwrap_err();
    assert!(error.contains("found the algorithm 1.3.101.112"), "{error}");
    let certificate = STANDARD.decode(SMALL).unwrap();
    let error = read(&signer::metadata(&[&Signer::of_certificate(certificate)])).unwrap_err();
    assert!(error.contains("found an RSA key of 1024 bits"), "{error}");
}

#[test]
fn metadata_that_is_over_vouches_for_nothing() {
    let xml = signer::metadata(&[&Signer::rsa()]);
    let message = signed(ASSERTION);
    for (until, is_good) in [
        ("2026-11-26T12:00:31Z", true),
        ("2026-11-26T12:00:30Z", false),
    ] {
        for element in [" entityID=", " protocolSupportEnumeration="] {
            let dated = xml.replace(element, &format!(" validUntil=\"{until}\"{element}"));
            let provider = Provider::read(dated.as_bytes()).unwrap();
            let settings = Settings {
                provider,
                ..settings(&[&Signer::rsa()])
            };
            let found = verify(message.as_bytes(), &settings, &mut Seen::new(1), now());
            assert_eq!(found.is_ok(), is_good, "{until}{element}: {found:?}");
        }
    }
}
