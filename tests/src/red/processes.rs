//! Attacks on processes: the daemon's memory and descriptors, its control socket, sessions inside a session.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use super::{Facts, Outcome};

pub(super) fn attacks(facts: &Facts) -> Vec<(String, Outcome)> {
    let mut attacks = Vec::new();
    for pid in &facts.daemon_pids {
        for file in ["environ", "mem", "maps", "fd/0", "fd/1", "cwd", "root"] {
            let name = format!("read /proc/daemon/{file}");
            attacks.push((name, read(*pid, file)));
        }
    }
    attacks.push(("talk to the control socket".into(), control(facts)));
    attacks.push(("open a session inside the session".into(), nested(facts)));
    attacks.push(("become root".into(), become_root()));
    attacks.push((
        "become root in a user namespace and remount cgroups".into(),
        remount(facts),
    ));
    attacks
}

fn read(pid: u32, file: &str) -> Outcome {
    let path = format!("/proc/{pid}/{file}");
    let result = match file {
        "cwd" | "root" | "fd/0" | "fd/1" => fs::read_link(&path).map(|to| to.display().to_string()),
        "mem" | "maps" | "environ" => fs::File::open(&path).and_then(|mut file| {
            let mut first = [0; 16];
            file.read(&mut first).map(|bytes| format!("{bytes} bytes"))
        }),
        _ => return Outcome::stopped("not tried"),
    };
    match result {
        Ok(how) => Outcome::obtained(how),
        Err(error) => Outcome::stopped(error),
    }
}

/// Asks the supervisor for a session, for sealing and for another's session; a refusal or silence is a stop.
fn control(facts: &Facts) -> Outcome {
    let asks = [
        r#"{"ask":"flush"}"#,
        r#"{"ask":"login","step":"status"}"#,
        r#"{"ask":"login","step":"issuer","issuer":null}"#,
        r#"{"ask":"login","step":"forget"}"#,
        r#"{"ask":"open","labels":{},"exe":"/bin/true","argv_sha256":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"require_enforced":false}"#,
    ];
    let mut told = Vec::new();
    for ask in asks {
        match exchange(facts, ask) {
            Ok(reply)
                if ["opened", "flushed", "login"]
                    .iter()
                    .any(|word| reply.contains(word)) =>
            {
                return Outcome::obtained(reply);
            }
            Ok(reply) => told.push(reply),
            Err(error) => told.push(error.to_string()),
        }
    }
    Outcome::stopped(told.join(" / "))
}

fn exchange(facts: &Facts, ask: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(&facts.control_socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("{ask}\n").as_bytes())?;
    let mut reply = [0; 1024];
    let length = stream.read(&mut reply)?;
    Ok(String::from_utf8_lossy(reply.get(..length).unwrap_or_default()).into_owned())
}

fn nested(facts: &Facts) -> Outcome {
    let output = Command::new(&facts.icecore)
        .args(["run", "--control"])
        .arg(&facts.control_socket)
        .args(["--", "true"])
        .output();
    match output {
        Ok(output) if output.status.success() => Outcome::obtained("a session inside the session"),
        Ok(output) => Outcome::stopped(String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => Outcome::stopped(error),
    }
}

/// Starts a program that gives root to everybody, if the machine has one.
fn become_root() -> Outcome {
    let mut tried = Vec::new();
    for (program, arguments) in [
        ("sudo", ["-n", "id"]),
        ("su", ["-c", "id"]),
        ("newgrp", ["root", ""]),
    ] {
        let output = Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output();
        match output {
            Ok(output) if String::from_utf8_lossy(&output.stdout).contains("uid=0") => {
                return Outcome::obtained(program);
            }
            Ok(output) => tried.push(format!("{program}: {}", output.status)),
            Err(error) => tried.push(format!("{program}: {error}")),
        }
    }
    Outcome::stopped(tried.join(", "))
}

/// Mounts the cgroup tree as root of an own user namespace and moves out of the session's cgroup.
fn remount(facts: &Facts) -> Outcome {
    let Some(outside) = facts.cgroups.first() else {
        return Outcome::stopped("no cgroup known");
    };
    let script = "mount -t cgroup2 none /mnt && find /mnt -maxdepth 3 -name cgroup.procs | while read f; do \
                  echo $$ > \"$f\" && echo moved $f; done; echo $$ > \"$0/cgroup.procs\" && echo moved";
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--cgroup",
            "sh",
            "-c",
            script,
        ])
        .arg(outside)
        .output();
    match output {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("moved") => {
            Outcome::obtained(String::from_utf8_lossy(&output.stdout).trim())
        }
        Ok(output) => Outcome::stopped(String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => Outcome::stopped(error),
    }
}
