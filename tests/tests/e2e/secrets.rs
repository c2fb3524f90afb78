//! Planted secrets are searched for in every byte written and in all that the agent can reach.

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind, Tuning};
use icecore_tests::harness::search;
use icecore_tests::harness::world::{DUMMY_PASSWORD, Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

#[test]
fn no_secret_reaches_the_agent_a_log_or_the_record() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let mut seen = String::new();
    for generation in Generation::ALL {
        world.gate.plant(Endpoint::Login, FaultKind::Status(503))?;
        let mut driver = world.start_driver(
            generation,
            &json!([
                {"do": "connect"},
                {"do": "sql", "name": "one", "sql": "select 1"},
                {"do": "environment"},
                {"do": "pause"},
                {"do": "sql", "name": "renewed", "sql": "select 'renewed'"},
                {"do": "pause", "name": "again"},
                {"do": "sql", "name": "chunked", "sql": "select n from numbers"},
                {"do": "sql", "name": "two", "sql": "select 2"},
                {"do": "close"},
            ]),
        )?;
        for name in ["connect", "one", "environment", "pause"] {
            driver.expect(name)?;
        }
        world.gate.expire_tokens()?;
        driver.go_on()?;
        driver.expect("renewed")?;
        driver.expect("again")?;
        world.gate.tune(Tuning {
            chunk_rows: 5000,
            ..Tuning::default()
        })?;
        driver.go_on()?;
        let finished = driver.finish()?;
        let chunked = finished.step("chunked")?;
        assert_eq!(chunked["rows"], 20_000, "{chunked}");
        assert_eq!(finished.step("two")?["ok"], true, "{}", finished.output);
        seen.push_str(&finished.output);
    }
    world.flush()?;
    world.daemon()?.terminate()?;
    world.daemon = None;

    let mut secrets = world.gate.canaries()?;
    let key = std::fs::read_to_string(&world.config.key_file)?;
    secrets.push((
        "private key".into(),
        key.lines().nth(1).unwrap_or_default().to_owned(),
    ));
    for name in [
        "session_token",
        "master_token",
        "login_token",
        "presigned_url",
        "chunk_key",
        "chunk_key_md5",
    ] {
        assert!(
            secrets.iter().any(|(secret, _)| secret == name),
            "no {name} was planted"
        );
    }
    assert_eq!(
        search::find_in("the driver's output", seen.as_bytes(), &secrets),
        Vec::<String>::new()
    );

    // The dummy password is the agent's own: it may know it, but nobody keeps it.
    secrets.push(("dummy password".into(), DUMMY_PASSWORD.into()));
    let folder = world.path("");
    // The emulator's own files, the key itself, the driver's script; pins, which are no files; the program.
    let skipped = [
        world.path("gate"),
        world.config.key_file.clone(),
        world.path("steps.py"),
        world.path("bpf"),
        world.icecore.clone(),
    ];
    let skipped: Vec<&std::path::Path> = skipped.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        search::find(&folder, &secrets, &skipped)?,
        Vec::<String>::new()
    );

    // Parquet pages are compressed: the same search over every text that they hold.
    for table in [
        "sessions_all",
        "logins_all",
        "statements_all",
        "statement_texts",
        "results",
        "events",
    ] {
        let rows = world.query(&format!("select * from {table}"))?;
        assert!(!rows.is_empty(), "{table} is empty");
        let text = serde_json::to_string(&rows)?;
        assert_eq!(
            search::find_in(table, text.as_bytes(), &secrets),
            Vec::<String>::new()
        );
    }
    Ok(())
}
