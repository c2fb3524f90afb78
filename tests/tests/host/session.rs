//! What a session is: its cgroup, its rights, what it trusts, and what becomes of what it leaves running.

use std::fs;

use crate::host::{Host, NOBODY, as_nobody, plain, runs, stderr, stdout};

#[test]
fn command_runs_in_the_sessions_cgroup_without_new_privileges() {
    let host = Host::start();
    let output = host.shell("grep NoNewPrivs /proc/self/status; grep ^0:: /proc/self/cgroup");
    let text = stdout(&output);
    let (privileges, cgroup) = text.split_once('\n').unwrap();
    assert_eq!(privileges, "NoNewPrivs:\t1");
    let session = cgroup.trim().rsplit('/').next().unwrap();
    assert!(stderr(&output).contains(session), "{}", stderr(&output));
}

#[test]
fn unprivileged_users_have_sessions_too() {
    let host = Host::start();
    let output = host.run_as_nobody(&["sh", "-c", "id -u; head -c 27 \"$SSL_CERT_FILE\""]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        format!("{NOBODY}\n-----BEGIN CERTIFICATE-----")
    );
    // What runs outside with their uid can be taken over.
    let told = "; advisory: its caller has its command's uid too";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
}

#[test]
fn sessions_of_root_are_advisory_and_may_be_declined() {
    let host = Host::start();
    let output = host.run(&["true"]);
    assert!(stderr(&output).contains("; advisory: its user is root"));
    let mut words = host.words(&["true"]);
    words.splice(2..2, ["--require".to_owned(), "enforced".to_owned()]);
    let declined = plain(&words).output().unwrap();
    assert_eq!(declined.status.code(), Some(1));
    assert_eq!(
        stderr(&declined),
        "icecore: expected a session that is enforced (--require enforced): its user is root\n"
    );
    let shared = plain(&as_nobody(&words)).output().unwrap();
    assert_eq!(shared.status.code(), Some(1));
    assert_eq!(
        stderr(&shared),
        "icecore: expected a session that is enforced (--require enforced): its caller has its command's uid too, and can be taken over; \
         start as root with --user NAME\n"
    );
    let mut roots = words.clone();
    roots.splice(2..2, ["--user".to_owned(), "root".to_owned()]);
    let roots = plain(&roots).output().unwrap();
    assert_eq!(roots.status.code(), Some(1));
    assert!(stderr(&roots).contains("--user: expected a user other than root"));
    words.splice(2..2, ["--user".to_owned(), "nobody".to_owned()]);
    let taken = plain(&words).output().unwrap();
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
    assert!(!stderr(&taken).contains("advisory"), "{}", stderr(&taken));
}

