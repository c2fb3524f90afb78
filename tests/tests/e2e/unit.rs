//! The daemon with no more rights than its systemd unit leaves it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::{self, Generation};
use serde_json::json;

use crate::asserts::all_executed_is_recorded;

const WORK: &str = "
connection = connect()
tell('read', rows=connection.cursor().execute('select 1').fetchall())
failure('write', lambda: connection.cursor().execute('drop table orders'))
";

/// Gives the capabilities that the unit leaves, as setpriv(1) calls them.
fn bounding_set() -> Result<String> {
    let unit = fs::read_to_string(python::folder("../packaging").join("icecore.service"))?;
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .context("the unit has no CapabilityBoundingSet")?;
    let names = line.split(' ').map(|name| {
        let name = name.trim_start_matches("CAP_").to_lowercase();
        format!("+{name}")
    });
    Ok(std::iter::once("-all".to_owned())
        .chain(names)
        .collect::<Vec<_>>()
        .join(","))
}

/// Writes a program that becomes the daemon in its own way.
fn wrapped(world: &World, script: &str) -> Result<PathBuf> {
    let wrapper = world.path("wrapper");
    let real = world.icecore.display();
    fs::write(&wrapper, format!("#!/bin/sh\n{script} {real} \"$@\"\n"))?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(wrapper)
}

/// As the unit has it: `ProtectProc=invisible` is a `/proc` of its own with this option (proc(5)).
fn confined() -> Result<String> {
    Ok(format!(
        "exec unshare --mount -- /bin/sh -euc 'mount -t proc -o hidepid=invisible proc /proc; exec \"$@\"' confined \
         setpriv --no-new-privs --bounding-set={} --",
        bounding_set()?
    ))
}

#[test]
fn the_daemon_needs_no_more_capabilities_than_its_unit_leaves() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    let real = world.icecore.clone();
    let bounded = wrapped(&world, &confined()?)?;
    for start in 0..2 {
        world.icecore.clone_from(&bounded);
        world.start_daemon()?;
        let pid = world.daemon()?.proxy()?.as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        assert!(!status.contains("CapEff:\t000001ff"), "all capabilities");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        world.icecore.clone_from(&real);

        let finished = crate::piece::run(&world, Generation::Five, WORK)?;
        assert_eq!(finished.step("read")?["rows"], json!([[1]]));
        assert_eq!(finished.step("write")?["errno"], 3001);
        let trail = all_executed_is_recorded(&world)?;
        assert_eq!(trail.len(), 2 * (start + 1), "{trail:?}");
        // Whose program it was is read in another user's /proc.
        assert!(trail.iter().all(|row| row["exe"].is_string()), "{trail:?}");
        world.daemon()?.terminate()?;
    }
    Ok(())
}

/// Gives the calls of the unit's `SystemCallFilter`, less those that its other settings take; none without systemd.
fn calls_of_the_unit() -> Result<Option<BTreeSet<String>>> {
    let Ok(output) = Command::new("systemd-analyze")
        .arg("syscall-filter")
        .output()
    else {
        eprintln!("not shown: this host has no systemd-analyze");
        return Ok(None);
    };
    let text = String::from_utf8(output.stdout)?;
    let mut sets: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        let word = line.trim().trim_start_matches("# ");
        if line.starts_with('@') {
            sets.push((word, Vec::new()));
        } else if line.starts_with("    ") && !line.trim().starts_with('#') {
            sets.last_mut().context("a call of no set")?.1.push(word);
        }
    }
    let members = |names: &[&str]| {
        let mut all: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        while let Some(set) = all.iter().find(|name| name.starts_with('@')).cloned() {
            all.remove(&set);
            let of_set = sets.iter().find(|(name, _)| *name == set);
            all.extend(
                of_set
                    .into_iter()
                    .flat_map(|(_, calls)| calls.iter().map(ToString::to_string)),
            );
        }
        all
    };
    let unit = fs::read_to_string(python::folder("../packaging").join("icecore.service"))?;
    let filter = unit
        .lines()
        .find_map(|line| line.strip_prefix("SystemCallFilter="))
        .context("the unit has no SystemCallFilter")?;
    let mut left = members(&filter.split(' ').collect::<Vec<_>>());
    // ProtectKernelModules and ProtectKernelLogs. Source: systemd.exec(5).
    for taken in members(&["@module", "syslog"]) {
        left.remove(&taken);
    }
    Ok(Some(left))
}

#[test]
fn the_daemon_makes_no_call_that_a_filter_refuses() -> Result<()> {
    let Some(allowed) = calls_of_the_unit()? else {
        return Ok(());
    };
    assert!(allowed.contains("openat") && allowed.contains("bpf") && !allowed.contains("mount"));
    let mut world = World::without_daemon(&Plan::default())?;
    let real = world.icecore.clone();
    let calls = world.path("calls");
    // The daemon stays this test's child: the tracer is what leaves.
    let trace = format!("exec strace -D -f -qq -s 0 -o {} --", calls.display());
    world.icecore = wrapped(&world, &trace)?;
    world.start_daemon()?;
    world.icecore = real;
    let finished = crate::piece::run(&world, Generation::Five, WORK)?;
    assert_eq!(finished.step("read")?["rows"], json!([[1]]));
    world.replace_proxy()?;
    let finished = crate::piece::run(&world, Generation::Four, WORK)?;
    assert_eq!(finished.step("write")?["errno"], 3001);
    all_executed_is_recorded(&world)?;
    world.daemon()?.terminate()?;
    let text = fs::read_to_string(&calls)?;
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let call = call.strip_prefix("<... ").unwrap_or(call);
        let name: String = call
            .chars()
            .take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '_')
            .collect();
        (!name.is_empty()).then_some(name)
    };
    let made: BTreeSet<String> = text.lines().filter_map(name).collect();
    assert!(made.contains("bpf") && made.contains("seccomp"), "{made:?}");
    let beyond: Vec<&String> = made.difference(&allowed).collect();
    assert_eq!(beyond, [""; 0]);
    let refused: Vec<&str> = text.lines().filter(|line| line.contains("EPERM")).collect();
    assert_eq!(refused, [""; 0]);
    Ok(())
}
