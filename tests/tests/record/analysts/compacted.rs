//! A day that the command compacts, as DuckDB and pyarrow see it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use icecore::record::chain::keys::SigningKey;
use icecore_tests::harness::programs;
use icecore_tests::python;
use serde_json::{Value, json};

use super::asking::{analysts, duckdbs};
use super::engines::told;
use super::made::{CLOSED, Made};

const DAY: &str = "2026-01-02";

fn icecore(arguments: &[&str]) -> Output {
    let program = programs::built().unwrap().join("icecore");
    let mut icecore = Command::new(program);
    icecore.env_clear().args(arguments).output().unwrap()
}

#[track_caller]
fn json_of(arguments: &[&str]) -> Value {
    let output = icecore(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Pins the host that made the record, and the compactor.
fn trust(made: &Made, compactor: &Path) -> PathBuf {
    let host = SigningKey::of_installation(&made.beside("state")).unwrap();
    let compactor = SigningKey::of_file(compactor).unwrap();
    let pin = |name: &str, key: &SigningKey| {
        let key = key.public_text();
        format!("[[installation]]\nname = \"{name}\"\nkey = \"{key}\"\n")
    };
    let file = made.beside("trust.toml");
    let text = pin("host", &host) + &pin("compactor", &compactor);
    std::fs::write(&file, text).unwrap();
    file
}

/// Readers without a trust file, or with one of others, read what the day was made of, and say why.
#[track_caller]
fn is_taken_by_whom_the_compactor_is_pinned(url: &str, trust: &str) {
    let day = ["--from", DAY, "--to", DAY];
    let printed = |options: &[&str], environment: &[(&str, &str)]| {
        let program = programs::built().unwrap().join("icecore");
        let mut duckdb = Command::new(program);
        duckdb.env_clear().envs(environment.iter().copied());
        duckdb
            .args(["duckdb", "--store", url])
            .args(day)
            .args(options);
        let printed = duckdb.output().unwrap();
        assert!(printed.status.success(), "{printed:?}");
        let [sql, errors] =
            [printed.stdout, printed.stderr].map(|text| String::from_utf8(text).unwrap());
        let reads = |layer: &str| sql.contains(&format!("/v1/{layer}"));
        (reads("c/t0/"), reads("t0/"), errors)
    };
    for (options, environment) in [
        (vec!["--trust", trust], vec![]),
        (vec![], vec![("ICECORE_TRUST", trust)]),
    ] {
        let (compacted, raw, errors) = printed(&options, &environment);
        assert!(compacted && !raw, "{errors}");
    }
    let (compacted, raw, errors) = printed(&[], &[]);
    assert!(!compacted && raw, "{errors}");
    assert!(
        errors.contains("expected a trust file that pins who compacted 1 days"),
        "{errors}"
    );
    let missing = icecore(&["duckdb", "--store", url, "--trust", "/none.toml"]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
}

#[test]
fn a_day_is_compacted_verified_and_read_by_others() {
    let made = Made::filled();
    let (url, key) = (made.url(), made.beside("compactor.key"));
    let trust = trust(&made, &key);
    let (key, trust) = (key.to_str().unwrap(), trust.to_str().unwrap());
    let spill = made.beside("spill");
    std::fs::create_dir(&spill).unwrap();
    let spill = spill.to_str().unwrap();
    let common = ["compact", "--day", DAY, "--store", &url, "--key", key];
    let full = [&common[..], &["--trust", trust, "--spill", spill]].concat();
    let raw = made.files("statements");
    let compacted = json_of(&[&full[..], &["--json"]].concat());
    let compacted = &compacted["compacted"][0];
    let document = "default/v1/compactions/dt=2026-01-02/0000.json";
    assert_eq!(compacted["document"], json!(document));
    let again = icecore(&full);
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing new"));

    let verify = [
        "verify", "--store", &url, "--trust", trust, "--deep", "--json",
    ];
    // The rows that views are tried with do not all agree with each other, which is no matter of compaction.
    let checked: Value = serde_json::from_slice(&icecore(&verify).stdout).unwrap();
    assert_eq!(checked["checked"]["compactions"], json!(1));
    let findings = checked["findings"].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap());
    let of_compaction: Vec<&str> = codes.filter(|code| code.get(1..2) == Some("9")).collect();
    assert_eq!(of_compaction, [""; 0], "{checked:#}");

    is_taken_by_whom_the_compactor_is_pinned(&url, trust);

    let mut files = made.files("statements");
    files.retain(|file| !raw.contains(file));
    let [file] = &files[..] else {
        panic!("expected one file, found {files:?}");
    };
    // To where no name means anything to an engine.
    let copy = |from: &PathBuf| {
        let to = made.beside(from.file_name().unwrap().to_str().unwrap());
        std::fs::copy(from, &to).unwrap();
        to
    };
    let of_day = |file: &&PathBuf| file.to_str().unwrap().contains(&format!("dt={DAY}"));
    let raw: Vec<PathBuf> = raw.iter().filter(of_day).map(copy).collect();
    let file = copy(file);
    let files = [file.clone()];
    for (interpreter, engine) in [
        (&duckdbs()[0], "duckdb"),
        (&duckdbs()[1], "duckdb"),
        (&analysts(), "pyarrow"),
    ] {
        let expected = told(interpreter, engine, &raw);
        assert_eq!(told(interpreter, engine, &files), expected, "{engine}");
    }
    let session = uuid::Uuid::from_bytes(CLOSED).to_string();
    let laid_out = Command::new(analysts())
        .arg(python::folder("python").join("compacted.py"))
        .arg(file)
        .args([&session, "another"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&laid_out.stderr);
    assert!(laid_out.status.success(), "{errors}");
    let laid_out: Value = serde_json::from_slice(&laid_out.stdout).unwrap();
    let outputs = compacted["outputs"].as_array().unwrap();
    let output = outputs.iter().find(|one| one["table"] == "statements");
    let expected = json!({
        "sorted_by": ["ts", "session_id"],
        "descending": [false, false],
        "compression": "ZSTD",
        "has_statistics": true,
        "bloom": ["query_id", "session_id", "sql_fingerprint", "sql_mac", "statement_id", "trace_id"],
        "is_sorted": true,
        "rows": output.unwrap()["rows"],
        "says": ["audit.inputs_sha256", "audit.org_id", "audit.schema_version", "audit.table", "audit.writer_build"],
        "excluded": [[false], [true]],
    });
    assert_eq!(laid_out, expected);
}
