//! Statements that Snowflake goes on with after their reply: compared and recorded to their end, whoever asks.

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind};
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::raw::{self, body, by, login, login_as, statement, token};

/// A kind that no query is: `INSERT`.
const OTHER_KIND: FaultKind = FaultKind::StatementType(0x3100);

fn detached(name: &str, request_id: &str, sql: &str) -> Value {
    let mut step = statement(name, request_id, sql);
    step["body"]["asyncExec"] = true.into();
    step
}

fn scan(name: &str, request_id: &str, of: &str) -> Value {
    let sql = format!("select * from table(result_scan('${{{of}/body/data/queryId}}'))");
    statement(name, request_id, &sql)
}

fn result(name: &str, of: &str) -> Value {
    let target = format!("/queries/${{{of}/body/data/queryId}}/result");
    json!({"name": name, "method": "GET", "target": target, "headers": token()})
}

/// Nobody asks for any of them: each is compared and has its end in the record, some while their session goes on, the
/// last when it ends.
#[test]
fn a_statement_that_nobody_asks_for_is_recorded_to_its_end() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let api = json!({"Authorization": "Bearer jwt-of-the-agent", "User-Agent": "apiclient/1.0"});
    let steps = json!([
        login(),
        detached("rows", "d1", "select CUSTOMER from ORDERS"),
        detached("wrong", "d2", "select * from NO_SUCH_TABLE"),
        {"name": "api", "target": "/api/v2/statements?async=true", "headers": api,
         "body": {"statement": "select 7 as A"}},
        {"do": "sleep", "seconds": 3},
        {"do": "pause"},
        detached("late", "d3", "select 8"),
        detached("long", "d4", "select * from wait_60_seconds"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["login", "rows", "wrong", "api", "sleep", "pause"] {
        client.expect(name)?;
    }
    let row = |sql: &str, status: &str, kind: Option<i64>, rows: Option<i64>| json!({"sql_text": sql, "status": status, "kind": kind, "n": rows, "failed": status == "failed"});
    let ended = vec![
        row(
            "select CUSTOMER from ORDERS",
            "success",
            Some(0x1000),
            Some(3),
        ),
        row("select * from NO_SUCH_TABLE", "failed", None, None),
        row("select 7 as A", "success", Some(0x1000), Some(1)),
    ];
    assert_eq!(ends(&world)?, ended);
    client.go_on()?;
    let finished = client.finish()?;
    assert_eq!(
        body(&finished, "long")["code"],
        "333334",
        "{}",
        finished.output
    );
    let at_its_end = vec![
        row("select 8", "success", Some(0x1000), Some(1)),
        row("select * from wait_60_seconds", "abandoned", None, None),
    ];
    assert_eq!(ends(&world)?, [ended, at_its_end].concat());
    let revisions = world.query(
        "select list(status order by revision) as statuses, list(revision order by revision) as revisions, \
         list(is_final order by revision) as finals \
         from statements_all where statement_id in (select statement_id from trail where sql_text like '%CUSTOMER%')",
    )?;
    let expected = json!({"statuses": ["running", "running", "success"], "revisions": [0, 1, 2],
                          "finals": [false, false, true]});
    assert_eq!(revisions, [expected]);
    let delivered = world.query("select count(*) n from events where event_code = 'RS001'")?;
    assert_eq!(delivered, [json!({"n": 0})]);
    Ok(())
}

/// What the record says of the statements that are over.
fn ends(world: &World) -> Result<Vec<Value>> {
    world.flush()?;
    world.query(
        "select sql_text, s.status, sf_statement_type_id as kind, s.rows_returned as n, \
         s.sf_error_code is not null as failed \
         from statements s join trail using (statement_id) order by s.started_at",
    )
}

/// What ran as another kind is withheld although nobody asked, and then by every way.
#[test]
fn a_statement_of_another_kind_is_withheld_unasked() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([
        login(), {"do": "pause"},
        detached("asked", "d1", "select 'canary-of-the-result'"),
        {"do": "sleep", "seconds": 2},
        result("ended", "asked"), login_as("again"),
        by("again", scan("scanned", "d2", "asked")), by("again", result("fetched", "asked")),
    ]);
    let mut client = raw::start(&world, &steps)?;
    client.expect("login")?;
    client.expect("pause")?;
    world.gate.plant(Endpoint::Result, OTHER_KIND)?;
    client.go_on()?;
    let finished = client.finish()?;
    assert_eq!(body(&finished, "ended")["code"], "390112");
    for name in ["scanned", "fetched"] {
        let told = body(&finished, name);
        assert_eq!(told["success"], false, "{name}: {told}");
        assert!(!told.to_string().contains("canary-of"), "{name}: {told}");
        assert!(
            told["message"].to_string().contains("withheld"),
            "{name}: {told}"
        );
    }
    let executed = world.gate.executed()?;
    assert_eq!(executed, ["select 'canary-of-the-result'"]);
    world.flush()?;
    let ends = world.query("select sql_text, status from trail where decision = 'allow'")?;
    let blocked = json!({"sql_text": "select 'canary-of-the-result'", "status": "blocked"});
    assert_eq!(ends, [blocked]);
    let withheld = world.query("select count(*) n from events where event_code = 'RS002'")?;
    assert_eq!(withheld, [json!({"n": 1})]);
    Ok(())
}

/// `RESULT_SCAN` of a statement that nobody has compared compares it first: it works, or is never sent.
#[test]
fn a_result_is_compared_before_it_is_scanned() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([
        login(),
        detached("asked", "d1", "select * from wait_1_seconds"), scan("scanned", "d2", "asked"),
        {"do": "pause"},
        detached("other", "d3", "select * from wait_2_seconds"), scan("refused", "d4", "other"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    client.expect("login")?;
    client.expect("asked")?;
    let scanned = client.expect("scanned")?;
    assert_eq!(scanned["body"]["success"], true, "{scanned}");
    client.expect("pause")?;
    // Whoever looks first, the one who follows it or the one who scans it, is told of another kind.
    world.gate.plant_times(Endpoint::Result, OTHER_KIND, 50)?;
    client.go_on()?;
    let finished = client.finish()?;
    let refused = body(&finished, "refused");
    assert!(
        refused["message"].to_string().contains("RESULT_SCAN"),
        "{refused}"
    );
    let scans = world.gate.executed()?;
    let scans = scans
        .iter()
        .filter(|sql| sql.contains("result_scan"))
        .count();
    assert_eq!(scans, 1);
    Ok(())
}

/// A later partition tells nothing of what ran: it is not given before its statement was compared.
#[test]
fn a_partition_is_not_given_before_its_statement_was_compared() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let api = json!({"Authorization": "Bearer jwt-of-the-agent", "User-Agent": "apiclient/1.0"});
    let steps = json!([
        {"do": "pause"},
        {"name": "asked", "target": "/api/v2/statements?async=true", "headers": api,
         "body": {"statement": "select * from wait_1_seconds"}},
        {"name": "part", "method": "GET", "headers": api,
         "target": "/api/v2/statements/${asked/body/statementHandle}?partition=1"},
    ]);
    let wrote = json!({"statementHandle": "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11", "code": "090001",
                       "stats": {"numRowsInserted": 1}, "data": [["canary-of-the-part"]]});
    let mut client = raw::start(&world, &steps)?;
    client.expect("pause")?;
    world
        .gate
        .plant_times(Endpoint::V2Status, FaultKind::Body(wrote), 50)?;
    client.go_on()?;
    let finished = client.finish()?;
    let part = finished.step("part")?;
    assert_eq!(part["status"], 422, "{part}");
    assert!(!part.to_string().contains("canary-of"), "{part}");
    Ok(())
}
