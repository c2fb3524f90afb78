//! The daemon with no more rights than its systemd unit leaves it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

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

#[test]
fn the_daemon_needs_no_more_capabilities_than_its_unit_leaves() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    let real = world.icecore.clone();
    let bounded = world.path("bounded");
    fs::write(
        &bounded,
        format!(
            "#!/bin/sh\nexec setpriv --no-new-privs --bounding-set={} -- {} \"$@\"\n",
            bounding_set()?,
            real.display()
        ),
    )?;
    fs::set_permissions(&bounded, fs::Permissions::from_mode(0o755))?;
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
