//! Plays the cases of a frozen corpus as `tests/linking/make.py` writes them: what models ask for, what is started, what is issued, and
//! what comes back.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::echo::Delivered;
use super::super::evidence::{TagProof, Tagged, Tags};
use super::world::{Agent, Process, Row, Says, World};

/// A case, a line of a corpus; `{}` ends a session.
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
    Replay(ReplayWord, String, String, String, String, String),
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

#[derive(Deserialize)]
enum ReplayWord {
    #[serde(rename = "replay")]
    Replay,
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
            Step::Replay(_, process, agent, sql, call, of_sql) => {
                let call = &names.calls[call];
                let replayed = replayed(call, of_sql, sql);
                let says = Says {
                    family,
                    label: None,
                    is_direct: false,
                    is_hostile: case.hostile,
                };
                let process = names.process(process);
                world.issue_with(&process, Some(&names.agents[agent]), sql, replayed, says);
            }
        }
    }
}

/// Takes the tag of a request of a use, and offers it again with a statement.
fn replayed(call: &str, of_sql: &str, sql: &str) -> Option<TagProof> {
    let mut tags = Tags::new(&[4; 32]);
    let request_id = "of the use";
    let own = Tagged {
        request_id,
        sql: of_sql,
    };
    let tag = tags.issue(call, own);
    assert!(tags.redeem(&tag, call, own).is_some());
    tags.redeem(&tag, call, Tagged { request_id, sql })
}

/// Plays all sessions of a corpus, the first with this seed, each other one with the next.
pub(super) fn played(cases: &str, first_seed: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut lines = cases.lines().peekable();
    let mut seed = first_seed;
    while lines.peek().is_some() {
        let mut world = World::new(seed);
        seed += 1;
        let agent = world.agent();
        for line in lines.by_ref().take_while(|line| *line != "{}") {
            let case: Case = serde_json::from_str(line).expect("a case");
            play(&mut world, &agent, &case);
        }
        rows.append(&mut world.rows);
    }
    rows
}
