//! Which key files are taken, and what is said of those that are not.

use proptest::prelude::*;

use super::*;

/// Of the one key in all of these files: `openssl rsa -pubout -outform DER | openssl dgst -sha256 -binary | base64`.
const FINGERPRINT: &str = "SHA256:OMMQFb/P1arYibUl56Fhmf6JhTDydtB+aZYx5oJfKd0=";

fn pem(name: &str) -> Vec<u8> {
    // Cargo runs tests in their package's folder.
    std::fs::read(format!("src/upstream/credential/keys/{name}.pem")).unwrap()
}

fn passphrase(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[track_caller]
fn opens(name: &str, passphrase: Option<&Secret>) {
    let pair = KeyPair::read(&pem(name), passphrase);
    assert_eq!(pair.map(|pair| pair.fingerprint).unwrap(), FINGERPRINT);
}

#[track_caller]
fn refuses(pem: &[u8], given: Option<&str>, expected: KeyError) {
    let given = given.map(passphrase);
    let found = KeyPair::read(pem, given.as_ref()).map(|pair| pair.fingerprint);
    assert_eq!(found, Err(expected));
}

#[test]
fn plain_and_encrypted_keys_are_the_same_key() {
    let right = passphrase("correct-horse");
    opens("plain", None);
    opens("pbkdf2", Some(&right));
    opens("scrypt", Some(&right));
}

#[test]
fn wrong_missing_and_needless_passphrases_are_told_apart() {
    for name in ["pbkdf2", "scrypt"] {
        for wrong in ["", "correct-hors", "Correct-horse"] {
            refuses(&pem(name), Some(wrong), KeyError::PassphraseWrong);
        }
        refuses(&pem(name), None, KeyError::PassphraseMissing);
    }
    refuses(
        &pem("plain"),
        Some("correct-horse"),
        KeyError::PassphraseUnneeded,
    );
}

#[test]
fn outdated_forms_say_the_command_that_converts_them() {
    for name in ["des3", "pbes1", "sha1"] {
        refuses(&pem(name), Some("correct-horse"), KeyError::Outdated);
    }
    refuses(
        &pem("proctype"),
        Some("correct-horse"),
        KeyError::TraditionalEncrypted,
    );
    refuses(&pem("pkcs1"), None, KeyError::Traditional);
    for error in [
        KeyError::Outdated,
        KeyError::TraditionalEncrypted,
        KeyError::Traditional,
    ] {
        assert!(error.to_string().contains("`openssl pkcs8 -topk8 "));
    }
}

#[test]
fn what_is_no_rsa_key_of_its_own_file_is_refused() {
    refuses(&pem("ec"), None, KeyError::NotRsa);
    refuses(&pem("small"), None, KeyError::NotRsa);
    refuses(b"", None, KeyError::Absent);
    refuses(b"not a key", None, KeyError::Absent);
    refuses(b"\xff\xfe", None, KeyError::Absent);
    let twice = [pem("plain"), pem("plain")].concat();
    refuses(&twice, None, KeyError::Several);
    let text = String::from_utf8(pem("plain")).unwrap();
    let certificate = text.replace("PRIVATE KEY", "CERTIFICATE");
    refuses(certificate.as_bytes(), None, KeyError::Absent);
    let cut: String = text.lines().take(10).collect::<Vec<_>>().join("\n");
    refuses(cut.as_bytes(), None, KeyError::Damaged);
    let changed = text.replacen("MII", "AAA", 1);
    refuses(changed.as_bytes(), None, KeyError::Damaged);
}

#[test]
fn text_around_the_key_says_nothing() {
    let around = [b"Bag Attributes\n".to_vec(), pem("plain"), b"\n".to_vec()].concat();
    assert!(KeyPair::read(&around, None).is_ok());
    let dos = String::from_utf8(pem("plain"))
        .unwrap()
        .replace('\n', "\r\n");
    assert!(KeyPair::read(dos.as_bytes(), None).is_ok());
}

#[test]
fn jwt_names_account_user_and_key_in_upper_case() {
    let pair = KeyPair::read(&pem("plain"), None).unwrap();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let token = pair.mint("acme", "svc", now).unwrap();
    let claims = token.reveal().split('.').nth(1).unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = base64::Engine::decode(&engine, claims).unwrap();
    assert_eq!(
        String::from_utf8(claims).unwrap(),
        format!(
            r#"{{"iss":"ACME.SVC.{FINGERPRINT}","sub":"ACME.SVC","iat":1799999990,"exp":1800000060}}"#
        )
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_key_or_an_error(bytes: Vec<u8>, label in "[A-Z ]{0,24}", body in "[A-Za-z0-9+/=\n]{0,200}") {
        assert!(KeyPair::read(&bytes, None).is_err());
        let text = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        assert!(KeyPair::read(text.as_bytes(), None).is_err());
        assert!(KeyPair::read(text.as_bytes(), Some(&passphrase("x"))).is_err());
    }
}
