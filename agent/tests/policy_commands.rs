//! `icecore policy` as a newcomer meets it: what is mistyped, missing or empty is told, not passed over.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

type Outcome = Result<(), Box<dyn Error>>;

const ALL: &str = "@id(\"all\") permit (principal, action, resource);\n";
const CASE: &str = "[[case]]\nsql = \"select 1\"\nallow = true\n";

/// A folder with some files.
fn folder(files: &[(&str, &str)]) -> Result<TempDir, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for (name, text) in files {
        fs::write(folder.path().join(name), text)?;
    }
    Ok(folder)
}

/// Runs `icecore policy` in a folder; gives its exit code and all that it tells.
fn policy(folder: &TempDir, arguments: &[&str]) -> Result<(Option<i32>, String), Box<dyn Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icecore"));
    command.arg("policy").args(arguments).env_clear();
    let output = command.current_dir(folder.path()).output()?;
    let told = String::from_utf8([output.stdout, output.stderr].concat())?;
    Ok((output.status.code(), told))
}

/// Expects an exit code and parts of what is told.
fn check(folder: &TempDir, arguments: &[&str], code: i32, parts: &[&str]) -> Outcome {
    let (found, told) = policy(folder, arguments)?;
    assert_eq!(found, Some(code), "{arguments:?}: {told}");
    for part in parts {
        assert!(
            told.contains(part),
            "{arguments:?}: expected `{part}` in {told}"
        );
    }
    Ok(())
}

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
fn a_replay_of_nothing_is_told() -> Outcome {
    let folder = folder(&[("all.cedar", ALL)])?;
    fs::create_dir(folder.path().join("store"))?;
    let store = format!("file://{}/store", folder.path().display());
    let replay = ["replay", "--policies", ".", "--store", &store];
    check(
        &folder,
        &replay,
        0,
        &["nothing was judged", "0 statements: 0 the same"],
    )?;
    let with =
        |more: &[&str], code, part| check(&folder, &[&replay[..], more].concat(), code, &[part]);
    with(&["--session", "0199"], 2, "found `0199`, which none has")?;
    with(
        &["--from", "2026-11-02", "--to", "2026-11-01"],
        2,
        "expected --from to be earlier",
    )?;
    with(
        &["--from", "2026-11-01", "--to", "2026-11-01"],
        0,
        "nothing was judged",
    )
}

#[test]
fn names_of_a_catalogue_and_of_the_command_line_are_read_as_sql_reads_them() -> Outcome {
    let catalogue =
        "[tables]\n\"prod.public.customers\" = [\"id NUMBER\", \"email TEXT pii=EMAIL\"]\n";
    let masks = include_str!("../../policies/mask-pii.cedar");
    let files = [
        ("all.cedar", ALL),
        ("masks.cedar", masks),
        ("account.toml", catalogue),
    ];
    let folder = folder(&files)?;
    let explain = |sql, code, part| {
        let given = ["explain", "--policies", ".", "--catalogue", "account.toml"];
        let login = ["--database", "prod", "--schema", "public", sql];
        check(&folder, &[&given[..], &login].concat(), code, &[part])
    };
    explain(
        "select id from customers",
        0,
        "project PROD.PUBLIC.CUSTOMERS.ID",
    )?;
    explain("select email from customers", 1, "mask-pii-by-hash")?;
    let wrong = [
        "explain",
        "--policies",
        ".",
        "--database",
        "a.b",
        "select 1",
    ];
    check(&folder, &wrong, 2, &["expected one name"])
}

#[test]
fn explain_shows_each_question_also_the_implied_one() -> Outcome {
    let folder = folder(&[("all.cedar", ALL)])?;
    let explain = |sql: &str, parts: &[&str]| {
        let given = ["explain", "--policies", ".", "--account", "BETA", sql];
        check(&folder, &given, 0, parts)
    };
    explain("select 1", &["objects   read account BETA"])?;
    explain("begin", &["objects   session account BETA"])?;
    let both = "statement 1 of 2\n  kind      drop\n  objects   drop table D.S.T\nstatement 2 of 2\n  kind      use_role\n  objects   use_role role R";
    explain("drop table d.s.t; use role r", &[both])?;
    let json = ["explain", "--policies", ".", "--json", "select 1"];
    let object =
        r#""objects":[{"action":"read","class":"account","name":"ACME","is_settled":true}]"#;
    check(&folder, &json, 0, &[object])
}

