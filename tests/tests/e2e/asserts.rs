//! What several topics assert.

use anyhow::Result;
use icecore_tests::harness::driver::Finished;
use icecore_tests::harness::world::World;
use serde_json::Value;

/// A refusal as every driver shows it: the text names the rule and what is allowed.
#[track_caller]
pub(crate) fn refused(step: &Value) {
    let message = step["message"].to_string();
    assert_eq!(step["ok"], false, "{step}");
    assert!(message.contains("Icecore refused this statement"), "{step}");
    assert!(message.contains("rule default-deny"), "{step}");
    assert_eq!(step["errno"], 3001, "{step}");
    assert_eq!(step["sqlstate"], "42501", "{step}");
}

/// The steps of these names worked.
#[track_caller]
pub(crate) fn worked(finished: &Finished, names: &[&str]) {
    for name in names {
        let step = finished.step(name).unwrap();
        assert_eq!(step["ok"], true, "{step}\n{}", finished.output);
    }
}

/// The step failed with a text, and before its caller would have lost patience.
#[track_caller]
pub(crate) fn failed_clearly(step: &Value, text: &str) {
    assert_eq!(step["ok"], false, "{step}");
    let message = step["message"].to_string();
    assert!(
        message.to_lowercase().contains(&text.to_lowercase()),
        "expected `{text}` in {step}"
    );
    assert!(step["seconds"].as_f64().unwrap() < 60.0, "{step}");
}

/// Every statement that the emulator executed has an intent and an end in the record; gives the trail.
#[track_caller]
pub(crate) fn all_executed_is_recorded(world: &World) -> Result<Vec<Value>> {
    world.flush()?;
    let trail = world.query("select * from trail order by started_at")?;
    let text = |row: &Value| row["sql_text"].as_str().unwrap_or_default().to_owned();
    let recorded: Vec<String> = trail.iter().map(text).collect();
    for sql in world.gate.executed()? {
        assert!(
            recorded.contains(&sql),
            "`{sql}` was executed and is not in the record: {recorded:?}"
        );
    }
    Ok(trail)
}
