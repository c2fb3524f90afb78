//! Jobs of CI systems: what one only says of itself.

use anyhow::Result;
use icecore_tests::harness::issuer::Issuer;
use serde_json::json;

use crate::asserts::refused;
use crate::identity::{CI, drive_by, run, world_with};

const STEPS: &str =
    r#"[{"do": "environment"}, {"do": "connect"}, {"do": "sql", "sql": "select 1"}]"#;

/// What a job says of itself without a token is recorded as that, if the config has it, and permits nothing.
#[test]
fn what_a_job_claims_is_recorded_as_claimed_and_permits_nothing() -> Result<()> {
    let issuer = Issuer::start()?;
    let variables = [
        "GITHUB_ACTIONS=true",
        "GITHUB_REPOSITORY=acme/app",
        "GITHUB_REF=refs/heads/main",
        "GITHUB_RUN_ID=7",
    ]
    .map(str::to_owned);
    for (section, expected) in [
        (
            "claimed_job_facts = true",
            json!({ "ci_facts": "claimed", "ci_repository": "acme/app", "ci_run_id": "7" }),
        ),
        (
            "",
            json!({ "ci_facts": null, "ci_repository": null, "ci_run_id": null }),
        ),
    ] {
        let section = format!("[identity]\nwithout_token = \"host\"\n{section}");
        let world = world_with(&section, &issuer.url(), CI)?;
        let command = run(&world, &variables, &[])?;
        let finished = drive_by(command, &world, &serde_json::from_str(STEPS)?)?.finish()?;
        refused(finished.step("sql")?);
        world.flush()?;
        let runs = world.query(
            "select ci_facts, ci_repository, ci_run_id from runs where account is not null",
        )?;
        assert_eq!(runs, [expected]);
    }
    Ok(())
}
