//! The packs do what their cases say, by the command that runs them for everybody; each of their rules is needed.

use std::error::Error;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn packs() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    Path::new(&package).join("../policies")
}

fn test(folder: &Path) -> io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_icecore"))
        .args(["policy", "test", "--policies"])
        .arg(folder)
        .output()
}

/// Lists the packs' files that end so, without that ending.
fn named(ending: &str) -> io::Result<Vec<String>> {
    let entries: io::Result<Vec<DirEntry>> = fs::read_dir(packs())?.collect();
    let names = entries?.into_iter();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

#[test]
fn each_pack_says_what_it_does_and_has_cases_that_hold() {
    assert_eq!(named(".cedar").unwrap(), named(".cases.toml").unwrap());
    for name in named(".cedar").unwrap() {
        let text = fs::read_to_string(packs().join(format!("{name}.cedar"))).unwrap();
        assert!(text.starts_with("// "), "{name}");
    }
    let output = test(&packs()).unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(", 0 otherwise than expected"), "{told}");
}

#[test]
fn without_any_rule_of_a_pack_a_case_of_it_fails() {
    for name in named(".cedar").unwrap() {
        let file = format!("{name}.cedar");
        let text = fs::read_to_string(packs().join(&file)).unwrap();
        let rules: Vec<&str> = text.split("@id(").collect();
        assert!(rules.len() > 1, "{file}");
        for left_out in 1..rules.len() {
            let folder = tempfile::tempdir().unwrap();
            let kept = rules.iter().enumerate().filter(|(at, _)| *at != left_out);
            let kept: Vec<&str> = kept.map(|(_, rule)| *rule).collect();
            fs::write(folder.path().join(&file), kept.join("@id(")).unwrap();
            let cases = format!("{name}.cases.toml");
            fs::copy(packs().join(&cases), folder.path().join(&cases)).unwrap();
            let output = test(folder.path()).unwrap();
            let rule = rules[left_out];
            assert_eq!(output.status.code(), Some(1), "{rule}: {output:?}");
        }
    }
}

/// Runs `icecore policy` over the packs; expects an exit code and a part of what it tells.
fn check(arguments: &[&str], (code, part): (i32, &str)) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icecore"));
    command.arg("policy").args(arguments);
    command.arg("--policies").arg(packs()).env_clear();
    let output = command.output()?;
    let told = String::from_utf8([output.stdout, output.stderr].concat())?;
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    assert!(told.contains(part), "expected `{part}` in {told}");
    Ok(())
}

#[test]
fn a_case_that_differs_is_told() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("wrong.cases.toml");
    let cases = "[[case]]\nsql = \"select 1\"\nused.session.statements = 500\nallow = true\n";
    fs::write(&file, cases)?;
    let told = "expected: allowed; found: refused by session-statements: this session has used";
    check(&["test", &file.to_string_lossy()], (1, told))
}

#[test]
fn a_case_says_the_time_where_policies_read_it() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    write(
        "day.cedar",
        "@id(\"day\") permit (principal, action, resource) when { context.time.hour >= 8 };",
    )?;
    let case = "[[case]]\nsql = \"select 1\"\nallow = true\n";
    write("day.cases.toml", case)?;
    let policies = folder.path().to_string_lossy();
    let test = |expected| -> Result<(), Box<dyn Error>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icecore"));
        let output = command
            .args(["policy", "test", "--policies", &policies])
            .output()?;
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        Ok(())
    };
    test(2)?;
    write(
        "day.cases.toml",
        &format!("at = \"2026-11-26T09:00:00Z\"\n{case}"),
    )?;
    test(0)?;
    let late = format!("at = \"2026-11-26T09:00:00Z\"\n{case}at = \"2026-11-26T07:59:59Z\"\n");
    write("day.cases.toml", &late)?;
    test(1)
}

#[test]
fn explain_asks_as_if_something_had_been_used() -> Result<(), Box<dyn Error>> {
    check(&["explain", "select 1"], (0, "allow"))?;
    let some = ["explain", "--used", "today.bytes=2147483647", "select 1"];
    check(&some, (0, "allow"))?;
    let more = [&some[..], &["--used", "today.bytes=1"]].concat();
    check(&more, (1, "day-bytes"))?;
    let wrong = ["explain", "--used", "today.all=1", "select 1"];
    check(&wrong, (2, "unknown field `all`"))
}
