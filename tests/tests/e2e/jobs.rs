//! Jobs of CI systems: what GitLab's token shows of one, and what one only says of itself.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::provider::Provider;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::time;
use serde_json::json;

use crate::asserts::{refused, worked};
use crate::identity::{CI, drive_by, run, run_by, world_with};

const STEPS: &str =
    r#"[{"do": "environment"}, {"do": "connect"}, {"do": "sql", "sql": "select 1"}]"#;

/// GitLab's way: the pipeline leaves a token in a variable; here as a root runner has it that starts jobs as others.
#[test]
fn a_gitlab_job_is_known_from_its_variable_to_the_record() -> Result<()> {
    let provider = Provider::start("RS256", "one")?;
    let section = "[identity]\ntoken_variable = \"SNOWFLAKE_JOB_TOKEN\"";
    let gitlab =
        "ci = \"gitlab\"\nrequire = { project_path = \"acme/*\", ref_protected = \"true\" }";
    let world = world_with(section, &provider.url(), gitlab)?;
    let job = |git_ref: &str| -> Result<_> {
        let subject = format!("project_path:acme/app:ref_type:branch:ref:{git_ref}");
        let token = provider.token(&subject, "icecore")?;
        let mut command = world.outside(0, "env".as_ref())?;
        command
            .arg(format!("SNOWFLAKE_JOB_TOKEN={token}"))
            .arg("CI_JOB_JWT_V2=an-older-token");
        run_by(command, &world, &["--user", "nobody"])
    };
    let main = drive_by(job("main")?, &world, &serde_json::from_str(STEPS)?)?.finish()?;
    worked(&main, &["connect", "sql"]);
    let variables = main.step("environment")?["variables"].to_string();
    for name in ["SNOWFLAKE_JOB_TOKEN", "CI_JOB_JWT"] {
        assert!(!variables.contains(name), "{variables}");
    }
    let side = job("side")?.arg("true").output()?;
    let errors = String::from_utf8_lossy(&side.stderr).into_owned();
    assert_eq!(side.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("expected `ref_protected` to be one of [\"true\"], found \"false\""),
        "{errors}"
    );

    world.flush()?;
    let runs = world.query(
        "select ci_provider, ci_facts, ci_repository, ci_workflow_ref, ci_run_id, ci_ref, ci_sha, ci_event, \
         ci_environment, ci_actor, idp_subject, principal_type, account, sf_role, statements, refused \
         from runs where account is not null",
    )?;
    assert_eq!(
        runs,
        [json!({
            "ci_provider": "gitlab", "ci_facts": "verified", "ci_repository": "acme/app",
            "ci_workflow_ref": "gitlab.acme.test/acme/app//.gitlab-ci.yml@refs/heads/main", "ci_run_id": "574",
            "ci_ref": "refs/heads/main", "ci_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "ci_event": "push",
            "ci_environment": "prod", "ci_actor": "ada",
            "idp_subject": "project_path:acme/app:ref_type:branch:ref:main", "principal_type": "workload",
            "account": "ACME", "sf_role": "ANALYST", "statements": 1, "refused": 0,
        })]
    );
    let ids = world.query(
        "select ci_repository_id, ci_actor_id, runner_environment, \"user\", caller_user from sessions where ci_facts = 'verified'",
    )?;
    assert_eq!(
        ids,
        [json!({
            "ci_repository_id": "20", "ci_actor_id": "1", "runner_environment": "self-hosted", "user": "nobody",
            "caller_user": "root",
        })]
    );
    Ok(())
}

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

/// A step of a job, one command, and a job whose worker was made a session, each with what holds it.
#[test]
fn a_record_says_how_much_of_its_job_a_session_holds() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut step = world.outside(0, "env".as_ref())?;
    step.arg("GITHUB_ACTIONS=true");
    let step = run_by(step, &world, &["--user", "nobody"])?
        .arg("true")
        .output()?;
    assert!(step.status.success(), "{step:?}");
    let command = world.session(AGENT_UID, &[], "true".as_ref())?.output()?;
    assert!(command.status.success(), "{command:?}");

    let mut worker = world
        .outside(AGENT_UID, "sleep".as_ref())?
        .arg("60")
        .spawn()?;
    let pid = worker.id().to_string();
    let start = time::instant();
    while fs::read_to_string(format!("/proc/{pid}/comm"))? != "sleep\n" {
        anyhow::ensure!(start.elapsed() < Duration::from_secs(10), "no worker");
    }
    let control = world.control_socket();
    let control = control.to_string_lossy();
    let entered = world.icecore(&["enter", "--pid", &pid, "--control", &control])?;
    assert!(entered.status.success(), "{entered:?}");
    worker.kill()?;
    worker.wait()?;
    let start = time::instant();
    let lives = || world.icecore(&["sessions", "--live", "--control", &control]);
    while !lives()?.stdout.is_empty() {
        anyhow::ensure!(
            start.elapsed() < Duration::from_secs(10),
            "the session lives"
        );
    }
    world.flush()?;
    let rows = world.query(
        "select scope, enforcement, close_reason, caller_user from sessions_all where is_final and uid = 65534 order by opened_at",
    )?;
    let row = |scope: &str, enforcement: &str, reason: &str, caller: &str| json!({"scope": scope, "enforcement": enforcement, "close_reason": reason, "caller_user": caller});
    let expected = [
        row("step", "enforced", "exited 0", "root"),
        row("command", "advisory", "exited 0", "nobody"),
        row("job", "advisory", "process ended", "root"),
    ];
    assert_eq!(rows, expected);
    Ok(())
}
