//! What a config text may say, and what is told about one that may not.

use super::*;
use crate::config::host::ACCOUNT_HOST;

#[path = "canary_tests.rs"]
mod canary;
#[path = "credential_tests.rs"]
mod credential;

/// The least that a config must say.
const LEAST: &str = r#"
[[account]]
host = "acme.snowflakecomputing.com"
user = "ICECORE_SVC"
role = "ANALYST"
credential = { kind = "key-pair", private_key_file = "/k.p8" }
"#;

pub(in crate::config) fn read_text(text: &str) -> Result<Config, Vec<String>> {
    let problems = Problems::default();
    let source = Source {
        file: Path::new("/i.toml"),
        cgroup2: Some(PathBuf::from("/sys/fs/cgroup")),
    };
    let config = read(text, source, &problems);
    let told = problems.into_errors(Path::new("/i.toml")).problems;
    if told.is_empty() {
        return Ok(config.unwrap());
    }
    Err(told.iter().map(ToString::to_string).collect())
}

/// Reads a good config, for tests of what is made of one.
pub(crate) fn read_for_tests(text: &str) -> Config {
    read_text(text).unwrap()
}

#[track_caller]
pub(in crate::config) fn check(text: &str, expected: &[&str]) {
    match read_text(text) {
        Ok(_) => assert_eq!(&[] as &[&str], expected),
        Err(told) => assert_eq!(told, expected),
    }
}

/// Gives all that is told about a text.
fn check_told(text: &str) -> Vec<String> {
    read_text(text).err().unwrap_or_default()
}

/// Puts a section before the account, which must be last.
#[track_caller]
pub(crate) fn check_section(section: &str, expected: &str) {
    check(&format!("{section}\n{LEAST}"), &[expected]);
}

/// Puts a line into the account.
#[track_caller]
fn check_account(line: &str, expected: &str) {
    let key = line.split(' ').next().unwrap();
    let rest: Vec<&str> = LEAST
        .lines()
        .filter(|other| !other.starts_with(key))
        .collect();
    check(&format!("{}\n{line}", rest.join("\n")), &[expected]);
}

#[test]
fn least_config_has_the_documented_defaults() {
    let config = read_text(LEAST).unwrap();
    assert_eq!(config.daemon.run_dir, Path::new("/run/icecore"));
    assert_eq!(config.daemon.mode, Mode::Enforce);
    assert_eq!(config.daemon.shutdown_grace, Duration::from_secs(20));
    assert_eq!(config.capture.root, Path::new("/sys/fs/cgroup"));
    assert_eq!(config.capture.port, 861);
    assert_eq!(config.capture.redirect_ports, [443, 80]);
    assert_eq!(config.capture.guard, Guard::Host);
    assert_eq!(config.capture.heartbeat_stale, Duration::from_secs(2));
    assert!(!config.capture.backstop);
    assert_eq!(config.capture.container_io_uring, ContainerIoUring::Unknown);
    assert_eq!(config.limits.session_connects_per_second, 200);
    assert_eq!(config.upstream.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.record.mode, RecordMode::StrictLocal);
    assert_eq!(config.record.store, "file:///var/lib/icecore/store");
    assert_eq!(config.record.spool_max_bytes, 2 << 30);
    assert_eq!(config.record.result_rows, ResultRows::None);
    assert_eq!(config.limits.request_body_max_bytes, 16 << 20);
    assert_eq!(config.accounts[0].name, "ACME");
    assert_eq!(config.accounts[0].warehouse, None);
}

#[test]
fn the_configs_that_the_docs_show_are_good_and_have_the_defaults() {
    let shown = |text: &'static str| {
        let block = text.split("```toml\n").nth(1).unwrap();
        read_text(block.split("```").next().unwrap()).unwrap()
    };
    let config = shown(include_str!("../../../docs/configuration.md"));
    let first = shown(include_str!("../../../README.md"));
    assert_eq!(first.accounts, config.accounts);
    let least = read_text(LEAST).unwrap();
    assert_eq!(config.daemon, least.daemon);
    assert_eq!(config.capture, least.capture);
    assert_eq!(config.upstream, least.upstream);
    assert_eq!(config.policy, least.policy);
    assert_eq!(config.record, least.record);
    assert_eq!(config.limits, least.limits);
}

