//! A large result is masked as it streams: what the proxy holds of it does not grow with it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use icecore_tests::emulator::{Described, Planted, Tuning};
use icecore_tests::harness::world::World;
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::every_type::{masking_world, reference};
use crate::piece;

/// How much the proxy's memory may grow, in KiB.
const GROWTH_MAX_KIB: u64 = 32 * 1024;

/// Fetches all chunks of a result, four at a time, as drivers do; looks into the last.
const FETCH: &str = r#"
import json, requests, uuid
from concurrent.futures import ThreadPoolExecutor
c = connect()

def result(form):
    at = f"https://{HOST}/queries/v1/query-request?requestId={uuid.uuid4()}"
    said = requests.post(at, headers={"Authorization": f'Snowflake Token="{c.rest.token}"', "Accept": "application/snowflake"},
        json={"sqlText": "select * from ACME_DB.PUBLIC.LARGE", "parameters": {"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}}).json()
    assert said["success"], said["message"]
    return said["data"]["total"], [chunk["url"].removeprefix(f"https://{HOST}") for chunk in said["data"]["chunks"]]

def fetch(path):
    link = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(), timeout=300)
    link.request("GET", path)
    answer = link.getresponse()
    assert answer.status == 200, answer.read()
    whole, last = 0, b""
    while piece := answer.read(65536):
        whole, last = whole + len(piece), piece
    link.close()
    return whole

def body(path):
    link = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(), timeout=300)
    link.request("GET", path)
    return link.getresponse().read()

def first_row(form, text):
    if form == "JSON":
        rows = json.loads(b"[" + text + b"]")
        return len(rows), rows[0]
    import io, pyarrow
    table = pyarrow.ipc.open_stream(io.BytesIO(text)).read_all()
    return table.num_rows, [str(column[0]) for column in table.columns]

for form in ("ARROW", "JSON"):
    total, paths = result(form)
    # The first four bring in pages of the program itself and what four transfers at once hold, however long they are.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fetch, paths[:4]))
    tell("ready", total=total, chunks=len(paths))
    pause()
    with ThreadPoolExecutor(4) as pool:
        sizes = list(pool.map(fetch, paths[:-1]))
    rows, row = first_row(form, body(paths[-1]))
    tell("fetched", bytes=sum(sizes), rows=rows, row=row)
    pause()
"#;

/// Reads a number of KiB from a process's status.
fn memory_kib(process: i32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("no such line")?.parse()?)
}

/// Has the account hold a table of at least so many bytes; gives its rows and how many chunks they come in.
fn plant_large(world: &World, mebibytes: u64) -> Result<Value> {
    let folder = world.path("large");
    let made = reference(
        "large.py",
        &[folder.as_os_str(), mebibytes.to_string().as_ref()],
    )?;
    let made: Value = serde_json::from_str(&made)?;
    let path = ["ACME_DB", "PUBLIC", "LARGE"].map(str::to_owned);
    world.gate.hold(&[Planted {
        path: path.clone(),
        folder,
    }])?;
    world.gate.describe(&[Described {
        path,
        told: "ACME_DB.PUBLIC.LARGE".into(),
        is_view: false,
        text: None,
        columns: serde_json::from_value(made["columns"].clone())?,
    }])?;
    Ok(made)
}

/// 128 MiB, or 1 GiB in the long form: half of it Arrow, half JSON.
#[test]
fn memory_does_not_grow_with_a_masked_result() -> Result<()> {
    let is_long = std::env::var_os("ICECORE_TEST_LONG").is_some();
    let mebibytes = if is_long { 512 } else { 64 };
    let mut world = masking_world(Tuning::default())?;
    let made = plant_large(&world, mebibytes)?;
    let mut client = piece::start(&world, Generation::Four, FETCH)?;
    let proxy = world.daemon()?.proxy()?.as_raw_nonzero().get();
    for form in ["ARROW", "JSON"] {
        let ready = client.expect("ready")?;
        assert_eq!(
            (&ready["total"], &ready["chunks"]),
            (&made["rows"], &made["chunks"])
        );
        client.expect("pause")?;
        // The peak is counted from here.
        fs::write(Path::new(&format!("/proc/{proxy}/clear_refs")), "5")?;
        let before = memory_kib(proxy, "VmRSS:")?;
        client.go_on()?;
        let fetched = client.expect("fetched")?;
        let peak = memory_kib(proxy, "VmHWM:")?;
        masked(form, &fetched["row"])?;
        assert_eq!(fetched["rows"], 40_000, "{form}");
        let grown = peak.saturating_sub(before);
        eprintln!(
            "{form}: {} bytes, {before} KiB before, {grown} KiB more at the peak",
            fetched["bytes"]
        );
        ensure!(
            grown <= GROWTH_MAX_KIB,
            "{form}: memory grew by {grown} KiB from {before} KiB; expected {GROWTH_MAX_KIB} KiB at most"
        );
        client.expect("pause")?;
        client.go_on()?;
    }
    world.flush()?;
    let counted = world.query("select count(*) n from results where completed and rows = 40000")?;
    let chunks = made["chunks"].as_u64().context("chunks")?;
    assert_eq!(counted, [json!({"n": 2 * (chunks + 4)})]);
    Ok(())
}

/// The first row of the chunk, by what each mask leaves of it.
fn masked(form: &str, row: &Value) -> Result<()> {
    let cell = |at: usize| row[at].as_str().unwrap_or_default();
    let (name, mail, document) = (cell(1), cell(2), cell(6));
    ensure!(name.get(1..22) == Some(&"*".repeat(21)), "{form}: {row}");
    ensure!(mail.len() == 32 && !mail.contains('@'), "{form}: {row}");
    ensure!(row[5].is_null() || row[5] == "None", "{form}: {row}");
    ensure!(document.contains(r#""b":null"#), "{form}: {row}");
    ensure!(
        cell(7).len() == 24 && !cell(7).contains('*'),
        "{form}: {row}"
    );
    Ok(())
}
