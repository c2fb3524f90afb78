//! Results of every Snowflake type as drivers read them: null and edge values, inline and in chunks, JSON and Arrow.
//!
//! What is served and what is expected both come from `python/every_type`, which knows nothing of Icecore's code.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use icecore_tests::drivers::Product;
use icecore_tests::emulator::{ChunkCoding, Described, Planted, Tag, Tuning};
use icecore_tests::harness::driver::Finished;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::{self, Generation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalogue::CANARY;

/// A table as `make.py` tells of it.
#[derive(Debug, Deserialize)]
struct Made {
    name: String,
    folder: PathBuf,
    columns: Vec<Value>,
}

/// Runs a program of `python/every_type`.
pub(crate) fn reference(program: &str, arguments: &[&OsStr]) -> Result<String> {
    let output = Command::new(python::interpreter(Generation::Five)?)
        .arg("-B")
        .arg(python::folder("python/every_type").join(program))
        .args(arguments)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Writes the tables into a folder of the world's and has the account hold them.
pub(crate) fn plant(world: &World) -> Result<Vec<String>> {
    let folder = world.path("every_type");
    fs::create_dir(&folder)?;
    reference("make.py", &[folder.as_os_str()])?;
    let made: Vec<Made> = serde_json::from_slice(&fs::read(folder.join("tables.json"))?)?;
    let path = |name: &str| ["ACME_DB", "PUBLIC", name].map(str::to_owned);
    let planted = made.iter().map(|table| Planted {
        path: path(&table.name),
        folder: table.folder.clone(),
    });
    world.gate.hold(&planted.collect::<Vec<_>>())?;
    let described = made.iter().map(|table| {
        Ok(Described {
            path: path(&table.name),
            told: format!("ACME_DB.PUBLIC.{}", table.name),
            is_view: false,
            text: None,
            columns: serde_json::from_value(json!(table.columns))?,
        })
    });
    world
        .gate
        .describe(&described.collect::<Result<Vec<_>>>()?)?;
    Ok(made.into_iter().map(|table| table.name).collect())
}

/// One read of a table: how, and the file that it is left in.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) table: String,
    /// The driver's form: `rows`, `arrow`, `pandas`, or how the checker reads it.
    pub(crate) form: &'static str,
    pub(crate) file: String,
    /// Columns that the driver reads otherwise than they are, masked or not.
    pub(crate) skipped: &'static [&'static str],
}

impl Read {
    pub(crate) fn step(&self) -> Value {
        let sql = format!("select * from ACME_DB.PUBLIC.{}", self.table);
        json!({"do": "read", "name": self.file, "sql": sql, "as": self.form, "file": self.file})
    }
}

/// Compares reads with what is expected of them; tells how many hashes were seen.
pub(crate) fn compare(world: &World, reads: &[(Read, String)]) -> Result<u64> {
    let listed: Value = reads
        .iter()
        .map(|(read, session)| {
            json!({
                "file": world.path("home").join(&read.file), "table": read.table, "as": read.form, "session": session, "skip": read.skipped,
            })
        })
        .collect();
    let file = world.path("reads.json");
    fs::write(&file, listed.to_string())?;
    let told: Value = serde_json::from_str(&reference("check.py", &[file.as_os_str()])?)?;
    let differences = told["differences"].as_array().context("differences")?;
    let shown: Vec<&str> = differences.iter().filter_map(Value::as_str).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    told["hashed"].as_u64().context("hashed")
}

/// The parameter by which a driver that reads both forms asks for one.
fn asks_for(product: Product) -> Option<&'static str> {
    match product {
        Product::Connector4 | Product::Connector5 => Some("PYTHON_CONNECTOR_QUERY_RESULT_FORMAT"),
        Product::Adbc => Some("GO_QUERY_RESULT_FORMAT"),
        Product::Node | Product::Cli | Product::Crate | Product::SqlApi => None,
    }
}

