//! `icecore policy replay` over a record that sessions of a token's principal wrote: what is told, and what cannot be.

use std::fs;

use anyhow::{Context, Result};
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::world::World;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::identity::{start, token_file, world};

const CUSTOMERS: &str = "select customer from orders";
const AMOUNTS: &str = "select amount from orders where customer = 'ada'";
const DROP: &str = "drop table orders";

/// What the group may do; `what` narrows it to objects, so that names must be known.
fn of_group(group: &str, what: &str) -> String {
    format!(
        r#"@id("group") permit (principal in Icecore::Group::"idp:{group}", action in [Icecore::Action::"read",
            Icecore::Action::"project", Icecore::Action::"filter", Icecore::Action::"session"], resource {what});
        "#
    )
}

const IN_ACME: &str = r#"in Icecore::Account::"ACME""#;

const NO_CUSTOMER: &str = r#"@id("no-customer") forbid (principal, action == Icecore::Action::"project",
    resource == Icecore::Column::"ACME.ACME_DB.PUBLIC.ORDERS.CUSTOMER");"#;

const NO_PII: &str = r#"@id("no-pii") forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII") };"#;

const CATALOGUE: &str = r#"
[tables]
"ACME_DB.PUBLIC.ORDERS" = ["CUSTOMER TEXT PII=yes", "AMOUNT NUMBER"]
"#;

/// Has a session of a token's principal run statements; gives its id.
fn session(world: &World, issuer: &Issuer, statements: &[&str]) -> Result<String> {
    let token = issuer
        .token(&json!({"sub": "ada", "groups": ["analysts"], "jti": statements.join(";")}))?;
    let file = token_file(world, &token)?;
    let steps: Vec<Value> = statements
        .iter()
        .map(|sql| json!({"do": "sql", "name": sql, "sql": sql}))
        .collect();
    let options = ["--identity-token-file", file.as_str()];
    let finished = start(world, &[], &options, &Value::from(steps))?.finish()?;
    let allowed: Vec<&str> = statements
        .iter()
        .copied()
        .filter(|sql| *sql != DROP)
        .collect();
    worked(&finished, &allowed);
    world.flush()?;
    let rows = world.query("select session_id from statements order by started_at desc limit 1")?;
    Ok(rows[0]["session_id"]
        .as_str()
        .context("no session")?
        .to_owned())
}

/// What a replay says: its counts, and of each difference the text and the rules.
#[derive(Debug, PartialEq)]
struct Said {
    code: Option<i32>,
    same: u64,
    untold: u64,
    differences: Vec<(String, String, String)>,
}

fn replay(world: &World, policies: &str, more: &[&str]) -> Result<Said> {
    let folder = world.path("replayed");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("p.cedar"), policies)?;
    let (folder, store) = (
        folder.display().to_string(),
        format!("file://{}", world.config.store.display()),
    );
    let words = [
        &[
            "policy",
            "replay",
            "--json",
            "--policies",
            &folder,
            "--store",
            &store,
        ],
        more,
    ]
    .concat();
    let output = world.icecore(&words)?;
    let told: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let text = |one: &Value, member: &str| one[member].as_str().unwrap_or_default().to_owned();
    let differences = told["differences"].as_array().context("no list")?;
    let mut differences: Vec<(String, String, String)> = differences
        .iter()
        .map(|one| {
            let sql = text(one, "sql_normalized").to_lowercase();
            (
                sql,
                text(one, "would_be"),
                one["rules"][0].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    differences.sort();
    differences.dedup();
    Ok(Said {
        code: output.status.code(),
        same: told["same"].as_u64().context("no count")?,
        untold: told["cannot_be_told"].as_u64().context("no count")?,
        differences,
    })
}

fn differs(sql: &str, would_be: &str, rule: &str) -> (String, String, String) {
    (sql.to_owned(), would_be.to_owned(), rule.to_owned())
}

#[test]
fn recorded_statements_are_judged_again_and_what_is_not_known_is_told() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer.url(), "")?;
    let policy = world.config.policies().join("identity.cedar");
    let control = world.control_socket().display().to_string();
    let take = |text: &str| -> Result<()> {
        fs::write(&policy, text)?;
        let output = world.icecore(&["policy", "reload", "--control", &control])?;
        assert!(output.status.success(), "{output:?}");
        Ok(())
    };
    // The first session's policies look at no names, so the account was not asked.
    take(&of_group("analysts", ""))?;
    let first = session(&world, &issuer, &[CUSTOMERS, DROP])?;
    take(&of_group("analysts", IN_ACME))?;
    let second = session(&world, &issuer, &[CUSTOMERS, AMOUNTS])?;
    let all = world.query("select count(*)::integer n from statements")?;
    let all = all[0]["n"].as_u64().context("no count")?;

    let same = replay(&world, &of_group("analysts", ""), &[])?;
    let nothing_differs = Said {
        code: Some(0),
        same: all,
        untold: 0,
        differences: Vec::new(),
    };
    assert_eq!(same, nothing_differs);

    // Groups are of the recorded principal.
    let others = replay(&world, &of_group("owners", ""), &[])?;
    assert_eq!(
        (others.code, others.same, others.untold),
        (Some(1), 1, 0),
        "{others:?}"
    );
    let refused = differs(CUSTOMERS, "refuse", "default-deny");
    assert!(others.differences.contains(&refused), "{others:?}");

    let drops = r#"@id("drops") permit (principal, action == Icecore::Action::"drop", resource);"#;
    let allows = replay(&world, &(of_group("analysts", "") + drops), &[])?;
    assert_eq!(allows.differences, [differs(DROP, "allow", "drops")]);
    assert_eq!((allows.code, allows.same), (Some(1), all - 1));

    // By names: told where the account had been asked; else only of statements that need no answer of it.
    let no_customer = of_group("analysts", "") + NO_CUSTOMER;
    let refused = differs(CUSTOMERS, "refuse", "no-customer");
    let of_second = replay(&world, &no_customer, &["--session", &second])?;
    assert_eq!(
        (of_second.untold, &of_second.differences[..]),
        (0, &[refused.clone()][..]),
        "{of_second:?}"
    );
    let of_first = replay(&world, &no_customer, &["--session", &first])?;
    assert_eq!(
        (of_first.code, of_first.differences.len()),
        (Some(0), 0),
        "{of_first:?}"
    );
    assert!(of_first.untold >= 1, "{of_first:?}");
    let file = world.path("account.toml");
    fs::write(&file, CATALOGUE)?;
    let given = ["--catalogue", &file.display().to_string()];
    let of_first = replay(
        &world,
        &no_customer,
        &[&["--session", &first][..], &given].concat(),
    )?;
    assert_eq!(
        (of_first.untold, &of_first.differences[..]),
        (0, &[refused][..]),
        "{of_first:?}"
    );

    // No row has tags.
    let no_pii = of_group("analysts", "") + NO_PII;
    let untold = replay(&world, &no_pii, &["--session", &second])?;
    assert_eq!(
        (untold.code, untold.untold >= 2),
        (Some(0), true),
        "{untold:?}"
    );
    let told = replay(
        &world,
        &no_pii,
        &[&["--session", &second][..], &given].concat(),
    )?;
    assert_eq!(
        (told.untold, &told.differences[..]),
        (0, &[differs(CUSTOMERS, "refuse", "no-pii")][..]),
        "{told:?}"
    );

    let before = replay(&world, &no_pii, &["--to", "2020-01-01"])?;
    assert_eq!((before.same, before.untold), (0, 0));
    Ok(())
}
