//! What is judged where less is known than was asked for, or more is done than is shown.

use chrono::{DateTime, Utc};

use super::*;
use crate::prompt::linking::{Link, Matching, Opened};
use crate::statement::{Scope, Statement};

/// The exec of the agent's process.
const AGENT: u64 = 5;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

/// A session whose model asked for a command.
fn asked_for(command: &str) -> Matching {
    let mut matching = Matching::default();
    let call = Opened {
        id: "use".to_owned(),
        name: "Bash".to_owned(),
        arguments: serde_json::json!({ "command": command })
            .to_string()
            .into_bytes(),
        owner: Some(AGENT),
        emitted_ns: Some(6),
        ..Opened::default()
    };
    matching.opened(&call, at(0));
    matching
}

fn arrives(matching: &mut Matching, sql: &str, ancestors: &[u64], second: i64) -> Link {
    let read = Statement::read(sql, &Scope::new(&|_| false));
    matching.arrived(Arrived {
        id: StatementId::new(),
        at: at(second),
        sql: Sql::new(sql, read.normalized()),
        ancestors: ancestors.to_vec(),
        trace_ids: Vec::new(),
        agent_sessions: Vec::new(),
        tag: None,
    })
}

const SHOWN: &str = "snow sql -q 'select a, b from shown'";
const OTHER: &str = "select ssn from hr.people";

#[test]
fn what_began_as_plumbing_is_a_mismatch_all_the_same() {
    let mut matching = asked_for(SHOWN);
    for (sql, grade, is_mismatch) in [
        ("use warehouse w", Grade::Probable, false),
        (
            "use warehouse w; select ssn from hr.people",
            Grade::Possible,
            true,
        ),
        ("use role accountadmin", Grade::Possible, true),
        ("select current_people()", Grade::Possible, true),
    ] {
        let link = arrives(&mut matching, sql, &[9, AGENT], 1);
        assert_eq!(
            (link.grade, link.is_mismatch),
            (grade, is_mismatch),
            "{sql}"
        );
    }
}

#[test]
fn a_process_whose_lineage_was_forgotten_is_judged_against_all_that_was_open() {
    let mut matching = asked_for(SHOWN);
    let link = arrives(&mut matching, OTHER, &[9, 0], 1);
    assert_eq!(
        (link.grade, link.method, link.is_mismatch),
        (Grade::Session, Method::Forgotten, true)
    );
    assert_eq!((link.tool_call_id, link.prompt_key), (None, None));
    // The same text gives no more, and is no mismatch; nor is what brings no row.
    for sql in ["select a, b from shown", "commit"] {
        let link = arrives(&mut matching, sql, &[9, 0], 1);
        assert_eq!(
            (link.grade, link.is_mismatch),
            (Grade::Session, false),
            "{sql}"
        );
    }
    // One whose lineage is known to its end is the job's own, and so is one where no model was called.
    let link = arrives(&mut matching, OTHER, &[9], 1);
    assert_eq!((link.grade, link.is_mismatch), (Grade::Unknown, false));
    let link = arrives(&mut Matching::default(), OTHER, &[9, 0], 1);
    assert_eq!((link.grade, link.method), (Grade::Unknown, Method::None));
    // What is remembered counts as ever.
    let link = arrives(&mut matching, "select a, b from shown", &[9, AGENT, 0], 1);
    assert_eq!(link.grade, Grade::Proven);
}

#[test]
fn no_use_is_the_only_one_where_others_may_have_been_missed() {
    let mut matching = asked_for("make report");
    let link = arrives(&mut matching, OTHER, &[9, AGENT], 1);
    assert_eq!(link.grade, Grade::Probable);
    matching.missed(at(0));
    let link = arrives(&mut matching, OTHER, &[9, AGENT], 2);
    assert_eq!(link.grade, Grade::Possible);
    assert!(!link.evidence.has(Evidence::SOLE));
}
