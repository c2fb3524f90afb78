//! What `check` and `replay` say of policies, a config and a store.

use std::fs;

use super::{ALL, Outcome, check, folder};

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

#[test]
fn the_first_policy_of_readme_and_docs_lets_a_driver_work() -> Outcome {
    let readme = include_str!("../../../README.md");
    let mut shown = readme.split("```cedar\n").skip(1);
    let shown = shown.find_map(|rest| rest.split_once("```"));
    let (policy, _) = shown.ok_or("README shows no policy")?;
    assert!(include_str!("../../../docs/configuration.md").contains(policy));
    let folder = folder(&[("ci.cedar", policy)])?;
    // What drivers send beside what they are told to.
    for sql in [
        "begin",
        "alter session set autocommit = false",
        "commit",
        "insert into d.s.t values (1)",
    ] {
        check(
            &folder,
            &["explain", "--policies", ".", sql],
            0,
            &["ci-loads-acme"],
        )?;
    }
    Ok(())
}