/// How a driver's rows are compared, and what else it fetches of Arrow.
fn forms(product: Product) -> (&'static str, &'static [&'static str]) {
    match product {
        Product::Connector4 | Product::Connector5 => ("rows", &["arrow", "pandas"]),
        // Its rows cannot say nanoseconds.
        Product::Adbc => ("arrow", &[]),
        Product::SqlApi => ("cells", &[]),
        // It reads objects into its own, whose numbers have 53 bits.
        Product::Node => ("node", &[]),
        Product::Cli | Product::Crate => ("rows", &[]),
    }
}

/// Names columns that a driver reads otherwise than they are sent.
fn misread(product: Product) -> &'static [&'static str] {
    match product {
        // ADBC 1.11.0 takes times of scale 4 for milliseconds, instants with a zone in two parts for seconds, and has 64 bits
        // of nanoseconds for far instants.
        Product::Adbc => &["TIME_4", "TZ_3", "NTZ_9_FAR", "TZ_9_FAR"],
        Product::Connector4
        | Product::Connector5
        | Product::Node
        | Product::Cli
        | Product::Crate
        | Product::SqlApi => &[],
    }
}

/// Gives a driver's steps for some tables, and what they leave.
pub(crate) fn steps(product: Product, tables: &[&str], session: &str) -> (Value, Vec<Read>) {
    let (rows, of_arrow) = forms(product);
    let mut steps = vec![json!({"do": "connect"})];
    let mut reads = Vec::new();
    let mut read = |table: &str, form: &'static str, kind: &str, steps: &mut Vec<Value>| {
        let one = Read {
            table: table.to_owned(),
            form,
            file: format!("{session}-{kind}-{form}-{table}.json"),
            skipped: misread(product),
        };
        steps.push(one.step());
        reads.push(one);
    };
    let kinds: &[&str] = match product {
        Product::Connector4 | Product::Connector5 => &["ARROW", "JSON"],
        // ADBC 1.11.0 reads no dates of JSON results, masked or not.
        Product::Adbc => &["ARROW"],
        Product::Node | Product::Cli | Product::Crate | Product::SqlApi => &["JSON"],
    };
    for kind in kinds {
        if let Some(parameter) = asks_for(product) {
            let sql = format!("alter session set {parameter} = '{kind}'");
            steps.push(json!({"do": "sql", "name": "form", "sql": sql}));
        }
        for table in tables {
            // Connector 5.2.0 reads the numbers of every stream by the first one's width, masked or not.
            let is_mixed = table.contains("MIXED");
            if is_mixed && (*kind == "JSON" || product != Product::Connector4) {
                continue;
            }
            read(table, rows, kind, &mut steps);
            if *kind == "ARROW" && !is_mixed {
                for form in of_arrow {
                    read(table, form, kind, &mut steps);
                }
            }
        }
    }
    (Value::from(steps), reads)
}

#[track_caller]
fn all_worked(finished: &Finished) {
    assert!(finished.status.success(), "{}", finished.output);
    let failed: Vec<String> = finished
        .steps
        .iter()
        .filter(|step| step["ok"] != true)
        .map(Value::to_string)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What a column's tag `MASK` may say; `masks.py` has them too.
const MASKS: [&str; 9] = [
    "null",
    "fixed:x",
    "partial:1:2",
    "hash",
    "bucket:10",
    "month",
    "year",
    "json:a.b=null",
    "detect:email+card",
];

/// Makes a world where all may be done, and columns are masked as their tags say.
pub(crate) fn masking_world(tuning: Tuning) -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        tuning,
        edit: |text| {
            text.replace(
                "warehouse = \"WH\"",
                &format!("warehouse = \"WH\"\n{CANARY}"),
            )
        },
        ..Plan::default()
    })?;
    let canary = Tag {
        table: "ACME_DB.PUBLIC.CANARY".into(),
        column: "C".into(),
        name: "SEEN".into(),
        value: "yes".into(),
    };
    world.gate.set_tags(&[canary])?;
    let mut policy = r#"@id("all") permit (principal, action, resource);"#.to_owned();
    for (number, mask) in MASKS.iter().enumerate() {
        policy.push_str(&format!(
            r#"
@id("mask-{number}") @remedy("mask:{mask}") forbid (principal, action == Icecore::Action::"project", resource)
when {{ resource.hasTag("MASK") && resource.getTag("MASK") == "{mask}" }};"#
        ));
    }
    let policies = world.config.policies();
    fs::remove_file(policies.join("read-only.cedar"))?;
    fs::write(policies.join("test.cedar"), policy)?;
    plant(&world)?;
    world.start_daemon()?;
    Ok(world)
}

