//! What a text itself holds: policies read it from the SQL and from what is bound, each time anew.

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::worked;

const NO_CARDS: &str = r#"
@id("no-cards") @reason("numbers of cards do not stand in SQL") @instead("join a table that has them")
forbid (principal, action, resource) when { context.found.contains("card") };
"#;

#[test]
fn a_card_in_the_text_or_in_a_bind_is_refused_and_other_texts_are_not() -> Result<()> {
    let mut world = World::without_daemon(&Plan {
        tuning: Tuning::default(),
        ..Plan::default()
    })?;
    std::fs::write(world.config.policies().join("cards.cedar"), NO_CARDS)?;
    world.start_daemon()?;
    let sql = |name: &str, sql: &str| json!({"do": "sql", "name": name, "sql": sql});
    let bound = |name: &str, bind: &str| json!({"do": "sql", "name": name, "sql": "select ? as x", "binds": [bind]});
    // The same text under other binds, and before and behind a refusal: no verdict of one is that of another.
    let steps = json!([
        {"do": "connect", "name": "connect", "settings": {"paramstyle": "qmark"}},
        bound("bound before", "4111 1111 1111 1112"),
        bound("bound card", "4111 1111 1111 1111"),
        bound("bound behind", "ada"),
        sql("card", "select '4111111111111111' as x"),
        sql("comment", "select 1 as x -- 4111-1111-1111-1111"),
        sql("none", "select '4111111111111112' as x"),
    ]);
    for generation in Generation::ALL {
        let finished = world.drive(generation, &steps)?;
        worked(&finished, &["bound before", "bound behind", "none"]);
        for name in ["bound card", "card", "comment"] {
            let step = finished.step(name)?;
            let message = step["message"].to_string();
            assert_eq!(step["ok"], false, "{step}");
            assert!(message.contains("(rule no-cards;"), "{step}");
            assert!(!message.contains("4111"), "{step}");
        }
    }
    world.flush()?;
    let rows = world.query(
        "select decision, count(*) as n from statements where sql_kind = 'query' group by all order by all",
    )?;
    let expected = [
        json!({"decision": "allow", "n": 6}),
        json!({"decision": "block", "n": 6}),
    ];
    assert_eq!(rows, expected);
    Ok(())
}
