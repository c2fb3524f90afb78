//! A job's command has a uid of its own, or the record says that it has not.

use std::fs;
use std::process::{Command, Output};

use anyhow::Result;
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::world::{AGENT_UID, World};
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::identity::{CI, drive_by, job, refuses, run, run_by, token_file, world_with};

const SHARED: &str = "expected the command of a job with a token to run under a uid of its own";

fn token(issuer: &Issuer) -> Result<String> {
    issuer.token(&job("refs/heads/main"))
}

/// Gives `icecore run` as root, who has groups that no command of another user may keep.
fn as_root(world: &World, options: &[&str]) -> Result<Command> {
    let mut command = world.outside(0, "setpriv".as_ref())?;
    command.args(["--groups", "0,4,27"]);
    run_by(command, world, options)
}

fn rows(world: &World, columns: &str) -> Result<Vec<Value>> {
    world.flush()?;
    world.query(&format!(
        "select {columns} from sessions where idp_issuer is not null order by opened_at"
    ))
}

#[track_caller]
fn refused(output: &Output, text: &str) {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(text), "expected `{text}` in {errors}");
}

#[test]
fn a_jobs_token_needs_a_command_of_another_uid_or_a_word_that_is_recorded() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("", &issuer.url(), CI)?;
    let token = token(&issuer)?;
    let told = refuses(&world, &token, SHARED);
    assert!(
        told.contains("found uid 65534, which its caller has too"),
        "{told}"
    );
    assert!(told.contains("--user NAME"), "{told}");
    // Refused before it is claimed: the token is still good.
    let file = token_file(&world, &token)?;
    let options = ["--identity-token-file", &file, "--allow-same-uid"];
    let output = run(&world, &[], &options)?.arg("true").output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("; same uid: "), "{errors}");
    assert_eq!(
        rows(&world, "uid, caller_uid, same_uid")?,
        [json!({ "uid": 65534, "caller_uid": 65534, "same_uid": true })]
    );
    let events = world.query(
        "select severity, detail from events where event_code = 'AU001' and detail like '%\"same_uid\":true%'",
    )?;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["severity"], 3, "medium");
    Ok(())
}

#[test]
fn check_says_whose_uid_a_jobs_command_may_have() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("", &issuer.url(), CI)?;
    let file = world.config_file();
    let check = || -> Result<String> {
        let output = world.icecore(&["check", "--config", &file.to_string_lossy()])?;
        assert!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stderr)?)
    };
    let strict = check()?;
    assert!(
        strict.contains("a job's token needs a command of another uid"),
        "{strict}"
    );
    assert!(strict.contains("a token opens one session"), "{strict}");
    assert!(!strict.contains("allow_same_uid"), "{strict}");
    let text = fs::read_to_string(&file)?;
    fs::write(
        &file,
        format!("{text}\n[identity]\nallow_same_uid = true\n"),
    )?;
    let lax = check()?;
    assert!(
        lax.contains("warning: identity.allow_same_uid: a job's command may read or mint"),
        "{lax}"
    );
    assert!(!lax.contains("needs a command of another uid"), "{lax}");
    Ok(())
}

/// Root starts a command as another user, who has its own groups, home and name, and all of Snowflake.
#[test]
fn root_hands_a_jobs_command_over_to_another_user() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("", &issuer.url(), CI)?;
    let file = token_file(&world, &token(&issuer)?)?;
    let options = ["--user", "nobody", "--identity-token-file", &file];
    let script = "id -u; id -G; echo $HOME $SHELL $USER $LOGNAME; grep -E '^(Uid|Gid|CapEff|CapPrm|CapAmb):' \
                  /proc/self/status; id -G nobody; getent passwd nobody";
    let output = as_root(&world, &options)?
        .args(["sh", "-c", script])
        .output()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = text.lines().collect();
    let [
        uid,
        groups,
        names,
        uids,
        gids,
        permitted,
        effective,
        ambient,
        expected,
        passwd,
    ] = lines.as_slice()
    else {
        anyhow::bail!("ten lines expected: {text}");
    };
    let fields: Vec<&str> = passwd.split(':').collect();
    let (gid, home, shell) = (fields[3], fields[5], fields[6]);
    assert_eq!((*uid, *groups), ("65534", *expected));
    assert_eq!(*names, format!("{home} {shell} nobody nobody"));
    assert_eq!(*uids, format!("Uid:{}", "\t65534".repeat(4)));
    assert_eq!(*gids, format!("Gid:{}", format!("\t{gid}").repeat(4)));
    for held in [permitted, effective, ambient] {
        assert!(held.ends_with("\t0000000000000000"), "{held}");
    }

    let file = token_file(&world, &token(&issuer)?)?;
    let options = ["--user", "nobody", "--identity-token-file", &file];
    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": "select 1"}]);
    let finished = drive_by(as_root(&world, &options)?, &world, &steps)?.finish()?;
    worked(&finished, &["connect", "sql"]);
    let row = json!({
        "uid": 65534, "user": "nobody", "caller_uid": 0, "caller_user": "root", "same_uid": false, "enforcement": "enforced",
    });
    let found = rows(
        &world,
        "uid, \"user\", caller_uid, caller_user, same_uid, enforcement",
    )?;
    assert_eq!(found, [row.clone(), row]);
    Ok(())
}

