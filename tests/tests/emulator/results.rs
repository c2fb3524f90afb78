//! Rows in every form: Arrow and JSON, inline and in chunks behind presigned addresses.

use anyhow::Result;
use icecore_tests::emulator::{CHUNK_HOST, Endpoint, FaultKind, Tuning};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::bench::Bench;

fn chunked(rows: u64) -> Tuning {
    Tuning {
        chunk_rows: rows,
        ..Tuning::default()
    }
}

/// Every type that fakesnow gives, in a row of values and a row of nulls.
const TYPES: &str = "select 7 as I, 12.50::number(10,2) as D, 1.5::float as R, true as B, 'é' as T, \
    '2026-10-09'::date as DT, '12:34:56.789'::time as TM, '1969-12-31 23:59:59.5'::timestamp_ntz as TS, \
    '2026-10-09 01:02:03 +00:00'::timestamp_tz as TZ, to_binary('DEAD01', 'HEX') as BI \
    union all select null, null, null, null, null, null, null, null, null, null";

const FETCH: &str = r#"
for form in ("ARROW", "JSON"):
    with connect(session_parameters={"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}) as c:
        at = c.cursor()
        at.execute("select n, 'name ' || n from numbers order by n")
        rows = at.fetchall()
        tell(form, rows=len(rows), sum=sum(int(r[0]) for r in rows), last=list(rows[-1]))
"#;

#[test]
fn both_connectors_fetch_chunks_of_either_form() -> Result<()> {
    let bench = Bench::new(10, chunked(3000))?;
    for generation in Generation::ALL {
        let finished = bench.piece(generation, FETCH)?;
        for form in ["ARROW", "JSON"] {
            let step = finished.step(form)?;
            assert_eq!(step["rows"], 20_000);
            assert_eq!(step["sum"], 199_990_000);
            assert_eq!(step["last"], json!([19_999, "name 19999"]));
        }
        // 6,666 rows inline, the rest in chunks of 3,000.
        assert_eq!(bench.gate.events(Some("chunk"))?.len() % 10, 0);
    }
    assert_eq!(bench.gate.events(Some("chunk"))?.len(), 20);
    assert!(bench.gate.events(Some("chunk_refused"))?.is_empty());
    Ok(())
}

#[test]
fn tables_are_fetched_whole_through_chunks() -> Result<()> {
    let bench = Bench::new(11, chunked(5000))?;
    for generation in Generation::ALL {
        let finished = bench.piece(
            generation,
            r#"
with connect() as c:
    at = c.cursor()
    arrow = at.execute("select n, n * 2 as m from numbers").fetch_arrow_all()
    tell("arrow", rows=arrow.num_rows, sum=sum(arrow.column(0).to_pylist()), names=arrow.column_names)
    frame = at.execute("select n from numbers where n < 9000").fetch_pandas_all()
    tell("pandas", rows=len(frame), sum=int(frame["N"].sum()))
"#,
        )?;
        let arrow =
            json!({"step": "arrow", "rows": 20_000, "sum": 199_990_000, "names": ["N", "M"]});
        assert_eq!(finished.step("arrow")?, &arrow);
        let pandas = json!({"step": "pandas", "rows": 9000, "sum": 40_495_500});
        assert_eq!(finished.step("pandas")?, &pandas);
    }
    Ok(())
}

#[test]
fn json_cells_read_as_arrow_cells_do() -> Result<()> {
    let bench = Bench::new(12, Tuning::default())?;
    for generation in Generation::ALL {
        let piece = format!(
            r#"
for form in ("ARROW", "JSON"):
    with connect(session_parameters={{"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}}) as c:
        rows = c.cursor().execute({TYPES:?}).fetchall()
        tell(form, rows=[[repr(bytes(v) if isinstance(v, bytearray) else v) for v in row] for row in rows])
"#
        );
        let finished = bench.piece(generation, &piece)?;
        assert_eq!(
            finished.step("ARROW")?["rows"],
            finished.step("JSON")?["rows"],
            "{generation:?}"
        );
    }
    Ok(())
}

/// A client that says nothing of itself gets JSON, and storage opens to nothing but what was given.
#[test]
fn storage_refuses_what_is_not_exactly_as_given() -> Result<()> {
    let bench = Bench::new(13, chunked(8000))?;
    let finished = bench.piece(
        Generation::Four,
        r#"
import gzip, requests
c = connect()
at = "https://acme.snowflakecomputing.com/queries/v1/query-request?requestId=3f1b7f9e-0000-4000-8000-00000000000"
def ask(n, **parameters):
    answer = requests.post(at + str(n), headers={"Authorization": f'Snowflake Token="{c.rest.token}"', "Accept": "application/snowflake"},
        json={"sqlText": "select n from numbers order by n", "parameters": parameters}).json()["data"]
    return answer
data = ask(1, PYTHON_CONNECTOR_QUERY_RESULT_FORMAT="JSON")
chunk, headers = data["chunks"][0], data["chunkHeaders"]
tell("shape", inline=len(data["rowset"]), rows=[c["rowCount"] for c in data["chunks"]], total=data["total"],
    qrmk=data["qrmk"] == headers["x-amz-server-side-encryption-customer-key"], form=data["queryResultFormat"])
got = requests.get(chunk["url"], headers=headers)
tell("right", status=got.status_code, head=got.text[:19], size=len(got.content) == chunk["uncompressedSize"])
def refused(step, url=chunk["url"], **other):
    sent = {**headers, **other}
    answer = requests.get(url, headers={k: v for k, v in sent.items() if v is not None})
    tell(step, status=answer.status_code, code=answer.text.split("<Code>")[1].split("<")[0])
refused("no key", **{k: None for k in headers})
refused("other key", **{"x-amz-server-side-encryption-customer-key": "AAAA"})
refused("other query", url=chunk["url"].replace("X-Amz-Expires=", "X-Amz-Expires=9"))
refused("other path", url=chunk["url"].replace("data_0_0_", "data_0_1_"))
refused("two signatures", Authorization="Snowflake Token=\"x\"")
"#,
    )?;
    let step = |name: &str| finished.step(name);
    assert_eq!(
        step("shape")?,
        &json!({"step": "shape", "inline": 6666, "rows": [8000, 5334], "total": 20_000, "qrmk": true, "form": "json"})
    );
    let right =
        json!({"step": "right", "status": 200, "head": r#"["6666"],["6667"],["#, "size": true});
    assert_eq!(step("right")?, &right);
    for (name, status, code) in [
        ("no key", 403, "AccessDenied"),
        ("other key", 403, "AccessDenied"),
        ("other query", 403, "SignatureDoesNotMatch"),
        ("other path", 404, "NoSuchKey"),
        ("two signatures", 400, "InvalidArgument"),
    ] {
        assert_eq!(
            step(name)?,
            &json!({"step": name, "status": status, "code": code})
        );
    }
    assert_eq!(bench.gate.events(Some("chunk_refused"))?.len(), 5);
    let canaries = bench.gate.canaries()?;
    for name in ["presigned_url", "chunk_key", "chunk_key_md5"] {
        assert!(canaries.iter().any(|(found, _)| found == name), "{name}");
    }
    Ok(())
}

/// An address that has expired is refused, and asking for the result again gives a fresh one.
#[test]
fn expired_addresses_are_refused_and_signed_anew() -> Result<()> {
    let tuning = Tuning {
        chunk_url_seconds: 0,
        ..chunked(8000)
    };
    let bench = Bench::new(14, tuning)?;
    let mut driver = bench.python(
        Generation::Four,
        "straight.py",
        r#"
import requests
c = connect()
at = c.cursor()
at.execute("select count(*) from numbers")
at.execute_async("select n from numbers")
url = f"https://acme.snowflakecomputing.com/queries/{at.sfqid}/result"
def ask():
    while "chunks" not in (data := requests.get(url, headers={"Authorization": f'Snowflake Token="{c.rest.token}"'}).json()["data"]): pass
    got = requests.get(data["chunks"][0]["url"], headers=data["chunkHeaders"])
    return got.status_code
tell("expired", status=ask())
sys.stdin.readline()
tell("fresh", status=ask())
"#,
    )?;
    assert_eq!(driver.expect("expired")?["status"], 403);
    bench.gate.tune(chunked(8000))?;
    driver.go_on()?;
    assert_eq!(driver.expect("fresh")?["status"], 200);
    Ok(())
}

#[test]
fn a_chunk_that_fails_is_asked_for_again() -> Result<()> {
    let bench = Bench::new(15, chunked(3000))?;
    bench.gate.plant(Endpoint::Chunk, FaultKind::Status(503))?;
    let finished = bench.run(
        Generation::Four,
        &json!([{"do": "sql", "name": "many", "sql": "select n from numbers", "sum": true}]),
    )?;
    assert_eq!(finished.step("many")?["sum"], 199_990_000);
    let asked = bench.gate.events(Some("request"))?;
    let chunks = asked.iter().filter(|request| request["host"] == CHUNK_HOST);
    assert_eq!(chunks.count(), 6);
    Ok(())
}
