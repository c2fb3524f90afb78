//! What a command in a session sees and gives, as if it had been started without us.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::{Host, plain, stderr, stdout, until};

#[test]
fn exit_codes_are_the_commands() {
    let host = Host::start();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -SEGV $$", 139),
    ] {
        assert_eq!(host.shell(script).status.code(), Some(code), "{script}");
    }
}

#[test]
fn commands_that_cannot_run_end_as_in_a_shell() {
    let host = Host::start();
    let absent = host.run(&["icecore-no-such-command"]);
    assert_eq!(absent.status.code(), Some(127));
    assert_eq!(
        stderr(&absent),
        "icecore: `icecore-no-such-command`: not found\n"
    );
    let text = host.run(&["/etc/passwd"]);
    assert_eq!(text.status.code(), Some(126));
    assert_eq!(stderr(&text), "icecore: `/etc/passwd`: not executable\n");
}

#[test]
fn input_output_and_folder_are_the_callers() {
    let host = Host::start();
    let mut child = host
        .session(&["sh", "-c", "pwd; cat; echo to-stderr >&2"])
        .current_dir("/usr")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"through").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "/usr\nthrough");
    assert!(stderr(&output).starts_with("to-stderr\nicecore: 0 statements"));
}

#[test]
fn arguments_and_limits_and_umask_are_the_callers() {
    let host = Host::start();
    let run = host.words(&["sh", "-c", "umask; ulimit -n; printf '<%s>' \"$@\"", "sh"]);
    let script = "umask 027; ulimit -n 123; exec \"$@\" 'a b' '' --version \"$(printf '\\377')\"";
    let mut words: Vec<String> = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    words.extend(run);
    let output = plain(&words).output().unwrap();
    assert_eq!(
        output.stdout,
        b"0027\n123\n<a b><><--version><\xff>",
        "{}",
        stderr(&output)
    );
}

#[test]
fn nothing_is_inherited_but_the_three_standard_descriptors() {
    let host = Host::start();
    let mut words: Vec<String> = [
        "sh",
        "-c",
        "exec 5</etc/passwd 9>/dev/null; exec \"$@\"",
        "sh",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend(host.words(&["sh", "-c", "cd /proc/$$/fd; echo *"]));
    let output = plain(&words).output().unwrap();
    let open = stdout(&output);
    // The shell keeps none open by itself while it expands a pattern of its own folder, but dash may show its scan.
    let open: Vec<&str> = open.split_whitespace().take(3).collect();
    assert_eq!(open, ["0", "1", "2"]);
    assert!(!stdout(&output).contains('5') && !stdout(&output).contains('9'));
}

#[test]
fn signals_to_the_launcher_reach_the_command_once() {
    let host = Host::start();
    let script = "trap 'n=$((n+1))' USR1 TERM; echo ready; sleep 1 & wait; wait; echo count=$n";
    for signal in [Signal::USR1, Signal::TERM] {
        let (mut child, mut lines) = started(&host, script);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "count=1\n", "{signal:?}");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn signals_that_end_the_command_end_the_launcher_alike() {
    let host = Host::start();
    let (mut child, _lines) = started(&host, "echo ready; exec sleep 60");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn ignored_signals_stay_ignored() {
    let host = Host::start();
    let ignoring: Vec<String> = ["sh", "-c", "trap '' HUP USR1; exec \"$@\"", "sh"]
        .map(str::to_owned)
        .to_vec();
    let look = ["grep", "SigIgn", "/proc/self/status"];
    let without = [ignoring.clone(), look.map(str::to_owned).to_vec()].concat();
    let within = [ignoring, host.words(&look)].concat();
    let ignored = |words: &[String]| {
        let text = stdout(&plain(words).output().unwrap());
        let mask =
            u64::from_str_radix(text.trim().trim_start_matches("SigIgn:").trim(), 16).unwrap();
        // Signals 32 and 33 are the C library's own (nptl(7)), which it ignores in what it spawns.
        mask & 0x7fff_ffff
    };
    let expected = ignored(&without);
    assert_eq!(expected & 0x201, 0x201, "SIGHUP is 1, SIGUSR1 is 10");
    assert_eq!(ignored(&within), expected);
}

#[test]
fn terminal_is_kept_and_its_interrupt_comes_once() {
    let host = Host::start();
    let script = "trap 'n=$((n+1))' INT; test -t 0 && test -t 1 && test -t 2 && tty; \
                  echo ready; sleep 1 & wait; wait; echo count=$n";
    std::fs::write(host.path("script.sh"), script).unwrap();
    let file = host.path("script.sh").display().to_string();
    let line = format!("exec {}", host.words(&["sh", &file]).join(" "));
    // script(1) makes a terminal and runs the line in its foreground.
    let words = ["script", "-qefc", &line, "/dev/null"].map(str::to_owned);
    let mut child = plain(&words)
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    until(20, "the command is ready", || {
        lines.read_line(&mut seen).unwrap();
        seen.contains("ready")
    });
    assert!(seen.contains("/dev/pts/"), "{seen}");
    stdin.write_all(b"\x03").unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("count=1\r\n"), "{rest}");
    // On a terminal the summary's first word is bold.
    assert!(
        rest.contains("\u{1b}[1micecore:\u{1b}[0m 0 statements"),
        "{rest}"
    );
    assert!(child.wait().unwrap().success());
}

/// Starts a script in a session and waits for its first line, `ready`.
fn started(host: &Host, script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = host
        .session(&["sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, lines)
}
