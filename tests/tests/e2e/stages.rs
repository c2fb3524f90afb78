//! Files and stages: what opens a stage's storage never reaches the agent, and bound values stay where they are judged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::Result;
use icecore_tests::drivers::Product;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::search;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::{self, Generation};
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::piece;

/// Allows what the packs do not: rows to be written, files to be moved, and stages to be made.
const FILES: &str = r#"
@id("files")
permit (
  principal,
  action in [Icecore::Action::"write", Icecore::Action::"put", Icecore::Action::"get", Icecore::Action::"create"],
  resource
);
"#;

fn world(stage_binds_from: u64) -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        tuning: Tuning {
            stage_binds_from,
            ..Tuning::default()
        },
        ..Plan::default()
    })?;
    fs::write(world.config.policies().join("files.cedar"), FILES)?;
    world.start_daemon()?;
    Ok(world)
}

/// Binds more values than from which on the account has them put on a stage.
const BULK: &str = r#"
with connect() as c:
    at = c.cursor()
    at.execute("select 1")
    rows = [(1000 + n, f"bound {n}", "1.5") for n in range(20)]
    at.executemany("insert into orders (ID, CUSTOMER, AMOUNT) values (?, ?, ?)", rows)
    tell("bulk", rows=at.rowcount)
"#;

#[test]
fn bulk_binds_come_with_the_statement_and_not_by_a_stage() -> Result<()> {
    let world = world(8)?;
    for generation in Generation::ALL {
        let finished = piece::run(&world, generation, BULK)?;
        assert_eq!(finished.step("bulk")?["rows"], 20, "{}", finished.output);
    }
    let executed = world.gate.executed()?;
    let staged = |sql: &&String| {
        let sql = sql.to_ascii_lowercase();
        sql.contains("stage") || sql.starts_with("put")
    };
    assert_eq!(executed.iter().find(staged), None, "{executed:?}");
    Ok(())
}

/// The stages that the emulator has, by where they lie.
const STAGES: [&str; 4] = ["s3_files", "plain_files", "azure_files", "gcs_files"];

/// Puts a file into each stage and gets it back, as any job would.
const MOVE: &str = r##"
import hashlib, os, tempfile
def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
folder = tempfile.mkdtemp()
major = snowflake.connector.__version__.split(".")[0]
with connect() as c:
    at = c.cursor()
    for stage in ("s3_files", "plain_files", "azure_files", "gcs_files"):
        path = os.path.join(folder, f"{stage} {major}.csv")
        with open(path, "wb") as file:
            file.write(b"id,name\n" + b"".join(b"%d,row %d\n" % (n, n * n) for n in range(30000)))
        put = at.execute(f"put 'file://{path}' @{stage}/in{major} auto_compress=false").fetchall()
        zipped = at.execute(f"put 'file://{folder}/{stage}*' @{stage}/zip{major} overwrite=true").fetchall()
        back = tempfile.mkdtemp()
        got = at.execute(f"get @{stage}/in{major} 'file://{back}/'").fetchall()
        found = {name: sha256(os.path.join(back, name)) for name in os.listdir(back)}
        tell(stage, put=put, zipped=zipped, got=got, plain=sha256(path), found=found, name=os.path.basename(path))
"##;

/// Decrypts what lies in storage by the connector's own code, for who holds the stages' keys; one digest a line.
const OPEN: &str = r#"
import base64, hashlib, io, json, sys
from snowflake.connector.encryption_util import EncryptionMetadata, SnowflakeEncryptionUtil
from snowflake.connector.storage_client import SnowflakeFileEncryptionMaterial
for one in json.loads(sys.argv[1]):
    beside = dict(one["headers"])
    told = next((json.loads(value) for name, value in beside.items() if name.endswith("-encryptiondata")), None)
    if told:
        key, iv = told["WrappedContentKey"]["EncryptedKey"], told["ContentEncryptionIV"]
    else:
        key, iv = beside.get("x-amz-meta-x-amz-key"), beside.get("x-amz-meta-x-amz-iv")
    with open(one["file"], "rb") as file:
        plain = file.read()
    if key:
        out = io.BytesIO()
        material = SnowflakeFileEncryptionMaterial(one["master"], "q", "1")
        SnowflakeEncryptionUtil.decrypt_stream(EncryptionMetadata(key, iv, None), material, io.BytesIO(plain), out)
        plain = out.getvalue()
    digest = next(value for name, value in beside.items() if name.endswith("digest"))
    print(json.dumps({"path": one["path"], "sha256": hashlib.sha256(plain).hexdigest(), "sealed": bool(key),
                      "said": base64.b64decode(digest).hex()}))
