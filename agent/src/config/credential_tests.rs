//! What a config may say of credentials, and that it is never repeated.

use super::*;
use crate::config::{
    AwsSource, CommandSource, Credential, Freshness, OAuthGrant, SecretAt, Source, VaultAuth,
    VaultSource,
};

#[track_caller]
fn reads_credential(table: &str, expected: Credential) {
    let line = "{ kind = \"key-pair\", private_key_file = \"/k.p8\" }";
    let config = read_text(&LEAST.replace(line, table)).unwrap();
    assert_eq!(config.accounts[0].credential, expected);
}

#[test]
fn each_kind_of_credential_names_its_files() {
    let file = |setting, path: &str| SecretAt {
        setting,
        source: Source::File(PathBuf::from(path)),
    };
    reads_credential(
        "{ kind = \"key-pair\", private_key_file = \"/k\", passphrase_file = \"/p\" }",
        Credential::KeyPair {
            private_key: file("private_key_file", "/k"),
            passphrase: Some(file("passphrase_file", "/p")),
        },
    );
    reads_credential(
        "{ kind = \"pat\", token_file = \"/t\" }",
        Credential::Pat(file("token_file", "/t")),
    );
    reads_credential(
        "{ kind = \"oauth\", token_file = \"/t\" }",
        Credential::OAuth(file("token_file", "/t")),
    );
    reads_credential(
        "{ kind = \"password\", password = { source = \"file\", path = \"/p\" } }",
        Credential::Password(file("password", "/p")),
    );
}

#[test]
fn kinds_that_get_their_own_tokens_say_how() {
    let file = |setting, path: &str| SecretAt {
        setting,
        source: Source::File(PathBuf::from(path)),
    };
    let grant = OAuthGrant {
        token_url: "https://idp.example/token".to_owned(),
        client_id: "icecore".to_owned(),
        scope: Some("session:role:ANALYST".to_owned()),
        client_secret: Some(file("client_secret_file", "/c")),
        refresh_token: None,
    };
    let common = "token_url = \"https://idp.example/token\", client_id = \"icecore\"";
    reads_credential(
        &format!(
            "{{ kind = \"oauth-client\", {common}, client_secret_file = \"/c\", scope = \"session:role:ANALYST\" }}"
        ),
        Credential::OAuthGrant(grant.clone()),
    );
    reads_credential(
        &format!("{{ kind = \"oauth-refresh\", {common}, refresh_token_file = \"/r\" }}"),
        Credential::OAuthGrant(OAuthGrant {
            scope: None,
            client_secret: None,
            refresh_token: Some(file("refresh_token_file", "/r")),
            ..grant
        }),
    );
    reads_credential(
        "{ kind = \"workload-identity\", provider = \"aws\", region = \"eu-central-1\" }",
        Credential::WorkloadAws {
            region: "eu-central-1".to_owned(),
        },
    );
    reads_credential(
        "{ kind = \"workload-identity\", provider = \"oidc\", token_file = \"/t\" }",
        Credential::WorkloadOidc(file("token_file", "/t")),
    );
    check_account(
        "credential = { kind = \"workload-identity\", provider = \"gcp\" }",
        "account[0].credential.provider: expected \"aws\" or \"oidc\", found \"gcp\"",
    );
    check_account(
        "credential = { kind = \"workload-identity\", provider = \"oidc\", token = { source = \"env\", variable = \"ACTIONS_ID_TOKEN_REQUEST_TOKEN\" } }",
        "account[0].credential.token.variable: expected the name of a variable of the daemon's own environment (letters, digits, `_`), none of a CI job's, found \"ACTIONS_ID_TOKEN_REQUEST_TOKEN\"",
    );
}

#[track_caller]
fn reads_source(table: &str, expected: Source) {
    let token = SecretAt {
        setting: "token",
        source: expected,
    };
    reads_credential(
        &format!("{{ kind = \"pat\", token = {{ {table} }} }}"),
        Credential::Pat(token),
    );
}