/// Each column meets each mask in one of ten tables, and none in another; cells and hashes are as the reference says.
fn masked(product: Product, coding: ChunkCoding) -> Result<()> {
    let world = masking_world(Tuning {
        chunk_coding: coding,
        ..Tuning::default()
    })?;
    let all: Vec<String> = (0..=MASKS.len())
        .flat_map(|turn| ["CUT", "MIXED", "WHOLE"].map(|cut| format!("EVERY_{cut}_{turn}")))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut reads = Vec::new();
    // The hashes of one session are equal where values are, in every form and statement; another's are others.
    let last = all.get(all.len() - 12..).unwrap_or_default();
    for (session, tables) in [("one", &all[..]), ("two", last)] {
        let (steps, left) = steps(product, tables, session);
        let finished = world.drive(product, &steps)?;
        all_worked(&finished);
        reads.extend(left.into_iter().map(|read| (read, session.to_owned())));
    }
    let hashed = compare(&world, &reads)?;
    assert!(hashed > 100, "{hashed} hashes");
    Ok(())
}

#[test]
fn connector_4_reads_every_type_masked() -> Result<()> {
    masked(Product::Connector4, ChunkCoding::Plain)
}

#[test]
fn connector_5_reads_every_type_masked() -> Result<()> {
    masked(Product::Connector5, ChunkCoding::Gzip)
}

#[test]
fn node_reads_every_type_masked() -> Result<()> {
    masked(Product::Node, ChunkCoding::Gzip)
}

#[test]
fn adbc_reads_every_type_masked() -> Result<()> {
    masked(Product::Adbc, ChunkCoding::Gzip)
}

#[test]
fn sql_api_client_reads_every_type_masked() -> Result<()> {
    masked(Product::SqlApi, ChunkCoding::Gzip)
}

fn unmasked(product: Product, coding: ChunkCoding) -> Result<()> {
    let world = World::start(&Plan {
        tuning: Tuning {
            chunk_coding: coding,
            ..Tuning::default()
        },
        ..Plan::default()
    })?;
    plant(&world)?;
    let (steps, reads) = steps(
        product,
        &["EVERY_CUT", "EVERY_MIXED", "EVERY_WHOLE"],
        "unmasked",
    );
    let finished = world.drive(product, &steps)?;
    all_worked(&finished);
    let reads: Vec<_> = reads
        .into_iter()
        .map(|read| (read, "unmasked".into()))
        .collect();
    compare(&world, &reads)?;
    Ok(())
}

#[test]
fn connector_4_reads_every_type() -> Result<()> {
    unmasked(Product::Connector4, ChunkCoding::Gzip)
}

#[test]
fn connector_5_reads_every_type() -> Result<()> {
    unmasked(Product::Connector5, ChunkCoding::Plain)
}

#[test]
fn node_reads_every_type() -> Result<()> {
    unmasked(Product::Node, ChunkCoding::GzipUntold)
}

#[test]
fn adbc_reads_every_type() -> Result<()> {
    unmasked(Product::Adbc, ChunkCoding::GzipUntold)
}

#[test]
fn sql_api_client_reads_every_type() -> Result<()> {
    unmasked(Product::SqlApi, ChunkCoding::Gzip)
}
