//! What processes say of themselves by their environments: it is shown, and no use is named for it.

use super::world::World;
use crate::id::StatementId;
use crate::prompt::linking::evidence::Evidence;
use crate::prompt::linking::grade::Grade;
use crate::prompt::linking::{Arrived, Link, Opened, Sql};

const SQL: &str = "select id from orders where region = 'EMEA'";
const AGENT: u64 = 5;

/// A session in which one use is open that carries the statement; whether its agent was started in the trace of its calls.
fn open(is_trace_inherited: bool) -> World {
    let mut world = World::new(91);
    let call = Opened {
        id: "one".to_owned(),
        name: "execute_sql".to_owned(),
        arguments: serde_json::json!({ "sql": SQL }).to_string().into_bytes(),
        owner: Some(AGENT),
        trace_id: Some("trace".to_owned()),
        is_trace_inherited,
        agent_session: Some("session".to_owned()),
        ..Opened::default()
    };
    let now = world.now();
    world.matching.opened(&call, now);
    world.wait();
    world
}

fn link(world: &mut World, ancestors: &[u64], trace: &str, sessions: &[&str]) -> Link {
    let at = world.now();
    world.matching.arrived(Arrived {
        id: StatementId::new(),
        at,
        sql: Sql::new(SQL, None),
        ancestors: ancestors.to_vec(),
        trace_ids: vec!["of a request".to_owned(), trace.to_owned()],
        agent_sessions: sessions.iter().map(|one| (*one).to_owned()).collect(),
        tag: None,
    })
}

#[track_caller]
fn check(link: &Link, grade: Grade, has: Evidence, has_not: Evidence) {
    let found = (
        link.grade,
        link.evidence.has(has),
        link.evidence.has_any(has_not),
    );
    assert_eq!(found, (grade, true, false), "{link:?}");
}

#[test]
fn ids_of_its_agent_are_told_and_another_agents_too_and_neither_changes_the_grade() {
    let claims = Evidence::TRACE.with(Evidence::ENVIRONMENT);
    let (other, none) = (Evidence::OTHER_AGENT, Evidence::default());
    let own = [9, AGENT];
    let mut world = open(false);
    // One agent within another's session names both.
    let both = link(&mut world, &own, "trace", &["outer", "session"]);
    check(&both, Grade::Proven, claims, other);
    let another = link(&mut world, &own, "x", &["outer"]);
    check(&another, Grade::Proven, other, claims);
    let silent = link(&mut world, &own, "x", &[]);
    check(&silent, Grade::Proven, none, claims.with(other));
}

#[test]
fn copies_of_them_name_no_use() {
    let mut world = open(false);
    let copied = link(&mut world, &[7], "trace", &["session"]);
    let claims = Evidence::TRACE.with(Evidence::ENVIRONMENT);
    check(&copied, Grade::Session, claims, Evidence::LINEAGE);
    assert_eq!(copied.tool_call_id, None);
}

#[test]
fn the_trace_of_the_whole_job_is_evidence_only_of_what_the_agent_started() {
    let mut world = open(true);
    let tool = link(&mut world, &[9, AGENT], "trace", &[]);
    check(&tool, Grade::Proven, Evidence::TRACE, Evidence::ENVIRONMENT);
    let script = link(&mut world, &[7], "trace", &[]);
    assert!(!script.evidence.has(Evidence::TRACE), "{script:?}");
    assert!(
        link(&mut open(false), &[7], "trace", &[])
            .evidence
            .has(Evidence::TRACE)
    );
}