#[test]
fn full_config_means_what_it_says() {
    let config = read_text(&format!(
        r#"
        [daemon]
        run_dir = "/r"
        state_dir = "/s"
        org = "acme-eu"
        mode = "observe"
        shutdown_grace = "5s"
        [capture]
        root = "/c"
        pin_dir = "/p"
        port = 862
        redirect_ports = [443]
        program_logs = true
        guard = "sessions"
        heartbeat_stale = "5s"
        backstop = true
        container_io_uring = "denied"
        [upstream]
        ca_file = "/ca.pem"
        connect_timeout = "2s"
        [upstream.resolve]
        "acme.snowflakecomputing.com" = "127.77.0.1:8443"
        [policy]
        dir = "/pol"
        [record]
        mode = "best_effort"
        store = "file:///st"
        spool_max = "1GiB"
        seal_interval = "1m"
        [limits]
        request_body_max = "1MiB"
        statement_max = "64KiB"
        {LEAST}
        name = "ACME_EU"
        warehouse = "WH"
        "#
    ))
    .unwrap();
    assert_eq!(config.daemon.org, "acme-eu");
    assert_eq!(config.daemon.mode, Mode::Observe);
    assert!(config.capture.program_logs);
    assert_eq!(config.capture.guard, Guard::Sessions);
    assert_eq!(config.capture.heartbeat_stale, Duration::from_secs(5));
    assert!(config.capture.backstop);
    assert_eq!(config.capture.container_io_uring, ContainerIoUring::Denied);
    assert_eq!(
        config.upstream.resolve["acme.snowflakecomputing.com"],
        "127.77.0.1:8443".parse().unwrap()
    );
    assert_eq!(config.record.mode, RecordMode::BestEffort);
    let remote = read_text(&format!("[record]\nmode = \"strict_remote\"\n{LEAST}")).unwrap();
    assert_eq!(remote.record.mode, RecordMode::StrictRemote);
    assert_eq!(config.limits.statement_max_bytes, 64 << 10);
    assert_eq!(config.accounts[0].name, "ACME_EU");
    assert_eq!(config.accounts[0].warehouse.as_deref(), Some("WH"));
}

#[test]
fn syntax_errors_name_line_and_column() {
    let told = read_text("[daemon]\norg = acme\n").unwrap_err();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("line 2, column 7: expected TOML, found a syntax error: "),
        "{told:?}"
    );
}

#[test]
fn unknown_keys_are_told_with_the_nearest_known_one() {
    check_section(
        "[policy]\ndri = \"/x\"",
        "policy.dri: expected one of the keys dir, ask, found an unknown key (did you mean `dir`?)",
    );
    check_section(
        "[colour]",
        "colour: expected one of the keys daemon, capture, upstream, account, identity, approvals, policy, catalogue, prompts, stamp, record, limits, log, metrics, export, found an unknown key",
    );
    check_account(
        "warehous = \"WH\"",
        "account[0].warehous: expected one of the keys host, aliases, name, user, role, warehouse, tag_canary, mcp, credential, grant, found an unknown key (did you mean `warehouse`?)",
    );
}

#[test]
fn numbers_without_a_unit_are_refused() {
    check_section(
        "[daemon]\nshutdown_grace = \"30\"",
        "daemon.shutdown_grace: expected a duration such as \"30s\", found \"30\"",
    );
    check_section(
        "[record]\nseal_interval = 300",
        "record.seal_interval: expected a duration such as \"30s\", found 300",
    );
    check_section(
        "[limits]\nrequest_body_max = \"16MB\"",
        "limits.request_body_max: expected a size from 1KiB to 1GiB such as \"16MiB\", found \"16MB\"",
    );
    check_section(
        "[record]\nspool_max = \"1KiB\"",
        "record.spool_max: expected a size of at least 1MiB such as \"2GiB\", found \"1KiB\"",
    );
}

#[test]
fn values_outside_their_range_are_refused() {
    check_section(
        "[upstream]\nconnect_timeout = \"10m\"",
        "upstream.connect_timeout: expected a duration from 1s to 300s, found 600s",
    );
    check_section(
        "[capture]\nport = 65536",
        "capture.port: expected a port from 1 to 65535, found 65536",
    );
    check_section(
        "[capture]\nport = 443",
        "capture.port: expected a port that is not among `redirect_ports`, found 443",
    );
    check_section(
        "[capture]\nredirect_ports = [443, 443]",
        "capture.redirect_ports[1]: expected each only once, found 443 again",
    );
    check_section(
        "[capture]\nguard = \"nobody\"",
        "capture.guard: expected \"host\" or \"sessions\", found \"nobody\"",
    );
    check_section(
        "[capture]\nheartbeat_stale = \"0s\"",
        "capture.heartbeat_stale: expected a duration from 1s to 60s, found 0ns",
    );
    check_section(
        "[limits]\nsession_connects_per_second = 9",
        "limits.session_connects_per_second: expected a number of connections from 10 to 1000000, found 9",
    );
    check_section(
        "[capture]\nredirect_ports = []",
        "capture.redirect_ports: expected a list of 1 to 16 ports, found a list of 0",
    );
    check_section(
        "[limits]\nrequest_body_max = \"64KiB\"",
        "limits.statement_max: expected no more than `request_body_max`, found 1MiB",
    );
}

