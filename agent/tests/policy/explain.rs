//! What `explain` tells of a statement, and of whom it may be asked.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{ALL, OF_TOKENS, Outcome, check, folder};

#[test]
fn names_of_a_catalogue_and_of_the_command_line_are_read_as_sql_reads_them() -> Outcome {
    let catalogue =
        "[tables]\n\"prod.public.customers\" = [\"id NUMBER\", \"email TEXT pii=EMAIL\"]\n";
    let masks = include_str!("../../../policies/mask-pii.cedar");
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
    let masked = "masks     PROD.PUBLIC.CUSTOMERS.EMAIL hash\nresult    -, hash";
    explain("select id, email from customers", 0, masked)?;
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
