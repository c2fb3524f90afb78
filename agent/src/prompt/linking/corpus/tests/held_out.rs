//! The held-out corpus: cases that the matcher was not made with. `tests/linking/make.py` writes them, and runs their commands for real
//! in bash, Python and Node; a label is what then issued the statement.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::echo::Delivered;
use super::super::grade::Grade;
use super::world::{Agent, Process, Row, Says, World};
use super::{matrix, print};

/// The cases, one a line; an empty one ends a session.
const CASES: &str = include_str!("../../../testdata/held_out.jsonl");

#[derive(Deserialize)]
struct Case {
    family: String,
    hostile: bool,
    steps: Vec<Step>,
}

/// A step, as a list of its kind and what it takes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Ask(AskWord, String, String, String, serde_json::Value),
    Issue(
        IssueWord,
        String,
        Option<String>,
        String,
        Option<String>,
        bool,
        Vec<String>,
    ),
    Agent(AgentWord, String, String, String),
    Run(RunWord, String, Option<String>),
    Result(ResultWord, String, String),
}

#[derive(Deserialize)]
enum AskWord {
    #[serde(rename = "ask")]
    Ask,
}

#[derive(Deserialize)]
enum IssueWord {
    #[serde(rename = "issue")]
    Issue,
}

#[derive(Deserialize)]
enum AgentWord {
    #[serde(rename = "agent")]
    Agent,
}

#[derive(Deserialize)]
enum RunWord {
    #[serde(rename = "run")]
    Run,
}

#[derive(Deserialize)]
enum ResultWord {
    #[serde(rename = "result")]
    Result,
}

/// What one case has named so far.
struct Names {
    agents: BTreeMap<String, Agent>,
    processes: BTreeMap<String, Process>,
    calls: BTreeMap<String, String>,
}

impl Names {
    /// Gives a process by its name, or the one of an agent of that name.
    fn process(&self, name: &str) -> Process {
        let agent = self.agents.get(name).map(|agent| &agent.process);
        agent
            .or_else(|| self.processes.get(name))
            .expect("a known process")
            .clone()
    }
}

fn play(world: &mut World, main: &Agent, case: &Case) {
    let mut names = Names {
        agents: BTreeMap::from([("main".to_owned(), main.clone())]),
        processes: BTreeMap::new(),
        calls: BTreeMap::new(),
    };
    let family: &'static str = Box::leak(case.family.clone().into_boxed_str());
    for step in &case.steps {
        match step {
            Step::Ask(_, name, agent, tool, arguments) => {
                let call = world.ask(&names.agents[agent], tool, arguments);
                names.calls.insert(name.clone(), call);
            }
            Step::Agent(_, name, of, session) => {
                let mut agent = names.agents[of].clone();
                if session == "own" {
                    agent.session = world.name("session");
                }
                names.agents.insert(name.clone(), agent);
            }
            Step::Run(_, name, of) => {
                let of = of
                    .as_deref()
                    .map_or(Process(Vec::new()), |of| names.process(of));
                let process = world.exec(&of);
                names.processes.insert(name.clone(), process);
            }
            Step::Issue(_, process, agent, sql, label, is_direct, values) => {
                let says = Says {
                    family,
                    label: label.as_ref().map(|label| names.calls[label].as_str()),
                    is_direct: *is_direct,
                    is_hostile: case.hostile,
                };
                let agent = agent.as_ref().map(|agent| &names.agents[agent]);
                let id = world.issue(&names.process(process), agent, sql, says);
                let delivered = Delivered {
                    values: values.clone(),
                    ..Delivered::default()
                };
                world.matching.delivered(id, &delivered);
            }
            Step::Result(_, call, text) => world.result(&names.calls[call], text),
        }
    }
}

/// Plays all sessions of a corpus, and gives each statement with its text.
pub(super) fn played(cases: &str, first_seed: u64) -> Vec<(Row, String)> {
    let mut rows = Vec::new();
    let mut lines = cases.lines().peekable();
    let mut seed = first_seed;
    while lines.peek().is_some() {
        let mut world = World::new(seed);
        seed += 1;
        let agent = world.agent();
        let mut texts = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != "{}") {
            let case: Case = serde_json::from_str(line).expect("a case");
            play(&mut world, &agent, &case);
            texts.extend(case.steps.iter().filter_map(|step| match step {
                Step::Issue(_, _, _, sql, ..) => Some(sql.clone()),
                Step::Ask(..) | Step::Agent(..) | Step::Run(..) | Step::Result(..) => None,
            }));
        }
        rows.extend(world.rows.drain(..).zip(texts));
    }
    rows
}

#[test]
fn what_the_matcher_was_not_made_with_is_linked_as_surely() {
    let rows = played(CASES, 1_000_000);
    let (ill, honest): (Vec<_>, Vec<_>) = rows.iter().partition(|(row, _)| row.is_hostile);
    println!("{} statements, {} of them hostile", rows.len(), ill.len());
    print(&matrix(honest.iter().map(|(row, _)| row)));
    print(&matrix(ill.iter().map(|(row, _)| row)));
    assert!(rows.len() >= 1000);

    let proven = |(row, _): &&(Row, String)| row.link.grade == Grade::Proven;
    let is_right = |row: &Row| row.link.tool_call_id == row.label;
    let all = rows.iter().filter(proven).count();
    let wrong: Vec<_> = rows
        .iter()
        .filter(proven)
        .filter(|(row, _)| !is_right(row))
        .map(|(row, sql)| (row.family, sql))
        .collect();
    println!(
        "precision of A: {} of {all}; wrong: {wrong:#?}",
        all - wrong.len()
    );

    let direct: Vec<_> = honest.iter().filter(|(row, _)| row.is_direct).collect();
    let missed: Vec<_> = direct
        .iter()
        .filter(|(row, _)| row.link.grade < Grade::Strong || !is_right(row))
        .map(|(row, sql)| (row.family, row.link.grade, sql))
        .collect();
    let found = direct.len() - missed.len();
    println!(
        "recall of A and B on direct SQL: {found} of {}; missed: {missed:#?}",
        direct.len()
    );

    let tricked: Vec<_> = ill
        .iter()
        .filter(|(row, _)| row.link.grade >= Grade::Strong)
        .map(|(row, sql)| (row.family, row.link.grade, sql))
        .collect();
    println!(
        "hostile with A or B: {} of {}: {tricked:#?}",
        tricked.len(),
        ill.len()
    );
    assert!(1000 * (all - wrong.len()) >= 995 * all, "{wrong:#?}");
    assert!(10 * found >= 9 * direct.len(), "{missed:#?}");
    assert!(tricked.is_empty(), "{tricked:#?}");
}
