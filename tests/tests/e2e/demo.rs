//! The demo, which newcomers see first, runs to its end and shows what it is there to show.

use std::fs;

use anyhow::{Context, Result};
use icecore_tests::demo;

#[test]
fn the_demo_shows_the_prompt_that_led_to_a_statement() -> Result<()> {
    let kept = tempfile::tempdir()?;
    let mut told = Vec::new();
    demo::run(Some(kept.path()), &mut told)?;
    let told = String::from_utf8(told)?;
    let part = told.split("== From prompt to statement").nth(1);
    let part = part.with_context(|| format!("no such part in {told}"))?;
    // What is read of it, the agent is told before it begins; then one statement that was asked for, and one that was not.
    let expected = [
        "icecore: notice: calls to the model APIs api.anthropic.com are read in this session",
        "\"lineage\":true",
        "grade         A (0.99) by bytes; 1 in question",
        "How many orders are above 10?",
        "mismatch      tools were in use whose arguments carry SQL, and none of it is like this",
    ];
    let mut rest = part;
    for text in expected {
        let found = rest.split_once(text);
        rest = found
            .with_context(|| format!("no `{text}` in its place in {part}"))?
            .1;
    }
    let page = fs::read_to_string(kept.path().join("session.html"))?;
    assert!(page.contains("How many orders are above 10?"), "{page}");
    Ok(())
}