#[test]
fn no_other_way_hides_that_a_uid_is_shared() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("", &issuer.url(), CI)?;
    let file = token_file(&world, &token(&issuer)?)?;
    let options = ["--identity-token-file", &file];
    let root = as_root(&world, &options)?.arg("true").output()?;
    refused(&root, "found uid 0, which its caller has too");

    let as_nobody = ["--identity-token-file", file.as_str(), "--user", "nobody"];
    let user = run(&world, &[], &as_nobody)?.arg("true").output()?;
    refused(
        &user,
        "--user: expected to be asked by root, found uid 65534",
    );
    let nobody = ["--user", "no-such-user"];
    let stranger = as_root(&world, &nobody)?.arg("true").output()?;
    refused(&stranger, "found \"no-such-user\"");

    // A runner that became root in between, as by sudo, still has the command's uid.
    let raised = "import os, subprocess, sys; os.setresuid(65534, 0, 0); sys.exit(subprocess.call(sys.argv[1:], \
                  preexec_fn=lambda: os.setresuid(0, 0, 0)))";
    let mut runner = world.outside(0, "python3".as_ref())?;
    runner.args(["-c", raised]);
    let output = run_by(runner, &world, &as_nobody)?.arg("true").output()?;
    refused(&output, "from which its caller descends, has too");
    world.flush()?;
    let events = world.query("select detail from events where event_code = 'AU002'")?;
    let shared = events
        .iter()
        .filter(|event| event["detail"].to_string().contains(SHARED));
    assert_eq!(shared.count(), 2, "{events:?}");
    let sessions = rows(&world, "uid")?;
    assert!(sessions.is_empty(), "{sessions:?}");
    Ok(())
}

/// The variables of a job, by which it gets tokens: a command of the job's uid finds them at the job, another's does not.
#[test]
fn a_command_of_another_user_cannot_read_its_jobs_variables() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with(
        "[identity]\ntoken_variable = \"JOB_TOKEN\"",
        &issuer.url(),
        CI,
    )?;
    let spy = "grep -l JOB_TOKEN= /proc/[0-9]*/environ 2>/dev/null; true";
    let finds = |uid: u32, options: Option<&[&str]>| -> Result<bool> {
        let mut job = world.outside(uid, "env".as_ref())?;
        job.arg(format!("JOB_TOKEN={}", token(&issuer)?));
        // The job's shell stays, as a runner does.
        job.args(["sh", "-c", "\"$@\"; exit $?", "job"]);
        if let Some(options) = options {
            job.arg(&world.icecore);
            job.args(["run", "--control"]).arg(world.control_socket());
            job.args(options).arg("--");
        } else {
            // What looks does not have it itself.
            job.args(["env", "-u", "JOB_TOKEN"]);
        }
        let output = job.args(["sh", "-c", spy]).output()?;
        assert!(output.status.success(), "{output:?}");
        Ok(!output.stdout.is_empty())
    };
    // The twin, in no session; of the same uid a session is kept from it by Landlock, which older kernels lack.
    assert!(finds(AGENT_UID, None)?);
    assert!(!finds(AGENT_UID, Some(&["--allow-same-uid"]))?);
    assert!(!finds(0, Some(&["--user", "nobody"]))?);
    Ok(())
}