"#;

/// Gives what lies in storage, decrypted by somebody else than the proxy.
fn opened(world: &World) -> Result<Vec<Value>> {
    let stages = world.gate.events(Some("stage"))?;
    let master = |path: &str| {
        let of = |stage: &&Value| {
            let name = stage["name"].as_str().unwrap_or_default();
            path.contains(&format!("/{}/", name.to_lowercase()))
        };
        stages.iter().find(of).map(|stage| stage["master"].clone())
    };
    let stored = world.gate.events(Some("stored"))?;
    let all: Vec<Value> = stored
        .iter()
        .map(|one| {
            let file = world
                .path("gate")
                .join(one["file"].as_str().unwrap_or_default());
            let path = one["path"].as_str().unwrap_or_default();
            json!({"path": path, "file": file, "headers": one["headers"], "master": master(path)})
        })
        .collect();
    let output = Command::new(python::interpreter(Generation::Four)?)
        .args(["-c", OPEN, &json!(all).to_string()])
        .output()?;
    anyhow::ensure!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

/// Neither what the agent saw nor the record holds what opens a stage.
fn no_secret_anywhere(world: &World, seen: &str) -> Result<()> {
    let secrets = world.gate.canaries()?;
    for name in ["stage_credential", "stage_token", "stage_master_key"] {
        assert!(secrets.iter().any(|(found, _)| found == name), "no {name}");
    }
    let none = Vec::<String>::new();
    let found = search::find_in("the driver's output", seen.as_bytes(), &secrets);
    assert_eq!(found, none);
    let skipped = [
        world.path("gate"),
        world.config.key_file.clone(),
        world.path("bpf"),
        world.icecore.clone(),
    ];
    let skipped: Vec<&std::path::Path> = skipped.iter().map(AsRef::as_ref).collect();
    assert_eq!(search::find(&world.path(""), &secrets, &skipped)?, none);
    Ok(())
}

#[test]
fn files_go_to_and_from_stages_by_the_proxy_alone() -> Result<()> {
    let world = world(65_280)?;
    let (mut seen, mut plain) = (String::new(), String::new());
    for generation in Generation::ALL {
        let finished = piece::run(&world, generation, MOVE)?;
        for stage in STAGES {
            let step = finished.step(stage)?;
            assert_eq!(step["put"][0][6], "UPLOADED", "{step}");
            assert_eq!(step["zipped"][0][6], "UPLOADED", "{step}");
            assert_eq!(step["got"][0][2], "DOWNLOADED", "{step}");
            let name = step["name"].as_str().unwrap_or_default();
            assert_eq!(step["found"], json!({ name: step["plain"] }), "{step}");
            plain = step["plain"].as_str().unwrap_or_default().to_owned();
        }
        seen.push_str(&finished.output);
    }
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    world.flush()?;
    no_secret_anywhere(&world, &seen)?;

    // Two generations put two files into each stage.
    let opened = opened(&world)?;
    assert_eq!(opened.len(), 2 * 2 * STAGES.len());
    for one in &opened {
        let path = one["path"].as_str().unwrap_or_default();
        assert_eq!(one["sha256"], one["said"], "{one}");
        assert_eq!(one["sealed"], !path.contains("/plain_files/"), "{one}");
        let is_zipped = path.contains("/zip");
        assert_eq!(one["sha256"] == plain.as_str(), !is_zipped, "{one}");
        assert_eq!(path.ends_with(".gz"), is_zipped, "{one}");
    }

    let rows = world.query(
        "select direction, storage_host host, is_encrypted sealed, count(*) n, bool_and(completed) whole, \
         count(distinct lower(hex(sha256))) digests, \
         bool_and((bytes_stored > bytes_plain) = is_encrypted) padded, bool_and(s.sql_kind = direction) judged \
         from transfers t join statements s using (statement_id) group by all order by all",
    )?;
    assert_eq!(rows.len(), 2 * STAGES.len(), "{rows:?}");
    for row in &rows {
        let (n, digests) = if row["direction"] == "put" {
            (4, 2)
        } else {
            (2, 1)
        };
        for (member, expected) in [
            ("n", json!(n)),
            ("whole", json!(true)),
            ("padded", json!(true)),
            ("judged", json!(true)),
        ] {
            assert_eq!(row[member], expected, "{row}");
        }
        assert!(row["digests"].as_i64() >= Some(digests), "{row}");
    }
    let same = format!("select count(*) n from transfers where lower(hex(sha256)) = '{plain}'");
    assert_eq!(world.query(&same)?, [json!({"n": 2 * 2 * STAGES.len()})]);
    Ok(())
}

/// Opens a stage as drivers do, keeps its token, and asks by hand.
const RAW: &str = r##"
import base64, hashlib, os, tempfile
folder = tempfile.mkdtemp()
path = os.path.join(folder, "a.csv")
open(path, "w").write("1,ada\n")
def send(method, name, token, body=None, headers={}):
    link = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(), timeout=60)
    try:
        link.request(method, "/icecore-files/" + name, body=body, headers={"Authorization": "Bearer " + token, **headers})
        answer = link.getresponse()
        return {"status": answer.status, "text": answer.read().decode(errors="replace")}
    except OSError as error:
        return {"status": 0, "text": str(error)}
    finally:
        link.close()
