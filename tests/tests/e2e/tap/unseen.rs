//! A host that does not show who starts whom: nothing is surer than E, and each who should know is told.

use std::fs;

use anyhow::{Context, Result};
use icecore_tests::harness::daemon::HIDES_TRACEPOINTS;
use icecore_tests::harness::world::World;
use serde_json::{Value, json};

use super::linked::{Agents, bash, check};
use super::{Bed, READ};

/// Gives what doctor says of the host's tracepoints, in a mount namespace of its own that this prepares.
fn doctor(world: &World, before: &str) -> Result<Value> {
    let script = format!("{before}; exec \"$@\"");
    let output = (world.outside(0, "unshare".as_ref())?)
        .args(["--mount", "/bin/sh", "-euc", &script, "doctor"])
        .arg(&world.icecore)
        .args([
            "doctor", "--json", "--user", "nobody", "--only", "kernel", "--config",
        ])
        .arg(world.config_file())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document: Value = serde_json::from_str(&text).with_context(|| {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        format!("{text}{errors}")
    })?;
    let checks = document["checks"].as_array().context("no checks")?;
    let line = checks.iter().find(|check| check["name"] == "lineage");
    Ok(line.cloned().unwrap_or_default())
}

#[test]
fn without_tracepoints_nothing_is_surer_than_e_and_job_record_and_doctor_say_so() -> Result<()> {
    const SURER: &str = "so that no statement is linked surer than E";
    for is_untraced in [true, false] {
        let bed = Bed::start_seeing(is_untraced, READ, |_| Ok(String::new()))?;
        let agents = Agents::of(bed)?;
        let query = format!("{} 'select 811 as A'", agents.query);
        let output = agents.run(vec![json!({"text": "I look.", "tools": [bash(&query)]})])?;
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(log.contains(SURER), is_untraced, "{log}");
        let told = agents.bed.events("PT001")?;
        let seen: Vec<&Value> = told.iter().map(|detail| &detail["lineage"]).collect();
        assert!(
            !seen.is_empty() && seen.iter().all(|seen| **seen == json!(!is_untraced)),
            "{told:?}"
        );
        let links = agents.links()?;
        if is_untraced {
            let grade = links["select 811 as A"]["grade"]
                .as_str()
                .unwrap_or_default();
            assert!(["E", "U"].contains(&grade), "{links:#?}");
        } else {
            check(&links, "select 811 as A", ("A", Some("toolu_0_0")));
        }
        if is_untraced {
            continue;
        }
        let world = &agents.bed.world;
        let shows = "mount -t tracefs icecore-test /sys/kernel/tracing";
        let line = doctor(world, shows)?;
        assert_eq!(line["outcome"], "ok", "{line}");
        let line = doctor(world, HIDES_TRACEPOINTS)?;
        assert_eq!(line["outcome"], "warning", "{line}");
        let fix = line["fix"].as_str().unwrap_or_default();
        assert!(fix.contains("mount -t tracefs"), "{line}");
        // Where no model calls are read it is nobody's worry.
        let file = world.config_file();
        let config = fs::read_to_string(&file)?;
        fs::write(&file, config.replace(READ_PROVIDERS, "providers = []"))?;
        assert_eq!(doctor(world, HIDES_TRACEPOINTS)?, Value::Null);
    }
    Ok(())
}

/// What `READ` has of hosts.
const READ_PROVIDERS: &str = "providers = [\"anthropic\"]";
