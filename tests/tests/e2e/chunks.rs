//! Large results: their chunks come through the proxy, whole or as an error, recorded, and good in one session.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use icecore_tests::emulator::{CHUNK_HOST, Endpoint, FaultKind, Tuning};
use icecore_tests::harness::search;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::piece;

fn chunked(rows: u64) -> Plan {
    Plan {
        tuning: Tuning {
            chunk_rows: rows,
            ..Tuning::default()
        },
        ..Plan::default()
    }
}

/// Fetches in either form; the connector 4 shows what it was told of its chunks.
const FETCH: &str = r#"
for form in ("ARROW", "JSON"):
    with connect(session_parameters={"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}) as c:
        at = c.cursor()
        at.execute("select n, 'name ' || n from numbers order by n")
        rows = at.fetchall()
        tell(form, rows=len(rows), sum=sum(int(r[0]) for r in rows), last=list(rows[-1]))
        if form == "ARROW":
            table = at.execute("select n from numbers order by n").fetch_arrow_all()
            tell("table", rows=table.num_rows, sum=sum(table.column(0).to_pylist()))
        if snowflake.connector.__version__.startswith("4."):
            at.execute("select n from numbers")
            chunk = at.get_result_batches()[-1]
            tell("told " + form, url=chunk._remote_chunk_info.url, headers=chunk._chunk_headers)
"#;

#[test]
fn both_connectors_read_large_results_right_and_hold_no_key() -> Result<()> {
    let world = World::start(&chunked(3000))?;
    let mut seen = String::new();
    for generation in Generation::ALL {
        let finished = piece::run(&world, generation, FETCH)?;
        for form in ["ARROW", "JSON"] {
            let step = finished.step(form)?;
            assert_eq!(step["rows"], 20_000, "{step}");
            assert_eq!(step["sum"], 199_990_000, "{step}");
            assert_eq!(step["last"], json!([19_999, "name 19999"]), "{step}");
        }
        assert_eq!(finished.step("table")?["sum"], 199_990_000);
        if generation == Generation::Four {
            let told = finished.step("told JSON")?;
            let url = told["url"].as_str().unwrap_or_default();
            assert!(
                url.starts_with("https://acme.snowflakecomputing.com/icecore/chunks/"),
                "{told}"
            );
            assert_eq!(told["headers"], json!({"x-icecore-chunk": "1"}));
        }
        seen.push_str(&finished.output);
    }
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    world.flush()?;
    no_secret_anywhere(&world, &seen)?;

    // 6,666 rows inline, the rest in chunks of 3,000: five a result, read by two connectors three times.
    let fetched = world.gate.events(Some("chunk"))?;
    assert_eq!(fetched.len(), 2 * 3 * 5);
    let results = world.query(
        "select r.statement_id, count(*) n, sum(r.rows) as rows, bool_and(r.completed) whole, any_value(s.chunks) chunks, \
         any_value(s.rows_returned) total, any_value(r.source_host) host, any_value(r.encoding) as encoding, \
         count(distinct chunk_index) places, min(r.bytes_plain) plain, bool_and(r.upstream_mac = r.delivered_mac) same \
         from results r join statements s using (statement_id) group by 1",
    )?;
    assert_eq!(results.len(), 6, "{results:?}");
    for row in &results {
        assert_eq!(
            (&row["n"], &row["places"], &row["chunks"]),
            (&json!(5), &json!(5), &json!(5))
        );
        assert_eq!(
            (&row["rows"], &row["total"]),
            (&json!(13_334), &json!(20_000)),
            "{row}"
        );
        assert_eq!(
            (&row["host"], &row["encoding"]),
            (&json!(CHUNK_HOST), &json!("gzip"))
        );
        assert_eq!((&row["whole"], &row["same"]), (&json!(true), &json!(true)));
    }
    Ok(())
}

/// Neither what the agent saw, nor a file outside of the emulator, nor the record holds a chunk's address or key.
fn no_secret_anywhere(world: &World, seen: &str) -> Result<()> {
    let secrets = world.gate.canaries()?;
    for name in ["presigned_url", "chunk_key", "chunk_key_md5"] {
        assert!(secrets.iter().any(|(found, _)| found == name), "no {name}");
    }
    let none = Vec::<String>::new();
    assert_eq!(
        search::find_in("the driver's output", seen.as_bytes(), &secrets),
        none
    );
    let skipped = [
        world.path("gate"),
        world.config.key_file.clone(),
        world.path("bpf"),
        world.icecore.clone(),
    ];
    let skipped: Vec<&std::path::Path> = skipped.iter().map(AsRef::as_ref).collect();
    assert_eq!(search::find(&world.path(""), &secrets, &skipped)?, none);
    for table in ["statements_all", "statement_texts", "results", "events"] {
        let text = serde_json::to_string(&world.query(&format!("select * from {table}"))?)?;
        assert_eq!(search::find_in(table, text.as_bytes(), &secrets), none);
    }
    Ok(())
}

/// A driver that tries again soon, and at most ten times.
const EAGER: &str = r#"
def eager():
    if snowflake.connector.__version__.startswith("4."):
        from snowflake.connector.backoff_policies import exponential_backoff
        return connect(backoff_policy=exponential_backoff(factor=1, base=1, cap=1, enable_jitter=False))
    return connect()
"#;

#[test]
fn storage_that_breaks_off_is_an_error_and_never_a_short_result() -> Result<()> {
    let world = World::start(&chunked(8000))?;
    let piece = format!(
        "{EAGER}
with eager() as c:
    at = c.cursor()
    at.execute('select n from numbers')
    pause()
    failure('broken', lambda: len(at.fetchall()))
    pause()
    at.execute('select n from numbers')
    pause()
    tell('mended', rows=len(at.fetchall()))
"
    );
    for generation in Generation::ALL {
        let mut driver = piece::start(&world, generation, &piece)?;
        driver.expect("pause")?;
        world
            .gate
            .plant_times(Endpoint::Chunk, FaultKind::CutOff, 200)?;
        driver.go_on()?;
        let broken = driver.expect("broken")?;
        assert_eq!(
            broken["ok"], false,
            "{generation:?} took a short result: {broken}"
        );
        driver.expect("pause")?;
        world.gate.clear_faults()?;
        driver.go_on()?;
        driver.expect("pause")?;
        if generation == Generation::Four {
            // One more break, and it asks again: what came before is not taken twice. The connector 5 never asks again.
            world.gate.plant(Endpoint::Chunk, FaultKind::CutOff)?;
        }
        driver.go_on()?;
        assert_eq!(driver.expect("mended")?["rows"], 20_000, "{generation:?}");
    }
    world.flush()?;
    let rows = world.query("select completed whole, count(*) n, count(rows) counted from results group by 1 order by 1")?;
    let number = |at: usize, key: &str| rows[at][key].as_i64().unwrap();
    assert_eq!(
        (&rows[0]["whole"], &rows[1]["whole"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        number(0, "counted"),
        0,
        "rows of chunks that broke off: {rows:?}"
    );
    assert!(number(0, "n") >= 4 && number(1, "n") >= 4, "{rows:?}");
    let events = world.query("select detail from events where event_code = 'RS004'")?;
    assert!(!events.is_empty());
    Ok(())
}

/// Asks for one result's chunks by hand.
const NAMED: &str = r#"
def named():
    import requests, uuid
    c = connect()
    at = f"https://{HOST}/queries/v1/query-request?requestId={uuid.uuid4()}"
    data = requests.post(at, headers={"Authorization": f'Snowflake Token="{c.rest.token}"', "Accept": "application/snowflake"},
        json={"sqlText": "select n from numbers", "parameters": {"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON"}}).json()["data"]
    return c, data, [chunk["url"].removeprefix(f"https://{HOST}") for chunk in data["chunks"]]
"#;

#[test]
fn a_chunk_is_good_in_its_session_alone_and_as_often_as_asked() -> Result<()> {
    let world = World::start(&chunked(8000))?;
    let owner = format!(
        "{NAMED}
c, data, paths = named()
tell('shape', qrmk='qrmk' in data, headers=data['chunkHeaders'], sizes=[chunk['uncompressedSize'] for chunk in data['chunks']], paths=paths)
tell('first', **ask(paths[0]))
tell('again', **ask(paths[0], {{'x-icecore-chunk': '1', 'Accept-Encoding': 'gzip'}}))
pause()
tell('still', **ask(paths[0]))
tell('none', **ask('/icecore/chunks/' + 64 * '0'))
tell('other form', **ask(paths[0].upper().replace('/ICECORE/CHUNKS/', '/icecore/chunks/')))
"
    );
    let mut driver = piece::start(&world, Generation::Four, &owner)?;
    let shape = driver.expect("shape")?;
    assert_eq!(
        (&shape["qrmk"], &shape["headers"]),
        (&json!(false), &json!({"x-icecore-chunk": "1"}))
    );
    for name in ["first", "again"] {
        let got = driver.expect(name)?;
        assert_eq!(
            (&got["status"], &got["clean"]),
            (&json!(200), &json!(true)),
            "{got}"
        );
        assert_eq!(got["bytes"], shape["sizes"][0], "{got}");
        assert_eq!(
            (&got["type"], &got["encoding"]),
            (&json!("application/octet-stream"), &Value::Null)
        );
        assert!(
            got["text"]
                .as_str()
                .unwrap_or_default()
                .starts_with(r#"["6666"],["6667"]"#),
            "{got}"
        );
    }
    driver.expect("pause")?;
    let thief = format!("tell('stolen', **ask({}))", shape["paths"][0]);
    let finished = piece::run(&world, Generation::Four, &thief)?;
    let stolen = finished.step("stolen")?;
    assert_eq!(stolen["status"], 404, "{stolen}");
    assert!(
        stolen["text"]
            .to_string()
            .contains("no result of this session"),
        "{stolen}"
    );
    driver.go_on()?;
    assert_eq!(driver.expect("still")?["status"], 200);
    assert_eq!(driver.expect("none")?["status"], 404);
    // Another spelling is no name at all: refused as any path that is not listed.
    let other = driver.expect("other form")?;
    assert!(
        other["text"].to_string().contains("not an endpoint"),
        "{other}"
    );
    drop(driver);
    world.flush()?;
    let events = world.query("select severity from events where event_code = 'RS003'")?;
    assert_eq!(events.len(), 1, "{events:?}");
    let delivered = world.query("select count(*) n from results where completed")?;
    assert_eq!(delivered[0]["n"], 3);
    for request in world.gate.events(Some("request"))? {
        if request["host"] == CHUNK_HOST {
            let headers = request["headers"].to_string().to_lowercase();
            for ours in [
                "authorization",
                "x-icecore-chunk",
                "snowflake token",
                "cookie",
            ] {
                assert!(!headers.contains(ours), "{request}");
            }
        }
    }
    Ok(())
}

#[test]
fn storage_that_refuses_is_told_as_it_is() -> Result<()> {
    let mut plan = chunked(8000);
    plan.tuning.chunk_url_seconds = 0;
    let world = World::start(&plan)?;
    let piece = format!(
        "{NAMED}
c, data, paths = named()
tell('expired', **ask(paths[0]))
pause()
c, data, paths = named()
tell('tried again', **ask(paths[0]))
pause()
tell('down', **ask(paths[0]))
"
    );
    let mut driver = piece::start(&world, Generation::Four, &piece)?;
    let expired = driver.expect("expired")?;
    assert_eq!(expired["status"], 403, "{expired}");
    assert!(!expired["text"].to_string().contains("X-Amz"), "{expired}");
    driver.expect("pause")?;
    world.gate.tune(chunked(8000).tuning)?;
    world
        .gate
        .plant_times(Endpoint::Chunk, FaultKind::Status(503), 2)?;
    driver.go_on()?;
    assert_eq!(driver.expect("tried again")?["status"], 200);
    driver.expect("pause")?;
    world.gate.plant_times(
        Endpoint::Chunk,
        FaultKind::Redirect("https://evil.example.com/".into()),
        9,
    )?;
    driver.go_on()?;
    let down = driver.expect("down")?;
    assert_eq!(down["status"], 502, "{down}");
    assert!(
        down["text"].to_string().contains("follows no redirect"),
        "{down}"
    );
    Ok(())
}

/// Drivers that are refused by storage ask for the result again, by its id, and get fresh names.
#[test]
fn a_result_whose_addresses_are_over_is_asked_for_again_and_has_fresh_ones() -> Result<()> {
    let mut plan = chunked(8000);
    plan.tuning.chunk_url_seconds = 0;
    let mut world = World::start(&plan)?;
    let piece = format!(
        "{NAMED}
def refreshed():
    import requests
    at = f\"https://{{HOST}}/queries/{{data['queryId']}}/result\"
    again = requests.get(at, headers={{'Authorization': f'Snowflake Token=\"{{c.rest.token}}\"', 'Accept': 'application/snowflake'}}).json()
    return [chunk['url'].removeprefix(f'https://{{HOST}}') for chunk in again['data']['chunks']]
c, data, paths = named()
tell('over', **ask(paths[0]))
pause()
tell('still over', **ask(paths[0]))
fresh = refreshed()
tell('names', old=paths, fresh=fresh)
tell('fresh', **ask(fresh[0]))
"
    );
    let mut driver = piece::start(&world, Generation::Four, &piece)?;
    assert_eq!(driver.expect("over")?["status"], 403);
    driver.expect("pause")?;
    world.gate.tune(chunked(8000).tuning)?;
    // A proxy that has the statement's reply still gives that; the next one asks Snowflake.
    world.replace_proxy()?;
    driver.go_on()?;
    let over = driver.expect("still over")?;
    assert_eq!(over["status"], 403, "{over}");
    let names = driver.expect("names")?;
    let of = |key: &str| names[key].as_array().cloned().unwrap_or_default();
    assert_eq!(of("old").len(), of("fresh").len(), "{names}");
    assert!(
        of("fresh").iter().all(|name| !of("old").contains(name)),
        "{names}"
    );
    let fresh = driver.expect("fresh")?;
    assert_eq!(
        (&fresh["status"], &fresh["clean"]),
        (&json!(200), &json!(true)),
        "{fresh}"
    );
    assert!(fresh["text"].to_string().contains("6666"), "{fresh}");
    Ok(())
}

/// The spool is filled to its limit while the store takes nothing: no delivery ends cleanly that is not on record.
/// Fills the spool until not even a short statement fits, which refuses one of each size.
const FILL: &str = r#"
def fill(at):
    for size in (250_000, 50_000, 10_000, 2_000, 100, 1):
        try:
            while True:
                at.execute('select 1 -- ' + size * 'x')
        except Exception as error:
            tell('refused', message=str(error))
"#;

/// A store where nothing can be sealed into, so that nothing leaves the spool.
struct StoreAway {
    store: PathBuf,
    aside: PathBuf,
}

impl StoreAway {
    fn take(world: &World) -> Result<Self> {
        // Until something is sealed there is no folder.
        world.flush()?;
        let away = Self {
            store: world.config.store.clone(),
            aside: world.path("store-aside"),
        };
        fs::rename(&away.store, &away.aside)?;
        fs::write(&away.store, "not a folder")?;
        Ok(away)
    }

    fn give_back(self) -> Result<()> {
        fs::remove_file(&self.store)?;
        Ok(fs::rename(&self.aside, &self.store)?)
    }
}

/// While the record is known to fail, storage is not even asked; the same chunk comes once it works again.
#[test]
fn no_chunk_is_begun_while_the_record_fails() -> Result<()> {
    let world = World::start(&Plan {
        spool_max: "1MiB".into(),
        ..chunked(8000)
    })?;
    let piece = format!(
        "{NAMED}{FILL}
c, data, paths = named()
tell('before', **ask(paths[0]))
pause()
fill(c.cursor())
meanwhile, asked = ask(paths[0]), 0
while meanwhile['status'] == 200 and asked < 3000:
    meanwhile, asked = ask(paths[0]), asked + 1
tell('meanwhile', asked=asked, **meanwhile)
pause()
c.cursor().execute('select 2')
tell('after', **ask(paths[0]))
"
    );
    let chunks = || -> Result<usize> { Ok(world.gate.events(Some("chunk"))?.len()) };
    let mut driver = piece::start(&world, Generation::Four, &piece)?;
    assert_eq!(driver.expect("before")?["status"], 200);
    driver.expect("pause")?;
    let begun = chunks()?;
    let store = StoreAway::take(&world)?;
    driver.go_on()?;
    for _ in 0..6 {
        driver.expect("refused")?;
    }
    let meanwhile = driver.expect("meanwhile")?;
    assert_eq!(meanwhile["status"], 503, "{meanwhile}");
    let text = meanwhile["text"].to_string();
    assert!(text.contains("nothing can be recorded"), "{meanwhile}");
    // What is kept free for results under way was filled by them.
    let begun = begun + usize::try_from(meanwhile["asked"].as_u64().unwrap_or(0))?;
    assert_eq!(chunks()?, begun, "storage was asked");
    driver.expect("pause")?;
    store.give_back()?;
    world.flush()?;
    driver.go_on()?;
    assert_eq!(driver.expect("after")?["status"], 200);
    assert_eq!(chunks()?, begun + 1);
    Ok(())
}

#[test]
fn a_delivery_that_cannot_be_recorded_breaks_off() -> Result<()> {
    let world = World::start(&Plan {
        spool_max: "1MiB".into(),
        ..chunked(8000)
    })?;
    let piece = format!(
        "{NAMED}{FILL}
c, data, paths = named()
pause()
fill(c.cursor())
ends = [ask(paths[0])]
while ends[-1]['clean'] and ends[-1]['status'] == 200 and len(ends) < 3000:
    ends.append(ask(paths[0]))
tell('ends', whole=sum(end['clean'] and end['status'] == 200 for end in ends), last=ends[-1])
pause()
"
    );
    let mut driver = piece::start(&world, Generation::Four, &piece)?;
    driver.expect("pause")?;
    let store = StoreAway::take(&world)?;
    driver.go_on()?;
    for _ in 0..6 {
        let refused = driver.expect("refused")?;
        let message = refused["message"].to_string();
        assert!(message.contains("could not be recorded"), "{refused}");
    }
    let ends = driver.expect("ends")?;
    // None is begun while the record is known to fail; one that was begun breaks off.
    let (status, clean) = (&ends["last"]["status"], &ends["last"]["clean"]);
    assert!(*status == 503 || *clean == false, "{ends}");
    store.give_back()?;
    world.flush()?;
    let rows = world.query("select count(*) n from results where completed")?;
    assert_eq!(rows[0]["n"], ends["whole"], "{ends}");
    driver.expect("pause")?;
    driver.go_on()
}
