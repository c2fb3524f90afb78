//! The SQL API over plain HTTP: statuses, bodies, partitions, handles, replays and refusals.

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::python::Generation;
use serde_json::json;

use crate::bench::Bench;

#[test]
fn a_statement_answers_with_its_result_set() -> Result<()> {
    let bench = Bench::new(30, Tuning::default())?;
    let finished = bench.piece(
        Generation::Four,
        r#"
answer = statements("?requestId=3f1b7f9e-0000-4000-8000-000000000001", json={
    "statement": "select id, customer, amount > 10 as rich, null as nothing from orders where id = ?",
    "bindings": {"1": {"type": "FIXED", "value": "2"}}, "role": "ANALYST", "warehouse": "WH", "timeout": 30})
body = answer.json()
tell("body", status=answer.status_code, code=body["code"], state=body["sqlState"], data=body["data"],
    names=[c["name"] for c in body["resultSetMetaData"]["rowType"]], form=body["resultSetMetaData"]["format"],
    rows=body["resultSetMetaData"]["numRows"], link=answer.headers["Link"].count("rel="),
    url=body["statementStatusUrl"].replace(body["statementHandle"], "H"), request=body["requestId"][-1])
again = statements("/" + body["statementHandle"], method="GET")
tell("again", status=again.status_code, same=again.json()["data"] == body["data"])
words = statements("?nullable=false", json={"statement": "select null"})
tell("words", data=words.json()["data"])
done = statements(json={"statement": "insert into orders values (9, 'x', 1), (10, 'y', 2)"}).json()
tell("insert", inserted=done["stats"]["numRowsInserted"], data=done["data"])
"#,
    )?;
    assert_eq!(
        finished.step("body")?,
        &json!({
            "step": "body", "status": 200, "code": "090001", "state": "00000",
            "data": [["2", "grace", "true", null]], "names": ["ID", "CUSTOMER", "RICH", "NOTHING"],
            "form": "jsonv2", "rows": 1, "link": 2, "request": "1",
            "url": "/api/v2/statements/H?requestId=3f1b7f9e-0000-4000-8000-000000000001",
        })
    );
    assert_eq!(
        finished.step("again")?,
        &json!({"step": "again", "status": 200, "same": true})
    );
    assert_eq!(finished.step("words")?["data"], json!([["null"]]));
    assert_eq!(
        finished.step("insert")?,
        &json!({"step": "insert", "inserted": 2, "data": [["2"]]})
    );
    assert_eq!(bench.gate.events(Some("v2_submit"))?[0]["by"], "bearer");
    Ok(())
}

#[test]
fn a_large_result_comes_in_partitions() -> Result<()> {
    let tuning = Tuning {
        partition_rows: 8000,
        ..Tuning::default()
    };
    let bench = Bench::new(31, tuning)?;
    let finished = bench.piece(
        Generation::Four,
        r#"
body = statements(json={"statement": "select n from numbers order by n"}).json()
rows, sizes, packed = body["data"], [p["rowCount"] for p in body["resultSetMetaData"]["partitionInfo"]], []
for n in range(1, len(sizes)):
    part = statements(f"/{body['statementHandle']}?partition={n}", method="GET", headers={"Accept-Encoding": "identity"})
    packed.append(part.headers["Content-Encoding"])
    rows += part.json()["data"]
tell("rows", sizes=sizes, packed=packed, sum=sum(int(r[0]) for r in rows))
beyond = statements(f"/{body['statementHandle']}?partition=3", method="GET")
tell("beyond", status=beyond.status_code, code=beyond.json()["code"])
"#,
    )?;
    assert_eq!(
        finished.step("rows")?,
        &json!({"step": "rows", "sizes": [8000, 8000, 4000], "packed": ["gzip", "gzip"], "sum": 199_990_000})
    );
    assert_eq!(
        finished.step("beyond")?,
        &json!({"step": "beyond", "status": 400, "code": "391922"})
    );
    Ok(())
}

#[test]
fn what_takes_long_is_followed_and_cancelled_by_its_handle() -> Result<()> {
    let tuning = Tuning {
        poll_after_ms: 300,
        ..Tuning::default()
    };
    let bench = Bench::new(32, tuning)?;
    let finished = bench.piece(
        Generation::Four,
        r#"
slow = statements(json={"statement": "select * from wait_1_seconds"})
tell("slow", status=slow.status_code, code=slow.json()["code"])
end = settled("/" + slow.json()["statementHandle"])
tell("end", status=end.status_code, data=end.json()["data"])
aside = statements("?async=true", json={"statement": "select * from wait_60_seconds"})
tell("aside", status=aside.status_code, code=aside.json()["code"])
handle = aside.json()["statementHandle"]
cancelled = statements(f"/{handle}/cancel")
tell("cancel", status=cancelled.status_code, code=cancelled.json()["code"])
after = statements("/" + handle, method="GET")
tell("after", status=after.status_code, code=after.json()["code"], state=after.json()["sqlState"])
late = statements("?async=true", json={"statement": "select * from wait_60_seconds", "timeout": 1})
late = settled("/" + late.json()["statementHandle"])
tell("late", status=late.status_code, code=late.json()["code"])
"#,
    )?;
    for (name, status, code) in [
        ("slow", 202, "333334"),
        ("aside", 202, "333334"),
        ("cancel", 200, "000604"),
        ("late", 408, "000630"),
    ] {
        let expected = json!({"step": name, "status": status, "code": code});
        assert_eq!(finished.step(name)?, &expected);
    }
    assert_eq!(finished.step("end")?["data"], json!([["waited 1 seconds"]]));
    assert_eq!(
        finished.step("after")?,
        &json!({"step": "after", "status": 422, "code": "000604", "state": "57014"})
    );
    Ok(())
}