#[test]
fn statements_of_standard_input_are_shown_apart() -> Outcome {
    let folder = folder(&[("all.cedar", ALL)])?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_icecore"));
    command.args(["policy", "explain", "--policies", ".", "--stdin"]);
    command.env_clear().current_dir(folder.path());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    stdin.write_all(b"\"select 1\"\n\"begin\"\n")?;
    drop(stdin);
    let told = String::from_utf8(child.wait_with_output()?.stdout)?;
    let one = |sql, kind, action| {
        format!(
            "sql       {sql}\nallow     all\nkind      {kind}\nobjects   {action} account ACME\n"
        )
    };
    let both = [
        one("select 1", "query", "read"),
        one("begin", "session", "session"),
    ];
    assert_eq!(told, format!("{}\n{}\n", both[0], both[1]));
    Ok(())
}

#[test]
fn policies_are_checked_beside_a_config_that_is_not_good() -> Outcome {
    let config = |account: &str| {
        format!("[policy]\ndir = \"DIR\"\n[limits]\nstatement_maximum = 1\n[[account]]\n{account}")
    };
    let account = r#"host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "key-pair", private_key_file = "/nowhere/key.p8" }
"#;
    let beta = ALL.replace("resource)", "resource in Icecore::Account::\"BETA\")");
    let checked = |policies: &str, account: &str, code, parts: &[&str]| -> Outcome {
        let folder = folder(&[("all.cedar", policies)])?;
        let dir = folder.path().display().to_string();
        let text = config(account).replace("DIR", &dir);
        fs::write(folder.path().join("icecore.toml"), text)?;
        check(&folder, &["check", "--config", "icecore.toml"], code, parts)
    };
    let warning = "icecore.toml: limits.statement_maximum: expected";
    checked(ALL, account, 0, &["warning: ", warning, "1 policy, good"])?;
    checked(
        &beta,
        account,
        3,
        &[warning, "BETA", "the policies are not good"],
    )?;
    checked(&beta, "hots = 1\n", 0, &[warning, "1 policy, good"])
}

const OF_TOKENS: &str = r#"
@id("ada") permit (principal == Icecore::Principal::"okta:ada", action, resource);
@id("analysts") permit (principal in Icecore::Group::"okta:analysts", action, resource);
@id("app") permit (principal, action, resource) when {
  context.identity.verified && context.identity has repository && context.identity.repository == "acme/app"
    && context.identity.scopes.contains("sql")
};
"#;

#[test]
fn what_a_token_shows_can_be_stated() -> Outcome {
    let folder = folder(&[("tokens.cedar", OF_TOKENS)])?;
    let explain = |who: &[&str], code, part| {
        let given = ["explain", "--policies", ".", "select 1"];
        check(&folder, &[&given[..], who].concat(), code, &[part])
    };
    explain(&[], 1, "default-deny")?;
    explain(&["--as", "okta:ada"], 0, "allow     ada\n")?;
    explain(
        &["--group", "okta:analysts", "--group", "okta:b"],
        0,
        "allow     analysts\n",
    )?;
    explain(&["--group", "adfs:analysts"], 1, "default-deny")?;
    let job = ["--as", "github:x", "--identity", "scopes=sql", "--identity"];
    explain(
        &[&job[..], &["repository=acme/app"]].concat(),
        0,
        "allow     app\n",
    )?;
    explain(
        &[&job[..], &["repository=acme/other"]].concat(),
        1,
        "default-deny",
    )?;
    explain(
        &[&job[..], &["repo=acme/app"]].concat(),
        2,
        "unknown field `repo`",
    )?;
    explain(
        &["--as", "ci", "--group", "okta:analysts"],
        2,
        "expected who asks as `ISSUER:SUBJECT`",
    )?;
    explain(
        &["--as", "github:x", "--group", "okta:analysts"],
        2,
        "expected groups of `github`",
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
    let docs = include_str!("../../docs/configuration.md");
    let mut examples = docs.split("```toml\n").skip(1);
    let example = examples
        .find_map(|rest| Some(rest.split_once("```")?.0).filter(|text| text.contains(part)));
    Ok(example.ok_or("no such example")?)
}

#[test]
fn what_the_docs_show_works_with_the_pack_that_they_speak_of() -> Outcome {
    let cases = documented("[[case]]")?;
    let catalogue = documented("[views]")?;
    let pack = include_str!("../../policies/mask-pii.cedar");
    let files = [
        ("all.cedar", ALL),
        ("mask-pii.cedar", pack),
        ("mask-pii.cases.toml", cases),
        ("account.toml", catalogue),
    ];
    let folder = folder(&files)?;
    let told = "2 cases in 1 file, 0 otherwise than expected";
    check(&folder, &["test", "--policies", "."], 0, &[told])?;
    let explain = ["explain", "--policies", ".", "--catalogue", "account.toml"];
    let of = |sql, code, part| check(&folder, &[&explain[..], &[sql]].concat(), code, &[part]);
    of("select id from v", 0, "project PROD.PUBLIC.CUSTOMERS.ID")?;
    of("select email from customers", 1, "mask-pii-by-hash")
}
