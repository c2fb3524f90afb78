//! What a config may say of credentials, and that it is never repeated.

use super::*;
use crate::config::Credential;

#[track_caller]
fn reads_credential(table: &str, expected: Credential) {
    let line = "{ kind = \"key-pair\", private_key_file = \"/k.p8\" }";
    let config = read_text(&LEAST.replace(line, table)).unwrap();
    assert_eq!(config.accounts[0].credential, expected);
}

#[test]
fn each_kind_of_credential_names_its_files() {
    let path = PathBuf::from;
    reads_credential(
        "{ kind = \"key-pair\", private_key_file = \"/k\", passphrase_file = \"/p\" }",
        Credential::KeyPair {
            private_key_file: path("/k"),
            passphrase_file: Some(path("/p")),
        },
    );
    reads_credential(
        "{ kind = \"pat\", token_file = \"/t\" }",
        Credential::Pat {
            token_file: path("/t"),
        },
    );
    reads_credential(
        "{ kind = \"oauth\", token_file = \"/t\" }",
        Credential::OAuth {
            token_file: path("/t"),
        },
    );
    reads_credential(
        "{ kind = \"password\", password_file = \"/p\" }",
        Credential::Password {
            password_file: path("/p"),
        },
    );
}

#[test]
fn credentials_of_no_kind_are_refused() {
    let kinds = "\"key-pair\", \"pat\", \"oauth\" or \"password\"";
    check_account(
        "credential = { kind = \"wif\", provider = \"AWS\" }",
        &format!("account[0].credential.kind: expected {kinds}, found \"wif\""),
    );
    check_account(
        "credential = { private_key_file = \"/k\" }",
        &format!(
            "account[0].credential.kind: expected {kinds}; it is required, such as `kind = \"key-pair\"`, found nothing"
        ),
    );
    check_account(
        "credential = { kind = \"key-pair\" }",
        "account[0].credential.private_key_file: expected an absolute path without `..`; it is required, such as `private_key_file = \"/etc/icecore/keys/private_key\"`, found nothing",
    );
    check_account(
        "credential = { kind = \"pat\", token_file = \"/t\", passphrase_file = \"/p\" }",
        "account[0].credential.passphrase_file: expected `token_file` with kind = \"pat\", found a key that belongs to kind = \"key-pair\"",
    );
    check_account(
        "credential = \"x\"",
        "account[0].credential: expected a table such as { kind = \"key-pair\", private_key_file = \"/etc/icecore/keys/acme.p8\" }, found something else, not shown here since it may be a secret",
    );
}

#[test]
fn a_key_of_another_kind_says_what_belongs_together() {
    let told = check_told(&LEAST.replace("key-pair", "pat"));
    assert_eq!(
        told,
        [
            "account[0].credential.token_file: expected an absolute path without `..`; it is required, such as `token_file = \"/etc/icecore/keys/token\"`, found nothing",
            "account[0].credential.private_key_file: expected `token_file` with kind = \"pat\", found a key that belongs to kind = \"key-pair\"",
        ]
    );
}

#[test]
fn a_secret_in_the_place_of_a_path_is_not_repeated() {
    check_account(
        "credential = { kind = \"pat\", token_file = \"hunter2\" }",
        "account[0].credential.token_file: expected an absolute path without `..`, found something else, not shown here since it may be a secret",
    );
    check_account(
        "credential = { kind = \"pat\", token_file = \"/t\", token = \"hunter2\" }",
        "account[0].credential.token: expected one of the keys kind, token_file, found an unknown key",
    );
}