#[test]
fn each_source_says_where_a_secret_is() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let freshness = Freshness {
        refresh: minutes(5),
        keep: minutes(60),
    };
    reads_source(
        "source = \"systemd\", name = \"acme-token\"",
        Source::Systemd("acme-token".to_owned()),
    );
    reads_source(
        "source = \"env\", variable = \"ACME_TOKEN\"",
        Source::Env("ACME_TOKEN".to_owned()),
    );
    reads_source(
        "source = \"command\", argv = [\"/bin/print\", \"acme\"], timeout = \"2s\", keep = \"2h\"",
        Source::Command(CommandSource {
            argv: vec!["/bin/print".to_owned(), "acme".to_owned()],
            within: Duration::from_secs(2),
            freshness: Freshness {
                keep: minutes(120),
                ..freshness
            },
        }),
    );
    reads_source(
        "source = \"aws\", region = \"eu-central-1\", secret_id = \"icecore/acme\", json_key = \"token\"",
        Source::Aws(AwsSource {
            region: "eu-central-1".to_owned(),
            secret_id: "icecore/acme".to_owned(),
            json_key: Some("token".to_owned()),
            endpoint: None,
            freshness,
        }),
    );
    let vault = |auth, namespace: Option<&str>| {
        Source::Vault(Box::new(VaultSource {
            address: "https://vault.example:8200".to_owned(),
            ca_file: None,
            namespace: namespace.map(str::to_owned),
            mount: "secret".to_owned(),
            path: "snowflake/acme".to_owned(),
            field: "token".to_owned(),
            auth,
            freshness,
        }))
    };
    let least = "source = \"vault\", address = \"https://vault.example:8200\", path = \"snowflake/acme\", field = \"token\"";
    reads_source(
        &format!("{least}, token_file = \"/v\""),
        vault(VaultAuth::Token(PathBuf::from("/v")), None),
    );
    reads_source(
        &format!("{least}, role_id = \"r-1\", secret_id_file = \"/s\", namespace = \"team/a\""),
        vault(
            VaultAuth::AppRole {
                mount: "approle".to_owned(),
                role_id: "r-1".to_owned(),
                secret_id_file: PathBuf::from("/s"),
            },
            Some("team/a"),
        ),
    );
}

#[track_caller]
fn refuses_source(table: &str, expected: &str) {
    let line = format!("credential = {{ kind = \"pat\", token = {{ {table} }} }}");
    check_account(&line, &format!("account[0].credential.token{expected}"));
}

#[test]
fn what_a_ci_job_can_have_is_no_credential_of_the_hosts() {
    for variable in [
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "GITHUB_TOKEN",
        "CI_JOB_JWT_V2",
    ] {
        refuses_source(
            &format!("source = \"env\", variable = \"{variable}\""),
            &format!(
                ".variable: expected the name of a variable of the daemon's own environment (letters, digits, `_`), none of a CI job's, found \"{variable}\""
            ),
        );
        refuses_source(
            &format!("source = \"command\", argv = [\"/bin/sh\", \"-c\", \"echo ${variable}\"]"),
            &format!(
                ".argv[2]: expected a text without control characters, none of a CI job's variables, found \"echo ${variable}\""
            ),
        );
    }
}

#[test]
fn a_source_that_is_not_whole_is_refused() {
    refuses_source(
        "source = \"keychain\"",
        ".source: expected \"file\", \"systemd\", \"env\", \"command\", \"vault\" or \"aws\", found \"keychain\"",
    );
    refuses_source(
        "source = \"command\", argv = [\"print\"]",
        ".argv[0]: expected an absolute path without `..`, found \"print\"",
    );
    let vault = "source = \"vault\", address = \"https://v\", field = \"f\"";
    refuses_source(
        &format!("{vault}, path = \"a/../b\", token_file = \"/t\""),
        ".path: expected a path such as \"snowflake/acme\", of letters, digits, `_`, `-`, `.` and `/`, found \"a/../b\"",
    );
    refuses_source(
        &format!("{vault}, path = \"a\""),
        ".token_file: expected `token_file`, or `role_id` and `secret_id_file`, found neither",
    );
    refuses_source(
        &format!("{vault}, path = \"a\", token_file = \"/t\", refresh = \"2h\", keep = \"1h\""),
        ".keep: expected at least `refresh`, found 3600s, less than 7200s",
    );
    check_account(
        "credential = { kind = \"pat\", token_file = \"/t\", token = { source = \"env\", variable = \"X\" } }",
        "account[0].credential.token: expected one of `token` and `token_file`, found both",
    );
}

#[test]
fn credentials_of_no_kind_are_refused() {
    let kinds = "\"key-pair\", \"pat\", \"oauth\", \"password\", \"oauth-client\", \"oauth-refresh\" or \"workload-identity\"";
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
        "account[0].credential.token: expected a table such as { source = \"vault\", ... }, found something else, not shown here since it may be a secret",
    );
}
