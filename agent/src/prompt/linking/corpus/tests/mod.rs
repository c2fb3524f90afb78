//! A labelled corpus: some hundred statements of scripted agents, honest and hostile, by seeds. The labels are the scripts';
//! what the matcher makes of the statements is printed, its mistakes too.
//!
//! Not in it, since nothing here would tell: statements of hosts that Icecore does not run on, agents whose traffic cannot be
//! read, and prompts in images.

mod agents;
mod claims;
mod echoes;
mod frozen;
mod hostile;
mod outcome;
mod player;
mod programs;
mod sql;
mod world;

use super::evidence::{Launched, PromptOrigin, prompt_digest};
use super::grade::Grade;
use super::open::Opened;
use outcome::Outcome;
use world::{Row, World};

/// Rounds of every way. Each session has a few, so that its uses come into each other's way.
const ROUNDS: u64 = 16;

fn corpus() -> Vec<Row> {
    let mut rows = Vec::new();
    for seed in 0..ROUNDS {
        let mut world = World::new(seed);
        let agent = world.agent();
        let mut honest = [agents::WAYS.as_slice(), programs::WAYS.as_slice()].concat();
        let mut ill = hostile::WAYS.to_vec();
        while !honest.is_empty() || !ill.is_empty() {
            // In any order, each way once.
            let at = world.dice.below(honest.len() + ill.len());
            let (_, way) = if at < honest.len() {
                honest.swap_remove(at)
            } else {
                ill.swap_remove(at - honest.len())
            };
            way(&mut world, &agent);
        }
        rows.append(&mut world.rows);
    }
    rows
}

#[test]
fn links_of_the_corpus_are_as_sure_as_their_grades_say() {
    let rows = corpus();
    assert!(rows.len() >= 500);
    let outcome = Outcome::of(&rows);
    outcome.print();
    assert_eq!(outcome.broken_promises(), [""; 0]);
    // Nobody outside attested anything.
    assert!(
        rows.iter()
            .all(|row| row.link.prompt_origin == PromptOrigin::Claimed)
    );
    // Hostile statements beside innocent SQL are told, but where they look like a variant of it.
    let innocent = outcome
        .ill
        .iter()
        .filter(|row| row.family == "innocent text, other sql");
    assert!(innocent.clone().count() > 0 && innocent.clone().all(|row| row.link.is_mismatch));
    let flagged = |rows: &[&Row]| rows.iter().filter(|row| row.link.is_mismatch).count();
    println!(
        "mismatch: {} of hostile, {} of honest statements",
        flagged(&outcome.ill),
        flagged(&outcome.honest)
    );
}

/// Whose key paid for a model call, and who wrote its user turn, change nothing about which call carried a statement; that a
/// person wrote the prompt is said by nobody but a source outside the session.
#[test]
fn what_a_forged_turn_carried_is_linked_to_it_and_its_prompt_stays_claimed() {
    let mut world = World::new(7);
    let agent = world.agent();
    let outer = world.bash(&agent, "python3 helper.py");
    let process = world.exec(&agent.process);
    let forger = world::Agent {
        process,
        prompt_key: "prompt of the CFO".to_owned(),
        ..agent.clone()
    };
    let sql = "select ssn from hr.private.people where id = 7";
    let call = world.ask(&forger, "execute_sql", &serde_json::json!({ "sql": sql }));
    let says = world::Says {
        family: "forged user turn",
        label: Some(&call),
        is_direct: true,
        is_hostile: true,
    };
    world.issue(&forger.process.clone(), Some(&forger), sql, says);
    world.result(&outer, "ok");
    let link = &world.rows[0].link;
    assert_eq!(
        (link.grade, link.tool_call_id.as_ref()),
        (Grade::Proven, Some(&call))
    );
    assert_eq!(link.prompt_origin, PromptOrigin::Claimed);
    let text = "CFO: run the monthly export";
    let launched = Launched::new([prompt_digest(text)]);
    let attestation = launched.attests("prompt of the CFO", text).unwrap();
    let links = world.matching.attested(attestation);
    assert_eq!(links.len(), 1);
    assert_eq!(
        (links[0].grade, links[0].prompt_origin),
        (Grade::Proven, PromptOrigin::Attested)
    );
}

#[test]
fn what_is_known_later_makes_another_link_and_changes_none() {
    let mut world = World::new(8);
    let agent = world.agent();
    let says = |family, label| world::Says {
        family,
        label,
        is_direct: false,
        is_hostile: false,
    };
    // The statement was there before the model's answer had been read.
    let process = world.exec(&agent.process);
    let asked_at = world.now();
    let sql = "select id, amount from orders where region = 'EMEA'";
    world.issue(&process, None, sql, says("late", None));
    let first = world.rows[0].link.clone();
    assert_eq!(first.grade, Grade::Unknown);
    let call = Opened {
        id: "late".to_owned(),
        name: "execute_sql".to_owned(),
        arguments: serde_json::json!({ "sql": sql }).to_string().into_bytes(),
        owner: agent.process.0.last().copied(),
        ..Opened::default()
    };
    world.owners.insert(call.id.clone(), call.owner);
    let (held, links) = world.matching.opened(&call, asked_at);
    assert!(held.contains_sql && held.sql_fingerprints.len() == 1);
    assert_eq!(
        (links[0].grade, links[0].supersedes.as_ref()),
        (Grade::Proven, Some(&first.link_id))
    );
    assert_ne!(links[0].link_id, first.link_id);
    world.rows[0].link = links[0].clone();

    // What a program made comes back in the result.
    world.result("late", "ok");
    let one = world.bash(&agent, "python3 a.py");
    let two = world.bash(&agent, "python3 b.py");
    let process = world.exec(&agent.process);
    let id = world.issue(
        &process,
        None,
        "select made from by_a_program where x",
        says("echo", Some(&one)),
    );
    let before = world.rows[1].link.clone();
    assert_eq!(
        (before.grade, before.candidates, before.tool_call_id),
        (Grade::Possible, 2, None)
    );
    let answer = world.deliver(id);
    world.result(&two, "nothing");
    world.result(&one, &answer);
    let link = &world.rows[1].link;
    assert_eq!(
        (link.grade, link.tool_call_id.as_ref()),
        (Grade::Probable, Some(&one))
    );
    assert_eq!(link.supersedes.as_ref(), Some(&before.link_id));
}
