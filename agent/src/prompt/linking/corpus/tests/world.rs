//! A session on paper: processes, model calls, uses of tools and statements, on a clock of its own. What a statement was
//! labelled with is what the script that issued it knows, and nothing that the matcher says.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::id::StatementId;
use crate::prompt::linking::Arrived;
use crate::prompt::linking::echo::Delivered;
use crate::prompt::linking::evidence::TagProof;
use crate::prompt::linking::ladder::Sql;
use crate::prompt::linking::link::Link;
use crate::prompt::linking::matching::{Matching, Returned};
use crate::prompt::linking::open::Opened;
use crate::statement::{Scope, Statement};

/// Numbers from a seed (SplitMix64; Steele, Lea and Flood, 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(super) fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What a script knows of a statement that it issues.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) family: &'static str,
    /// The use of a tool that carried it; none if no model did.
    pub(super) label: Option<String>,
    /// Whether its text stood in the arguments of that use, in any spelling, while the use was open.
    pub(super) is_direct: bool,
    pub(super) is_hostile: bool,
    pub(super) sql: String,
    pub(super) link: Link,
}

/// A process, as the execs that it descends from.
#[derive(Clone, Debug)]
pub(super) struct Process(pub(super) Vec<u64>);

/// An agent: the process that calls the model, and what it says of itself.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) process: Process,
    pub(super) session: String,
    pub(super) trace: String,
    pub(super) prompt_key: String,
}

/// How a script labels a statement.
#[derive(Clone, Copy)]
pub(super) struct Says<'a> {
    pub(super) family: &'static str,
    pub(super) label: Option<&'a str>,
    pub(super) is_direct: bool,
    pub(super) is_hostile: bool,
}

pub(super) struct World {
    pub(super) matching: Matching,
    /// The processes that asked for uses.
    pub(super) owners: BTreeMap<String, Option<u64>>,
    pub(super) dice: Dice,
    pub(super) rows: Vec<Row>,
    pub(super) seed: u64,
    now_ms: i64,
    names: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            matching: Matching::default(),
            owners: BTreeMap::new(),
            dice: Dice::new(seed),
            rows: Vec::new(),
            seed,
            now_ms: 1_000_000,
            names: 0,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + self.now_ms).unwrap()
    }

    fn boot_ns(&self) -> u64 {
        u64::try_from(self.now_ms).unwrap() * 1_000_000
    }

    /// Lets some time go by.
    pub(super) fn wait(&mut self) {
        self.now_ms += 1 + i64::try_from(self.dice.below(3_000)).unwrap();
    }

    pub(super) fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}_{:04}", self.names)
    }

    /// Starts a program from a process.
    pub(super) fn exec(&mut self, from: &Process) -> Process {
        self.now_ms += 5;
        let mut execs = from.0.clone();
        execs.push(self.boot_ns());
        Process(execs)
    }

    pub(super) fn agent(&mut self) -> Agent {
        let shell = self.exec(&Process(Vec::new()));
        Agent {
            process: self.exec(&shell),
            session: self.name("session"),
            trace: self.name("trace"),
            prompt_key: self.name("prompt"),
        }
    }

    /// Has a model ask an agent to use a tool.
    pub(super) fn ask(
        &mut self,
        agent: &Agent,
        tool: &str,
        arguments: &serde_json::Value,
    ) -> String {
        self.ask_raw(agent, tool, arguments.to_string().into_bytes())
    }

    pub(super) fn ask_raw(&mut self, agent: &Agent, tool: &str, arguments: Vec<u8>) -> String {
        self.wait();
        let call = Opened {
            id: self.name("call"),
            llm_call_id: self.name("llm"),
            prompt_key: Some(agent.prompt_key.clone()),
            prompt: "how are sales going?".to_owned(),
            name: tool.to_owned(),
            arguments,
            owner: agent.process.0.last().copied(),
            emitted_ns: Some(self.boot_ns()),
            trace_id: Some(agent.trace.clone()),
            is_trace_inherited: false,
            agent_session: Some(agent.session.clone()),
        };
        self.owners.insert(call.id.clone(), call.owner);
        let (_, links) = self.matching.opened(&call, self.now());
        self.supersede(links);
        call.id
    }

    pub(super) fn bash(&mut self, agent: &Agent, command: &str) -> String {
        self.ask(
            agent,
            "Bash",
            &serde_json::json!({"command": command, "description": "runs it"}),
        )
    }

    /// Sends a result back to the model.
    pub(super) fn result(&mut self, call: &str, text: &str) {
        self.wait();
        let result = Returned {
            tool_call_id: call.to_owned(),
            text: text.to_owned(),
        };
        let owner = self.owners.get(call).copied().flatten();
        let links = self.matching.results_seen(&[result], owner, self.now());
        self.supersede(links);
    }

    pub(super) fn supersede(&mut self, links: Vec<Link>) {
        for link in links {
            let row = self
                .rows
                .iter_mut()
                .find(|row| row.link.statement_id == link.statement_id)
                .unwrap();
            assert_eq!(link.supersedes.as_ref(), Some(&row.link.link_id));
            row.link = link;
        }
    }

    /// Has a process of an agent issue a statement.
    pub(super) fn issue(
        &mut self,
        process: &Process,
        agent: Option<&Agent>,
        sql: &str,
        says: Says<'_>,
    ) -> StatementId {
        self.issue_with(process, agent, sql, None, says)
    }

    pub(super) fn issue_with(
        &mut self,
        process: &Process,
        agent: Option<&Agent>,
        sql: &str,
        tag: Option<TagProof>,
        says: Says<'_>,
    ) -> StatementId {
        self.wait();
        let scope = Scope::new(&|_| false);
        let read = Statement::read(sql, &scope);
        let id = StatementId::new();
        let link = self.matching.arrived(Arrived {
            id,
            at: self.now(),
            sql: Sql::new(sql, read.normalized()),
            ancestors: process.0.clone(),
            trace_ids: agent.map(|agent| agent.trace.clone()).into_iter().collect(),
            agent_sessions: agent
                .map(|agent| agent.session.clone())
                .into_iter()
                .collect(),
            tag,
        });
        self.rows.push(Row {
            family: says.family,
            label: says.label.map(str::to_owned),
            is_direct: says.is_direct,
            is_hostile: says.is_hostile,
            sql: sql.to_owned(),
            link,
        });
        id
    }

    /// Delivers an answer, and gives its values as a table.
    pub(super) fn deliver(&mut self, statement: StatementId) -> String {
        let values: Vec<String> = (0..4).map(|_| self.name("customer-anna.k")).collect();
        let delivered = Delivered {
            values: values.clone(),
            ..Delivered::default()
        };
        self.matching.delivered(statement, &delivered);
        values.join("\n")
    }
}
