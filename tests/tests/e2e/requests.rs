//! Requests that are too large or too strange for any driver to have made by accident.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::{all_executed_is_recorded, failed_clearly, worked};

/// 100 MB of text, plain from one driver and gzip from the other.
#[test]
fn hundred_megabyte_statement_is_refused_and_forgotten() -> Result<()> {
    let world = World::start(&Plan::default())?;
    for generation in Generation::ALL {
        let steps = json!([
            {"do": "connect", "network_timeout": 20},
            {"do": "sql", "name": "huge", "repeat": ["select 1 -- 0123456789 \n", 4_400_000]},
            {"do": "sql", "name": "after", "sql": "select 1"},
        ]);
        let finished = world.drive(generation, &steps)?;
        failed_clearly(finished.step("huge")?, "Icecore");
        worked(&finished, &["after"]);
    }
    assert_eq!(world.gate.executed()?, ["select 1", "select 1"]);
    all_executed_is_recorded(&world)?;
    Ok(())
}

/// A statement of 900 kB is large and legal; one of 1.1 MB is over the limit.
#[test]
fn statement_limit_is_where_the_config_says() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let comment = "-- 01234567890123456\n";
    let steps = json!([
        {"do": "connect"},
        {"do": "sql", "name": "under", "sql": format!("{}select 1", comment.repeat(43_000))},
        {"do": "sql", "name": "over", "sql": format!("{}select 1", comment.repeat(53_000))},
    ]);
    // The steps are too long for one argument of a process: they go through a file.
    let file = world.path("home").join("steps.json");
    std::fs::create_dir_all(world.path("home"))?;
    std::fs::write(&file, steps.to_string())?;
    let finished = world.drive(Generation::Four, &json!(format!("@{}", file.display())))?;
    worked(&finished, &["under"]);
    failed_clearly(finished.step("over")?, "Icecore");
    world.flush()?;
    let told = world.query(
        "select json_extract_string(detail, '$.sql_len') as length, \
         length(json_extract_string(detail, '$.sql_sha256_mac')) as digits, length(detail::text) < 500 as is_short \
         from events where event_code = 'RQ001'",
    )?;
    let over = comment.len() * 53_000 + "select 1".len();
    let expected = json!([{"length": over.to_string(), "digits": 64, "is_short": true}]);
    assert_eq!(
        json!(told),
        expected,
        "a text over the limit is told by length and digest"
    );
    Ok(())
}
