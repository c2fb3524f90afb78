//! The proxy under its own user: what it has left, what others of that user see of it, and what it leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use icecore_tests::harness::config::PROXY_UID;
use rustix::process::{Signal, kill_process};

use crate::host::{Host, stderr, until};

/// Reads `/proc/<pid>/task/<tid>/status` by its keys.
fn status(task: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(task.join("status")).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Runs a program as another user, without groups.
fn as_user(uid: u32, command: &[&str]) -> Output {
    let (uid, gid) = (uid.to_string(), uid.to_string());
    Command::new("setpriv")
        .args(["--reuid", &uid, "--regid", &gid, "--clear-groups"])
        .args(command)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn every_thread_of_the_proxy_has_its_user_and_nothing_else() {
    let mut host = Host::start();
    let pid = host.daemon().proxy().unwrap().as_raw_nonzero();
    let own = format!("{PROXY_UID}\t{PROXY_UID}\t{PROXY_UID}\t{PROXY_UID}");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let limit = |name: &str| -> Vec<String> {
        let line = limits.lines().find(|line| line.contains(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(limit("core file")[4..6], ["0", "0"], "{limits}");
    let is_lockable = limit("locked memory")[3] == "unlimited";
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = status(&task.unwrap().path());
        let found = |key: &str| status.get(key).cloned().unwrap_or_default();
        assert_eq!(found("Uid"), own);
        assert_eq!(found("Gid"), own);
        assert_eq!(found("Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(found(set), "0000000000000000", "{set}");
        }
        assert_eq!(found("NoNewPrivs"), "1");
        // Source: `SECCOMP_MODE_FILTER` in linux/include/uapi/linux/seccomp.h.
        assert_eq!(found("Seccomp"), "2");
        // Every page that it touches from here on, where the host lets it lock so much.
        if is_lockable {
            assert_ne!(found("VmLck"), "0 kB");
        }
        threads += 1;
    }
    let log = host.daemon().log().unwrap();
    assert_eq!(
        log.contains("memory may be swapped out"),
        !is_lockable,
        "{log}"
    );
    assert!(threads > 2, "{threads} threads");
    // The supervisor is root still, with its own threads' rights.
    let supervisor = host.daemon().supervisor().unwrap().as_raw_nonzero();
    let status = status(Path::new(&format!("/proc/{supervisor}")));
    assert_eq!(status["Uid"], "0\t0\t0\t0");
    assert_ne!(status["CapEff"], "0000000000000000");
}

#[test]
fn no_process_of_its_own_user_reads_the_proxys_memory_or_variables() {
    let mut host = Host::start();
    let proxy = host.daemon().proxy().unwrap().as_raw_nonzero().to_string();
    // The twin: a process of that user that did nothing for it.
    let mut twin = Command::new("setpriv")
        .args([
            "--reuid",
            &PROXY_UID.to_string(),
            "--regid",
            &PROXY_UID.to_string(),
            "--clear-groups",
        ])
        .args(["sleep", "60"])
        .env("TWIN", "seen")
        .spawn()
        .unwrap();
    let twin_pid = twin.id().to_string();
    until(5, "the twin sleeps", || {
        fs::read_to_string(format!("/proc/{twin_pid}/comm")).is_ok_and(|comm| comm == "sleep\n")
    });
    let read = |pid: &str, file: &str| {
        as_user(
            PROXY_UID,
            &["head", "-c", "64", &format!("/proc/{pid}/{file}")],
        )
    };
    let list = |pid: &str| as_user(PROXY_UID, &["ls", &format!("/proc/{pid}/fd")]);
    let seen = String::from_utf8(read(&twin_pid, "environ").stdout).unwrap();
    assert!(seen.contains("TWIN=seen") || seen.contains('='), "{seen}");
    assert!(list(&twin_pid).status.success());
    for file in ["environ", "maps", "mem", "auxv", "pagemap"] {
        let output = read(&proxy, file);
        assert!(!output.status.success(), "{file} is read");
        assert!(stderr(&output).contains("ermission denied"), "{file}");
    }
    assert!(!list(&proxy).status.success(), "descriptors are listed");
    let trace = |pid: &str| as_user(PROXY_UID, &["strace", "-qq", "-p", pid, "-e", "none"]);
    if Command::new("strace").arg("-V").output().is_ok() {
        let said = stderr(&trace(&proxy)).to_lowercase();
        assert!(said.contains("not permitted"), "{said}");
    }
    twin.kill().unwrap();
    twin.wait().unwrap();
}

#[test]
fn a_proxy_that_crashes_leaves_no_core_and_another_comes() {
    let mut host = Host::start();
    let proxy = host.daemon().proxy().unwrap();
    let pid = proxy.as_raw_nonzero();
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    let cores = || {
        let entries = fs::read_dir(&folder).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with("core"))
            .collect::<Vec<_>>()
    };
    let before = cores();
    kill_process(proxy, Signal::ABORT).unwrap();
    until(10, "there is another proxy", || {
        host.daemon().proxy().is_ok_and(|next| next != proxy)
    });
    until(10, "sessions are taken", || {
        host.run(&["true"]).status.success()
    });
    assert_eq!(cores(), before);
    let log = host.daemon().log().unwrap();
    assert!(log.contains("signalled 6"), "{log}");
}

#[test]
fn what_the_config_names_stays_roots_and_what_the_proxy_writes_is_its_own() {
    let mut host = Host::start();
    let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    for file in [host.config_file(), host.config.key_file.clone()] {
        assert_eq!(owner(&file), 0, "{}", file.display());
    }
    let mode = fs::metadata(&host.config.key_file).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    for folder in [
        host.config.state_dir(),
        host.config.state_dir().join("spool"),
        host.config.state_dir().join("ca/ca.key"),
        host.config.state_dir().join("identity.key"),
        host.config.proxy_dir(),
        host.config.store.clone(),
    ] {
        assert_eq!(owner(&folder), PROXY_UID, "{}", folder.display());
    }
    for folder in [
        host.config.run_dir(),
        host.config.run_dir().join("sessions"),
    ] {
        assert_eq!(owner(&folder), 0, "{}", folder.display());
    }
    // Its user cannot read the key by itself: the supervisor opened it.
    let key = host.config.key_file.display().to_string();
    assert!(!as_user(PROXY_UID, &["cat", &key]).status.success());
    // A file that the config's own user may not have written is refused when it is asked for next.
    fs::set_permissions(&host.config.key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let proxy = host.daemon().proxy().unwrap();
    kill_process(proxy, Signal::KILL).unwrap();
    until(10, "the key is refused", || {
        host.daemon().log().unwrap().contains("mode 0644")
    });
}

#[test]
fn a_session_of_the_proxys_own_user_is_refused() {
    let host = Host::start();
    let words = host.words(&["true"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let refused = as_user(PROXY_UID, &words);
    assert!(!refused.status.success());
    let said = stderr(&refused);
    assert!(
        said.contains("another user than the daemon's own proxy"),
        "{said}"
    );
    // The twin: the same words of another user.
    let taken = as_user(PROXY_UID + 1, &words);
    assert!(taken.status.success(), "{}", stderr(&taken));
}

#[test]
fn a_folder_that_the_proxys_user_cannot_enter_is_told_with_its_remedy() {
    let host = Host::without_daemon();
    let folder = host.path("closed");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let state = host.config.state_dir().display().to_string();
    let text = host
        .config
        .text()
        .replace(&state, &format!("{}/state", folder.display()));
    fs::write(host.config_file(), text).unwrap();
    let check = || {
        let output = Command::new(&host.icecore)
            .args(["check", "--config"])
            .arg(host.config_file())
            .output()
            .unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, said) = check();
    assert_eq!(code, Some(3), "{said}");
    let remedy = format!("`chmod o+x {}` lets it", folder.display());
    assert!(
        said.contains("daemon.state_dir") && said.contains(&remedy),
        "{said}"
    );
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said}");
}
