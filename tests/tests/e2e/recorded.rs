//! What an analyst finds in the Parquet, and what `icecore` itself tells of it.

use anyhow::Result;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;

#[test]
fn parquet_holds_sql_times_user_pid_exe_query_id_and_row_count() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let sql = "select customer -- who\n  from orders where amount > 10 order by 1";
    let mut driver = world.start_driver(
        Generation::Five,
        &json!([
            {"do": "sql", "name": "allowed", "sql": sql},
            {"do": "sql", "name": "refused", "sql": "drop table orders"},
            {"do": "pause"},
        ]),
    )?;
    let allowed = driver.expect("allowed")?;
    driver.expect("refused")?;
    driver.expect("pause")?;
    driver.go_on()?;
    let finished = driver.finish()?;
    assert!(finished.status.success());
    world.flush()?;

    let trail = world.query("select * from trail order by started_at")?;
    assert_eq!(trail.len(), 2, "{trail:?}");
    let row = &trail[0];
    assert_eq!(row["sql_text"], sql);
    assert_eq!(row["decision"], "allow");
    assert_eq!(row["status"], "success");
    assert_eq!(row["query_id"], allowed["query_id"]);
    assert_eq!(row["rows_returned"], 2);
    assert_eq!(row["uid"], AGENT_UID);
    assert_eq!(row["user"], "nobody");
    assert_eq!(row["account"], "ACME");
    assert_eq!(row["sf_user"], "ICECORE_SVC");
    assert_eq!(row["sf_role"], "ANALYST");
    assert!(row["exe"].as_str().unwrap().contains("python"), "{row}");
    assert!(row["pid"].as_i64().unwrap() > 1, "{row}");
    assert_eq!(row["enforcement"], "advisory");
    let time = |key: &str| row[key].as_str().unwrap().to_owned();
    let order = ["started_at", "decided_at", "forwarded_at", "completed_at"];
    assert!(
        order.windows(2).all(|pair| time(pair[0]) <= time(pair[1])),
        "{row}"
    );

    let row = &trail[1];
    assert_eq!(
        (&row["sql_text"], &row["decision"], &row["status"]),
        (
            &json!("drop table orders"),
            &json!("block"),
            &json!("blocked")
        )
    );
    assert_eq!(row["rule_ids"], json!(["default-deny"]), "{row}");
    assert_eq!(row["forwarded_at"], Value::Null);
    Ok(())
}

/// Numbers are dense over all tables of a chain, and every intent stands before its end.
#[test]
fn sequence_is_dense_and_intents_come_first() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let select = json!({"do": "sql", "sql": "select 1"});
    let steps = Value::Array(vec![select; 10]);
    worked(&world.drive(Generation::Four, &steps)?, &["sql"]);
    world.flush()?;
    let tables = [
        "sessions_all",
        "logins_all",
        "statements_all",
        "statement_texts",
        "results",
        "events",
    ];
    let union = tables
        .map(|table| format!("select chain_id, seq from {table}"))
        .join(" union all ");
    let chains = world.query(&format!(
        "select chain_id, count(*) n, count(distinct seq) d, min(seq) low, max(seq) high from ({union}) group by 1"
    ))?;
    assert_eq!(chains.len(), 1, "{chains:?}");
    let number = |key: &str| chains[0][key].as_i64().unwrap();
    assert_eq!(number("n"), number("d"));
    assert_eq!(
        number("high") - number("low") + 1,
        number("n"),
        "{chains:?}"
    );
    let late = world.query(
        "select statement_id from statements_all group by 1
         having max(seq) filter (where not is_final) is null or max(seq) filter (where not is_final) > min(seq) filter (where is_final)",
    )?;
    assert_eq!(late, Vec::<Value>::new());
    Ok(())
}

#[test]
fn icecore_lists_and_replays_the_session() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([
        {"do": "sql", "name": "allowed", "sql": "select customer from orders"},
        {"do": "sql", "name": "refused", "sql": "delete from orders"},
    ]);
    world.drive(Generation::Five, &steps)?;
    world.flush()?;
    let store = format!("file://{}", world.config.store.display());
    let listed = world.icecore(&["sessions", "--store", &store, "--json"])?;
    let listed = String::from_utf8(listed.stdout)?;
    let id = session_of_a_driver(&listed)?;
    assert!(!id.is_empty(), "{listed}");
    let replayed = world.icecore(&["replay", &id, "--store", &store])?;
    let text = String::from_utf8(replayed.stdout)?;
    for part in [
        "select customer from orders",
        "delete from orders",
        "default-deny",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    let replayed = world.icecore(&["replay", &id, "--store", &store, "--json"])?;
    assert!(!documents(&String::from_utf8(replayed.stdout)?)?.is_empty());
    Ok(())
}

/// Reads one JSON document or JSON lines.
fn documents(text: &str) -> Result<Vec<Value>> {
    let documents = serde_json::Deserializer::from_str(text).into_iter();
    let documents: Vec<Value> = documents.collect::<Result<_, _>>()?;
    Ok(match documents.as_slice() {
        [Value::Array(list)] => list.clone(),
        _ => documents,
    })
}

/// Finds the session that asked something; the harness's own probes asked nothing.
fn session_of_a_driver(listed: &str) -> Result<String> {
    let sessions = documents(listed)?;
    let session = sessions
        .iter()
        .find(|session| session["statements"].as_u64() > Some(0));
    let session = session.unwrap_or_else(|| panic!("no session with statements: {listed}"));
    Ok(session["session_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[test]
fn views_work_on_an_empty_store() -> Result<()> {
    let world = World::without_daemon(&Plan::default())?;
    std::fs::create_dir(&world.config.store)?;
    assert_eq!(
        world.query("select count(*) n from trail")?,
        [json!({"n": 0})]
    );
    Ok(())
}
