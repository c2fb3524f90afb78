//! The packs that come with Icecore decide as their cases say, by the command that runs them for everybody.

use std::error::Error;
use std::fs;
use std::process::Command;

const PACKS: &str = "../policies";

/// Runs `icecore policy` over the packs; expects an exit code and a part of what it tells.
fn check(arguments: &[&str], (code, part): (i32, &str)) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icecore"));
    command.arg("policy").args(arguments);
    command.args(["--policies", PACKS]).env_clear();
    let output = command.output()?;
    let told = String::from_utf8([output.stdout, output.stderr].concat())?;
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    assert!(told.contains(part), "expected `{part}` in {told}");
    Ok(())
}

#[test]
fn the_packs_decide_as_their_cases_say() -> Result<(), Box<dyn Error>> {
    check(&["test"], (0, " 0 otherwise than expected"))
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