def said(body):
    return {"x-goog-meta-sfc-digest": base64.b64encode(hashlib.sha256(body).digest()).decode()}
with connect() as c:
    at = c.cursor()
    opened = at._execute_helper(f"put file://{path} @s3_files/raw")["data"]
    tell("opened", info=opened["stageInfo"], keys=sorted(opened))
    token = opened["stageInfo"]["creds"]["GCS_ACCESS_TOKEN"]
    tell("good", **send("PUT", "a.csv", token, b"1,ada\n", said(b"1,ada\n")))
    tell("there", **send("HEAD", "a.csv", token))
    tell("taken", **send("PUT", "a.csv", token, b"2,bob\n", {"x-goog-if-generation-match": "0"}))
    tell("other name", **send("PUT", "b.csv", token, b"1"))
    tell("above", **send("PUT", "..%2Fa.csv", token, b"1"))
    tell("other way", **send("GET", "a.csv", token))
    tell("other digest", **send("PUT", "a.csv.gz", token, b"1,eve\n" * 9000, said(b"1,ada\n")))
    tell("short", **send("PUT", "a.csv.gz", token, b"1", {"Content-Length": "9"}))
    tell("no token", **send("PUT", "a.csv", "0" * 64, b"1"))
    pause()
    tell("over", **send("PUT", "a.csv", token, b"1"))
"##;

/// Puts a file that storage gives in half, and gets it by hand.
const CUT: &str = r##"
import os, tempfile
folder = tempfile.mkdtemp()
path = os.path.join(folder, "cut.csv")
open(path, "w").write("1,ada\n" * 50000)
def get(name, token):
    link = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(), timeout=60)
    link.request("GET", "/icecore-files/" + name, headers={"Authorization": "Bearer " + token})
    answer = link.getresponse()
    try:
        return {"status": answer.status, "bytes": len(answer.read()), "clean": True}
    except (http.client.IncompleteRead, OSError):
        return {"status": answer.status, "clean": False}
with connect() as c:
    at = c.cursor()
    for stage in ("s3_files", "plain_files"):
        at.execute(f"put file://{path} @{stage} auto_compress=false")
        opened = at._execute_helper(f"get @{stage} file://{folder}")["data"]
        tell(stage, **get("cut.csv", opened["stageInfo"]["creds"]["GCS_ACCESS_TOKEN"]))
"##;