#[test]
fn words_outside_their_list_are_refused() {
    check_section(
        "[daemon]\nmode = \"off\"",
        "daemon.mode: expected \"enforce\" or \"observe\", found \"off\"",
    );
    check_section(
        "[record]\nmode = \"strict\"",
        "record.mode: expected \"strict_local\", \"strict_remote\" or \"best_effort\", found \"strict\"",
    );
    check_section(
        "[daemon]\norg = \"../x\"",
        "daemon.org: expected letters, digits, `-` and `_`, at most 64, the first a letter or digit, found \"../x\"",
    );
}

#[test]
fn paths_must_be_absolute_and_plain() {
    for path in ["run", "", "/a/../b"] {
        check_section(
            &format!("[daemon]\nrun_dir = {path:?}"),
            &format!("daemon.run_dir: expected an absolute path without `..`, found {path:?}"),
        );
    }
}

#[test]
fn fixed_addresses_need_a_port_and_a_lower_case_name() {
    check_section(
        "[upstream.resolve]\n\"a.example\" = \"127.0.0.1\"",
        "upstream.resolve.\"a.example\": expected an address and port such as \"127.0.0.1:8443\", found \"127.0.0.1\"",
    );
    check_section(
        "[upstream.resolve]\n\"A.example\" = \"127.0.0.1:1\"",
        "upstream.resolve.\"A.example\": expected a lower-case DNS name as key, found \"A.example\"",
    );
}

#[test]
fn hosts_must_be_snowflake_accounts() {
    for host in [
        "acme.example.com",
        "snowflakecomputing.com",
        ".snowflakecomputing.com",
        "Acme.snowflakecomputing.com",
        "acme.snowflakecomputing.com.",
        "ac me.snowflakecomputing.com",
        "acme.snowflakecomputing.com.evil.example",
        "acmesnowflakecomputing.com",
    ] {
        check_account(
            &format!("host = {host:?}"),
            &format!("account[0].host: expected {ACCOUNT_HOST}, found {host:?}"),
        );
    }
    for host in [
        "org-acme.privatelink.snowflakecomputing.com",
        "acme.cn-northwest-1.snowflakecomputing.cn",
        "acme_eu.snowflakecomputing.mil",
    ] {
        let text = LEAST.replace("acme.snowflakecomputing.com", host);
        assert_eq!(read_text(&text).unwrap().accounts[0].host, host);
    }
}

#[test]
fn account_hosts_must_differ() {
    check(
        &format!("{LEAST}{LEAST}"),
        &[
            "account[1].host: expected a host of its own (`account[0]` has `acme.snowflakecomputing.com`), found \"acme.snowflakecomputing.com\"",
        ],
    );
}

#[test]
fn no_name_leads_to_two_accounts() {
    let one = LEAST.replace("\"acme.", "\"my_org-a_b.");
    let two = |host: &str, aliases: &str| {
        let text = LEAST.replace("acme.", &format!("{host}."));
        check_told(&format!("{one}{text}aliases = [{aliases}]\n"))
    };
    let taken = |key: &str, name: &str, note: &str| {
        vec![format!(
            "account[1].{key}: expected a host of its own (`account[0]` has `my_org-a_b.snowflakecomputing.com`{note}), found \"{name}.snowflakecomputing.com\""
        )]
    };
    let note = "; Snowflake takes `-` for `_`";
    let alias = |name: &str| format!("\"{name}.snowflakecomputing.com\"");
    assert_eq!(two("my-org-a-b", ""), taken("host", "my-org-a-b", note));
    assert_eq!(
        two("x", &alias("my_org-a_b")),
        taken("aliases[0]", "my_org-a_b", "")
    );
    assert_eq!(
        two("x", &alias("my-org-a_b")),
        taken("aliases[0]", "my-org-a_b", note)
    );
    assert_eq!(two("x", &alias("y")), [] as [String; 0]);
}

#[test]
fn a_wrong_member_of_a_list_is_named() {
    let long = "aliases = [\"a.snowflakecomputing.com\", \"b.example.com\"]";
    let member = format!("expected {ACCOUNT_HOST}, found");
    check_account(
        long,
        &format!("account[0].aliases[1]: {member} \"b.example.com\""),
    );
    check_account(
        "aliases = [1]",
        &format!("account[0].aliases[0]: {member} 1"),
    );
    check_section(
        "[capture]\nredirect_ports = [443, 8080, \"80\"]",
        "capture.redirect_ports[2]: expected a port from 1 to 65535, found \"80\"",
    );
}