#[test]
fn processes_in_a_session_may_not_use_the_daemon() {
    let host = Host::start();
    let inner = host.words(&["true"]).join(" ");
    let script = format!("{inner}; echo inner=$?");
    let output = host.run_as_nobody(&["sh", "-c", &script]);
    assert_eq!(stdout(&output), "inner=1\n");
    assert!(
        stderr(&output).starts_with("icecore: a process in a session may not use the daemon\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn leftovers_are_killed_and_told() {
    let host = Host::start();
    let output = host.shell("sleep 77 & echo $!; (setsid sleep 78 & echo $!)");
    let pids: Vec<u32> = stdout(&output)
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    let text = stderr(&output);
    assert!(text.contains("killed what was left running: 2 ("), "{text}");
    for pid in pids {
        assert!(text.contains(&format!("sleep {pid}")), "{text}");
        assert!(!runs(pid), "{pid} runs");
    }
    assert_eq!(host.cgroup.sessions().unwrap(), [""; 0]);
}

#[test]
fn trust_is_added_to_the_callers_own_and_goes_with_the_session() {
    let host = Host::start();
    let own = host.path("own.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["own.test".to_owned()];
    let root = rcgen::CertificateParams::new(names).unwrap();
    let root = root.self_signed(&key).unwrap().pem();
    // What is no certificate stays where it is: it may be a key.
    fs::write(
        &own,
        format!("# my own roots\n{root}{}", key.serialize_pem()),
    )
    .unwrap();
    let script = "for f in $REQUESTS_CA_BUNDLE $SSL_CERT_FILE $NODE_EXTRA_CA_CERTS; do \
                  grep -cF -- $OWN $f; grep -c BEGIN $f; done; \
                  echo $SF_OCSP_RESPONSE_CACHE_SERVER_ENABLED ${CURL_CA_BUNDLE-none} $SSL_CERT_FILE";
    let output = host
        .session(&["sh", "-c", script])
        .env("REQUESTS_CA_BUNDLE", &own)
        .env("SSL_CERT_FILE", &own)
        .env("NODE_EXTRA_CA_CERTS", &own)
        .env("OWN", root.lines().nth(1).unwrap())
        .output()
        .unwrap();
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..6], ["1", "2"].repeat(3));
    let words: Vec<&str> = lines[6].split(' ').collect();
    assert_eq!(words[..2], ["false", "none"]);
    assert!(!std::path::Path::new(words[2]).exists(), "{}", words[2]);
}

#[test]
fn nothing_of_ours_and_no_token_request_is_in_the_commands_environment() {
    let host = Host::start();
    let output = host
        .session(&["env"])
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", "https://issuer.example")
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "planted-canary")
        .env("VAULT_TOKEN", "planted-canary")
        .env("AWS_SECRET_ACCESS_KEY", "planted-canary")
        .env("SNOWFLAKE_PASSWORD", "dummy")
        .env("KEPT", "kept")
        .output()
        .unwrap();
    let text = stdout(&output);
    assert!(text.contains("KEPT=kept\n") && text.contains("SNOWFLAKE_PASSWORD=dummy\n"));
    assert!(!text.contains("planted-canary"), "{text}");
    let told = "icecore: kept from the command: AWS_SECRET_ACCESS_KEY, VAULT_TOKEN; --keep-env NAME hands one over\n";
    assert!(stderr(&output).starts_with(told), "{}", stderr(&output));
    assert!(!text.contains("ACTIONS_ID_TOKEN"), "{text}");
    assert!(!text.contains("ICECORE"), "{text}");
}

#[test]
fn a_variable_is_handed_over_by_its_name_alone() {
    let host = Host::start();
    let mut words = host.words(&["env"]);
    words.splice(2..2, ["--keep-env", "SSH_AUTH_SOCK"].map(str::to_owned));
    let output = plain(&words)
        .env("SSH_AUTH_SOCK", "/tmp/agent")
        .env("DOCKER_HOST", "unix:///tmp/docker")
        .output()
        .unwrap();
    let text = stdout(&output);
    assert!(text.contains("SSH_AUTH_SOCK=/tmp/agent\n"), "{text}");
    assert!(!text.contains("DOCKER_HOST"), "{text}");
}

#[test]
fn launcher_cannot_be_looked_into_from_its_session() {
    let host = Host::start();
    // The twin, a process of the same user that anybody may look into, is the shell itself.
    let script = "p=$(grep PPid /proc/$$/status | tr -dc 0-9); \
                  for p in $$ $p; do cat /proc/$p/environ 2>/dev/null | tr '\\0' '\\n' | grep -c CANARY; done";
    let words = as_nobody(&host.words(&["sh", "-c", script]));
    let output = plain(&words).env("CANARY", "planted").output().unwrap();
    assert_eq!(stdout(&output), "1\n0\n", "{}", stderr(&output));
}

#[test]
fn many_sessions_at_once_are_kept_apart() {
    let host = Host::start();
    let children: Vec<_> = (0..20)
        .map(|number| {
            let script = format!("grep ^0:: /proc/self/cgroup; exit {number}");
            host.session(&["sh", "-c", &script])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut cgroups = std::collections::BTreeSet::new();
    for (number, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(i32::try_from(number).unwrap()));
        cgroups.insert(stdout(&output));
    }
    assert_eq!(cgroups.len(), 20);
    assert_eq!(host.cgroup.sessions().unwrap(), [""; 0]);
}
