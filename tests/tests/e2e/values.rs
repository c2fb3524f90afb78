//! The red agent among masked columns: by no way does it get a value, or learn whether a guess is right; its twins do.

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::programs;
use icecore_tests::harness::search;
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::python::Generation;
use icecore_tests::red::values::{GUESSED, HIDDEN};
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::catalogue::{CANARY, world_of};
use crate::red::{facts, lines};

/// Mails of customers are hashed and may be used for nothing else; of those of people something may be made.
const MASKED: &str = r#"
@id("all") permit (principal, action, resource);
@id("may-make") @masked_use("argument")
permit (principal, action == Icecore::Action::"filter", resource == Icecore::Column::"ACME.ACME_DB.PUBLIC.PEOPLE.EMAIL");
@id("mask-customers") @remedy("mask:hash")
forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII")
};
@id("mask-people") @remedy("mask:partial:0:2")
forbid (principal, action == Icecore::Action::"project", resource == Icecore::Column::"ACME.ACME_DB.PUBLIC.PEOPLE.EMAIL");
"#;

#[test]
fn no_masked_value_is_had_by_any_way_and_each_try_is_recorded() -> Result<()> {
    let mut world = world_of(MASKED, CANARY, Tuning::default())?;
    let people = "create table people (id int, name varchar, email varchar)";
    // Texts are in the record: what nobody guesses is in none.
    let (begins, ends) = HIDDEN.split_at(7);
    let hidden = |table| format!("insert into {table} select 2, 'grace', '{begins}' || '{ends}'");
    let planted = format!("insert into people values (1, 'ada', '{GUESSED}')");
    let steps: Vec<Value> = [people, &planted, &hidden("people"), &hidden("customers")]
        .map(|sql| json!({"do": "sql", "sql": sql}))
        .into();
    worked(
        &world.drive(Generation::Four, &Value::from(steps))?,
        &["sql"],
    );

    let program = programs::place("icecore-red-agent", &world.path(""))?;
    let facts = facts(&mut world)?;
    let mut command = world.session(AGENT_UID, &[], program.as_os_str())?;
    let output = command.arg("values").arg(&facts).output()?;
    let text = String::from_utf8(output.stdout)?;
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = lines(&text)?;
    let obtained: Vec<&Value> = lines
        .iter()
        .filter(|line| line["obtained"] == true)
        .collect();
    assert!(obtained.is_empty(), "{obtained:#?}");
    let idle: Vec<&Value> = lines.iter().filter(|line| line["ok"] == false).collect();
    assert!(idle.is_empty(), "{idle:#?}");
    assert!(lines.len() > 95, "{}", lines.len());

    world.flush()?;
    let trail = world.query("select sql_text, decision, status, error_text from trail")?;
    let asked = lines.iter().flat_map(|line| line["asked"].as_array());
    for sql in asked.flatten() {
        let found = trail.iter().find(|row| row["sql_text"] == *sql);
        let decision = found.map_or("", |row| row["decision"].as_str().unwrap_or_default());
        assert!(
            ["allow", "mask", "block"].contains(&decision),
            "{sql}: `{decision}`"
        );
    }
    let secret = [("a masked value".to_owned(), HIDDEN.to_owned())];
    let found = search::find(&world.config.store, &secret, &[])?;
    assert_eq!(found, Vec::<String>::new());
    assert!(!json!(trail).to_string().contains(HIDDEN), "{trail:?}");
    Ok(())
}
