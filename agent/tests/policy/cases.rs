//! Case files: what they may say, and that none is passed over.

use std::error::Error;
use std::fs;

use super::{ALL, CASE, OF_TOKENS, Outcome, check, folder};

#[test]
fn a_case_file_has_no_unknown_keys() -> Outcome {
    for (text, key) in [
        ("[[cases]]\nsql = \"select 1\"\n", "cases"),
        ("polices = [\"all.cedar\"]\n", "polices"),
        ("acount = \"ACME\"\n", "acount"),
        ("[catalog]\ndatabase = \"DB\"\n", "catalog"),
    ] {
        let file = format!("# cases\n{text}");
        let folder = folder(&[("all.cedar", ALL), ("all.cases.toml", &file)])?;
        let told = format!("unknown field `{key}`, expected one of `account`, `catalogue`");
        check(&folder, &["test", "--policies", "."], 2, &["line 2", &told])?;
    }
    Ok(())
}

#[test]
fn nothing_to_test_is_no_success() -> Outcome {
    let test = ["test", "--policies", "."];
    let without_cases = folder(&[("all.cedar", ALL)])?;
    check(
        &without_cases,
        &test,
        3,
        &["expected at least one `*.cases.toml`"],
    )?;
    let without_a_case = folder(&[("all.cedar", ALL), ("all.cases.toml", "account = \"A\"\n")])?;
    check(
        &without_a_case,
        &test,
        3,
        &["all.cases.toml: expected at least one `[[case]]`"],
    )?;
    let without_policies = folder(&[("all.cases.toml", CASE)])?;
    let told = "expected at least one `*.cedar` file, found none; without policies every statement is refused";
    for command in ["check", "test"] {
        check(&without_policies, &[command, "--policies", "."], 3, &[told])?;
    }
    let empty = folder(&[("none.cedar", "// later\n")])?;
    let told = ["warning: there is no policy", "0 policies, good"];
    check(&empty, &["check", "--policies", "."], 0, &told)
}

#[test]
fn a_case_file_is_found_here_or_in_the_folder_and_its_cases_have_numbers() -> Outcome {
    let folder = folder(&[])?;
    let policies = folder.path().join("policies");
    fs::create_dir(&policies)?;
    fs::write(policies.join("all.cedar"), ALL)?;
    let differs = "[[case]]\nsql = \"select 2\"\nrefuse = \"no\"\n";
    fs::write(policies.join("all.cases.toml"), format!("{CASE}{differs}"))?;
    let told = [
        "all.cases.toml: case 2: select 2\n  expected: refused by `no`; found: allowed by all",
        "2 cases in 1 file, 1 otherwise than expected",
    ];
    for file in ["all.cases.toml", "./policies/all.cases.toml"] {
        check(&folder, &["test", "--policies", "policies", file], 1, &told)?;
    }
    let missing = ["test", "--policies", "policies", "other.cases.toml"];
    check(&folder, &missing, 2, &["other.cases.toml: No such file"])?;
    check(
        &folder,
        &["check", "--policies", "policies"],
        0,
        &["1 policy, good"],
    )
}

#[test]
fn a_case_states_what_a_token_shows() -> Outcome {
    let cases = r#"
[[case]]
sql = "select 1"
refuse = "default-deny"
[[case]]
sql = "select 1"
as = "okta:grace"
groups = ["okta:analysts"]
allow = true
[[case]]
sql = "select 1"
as = "github:x"
identity.repository = "acme/app"
identity.scopes = ["sql"]
allow = true
[[case]]
sql = "select 1"
as = "github:x"
identity = { repository = "acme/app" }
refuse = "default-deny"
"#;
    let folder = folder(&[("tokens.cedar", OF_TOKENS), ("tokens.cases.toml", cases)])?;
    let told = "4 cases in 1 file, 0 otherwise than expected";
    check(&folder, &["test", "--policies", "."], 0, &[told])
}

/// Gives the example of docs/configuration.md in which a text stands.
fn documented(part: &str) -> Result<&'static str, Box<dyn Error>> {
    let docs = include_str!("../../../docs/configuration.md");
    let mut examples = docs.split("```toml\n").skip(1);
    let example = examples
        .find_map(|rest| Some(rest.split_once("```")?.0).filter(|text| text.contains(part)));
    Ok(example.ok_or("no such example")?)
}

#[test]
fn what_the_docs_show_works_with_the_pack_that_they_speak_of() -> Outcome {
    let cases = documented("[[case]]")?;
    let catalogue = documented("[views]")?;
    let pack = include_str!("../../../policies/mask-pii.cedar");
    let files = [
        ("all.cedar", ALL),
        ("mask-pii.cedar", pack),
        ("mask-pii.cases.toml", cases),
        ("account.toml", catalogue),
    ];
    let folder = folder(&files)?;
    let told = "3 cases in 1 file, 0 otherwise than expected";
    check(&folder, &["test", "--policies", "."], 0, &[told])?;
    let explain = ["explain", "--policies", ".", "--catalogue", "account.toml"];
    let of = |sql, code, part| check(&folder, &[&explain[..], &[sql]].concat(), code, &[part]);
    of("select id from v", 0, "project PROD.PUBLIC.CUSTOMERS.ID")?;
    of("select email from customers", 0, "result    hash")
}
