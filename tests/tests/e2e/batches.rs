//! Several statements in one request: judged, sent, answered and recorded together.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::{BATCH, Generation};
use serde_json::{Value, json};

use crate::piece;

const TOGETHER: &str = r#"
with connect() as c:
    at = c.cursor()
    at.execute("select 1; select ';' as a, ?; show tables -- the end", (10,), num_statements=3)
    tell("batch", results=walked(at))
    at.execute("begin; select customer from orders where id = 2; commit", num_statements=0)
    last = walked(at)
    tell("transaction", results=len(last), row=last[1][0][0])
    failure("refused", lambda: at.execute("select 1; delete from orders; select 2", num_statements=3))
    failure("unread", lambda: at.execute("select 1; select * from table(result_scan(last_query_id()))", num_statements=2))
    failure("uncounted", lambda: at.execute("select 1; select 2"))
    failure("other count", lambda: at.execute("select 1; select 2", num_statements=3))
    failure("wrong", lambda: at.execute("select 4; select * from no_such_table", num_statements=2))
    at.execute("select 5")
    tell("after", row=at.fetchall()[0][0])
"#;

#[test]
fn both_connectors_send_several_statements_and_one_refused_refuses_all() -> Result<()> {
    let world = World::start(&Plan::default())?;
    for generation in Generation::ALL {
        let finished = piece::run(&world, generation, &format!("{BATCH}{TOGETHER}"))?;
        let results = &finished.step("batch")?["results"];
        assert_eq!(results[0], json!([[1]]), "{results}");
        assert_eq!(results[1], json!([[";", 10]]), "{results}");
        let transaction = finished.step("transaction")?;
        assert_eq!(
            (&transaction["results"], &transaction["row"]),
            (&json!(3), &json!("grace")),
            "{transaction}"
        );
        for (name, words) in [
            ("refused", "statement 2 of 3: "),
            ("unread", "statement 2 of 2: "),
            ("uncounted", "the text holds 2 statements"),
            ("other count", "holds 3 statements; it holds 2"),
        ] {
            let step = finished.step(name)?;
            assert_eq!(
                (&step["errno"], &step["sqlstate"]),
                (&json!(3001), &json!("42501")),
                "{generation:?}: {step}"
            );
            let message = step["message"].to_string();
            assert_eq!(message.matches(words).count(), 1, "{step}");
        }
        let wrong = finished.step("wrong")?;
        assert!(
            wrong["message"].to_string().contains("does not exist"),
            "{wrong}"
        );
        assert_eq!(finished.step("after")?["row"], 5);
    }
    let executed = world.gate.executed()?;
    assert!(
        !executed.iter().any(|sql| sql.contains("delete")),
        "{executed:?}"
    );
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    recorded(&world)
}

/// The parent has the whole text, each part its own; every one has an intent before its end.
fn recorded(world: &World) -> Result<()> {
    world.flush()?;
    let rows = world.query(
        "select p.sql_kind parent, p.status whole, c.stmt_index place, c.sql_kind kind, c.status, t.sql_text text, \
         c.query_id is not null named, c.query_id <> p.query_id own, c.login_id = p.login_id same \
         from statements c join statements p on c.parent_statement_id = p.statement_id \
         join statement_texts t on t.statement_id = c.statement_id order by p.started_at, c.stmt_index",
    )?;
    let show = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        (
            row["place"].as_i64().unwrap_or_default(),
            text("text"),
            text("kind"),
            text("status"),
        )
    };
    let expected = [
        (1, "select 1", "query", "success"),
        (2, "select ';' as a, ?", "query", "success"),
        (3, "show tables -- the end", "show", "success"),
        (1, "begin", "session", "success"),
        (
            2,
            "select customer from orders where id = 2",
            "query",
            "success",
        ),
        (3, "commit", "session", "success"),
        (1, "select 4", "query", "abandoned"),
        (2, "select * from no_such_table", "query", "abandoned"),
    ]
    .map(|(place, text, kind, status)| {
        (place, text.to_owned(), kind.to_owned(), status.to_owned())
    });
    let found: Vec<_> = rows.iter().map(show).collect();
    assert_eq!(found, [expected.clone(), expected].concat());
    for row in &rows {
        assert_eq!(
            (&row["parent"], &row["same"]),
            (&json!("batch"), &json!(true)),
            "{row}"
        );
        let ran = row["status"] == "success";
        assert_eq!(row["named"], ran, "{row}");
        assert_eq!(
            row["whole"],
            if ran { "success" } else { "failed" },
            "{row}"
        );
        if ran {
            assert_eq!(row["own"], true, "{row}");
        }
    }
    let late = world.query(
        "select statement_id from statements_all where decision = 'allow' group by 1 \
         having count(*) <> 2 or max(seq) filter (where not is_final) > min(seq) filter (where is_final)",
    )?;
    assert_eq!(late, Vec::<Value>::new());
    let fetched = world.query("select count(*) n from events where event_code = 'RS001'")?;
    assert!(fetched[0]["n"].as_i64() >= Some(8), "{fetched:?}");
    Ok(())
}

/// The parts of an async batch are known by their own ids, in their own session alone.
#[test]
fn an_async_batch_is_followed_by_the_ids_of_its_parts() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let follow = r#"
with connect() as c:
    results, parts = followed(c, "select 1; select * from wait_1_seconds; select 'b'", 3)
    tell("followed", results=results, parts=parts)
"#;
    let finished = piece::run(&world, Generation::Four, &format!("{BATCH}{follow}"))?;
    let followed = finished.step("followed")?;
    assert_eq!(
        followed["results"],
        json!([[[1]], [["waited 1 seconds"]], [["b"]]])
    );
    let thief = format!(
        "
with connect() as c:
    at = c.cursor()
    failure('stolen', lambda: (at.get_results_from_sfqid({}), at.fetchall()))
",
        followed["parts"][0]
    );
    let finished = piece::run(&world, Generation::Four, &thief)?;
    let stolen = finished.step("stolen")?;
    assert_eq!(stolen["ok"], false, "{stolen}");
    Ok(())
}
