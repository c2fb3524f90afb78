//! What a command of another user's is held by: no capability, four families of sockets, no daemon and no process of others.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

use crate::host::{Host, as_nobody, plain, stderr, stdout, until};

/// Puts the script of probes where every user can read it.
fn probe(host: &Host) -> String {
    let file = host.path("probe.py");
    fs::write(&file, include_str!("probe.py")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.display().to_string()
}

/// Gives the words by which root runs a command as a user without rights.
fn handed_over(host: &Host, options: &[&str], command: &[&str]) -> Vec<String> {
    let mut words = host.words(command);
    let options = ["--user", "nobody"].iter().chain(options);
    words.splice(2..2, options.map(|&word| word.to_owned()));
    words
}

#[track_caller]
fn run(words: &[String]) -> Output {
    let output = plain(words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    output
}

/// Finds what a probe said of one thing.
#[track_caller]
fn said<'o>(output: &'o str, name: &str) -> &'o str {
    let start = format!("{name} -> ");
    let line = output.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("nothing of `{name}` in {output}"))
}

#[test]
fn a_command_of_another_user_has_no_capability_and_none_to_gain() {
    let host = Host::start();
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status";
    let text = stdout(&run(&handed_over(&host, &[], &["sh", "-c", script])));
    let expected =
        "CapInh:\t0 CapPrm:\t0 CapEff:\t0 CapBnd:\t0 CapAmb:\t0 NoNewPrivs:\t1 Seccomp:\t2";
    let short = text.replace("0000000000000000", "0");
    assert_eq!(short.lines().collect::<Vec<_>>().join(" "), expected);
    // The twin: a session of root's says that it holds nobody back, and does not.
    let output = host.shell(script);
    assert!(!stdout(&output).contains("CapBnd:\t0000000000000000"));
    assert!(stdout(&output).contains("NoNewPrivs:\t1\nSeccomp:\t2"));
    assert!(stderr(&output).contains("; advisory: its user is root"));
}

/// A caller that has capabilities without being root, as a service may, does not hand them on.
#[test]
fn a_callers_capabilities_are_not_inherited() {
    let host = Host::start();
    let script = "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status";
    let ambient = |words: &[String]| {
        let mut all: Vec<String> = [
            "setpriv",
            "--clear-groups",
            "--reuid=65534",
            "--regid=65534",
            "--inh-caps=+net_raw",
            "--ambient-caps=+net_raw",
        ]
        .map(str::to_owned)
        .to_vec();
        all.extend_from_slice(words);
        stdout(&run(&all))
    };
    let none = "0000000000000000";
    let inside = ambient(&host.words(&["sh", "-c", script]));
    assert_eq!(inside.matches(none).count(), 4, "{inside}");
    let outside = ambient(&["sh", "-c", script].map(str::to_owned));
    assert_eq!(outside.matches(none).count(), 0, "{outside}");
}

/// Rows 10, 11, 12 of the escape table, by each entry into the kernel, as an unprivileged caller and as root's command.
#[test]
fn sockets_are_of_four_families_by_every_entry() {
    let host = Host::start();
    let probe = probe(&host);
    let command = ["python3", probe.as_str(), "sockets"];
    let outside = stdout(&run(&as_nobody(&command.map(str::to_owned))));
    let as_caller = stdout(&run(&as_nobody(&host.words(&command))));
    let as_roots = stdout(&run(&handed_over(&host, &[], &command)));
    for inside in [&as_caller, &as_roots] {
        for family in 1..47 {
            for entry in ["native", "x32", "compat"] {
                let name = format!("{entry} {family}");
                let found = said(inside, &name);
                if [1, 2, 10, 16].contains(&family) {
                    // The twin: as outside, where x32 may be none of this kernel's.
                    assert_eq!(found, said(&outside, &name), "{name}");
                    assert!(entry == "x32" || found == "ok", "{name}: {found}");
                } else {
                    assert_eq!(found, "EPERM", "{name}");
                }
            }
        }
        for name in ["pair 40", "socketcall", "io_uring", "mptcp", "raw", "raw6"] {
            assert_eq!(said(inside, name), "EPERM", "{name}");
        }
        // A kernel without SCTP says so before any program is asked.
        let sctp = said(inside, "sctp");
        let is_absent = said(&outside, "sctp") == "EPROTONOSUPPORT";
        assert_eq!(
            sctp,
            if is_absent {
                "EPROTONOSUPPORT"
            } else {
                "EPERM"
            }
        );
        for name in ["pair 1", "tcp", "getpid by the 32-bit entry"] {
            assert_eq!(said(inside, name), "ok", "{name}");
        }
    }
    // Outside these are there, so that the refusals show something.
    for name in ["socketcall", "native 38", "mptcp"] {
        assert_ne!(said(&outside, name), "EPERM", "{name}: {outside}");
    }
}

