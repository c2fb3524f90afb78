//! Files and stages: what opens a stage's storage never reaches the agent, and bound values stay where they are judged.

use std::fs;

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::search;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::piece;

/// Allows what the packs do not: rows to be written, files to be moved, and stages to be made.
const FILES: &str = r#"
@id("files")
permit (
  principal,
  action in [Icecore::Action::"write", Icecore::Action::"put", Icecore::Action::"get", Icecore::Action::"create"],
  resource
);
"#;

fn world(stage_binds_from: u64) -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        tuning: Tuning {
            stage_binds_from,
            ..Tuning::default()
        },
        ..Plan::default()
    })?;
    fs::write(world.config.policies().join("files.cedar"), FILES)?;
    world.start_daemon()?;
    Ok(world)
}

/// Binds more values than from which on the account has them put on a stage.
const BULK: &str = r#"
with connect() as c:
    at = c.cursor()
    at.execute("select 1")
    rows = [(1000 + n, f"bound {n}", "1.5") for n in range(20)]
    at.executemany("insert into orders (ID, CUSTOMER, AMOUNT) values (?, ?, ?)", rows)
    tell("bulk", rows=at.rowcount)
"#;

#[test]
fn bulk_binds_come_with_the_statement_and_not_by_a_stage() -> Result<()> {
    let world = world(8)?;
    for generation in Generation::ALL {
        let finished = piece::run(&world, generation, BULK)?;
        assert_eq!(finished.step("bulk")?["rows"], 20, "{}", finished.output);
    }
    let executed = world.gate.executed()?;
    let staged = |sql: &&String| {
        let sql = sql.to_ascii_lowercase();
        sql.contains("stage") || sql.starts_with("put")
    };
    assert_eq!(executed.iter().find(staged), None, "{executed:?}");
    Ok(())
}

const MOVE: &str = r#"
import os, tempfile
folder = tempfile.mkdtemp()
path = os.path.join(folder, "rows.csv")
with open(path, "w") as file:
    file.write("1,ada\n")
with connect() as c:
    at = c.cursor()
    failure("put", lambda: at.execute(f"put file://{path} @s3_files").fetchall())
    failure("get", lambda: at.execute(f"get @s3_files file://{folder}").fetchall())
"#;

#[test]
fn what_opens_a_stage_is_withheld_with_what_to_do_instead() -> Result<()> {
    let world = world(65_280)?;
    for generation in Generation::ALL {
        let finished = piece::run(&world, generation, MOVE)?;
        for name in ["put", "get"] {
            let step = finished.step(name)?;
            let message = step["message"].to_string();
            assert_eq!((&step["ok"], &step["errno"]), (&json!(false), &json!(3001)));
            for word in [
                "found `uploadInfo`",
                "bound values",
                "SELECT from the stage",
            ] {
                assert!(message.contains(word), "{step}");
            }
        }
        let secrets = world.gate.canaries()?;
        assert!(secrets.iter().any(|(name, _)| name == "stage_credential"));
        let seen = finished.output.as_bytes();
        assert_eq!(
            search::find_in("the driver's output", seen, &secrets),
            Vec::<String>::new()
        );
    }
    Ok(())
}
