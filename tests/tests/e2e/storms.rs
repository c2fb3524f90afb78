//! What one session, or a proxy that was taken over, can do to the rest: storms of connections, and files put in places.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use anyhow::{Context as _, Result};
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python::Generation;
use icecore_tests::time;
use rustix::process::Pid;
use serde_json::json;

use crate::piece;

/// The default is 2 s; other tests leave a proxy 20 s.
fn hangs_soon(text: String) -> String {
    text.replace("heartbeat_stale = \"20s\"", "heartbeat_stale = \"5s\"")
}

/// Connects and breaks off as fast as it can until it is told to stop.
const STORM: &str = r#"
import os, signal, socket, struct, sys, threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
made, refused = 0, 0
while not stop.is_set():
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        link.connect(("203.0.113.7", 443))
        made += 1
    except OSError:
        refused += 1
    link.close()
    if made == 3000:
        tell("storm")
        made += 1
tell("over", made=made, refused=refused)
"#;

const SERVED: &str = r#"
connection = connect()
pause()
for number in range(20):
    with connect() as other:
        tell("served", rows=other.cursor().execute("select 1").fetchall())
"#;

/// Gives a number of a process's status, such as its threads.
fn status(process: Pid, name: &str) -> Result<u64> {
    let path = format!("/proc/{}/status", process.as_raw_nonzero());
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_ascii_whitespace().next());
    Ok(number.context("no such line")?.parse()?)
}

#[test]
fn a_storm_of_one_session_leaves_the_others_served() -> Result<()> {
    let mut world = World::start(&Plan {
        edit: hangs_soon,
        ..Plan::default()
    })?;
    let mut other = piece::start(&world, Generation::Four, SERVED)?;
    other.expect("pause")?;
    let mut storm = piece::start(&world, Generation::Four, STORM)?;
    storm.expect("storm")?;
    other.go_on()?;
    let proxy = world.daemon()?.proxy()?;
    let (mut threads, mut resident_kib) = (0, 0);
    let began = time::instant();
    for _ in 0..20 {
        let served = other.expect("served")?;
        assert_eq!(served["rows"], json!([[1]]), "{}", other.output);
        threads = threads.max(status(proxy, "Threads:")?);
        resident_kib = resident_kib.max(status(proxy, "VmRSS:")?);
    }
    let served = began.elapsed();
    // A session that begins in the storm begins, and is served.
    let began = time::instant();
    let run = world
        .session(AGENT_UID, &[], OsStr::new("true"))?
        .output()?;
    assert!(run.status.success(), "{run:?}");
    let opened = began.elapsed();
    storm.go_on()?;
    let over = storm.expect("over")?;
    println!(
        "20 logins and statements beside a storm in {} ms, a session in {} ms; the proxy had {threads} threads and {} MiB; {over}",
        served.as_millis(),
        opened.as_millis(),
        resident_kib >> 10
    );
    assert_eq!(
        over["refused"], 0,
        "the kernel refused: a heartbeat was lost"
    );
    assert!(threads < 150, "{threads} threads");
    assert!(resident_kib < 600 << 10, "{resident_kib} KiB");
    storm.wait()?;
    other.wait()?;
    assert_eq!(world.daemon()?.proxy()?, proxy, "the proxy was replaced");
    world.flush()?;
    let told = world.query(
        "select sum(coalesce(cast(detail->>'repeats' as integer), 1)) as n, max(severity) as severity from events \
         where event_code = 'NT001' and detail->>'reason' = 'more connections a second than a session may make'",
    )?;
    let counted = told.first().and_then(|row| row["n"].as_f64());
    assert!(counted > Some(1000.0), "{told:?}");
    assert_eq!(told[0]["severity"], 3);
    let lost = world.query("select count(*) as n from events where event_code = 'EN002'")?;
    assert_eq!(lost, [json!({"n": 0})]);
    Ok(())
}

const HANDSHAKES: &str = r#"
import socket
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
def fails():
    try:
        context.wrap_socket(socket.create_connection((HOST, 443)), server_hostname=HOST)
    except ssl.SSLError:
        return 1
    return 0
tell("failed", times=sum(fails() for _ in range(30)))
"#;

#[test]
fn failed_handshakes_of_a_session_are_one_line_of_the_log() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    for lines in 1..=2 {
        let finished = piece::run(&world, Generation::Four, HANDSHAKES)?;
        assert_eq!(finished.step("failed")?["times"], 30, "{}", finished.output);
        let log = world.daemon()?.log()?;
        assert_eq!(log.matches("TLS handshake failed").count(), lines, "{log}");
    }
    Ok(())
}

/// A proxy that was taken over writes in its own folder: a link there has nothing else published, nor a pipe root wait.
#[test]
fn a_link_in_the_cas_place_publishes_no_file_of_roots() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let ca = world.config.state_dir().join("ca/ca.pem");
    let aside = ca.with_extension("aside");
    let secret = world.path("secret.pem");
    // Certificates in it would pass a look at what it holds.
    fs::write(&secret, format!("SECRET\n{}", fs::read_to_string(&ca)?))?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    fs::rename(&ca, &aside)?;
    let run = |options: &[&str]| {
        let mut words = options.to_vec();
        words.extend(["--quiet", "--user", "nobody"]);
        world
            .session(0, &words, OsStr::new("true"))?
            .output()
            .context("run")
    };
    let refused = |expected: &str| {
        let output = run(&[])?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(expected), "{text}");
        anyhow::Ok(())
    };
    symlink(&secret, &ca)?;
    refused("found a link")?;
    fs::remove_file(&ca)?;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &ca,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )?;
    refused("found something else")?;
    fs::remove_file(&ca)?;
    fs::rename(&aside, &ca)?;
    let output = run(&[])?;
    assert!(output.status.success(), "{output:?}");
    Ok(())
}