#[test]
fn rings_are_there_where_the_config_allows_them() {
    let mut host = Host::without_daemon();
    let text = fs::read_to_string(host.config_file()).unwrap();
    let text = text.replace("[capture]\n", "[capture]\nio_uring = true\n");
    fs::write(host.config_file(), text).unwrap();
    host.start_daemon();
    let probe = probe(&host);
    let output = stdout(&run(&as_nobody(
        &host.words(&["python3", &probe, "sockets"]),
    )));
    assert_eq!(said(&output, "io_uring"), "ok");
    assert_eq!(said(&output, "native 40"), "EPERM");
}

/// Daemons of a `/run` that only this test's processes see; what the host has stays as it is.
struct Daemons {
    server: Child,
}

/// Row 3 of the escape table: each has a world-writable socket, so that nothing but the mounts is in the way.
const HIDDEN: [&str; 8] = [
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/dbus/system_bus_socket",
    "/run/snapd.socket",
    "/run/systemd/private",
    "/run/user/65534/bus",
];
const SHOWN: [&str; 2] = ["/run/postgresql/s", "/run/systemd/resolve/s"];

impl Daemons {
    fn start(probe: &str) -> Self {
        let mut folders: Vec<PathBuf> = HIDDEN
            .iter()
            .chain(&SHOWN)
            .filter_map(|path| PathBuf::from(path).parent().map(PathBuf::from))
            .collect();
        folders.sort();
        folders.dedup();
        let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        let script = format!(
            "mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p {} && ln -s docker.sock /run/link && \
             exec python3 {probe} listen {} {}",
            folders.join(" "),
            HIDDEN.join(" "),
            SHOWN.join(" ")
        );
        let words = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
        ];
        let mut server = plain(&words.map(str::to_owned))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "listening\n");
        Self { server }
    }

    /// Puts a command among them.
    fn beside(&self, words: &[String]) -> Vec<String> {
        let target = self.server.id().to_string();
        let enter = ["nsenter", "--mount", "--target", &target].map(str::to_owned);
        enter.into_iter().chain(words.iter().cloned()).collect()
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

#[test]
fn daemons_that_act_for_others_are_not_there() {
    let host = Host::start();
    let probe = probe(&host);
    let daemons = Daemons::start(&probe);
    let mut command = vec!["python3", &probe, "connect", "/run/link"];
    command.extend(HIDDEN);
    command.extend(SHOWN);
    let words: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
    let outside = stdout(&run(&daemons.beside(&as_nobody(&words))));
    let inside = stdout(&run(&daemons.beside(&handed_over(&host, &[], &command))));
    for path in HIDDEN.iter().chain(&["/run/link"]) {
        assert_eq!(said(&outside, path), "ok", "{path}");
        assert_eq!(said(&inside, path), "ENOENT", "{path}");
    }
    for path in SHOWN {
        assert_eq!(said(&inside, path), "ok", "{path}");
    }
}

/// Root of a user namespace of its own gets none of it back: what came with the namespace is locked (mount_namespaces(7)).
#[test]
fn a_user_namespace_takes_nothing_away() {
    let host = Host::start();
    let probe = probe(&host);
    let daemons = Daemons::start(&probe);
    let script = format!(
        "umount /run; umount -l /run; umount /proc; mount -o remount,hidepid=0 /proc; mount -t proc proc /proc; \
         python3 {probe} connect /run/docker.sock /run/postgresql/s; ls -d /proc/1"
    );
    let script = format!("{{ {script}; }} 2>/dev/null; true");
    let command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        &script,
    ];
    let inside = stdout(&run(&daemons.beside(&handed_over(&host, &[], &command))));
    assert_eq!(said(&inside, "/run/docker.sock"), "ENOENT", "{inside}");
    assert_eq!(said(&inside, "/run/postgresql/s"), "ok", "{inside}");
    assert!(!inside.contains("/proc/1"), "{inside}");
}