#[test]
fn a_file_that_breaks_off_at_storage_never_ends_cleanly() -> Result<()> {
    let world = world(65_280)?;
    let finished = piece::run(&world, Generation::Four, CUT)?;
    for stage in ["s3_files", "plain_files"] {
        let step = finished.step(stage)?;
        assert_eq!(step["clean"], false, "{step}");
    }
    world.flush()?;
    let rows = world.query(
        "select direction, completed whole, count(*) n, count(sha256) digests from transfers group by all order by 1",
    )?;
    assert_eq!(
        rows,
        [
            json!({"direction": "get", "whole": false, "n": 2, "digests": 0}),
            json!({"direction": "put", "whole": true, "n": 2, "digests": 2}),
        ]
    );
    Ok(())
}

/// Shows a token that another session was given.
const CARRIED: &str = r#"
def put(token):
    link = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(), timeout=60)
    link.request("PUT", "/icecore-files/a.csv", body=b"1", headers={"Authorization": "Bearer " + token})
    return link.getresponse().status
tell("carried", status=put(TOKEN))
"#;

#[test]
fn a_stage_is_good_for_its_files_in_its_session() -> Result<()> {
    let world = world(65_280)?;
    let mut client = piece::start(&world, Generation::Four, RAW)?;
    let opened = client.expect("opened")?;
    let info = &opened["info"];
    assert_eq!(info["locationType"], "GCS", "{opened}");
    assert_eq!(info["endPoint"], "acme.snowflakecomputing.com", "{opened}");
    let token = info["creds"]["GCS_ACCESS_TOKEN"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for key in ["uploadInfo", "encryptionMaterial"] {
        assert!(!opened["keys"].to_string().contains(key), "{opened}");
    }
    for (name, status) in [
        ("good", 200),
        ("there", 200),
        ("taken", 412),
        ("other name", 403),
        ("above", 403),
        ("other way", 403),
        ("other digest", 400),
        ("short", 0),
        ("no token", 401),
    ] {
        let step = client.expect(name)?;
        if name == "short" {
            assert_ne!(step["status"], 200, "{step}");
        } else {
            assert_eq!(step["status"], status, "{step}");
        }
    }
    client.expect("pause")?;
    let carried = format!("TOKEN = {token:?}\n{CARRIED}");
    let other = piece::run(&world, Generation::Four, &carried)?;
    assert_eq!(other.step("carried")?["status"], 401, "{}", other.output);
    client.go_on()?;
    client.finish()?;

    let stored = world.gate.events(Some("stored"))?;
    let paths: Vec<&str> = stored
        .iter()
        .filter_map(|one| one["path"].as_str())
        .collect();
    assert_eq!(paths[0], "/stages/s3_files/raw/a.csv", "{paths:?}");
    assert!(!paths.iter().any(|path| path.ends_with(".gz")), "{paths:?}");
    world.flush()?;
    let broken = world.query(
        "select count(*) n, count(sha256) digests from transfers where direction = 'put' and not completed",
    )?;
    assert_eq!(broken, [json!({"n": 3, "digests": 0})]);
    let foreign = world.query("select count(*) n from events where event_code = 'RS006'")?;
    assert_eq!(foreign, [json!({"n": 1})]);
    Ok(())
}

/// Node's driver and gosnowflake, each by its own code for Google Cloud's stages.
#[test]
fn other_drivers_move_files_too() -> Result<()> {
    let world = world(65_280)?;
    let home = world.path("home");
    for (name, product) in [("node", Product::Node), ("adbc", Product::Adbc)] {
        let back = home.join(format!("back {name}"));
        for folder in [&home, &back] {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?;
        }
        let file = home.join(format!("{name}.csv"));
        fs::write(&file, "1,ada\n".repeat(5000))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666))?;
        let put = format!(
            "put 'file://{}' @s3_files/{name} auto_compress=false",
            file.display()
        );
        let get = format!("get @s3_files/{name} 'file://{}'", back.display());
        let finished = world.drive(
            product,
            &json!([
                {"do": "sql", "name": "put", "sql": put}, {"do": "sql", "name": "get", "sql": get}, {"do": "close"},
            ]),
        )?;
        worked(&finished, &["put", "get"]);
        let found = fs::read(back.join(format!("{name}.csv")))?;
        assert!(found == fs::read(&file)?, "{}", finished.output);
    }
    Ok(())
}