#[test]
fn several_statements_have_handles_of_their_own() -> Result<()> {
    let bench = Bench::new(33, Tuning::default())?;
    let finished = bench.piece(
        Generation::Four,
        r#"
body = statements(json={"statement": "select 1; select 'b'", "parameters": {"MULTI_STATEMENT_COUNT": "2"}}).json()
children = [statements("/" + handle, method="GET").json()["data"] for handle in body["statementHandles"]]
tell("several", data=body["data"], children=children)
one = statements(json={"statement": "select 1; select 2"})
tell("one", status=one.status_code, code=one.json()["code"], message=one.json()["message"])
"#,
    )?;
    assert_eq!(
        finished.step("several")?,
        &json!({
            "step": "several", "data": [["Multiple statements executed successfully."]],
            "children": [[["1"]], [["b"]]],
        })
    );
    assert_eq!(
        finished.step("one")?,
        &json!({
            "step": "one", "status": 422, "code": "000008",
            "message": "Actual statement count 2 did not match the desired statement count 1.",
        })
    );
    Ok(())
}

#[test]
fn a_replay_joins_and_another_text_is_refused() -> Result<()> {
    let bench = Bench::new(34, Tuning::default())?;
    let finished = bench.piece(
        Generation::Four,
        r#"
at = "?requestId=3f1b7f9e-0000-4000-8000-000000000007"
first = statements(at, json={"statement": "select 1"}).json()
again = statements(at + "&retry=true", json={"statement": "select 1"}).json()
other = statements(at, json={"statement": "select 2"})
tell("replay", same=first["statementHandle"] == again["statementHandle"], other=other.status_code)
"#,
    )?;
    assert_eq!(
        finished.step("replay")?,
        &json!({"step": "replay", "same": true, "other": 422})
    );
    assert_eq!(bench.gate.executed()?, ["select 1"]);
    Ok(())
}

/// Each defect of a request is refused with the service's status and code; nothing of them runs.
#[test]
fn every_defect_of_a_request_is_refused() -> Result<()> {
    let bench = Bench::new(35, Tuning::default())?;
    let finished = bench.piece(
        Generation::Four,
        r#"
import requests
def told(step, answer):
    tell(step, status=answer.status_code, code=answer.json()["code"])
ask = {"statement": "select 1"}
told("no token", requests.post("https://acme.snowflakecomputing.com/api/v2/statements", json=ask))
told("wrong token", statements(authorization="Bearer abc", json=ask))
told("old token", statements(authorization="Bearer " + minted(exp=1), json=ask))
told("wrong session", statements(authorization='Snowflake Token="abc"', json=ask))
told("wrong kind", statements(headers={"X-Snowflake-Authorization-Token-Type": "OAUTH"}, json=ask))
told("role header", statements(json=ask, headers={"X-Snowflake-Role": "ADMIN"}))
told("role", statements(json={**ask, "role": "ADMIN"}))
told("warehouse", statements(json={**ask, "warehouse": "OTHER"}))
told("member", statements(json={**ask, "statment": "x"}))
told("empty", statements(json={"statement": " "}))
told("content", statements(data="{}", headers={"Content-Type": "text/plain"}))
told("request id", statements("?requestId=abc", json=ask))
told("handle", statements("/3f1b7f9e-0000-4000-8000-000000000009", method="GET"))
told("begin", statements(json={"statement": "begin"}))
told("use", statements(json={"statement": "use role x"}))
told("syntax", statements(json={"statement": "selec 1"}))
told("table", statements(json={"statement": "select * from no_such_table"}))
"#,
    )?;
    for (name, status, code) in [
        ("no token", 400, "390146"),
        ("wrong token", 401, "390144"),
        ("old token", 401, "390144"),
        ("wrong session", 401, "390104"),
        ("wrong kind", 401, "390144"),
        ("role header", 400, "390186"),
        ("role", 400, "390186"),
        ("warehouse", 422, "390201"),
        ("member", 400, "391901"),
        ("empty", 400, "000900"),
        ("content", 400, "391902"),
        ("request id", 400, "391903"),
        ("handle", 400, "000709"),
        ("begin", 422, "391911"),
        ("use", 422, "391911"),
        ("syntax", 422, "001003"),
        ("table", 422, "002003"),
    ] {
        let expected = json!({"step": name, "status": status, "code": code});
        assert_eq!(finished.step(name)?, &expected);
    }
    assert_eq!(
        bench.gate.executed()?,
        ["selec 1", "select * from no_such_table"]
    );
    Ok(())
}

#[test]
fn a_session_token_opens_the_sql_api_too() -> Result<()> {
    let bench = Bench::new(36, Tuning::default())?;
    let finished = bench.piece(
        Generation::Four,
        r#"
c = connect()
session = statements(authorization=f'Snowflake Token="{c.rest.token}"', json={"statement": "select count(*) from orders"})
tell("session", status=session.status_code, data=session.json()["data"])
"#,
    )?;
    let expected = json!({"step": "session", "status": 200, "data": [["3"]]});
    assert_eq!(finished.step("session")?, &expected);
    assert_eq!(bench.gate.events(Some("v2_submit"))?[0]["by"], "session");
    Ok(())
}