/// A daemon that starts again makes its socket anew; a working folder that is held open leads to the host's.
#[test]
fn daemons_stay_away_though_they_start_again_and_whatever_the_working_folder_is() {
    let host = Host::start();
    let probe = probe(&host);
    let daemons = Daemons::start(&probe);
    let wait = format!(
        "echo ready; read line; python3 {probe} connect /run/docker.sock ./docker.sock ../run/docker.sock"
    );
    let mut words: Vec<String> = ["sh", "-c", "cd /run; exec \"$@\"", "sh"]
        .map(str::to_owned)
        .to_vec();
    words.extend(handed_over(&host, &[], &["sh", "-c", &wait]));
    let mut session = plain(&daemons.beside(&words))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(session.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let again = ["python3", &probe, "listen", "/run/docker.sock"].map(str::to_owned);
    assert_eq!(stdout(&run(&daemons.beside(&again))), "listening\n");
    drop(session.stdin.take());
    let mut output = String::new();
    std::io::Read::read_to_string(&mut lines, &mut output).unwrap();
    session.wait().unwrap();
    for path in ["/run/docker.sock", "./docker.sock", "../run/docker.sock"] {
        assert_eq!(said(&output, path), "ENOENT", "{output}");
    }
}

/// Row 25: processes of others are neither seen nor looked into.
#[test]
fn processes_of_other_users_are_not_there() {
    let host = Host::start();
    let probe = probe(&host);
    let other = std::process::id().to_string();
    let script = format!(
        "ls -d /proc/1 /proc/{other} 2>&1 | wc -l; ls /proc | grep -c '^[0-9]'; test -d /proc/$$ && echo own; \
         python3 {probe} trace {other}"
    );
    let script = script.replace("2>&1", "2>/dev/null");
    let inside = stdout(&run(&handed_over(&host, &[], &["sh", "-c", &script])));
    let lines: Vec<&str> = inside.lines().collect();
    assert_eq!((lines[0], lines[2]), ("0", "own"), "{inside}");
    assert_eq!(said(&inside, "own traced"), "ok");
    assert_eq!(said(&inside, "own read"), "ok");
    assert_eq!(said(&inside, "other traced"), "EPERM");
    assert_eq!(said(&inside, "other read"), "EPERM");
    // The twin, in a session without mounts of its own: they are seen, and still not looked into.
    let seen = stdout(&run(&as_nobody(&host.words(&["sh", "-c", &script]))));
    assert_eq!(seen.lines().next(), Some("2"), "{seen}");
    assert_eq!(said(&seen, "other traced"), "EPERM");
}

/// Row 25 and attack 1 where the uid is shared: a process outside is of the same user, and still not looked into.
#[test]
fn processes_outside_of_the_same_uid_are_not_taken_over() {
    let host = Host::start();
    let probe = probe(&host);
    let sleep = ["sleep", "60"].map(str::to_owned);
    let mut other = plain(&as_nobody(&sleep))
        .env("CANARY", "planted")
        .spawn()
        .unwrap();
    let pid = other.id().to_string();
    until(5, "it runs", || {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "sleep\n")
    });
    let script = format!(
        "python3 {probe} trace {pid}; cat /proc/{pid}/environ | tr '\\0' '\\n' | grep -c CANARY"
    );
    let command = ["sh", "-c", &script];
    let outside = plain(&as_nobody(&command.map(str::to_owned)))
        .output()
        .unwrap();
    let inside = plain(&as_nobody(&host.words(&command))).output().unwrap();
    drop(other.kill());
    drop(other.wait());
    let (outside, inside) = (stdout(&outside), stdout(&inside));
    for name in ["traced", "signalled", "read"] {
        assert_eq!(said(&inside, &format!("own {name}")), "ok", "{inside}");
        assert_eq!(said(&inside, &format!("other {name}")), "EPERM", "{inside}");
        assert_eq!(said(&outside, &format!("other {name}")), "ok", "{outside}");
    }
    assert!(
        inside.ends_with("\n0\n") && outside.ends_with("\n1\n"),
        "{inside}{outside}"
    );
}

