//! A policy holds what comes from no prompt: people see on the card that none is known, and what a prompt led to is not held.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result};
use icecore::approval::Answer;
use icecore_tests::drivers::Product;
use icecore_tests::harness::world::AGENT_UID;
use serde_json::json;

use super::linked::{Agents, PROMPT, bash};
use super::{Bed, READ};
use crate::approvals::have_people_asked;
use crate::approver::Approver;

const SURE: &str = r#"
@id("from-a-prompt") @reason("statements come from a prompt") @remedy("hold:data-owners")
forbid (principal, action == Icecore::Action::"read", resource) when { context.link.rank < 3 };
"#;

#[test]
fn what_comes_from_no_prompt_waits_for_people_and_what_a_prompt_led_to_does_not() -> Result<()> {
    let mut people = None;
    let bed = Bed::start_with(READ, |world| {
        let approver = Approver::start(&world.config.store)?;
        have_people_asked(world, SURE, "")?;
        let lines = approver.config();
        people = Some(approver);
        Ok(lines)
    })?;
    let approver = people.context("no approver")?;
    let agents = Agents::of(bed)?;
    let world = &agents.bed.world;

    // A script of the job's own.
    let own = "select count(*) as N from ORDERS where 701 = 701";
    let script = world.path("query.py");
    let child = (world.session(AGENT_UID, &[], "env".as_ref())?)
        .args(Product::Connector4.words(&script)?)
        .arg(own)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let request = approver.wait("701 = 701")?;
    assert_eq!(request.asks[0].rule, "from-a-prompt", "{request:?}");
    assert_eq!(
        request.asks[0].reason.as_deref(),
        Some("statements come from a prompt")
    );
    assert_eq!(
        request.claimed.prompt.as_deref(),
        Some("[U] (no prompt is known)")
    );
    approver.say(&request, "olga", Answer::Approve)?;
    let output = child.wait_with_output()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    // An agent's statement that its command shows is not held; one that it hides is, and the card has prompt and grade.
    let hidden = world.path("home").join("hidden.sh");
    let query = &agents.query;
    fs::write(
        &hidden,
        format!("{query} 'select count(*) as N from ORDERS where 703 = 703'\n"),
    )?;
    std::thread::scope(|scope| {
        let said = scope.spawn(|| -> Result<()> {
            let request = approver.wait("703 = 703")?;
            let card = format!("[D] {PROMPT}");
            assert_eq!(request.claimed.prompt.as_deref(), Some(card.as_str()));
            approver.say(&request, "otto", Answer::Deny)?;
            Ok(())
        });
        agents.run(vec![
            json!({"tools": [bash(&format!("{query} 'select count(*) as N from ORDERS where 702 = 702'"))]}),
            json!({"tools": [bash(&format!("echo 'select harmless from innocent'; sh {} || true", hidden.display()))]}),
        ])?;
        said.join().expect("the approver's thread")
    })?;
    let rows = world.query(
        "select regexp_extract(sql_text, '70[0-9]') as n, decision, link_grade, approval_state is not null as asked from trail \
         where sql_text like '%from ORDERS where 70%' order by n",
    )?;
    assert_eq!(
        rows,
        [
            json!({"n": "701", "decision": "approve", "link_grade": "U", "asked": true}),
            json!({"n": "702", "decision": "allow", "link_grade": "A", "asked": false}),
            json!({"n": "703", "decision": "block", "link_grade": "D", "asked": true}),
        ]
    );
    Ok(())
}