#[test]
fn aliases_are_other_hosts_of_accounts() {
    for (aliases, expected) in [
        (
            "[\"x.snowflakecomputing.com\", \"acme.snowflakecomputing.com\"]",
            "[1]: expected another name than `host`, found \"acme.snowflakecomputing.com\"",
        ),
        (
            "[\"a.snowflakecomputing.com\", \"a.snowflakecomputing.com\"]",
            "[1]: expected each only once, found \"a.snowflakecomputing.com\" again",
        ),
        (
            "\"a.snowflakecomputing.com\"",
            ": expected a list of at most 32 other host names of the same account, found \"a.snowflakecomputing.com\"",
        ),
    ] {
        let told = check_told(&format!("{LEAST}aliases = {aliases}\n"));
        assert_eq!(told, [format!("account[0].aliases{expected}")]);
    }
    let good = "aliases = [\"xy1.eu-central-1.snowflakecomputing.com\", \"acme.privatelink.snowflakecomputing.com\"]";
    let config = read_text(&format!("{LEAST}{good}\n")).unwrap();
    assert_eq!(
        config.accounts[0].hosts().collect::<Vec<_>>(),
        [
            "acme.snowflakecomputing.com",
            "xy1.eu-central-1.snowflakecomputing.com",
            "acme.privatelink.snowflakecomputing.com"
        ]
    );
}

#[test]
fn accounts_are_named_by_their_host_unless_told() {
    for (host, name) in [
        ("acme-f00d.global", "ACME"),
        ("xy1.eu-central-1.privatelink", "XY1"),
        ("org-my_acct", "ORG-MY_ACCT"),
    ] {
        let text = LEAST.replace("acme.", &format!("{host}."));
        assert_eq!(read_text(&text).unwrap().accounts[0].name, name);
    }
}

#[test]
fn the_name_of_an_account_has_no_dots() {
    let told = "account[0].name: expected a name of 1 to 255 characters without dots and control characters, found \
        \"ACME.EU\"";
    check(&format!("{LEAST}name = \"ACME.EU\"\n"), &[told]);
    check(&format!("{LEAST}name = \"acme eu\"\n"), &[]);
}

#[test]
fn what_is_missing_is_called_required_and_shown() {
    check(
        "[[account]]\n",
        &[
            &format!(
                "account[0].host: expected {ACCOUNT_HOST}; it is required, such as `host = \"myorg-myaccount.snowflakecomputing.com\"`, found nothing"
            ),
            "account[0].user: expected a name of 1 to 255 characters without control characters; it is required, such as `user = \"ICECORE_SVC\"`, found nothing",
            "account[0].role: expected a name of 1 to 255 characters without control characters; it is required, such as `role = \"ANALYST\"`, found nothing",
            "account[0].credential: expected a table; it is required, such as `credential = { kind = \"key-pair\", private_key_file = \"/etc/icecore/keys/acme.p8\" }`, found nothing",
        ],
    );
}

#[test]
fn an_encryption_section_that_names_nobody_is_refused() {
    let required = "record.encryption.recipients: expected a list of 1 to 64 recipients; it is required, such as `recipients = [\"x25519:...\"]`, found nothing";
    check_section("[record.encryption]", required);
    assert!(check_told(&format!("[record.encryption]\nrecipients = []\n{LEAST}")).len() == 1);
}

#[test]
fn all_problems_are_told_at_once() {
    check(
        "[daemon]\nmode = 1\norgg = \"x\"\n[record]\nspool_max = \"2\"\n",
        &[
            "daemon.mode: expected \"enforce\" or \"observe\", found 1",
            "daemon.orgg: expected one of the keys run_dir, state_dir, org, mode, shutdown_grace, user, found an unknown key (did you mean `org`?)",
            "account: expected at least one `[[account]]` table with host, user, role and credential, found none",
            "record.spool_max: expected a size of at least 1MiB such as \"2GiB\", found \"2\"",
        ],
    );
}

#[test]
fn hosts_without_cgroup2_need_a_root() {
    let problems = Problems::default();
    let source = Source {
        file: Path::new("/i.toml"),
        cgroup2: None,
    };
    read(LEAST, source, &problems);
    assert!(problems.has("capture.root"));
}

#[test]
fn run_dir_is_read_whatever_else_is_wrong() {
    let problems = Problems::default();
    assert_eq!(
        run_dir("x = 1\n[daemon]\nrun_dir = \"/r\"\nmode = 3\n", &problems),
        Path::new("/r")
    );
    assert_eq!(run_dir("", &problems), Path::new("/run/icecore"));
    assert!(problems.into_errors(Path::new("/i")).problems.is_empty());
}