/// Row 27: sockets without a path, over which relays and buses of others listen.
#[test]
fn abstract_sockets_of_others_are_out_of_reach() {
    let host = Host::start();
    let probe = probe(&host);
    let name = format!("@icecore-test-{}", std::process::id());
    let listen = ["python3", &probe, "listen", &name].map(str::to_owned);
    let mut server = plain(&listen)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "listening\n");
    let command = ["python3", probe.as_str(), "connect", &name];
    let inside = stdout(&run(&handed_over(&host, &[], &command)));
    let twin = stdout(&run(&as_nobody(&host.words(&command))));
    drop(server.kill());
    drop(server.wait());
    assert_eq!(said(&inside, &name), "EPERM");
    assert_eq!(said(&twin, &name), "ok");
}

/// Attack 15: what a step writes for the next ones is dropped, and what was there is not shown to it.
#[test]
fn what_a_step_leaves_for_the_next_ones_is_dropped() {
    let host = Host::start();
    let variables = [
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_OUTPUT",
        "GITHUB_STATE",
        "GITHUB_STEP_SUMMARY",
    ];
    let files = variables.map(|name| host.path(name));
    for file in &files {
        fs::write(file, "before\n").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    }
    let script = "for f in $GITHUB_ENV $GITHUB_PATH $GITHUB_OUTPUT $GITHUB_STATE $GITHUB_STEP_SUMMARY; do \
                  echo BASH_ENV=/tmp/x >> $f && cat $f && rm -f $f; done";
    let with = |options: &[&str]| {
        let mut command = plain(&handed_over(&host, options, &["sh", "-c", script]));
        command.env("GITHUB_ACTIONS", "true");
        for (name, file) in variables.iter().zip(&files) {
            command.env(name, file);
        }
        command.output().unwrap()
    };
    let step = with(&[]);
    assert_eq!(
        stdout(&step),
        "BASH_ENV=/tmp/x\n".repeat(5),
        "{}",
        stderr(&step)
    );
    for file in &files {
        assert_eq!(fs::read_to_string(file).unwrap(), "before\n");
    }
    // The twin: a session that is the whole job has its own runner, which reads them.
    let job = with(&["--scope", "job"]);
    assert_eq!(
        stdout(&job),
        "before\nBASH_ENV=/tmp/x\n".repeat(5),
        "{}",
        stderr(&job)
    );
    for file in &files {
        assert_eq!(
            fs::read_to_string(file).unwrap(),
            "before\nBASH_ENV=/tmp/x\n"
        );
    }
}

/// A link in the way of a mount is none: what it leads to is mounted over, in the session alone.
#[test]
fn mounts_are_the_sessions_own() {
    let host = Host::start();
    let count = || {
        fs::read_to_string("/proc/self/mounts")
            .unwrap()
            .lines()
            .count()
    };
    let before = count();
    let inside = stdout(&run(&handed_over(
        &host,
        &[],
        &["cat", "/proc/self/mounts"],
    )));
    let own = |text: &str, what: &str| text.lines().any(|line| line.contains(what));
    assert!(own(&inside, "hidepid=invisible"), "{inside}");
    assert!(own(&inside, "tmpfs /run tmpfs rw,nosuid,nodev"), "{inside}");
    let outside = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!own(&outside, "hidepid"), "{outside}");
    // Other tests mount and unmount meanwhile, each a few.
    assert!(count().abs_diff(before) < 20);
}
