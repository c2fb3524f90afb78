//! The control socket: open to all users, and to no nonsense.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use crate::host::{Host, plain, stderr, stdout};

/// Sends one line and gives the answer; nothing if the connection was closed.
fn ask(host: &Host, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(host.socket()).unwrap();
    // The daemon may hang up before it has read all of a long line.
    drop(stream.write_all(line));
    let mut answer = String::new();
    drop(BufReader::new(stream).read_line(&mut answer));
    answer
}

#[test]
fn nonsense_is_refused_and_the_daemon_goes_on() {
    let host = Host::start();
    for line in [
        "hello\n",
        "{}\n",
        "{\"ask\":\"arm\"}\n",
        "{\"ask\":\"flush\",\"all\":true}\n",
        "{\"ask\":\"open\",\"labels\":{},\"exe\":\"x\"}\n",
        "\u{0}\n",
    ] {
        let answer = ask(&host, line.as_bytes());
        assert!(
            answer.starts_with("{\"answer\":\"refused\",\"reason\":\"message not understood"),
            "{line:?}: {answer}"
        );
    }
    let answer = ask(&host, &vec![b'x'; 140_000]);
    assert!(answer.contains("at most 131072 bytes"), "{answer}");
    assert!(host.run(&["true"]).status.success());
}

#[test]
fn sessions_are_only_taken_up_by_who_opened_them() {
    let host = Host::start();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for ask_for in ["attach\",\"secret", "enter\",\"token"] {
        let line = format!("{{\"ask\":\"{ask_for}\":\"guess\",\"session\":\"{id}\"}}\n");
        let answer = ask(&host, line.as_bytes());
        assert!(answer.contains("there is no such session"), "{answer}");
    }
    let answer = ask(&host, b"{\"ask\":\"close\",\"reason\":\"exited 0\"}\n");
    assert!(answer.contains("there is no such session"), "{answer}");
}

#[test]
fn bad_labels_are_refused() {
    let host = Host::start();
    let mut words = host.words(&["true"]);
    words.splice(2..2, ["--label".to_owned(), "a b=c".to_owned()]);
    let output = plain(&words).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let line = "{\"ask\":\"open\",\"labels\":{\"a b\":\"c\"},\"exe\":\"x\",\"argv_sha256\":[0],\"require_enforced\":false}\n";
    let line = line.replace("[0]", &format!("{:?}", [0; 32]));
    assert!(ask(&host, line.as_bytes()).contains("expected a label name"));
}

#[test]
fn only_root_flushes() {
    let host = Host::start();
    let config = host.config_file().display().to_string();
    let flush = host.icecore(&["flush", "--config", &config]);
    assert_eq!(flush.status.code(), Some(0), "{}", stderr(&flush));
    let words = [
        &host.icecore.display().to_string(),
        "flush",
        "--config",
        &config,
    ]
    .map(ToString::to_string);
    let refused = plain(&crate::host::as_nobody(&words)).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        stderr(&refused),
        "icecore: only root may flush the record\n"
    );
}

#[test]
fn daemon_that_is_not_there_is_told() {
    let host = Host::without_daemon();
    let output = host.run(&["echo", "not run"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).starts_with("icecore: no daemon at `"),
        "{}",
        stderr(&output)
    );
}

/// What could not be told to a later proxy is not let in: that proxy would be told of no session.
#[test]
fn facts_that_fit_no_packet_are_refused() {
    let host = Host::start();
    let value = "\\u0001".repeat(512);
    let labels: Vec<String> = (0..40)
        .map(|number| format!("\"l{number}\":\"{value}\""))
        .collect();
    let digest = vec!["0"; 32].join(",");
    let line = format!(
        "{{\"ask\":\"open\",\"labels\":{{{}}},\"exe\":\"x\",\"argv_sha256\":[{digest}],\"require_enforced\":false}}\n",
        labels.join(",")
    );
    assert!(line.len() < 128 << 10);
    let said = ask(&host, line.as_bytes());
    assert!(said.contains("use fewer labels"), "{said}");
}
