//! A store in S3, read by what `icecore duckdb` prints.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use icecore_tests::harness::programs;
use icecore_tests::python;
use serde_json::json;

use super::asking::{analysts, ask_with};
use super::made::Made;

/// A bucket that holds a made store.
struct Bucket {
    child: Child,
    origin: String,
}

impl Bucket {
    fn of(made: &Made) -> Self {
        let moto = python::environment("moto").unwrap();
        let mut child = Command::new(moto.join("bin/python"))
            .arg(python::folder("python").join("serve_s3.py"))
            .args(["acme-audit", "ice.core"])
            .arg(made.store())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut origin = String::new();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        says.read_line(&mut origin).unwrap();
        let origin = origin.trim_end().to_owned();
        assert!(origin.starts_with("http://127.0.0.1:"), "{origin}");
        Self { child, origin }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // It is gone either way.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_store_in_s3_is_read_by_what_is_printed_and_no_key_is_in_it() {
    let made = Made::filled();
    let bucket = Bucket::of(&made);
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIAREADER"),
        ("AWS_SECRET_ACCESS_KEY", "not-to-be-shown"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", bucket.origin.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    let icecore = programs::built().unwrap().join("icecore");
    let printed = Command::new(icecore)
        .args(["duckdb", "--store", "s3://acme-audit/ice.core"])
        .env_clear()
        .envs(environment)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&printed.stderr);
    assert!(printed.status.success() && errors.is_empty(), "{errors}");
    let sql = String::from_utf8(printed.stdout).unwrap();
    assert!(!sql.contains("not-to-be-shown") && !sql.contains("AKIAREADER"));
    let query = "select (select count(*) from trail) as trail, (select count(*) from record_health) as chains".to_owned();
    let answer = ask_with(&analysts(), &sql, &made, &[query], &environment);
    let expected = json!({"trail": 5, "chains": 2});
    assert_eq!(json!(answer[0]), json!([expected]));
}
