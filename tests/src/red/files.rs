//! Attacks on files: keys, state, store, config's secrets, pins, and what this process itself was left with.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::{Facts, Outcome};

pub(super) fn attacks(facts: &Facts) -> Vec<(String, Outcome)> {
    let mut attacks: Vec<_> = facts
        .private
        .iter()
        .map(|path| (format!("read {}", path.display()), read(path)))
        .collect();
    attacks.push(("inherit a descriptor".into(), inherited()));
    attacks.push(("find a credential in the environment".into(), environment()));
    for cgroup in &facts.cgroups {
        let name = format!("move into {}", cgroup.display());
        attacks.push((name, enter(cgroup)));
    }
    attacks
}

/// Reads a file, or every file below a folder.
fn read(path: &Path) -> Outcome {
    match read_below(path) {
        Ok(Some(file)) => Outcome::obtained(file),
        Ok(None) => Outcome::stopped("nothing in it can be read"),
        Err(error) => Outcome::stopped(error),
    }
}

/// Finds a file that can be read. The CA's certificate is meant to be: every driver in a session trusts it.
fn read_below(path: &Path) -> std::io::Result<Option<String>> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            // One that cannot be read does not hide the others.
            if let Ok(Some(file)) = read_below(&entry?.path()) {
                return Ok(Some(file));
            }
        }
        return Ok(None);
    }
    let mut text = Vec::new();
    fs::File::open(path)?.read_to_end(&mut text)?;
    let is_public = text.starts_with(b"-----BEGIN CERTIFICATE-----");
    Ok((!is_public && !text.is_empty()).then(|| path.display().to_string()))
}

/// Looks for descriptors beyond stdin, stdout and stderr: BPF maps, sockets, anything.
fn inherited() -> Outcome {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return Outcome::stopped("no /proc/self/fd");
    };
    let mut open = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let standard = matches!(name.as_str(), "0" | "1" | "2");
        // The folder that is being read is a descriptor too.
        let itself = target.ends_with("fd");
        if !standard && !itself {
            open.push(format!("{name} -> {}", target.display()));
        }
    }
    if open.is_empty() {
        Outcome::stopped("only 0, 1 and 2 are open")
    } else {
        Outcome::obtained(open.join(", "))
    }
}

fn environment() -> Outcome {
    let telling = ["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "PRIVATE_KEY"];
    let found: Vec<String> = std::env::vars()
        .map(|(name, _)| name)
        .filter(|name| telling.iter().any(|word| name.contains(word)))
        .collect();
    if found.is_empty() {
        Outcome::stopped("no variable looks like one")
    } else {
        Outcome::obtained(found.join(", "))
    }
}

fn enter(cgroup: &Path) -> Outcome {
    let own = std::process::id().to_string();
    match fs::write(cgroup.join("cgroup.procs"), own) {
        Ok(()) => Outcome::obtained("moved"),
        Err(error) => Outcome::stopped(error),
    }
}
