//! A conversation of a real agent, a statement of its tool, and what of both is recorded.

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::prompt::History;
use crate::prompt::exchange::Exchanges;
use crate::prompt::linking::Sql;
use crate::prompt::linking::evidence::{Evidence, prompt_digest};
use crate::prompt::linking::grade::Grade;
use crate::prompt::wire::{Protocol, Side};

const ASKED: [&[u8]; 2] = [
    include_bytes!("../testdata/claude_code_1.json"),
    include_bytes!("../testdata/claude_code_2.json"),
];
const ANSWERED: &[u8] = include_bytes!("../testdata/claude_code_1.sse");

/// The exec of the agent's process.
pub(crate) const AGENT: u64 = 5;

fn at(second: u32) -> At {
    At {
        time: DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::from(second)),
        boot_ns: u64::from(second) * 1_000_000_000,
    }
}

/// A session that is read, and its one connection to a model.
struct World {
    /// The process that has it.
    owner: u64,
    provenance: Provenance,
    history: History,
    exchanges: Exchanges,
}

impl World {
    fn new(capture: Capture) -> Self {
        let (name, host) = ("c1".to_owned(), "api.anthropic.com".to_owned());
        Self {
            owner: AGENT,
            provenance: Provenance::new(capture),
            history: History::new("s1"),
            exchanges: Exchanges::new(name, host, Protocol::Http1, None),
        }
    }

    fn feed(&mut self, side: Side, bytes: &[u8], second: u32) -> Vec<Fact> {
        let mut told = Vec::new();
        let history = &mut self.history;
        history.heard_from(Some(self.owner));
        (self.exchanges).feed(side, bytes, at(second), history, &mut told);
        let ready = told.into_iter().map(|told| Ready::of(told, &|_| [7; 32]));
        let facts = ready.flat_map(|ready| self.provenance.take(ready, Some(self.owner)));
        facts.collect()
    }

    fn asks(&mut self, body: &[u8], second: u32) -> Vec<Fact> {
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.feed(Side::Client, &[head.as_bytes(), body].concat(), second)
    }

    /// The recorded command only says its SQL; a client's in its place runs it.
    fn answers(&mut self, body: &[u8], second: u32) -> Vec<Fact> {
        let body = String::from_utf8_lossy(body).replace("echo ", "snow sql -q ");
        let body = body.as_bytes();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.feed(Side::Server, &[head.as_bytes(), body].concat(), second)
    }

    fn runs(&mut self, sql: &str, ancestors: &[u64], second: u32) -> (Link, Vec<Fact>) {
        self.provenance.arrived(Arrived {
            id: StatementId::new(),
            at: at(second).time,
            sql: Sql::new(sql, None),
            ancestors: ancestors.to_vec(),
            trace_ids: Vec::new(),
            agent_sessions: Vec::new(),
            tag: None,
        })
    }
}

/// A session whose agent was told to ask for [`SQL`], kept as this says.
pub(crate) fn told(capture: Capture) -> Provenance {
    let mut world = World::new(capture);
    world.asks(ASKED[0], 1);
    world.answers(ANSWERED, 2);
    world.provenance
}

/// Has the agent send the result of the use that asked for [`SQL`]; gives the links that follow.
pub(crate) fn returns(provenance: &mut Provenance, text: &str) -> Vec<Link> {
    let mut world = World::new(Capture::LinkOnly);
    std::mem::swap(&mut world.provenance, provenance);
    let tool = serde_json::json!({"type": "tool_use", "id": "toolu_main_1", "name": "Bash", "input": {"command": "x"}});
    let result =
        serde_json::json!({"type": "tool_result", "tool_use_id": "toolu_main_1", "content": text});
    let body = serde_json::json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "how many rows in orders?"},
        {"role": "assistant", "content": [tool]},
        {"role": "user", "content": [result]},
    ]});
    let facts = world.asks(body.to_string().as_bytes(), 9);
    std::mem::swap(&mut world.provenance, provenance);
    let links = facts.into_iter().filter_map(|fact| match fact {
        Fact::Link(link) => Some(*link),
        Fact::Call(_) | Fact::Use(_) | Fact::Args(_) | Fact::Prompt(_) => None,
    });
    links.collect()
}

/// Names what is recorded, in its order.
fn words(facts: &[Fact]) -> Vec<&'static str> {
    let word = |fact: &Fact| match fact {
        Fact::Call(_) => "call",
        Fact::Use(fact) if fact.result.is_some() => "result",
        Fact::Use(_) => "use",
        Fact::Args(_) => "args",
        Fact::Prompt(_) => "prompt",
        Fact::Link(_) => "link",
    };
    facts.iter().map(word).collect()
}

/// What the agent is told to ask for, by its process or one that descends from it.
pub(crate) const SQL: &str = "select count(*) from orders";

#[test]
fn words_are_given_out_once_and_for_a_linked_statement_alone() {
    let mut world = World::new(Capture::LinkOnly);
    assert_eq!(words(&world.asks(ASKED[0], 1)), [""; 0]);
    assert_eq!(words(&world.answers(ANSWERED, 2)), ["use", "call"]);
    let (link, facts) = world.runs(SQL, &[9, AGENT], 3);
    assert_eq!(
        (link.grade, link.tool_call_id.as_deref()),
        (Grade::Proven, Some("toolu_main_1"))
    );
    assert_eq!(words(&facts), ["prompt", "args", "link"]);
    let [Fact::Prompt(prompt), Fact::Args(args), Fact::Link(told)] = &facts[..] else {
        panic!("{facts:?}")
    };
    assert_eq!(prompt.text, "how many rows in orders?");
    assert_eq!(Some(&prompt.key), link.prompt_key.as_ref());
    assert!(args.args.contains(SQL), "{args:?}");
    assert_eq!(**told, link);
    let (_, facts) = world.runs(SQL, &[10, AGENT], 4);
    assert_eq!(words(&facts), ["link"]);
    assert_eq!(words(&world.asks(ASKED[1], 5)), ["result"]);
}

#[test]
fn another_processs_result_closes_no_use_and_hides_none() {
    let mut world = World::new(Capture::LinkOnly);
    world.asks(ASKED[0], 1);
    world.answers(ANSWERED, 2);
    // A command of the agent's sends the agent's own next request, which names the use.
    world.owner = 9;
    assert_eq!(words(&world.asks(ASKED[1], 3)), [""; 0]);
    let (link, _) = world.runs(SQL, &[9, AGENT], 4);
    assert_eq!(link.grade, Grade::Proven);
    let (link, _) = world.runs("select ssn from hr.people", &[9, AGENT], 4);
    assert_eq!((link.grade, link.is_mismatch), (Grade::Possible, true));
    // The agent's own is the first that counts.
    world.owner = AGENT;
    let facts = world.asks(ASKED[1], 5);
    let [Fact::Use(used)] = &facts[..] else {
        panic!("{facts:?}")
    };
    assert_eq!(used.result.map(|seen| seen.at), Some(at(5)));
    let (link, _) = world.runs(SQL, &[9, AGENT], 6);
    assert_eq!(link.grade, Grade::Possible);
}

#[test]
fn a_statement_of_another_process_gives_nothing_out() {
    let mut world = World::new(Capture::LinkOnly);
    world.asks(ASKED[0], 1);
    world.answers(ANSWERED, 2);
    let (link, facts) = world.runs(SQL, &[9, 8], 3);
    assert!(
        link.grade <= Grade::Session && link.prompt_key.is_none(),
        "{link:?}"
    );
    assert_eq!(words(&facts), ["link"]);
}

#[test]
fn all_or_none_of_the_words_are_given_out_where_the_config_says_so() {
    let mut world = World::new(Capture::All);
    assert_eq!(words(&world.asks(ASKED[0], 1)), ["prompt"]);
    assert_eq!(words(&world.answers(ANSWERED, 2)), ["use", "args", "call"]);
    assert_eq!(words(&world.runs(SQL, &[AGENT], 3).1), ["link"]);
    let mut world = World::new(Capture::None);
    world.asks(ASKED[0], 1);
    assert_eq!(words(&world.answers(ANSWERED, 2)), ["use", "call"]);
    let (link, facts) = world.runs(SQL, &[AGENT], 3);
    assert_eq!((link.grade, words(&facts)), (Grade::Proven, vec!["link"]));
}

#[test]
fn secrets_leave_neither_with_prompts_nor_with_arguments() {
    let mut world = World::new(Capture::All);
    let key = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"use {key} now"}}]}}"#);
    let facts = world.asks(body.as_bytes(), 1);
    let [Fact::Prompt(prompt)] = &facts[..] else {
        panic!("{facts:?}")
    };
    assert!(
        !prompt.text.contains(&key) && !prompt.redactions.is_empty(),
        "{prompt:?}"
    );
    let args = ArgsFact::new(
        "c",
        "t",
        format!(r#"{{"command":"export K={key}"}}"#).as_bytes(),
    );
    assert!(!args.args.contains(&key), "{args:?}");
    serde_json::from_str::<serde_json::Value>(&args.args).unwrap();
    let cut = ArgsFact::new("c", "t", br#"{"command":"echo"#);
    assert_eq!(cut.args, r#""{\"command\":\"echo""#);
}

/// The command of the use in `ANSWERED`, or another.
fn telemetry(command: &str) -> Vec<Report> {
    vec![Report {
        tool_call_id: "toolu_main_1".to_owned(),
        command: Some(command.to_owned()),
    }]
}

/// Gives the command that the model asked for.
fn asked_for(facts: &[Fact]) -> String {
    let args = facts.iter().find_map(|fact| match fact {
        Fact::Args(args) => Some(&args.args),
        Fact::Call(_) | Fact::Use(_) | Fact::Prompt(_) | Fact::Link(_) => None,
    });
    let args: serde_json::Value = serde_json::from_str(args.unwrap()).unwrap();
    args["command"].as_str().unwrap().to_owned()
}

fn link(facts: &[Fact]) -> &Link {
    let [Fact::Link(link)] = facts else {
        panic!("{facts:?}")
    };
    link
}

#[test]
fn what_the_agents_process_tells_is_evidence_and_raises_no_grade() {
    let mut world = World::new(Capture::LinkOnly);
    world.asks(ASKED[0], 1);
    world.answers(ANSWERED, 2);
    let (first, facts) = world.runs(SQL, &[9, AGENT], 3);
    let command = asked_for(&facts);
    assert!(!first.evidence.has(Evidence::TELEMETRY));
    // Another process of the session, and one that the kernel does not number.
    for sender in [9, 0] {
        let (outcomes, facts) = world.provenance.heard(telemetry(&command), sender);
        assert_eq!((outcomes, facts), (vec![Outcome::Stranger], vec![]));
    }
    let (_, facts) = world.provenance.heard(telemetry(&command), AGENT);
    let told = link(&facts);
    assert_eq!(told.supersedes.as_ref(), Some(&first.link_id));
    assert_eq!(told.evidence, first.evidence.with(Evidence::TELEMETRY));
    assert_eq!((told.grade, told.is_mismatch), (first.grade, false));
    // It is said once; later statements of the use have it at once.
    assert_eq!(world.provenance.heard(telemetry(&command), AGENT).1, []);
    let (later, _) = world.runs(SQL, &[10, AGENT], 4);
    assert!(later.evidence.has(Evidence::TELEMETRY) && later.grade == first.grade);
}

#[test]
fn telemetry_that_tells_another_command_lowers_the_grade_if_the_agents_process_says_so() {
    let mut world = World::new(Capture::LinkOnly);
    world.asks(ASKED[0], 1);
    world.answers(ANSWERED, 2);
    let (first, _) = world.runs(SQL, &[9, AGENT], 3);
    assert_eq!(world.provenance.heard(telemetry("ls"), 9).1, []);
    let (_, facts) = world.provenance.heard(telemetry("ls"), AGENT);
    let told = link(&facts);
    assert_eq!(told.supersedes.as_ref(), Some(&first.link_id));
    assert_eq!((told.grade, told.is_mismatch), (Grade::Possible, true));
    assert!(!told.evidence.has(Evidence::TELEMETRY));
}

#[test]
fn a_prompt_that_the_launcher_handed_over_is_attested_and_no_other_is() {
    let origin = |prompt: &str| {
        let mut world = World::new(Capture::All);
        let launched = Launched::new([prompt_digest(prompt)]);
        world.provenance = world.provenance.of_launcher(launched);
        let facts = world.asks(ASKED[0], 1);
        let [Fact::Prompt(prompt)] = &facts[..] else {
            panic!("{facts:?}")
        };
        world.answers(ANSWERED, 2);
        let (link, _) = world.runs(SQL, &[9, AGENT], 3);
        assert_eq!(link.prompt_origin, prompt.origin);
        assert_eq!(link.grade, Grade::Proven);
        prompt.origin
    };
    assert_eq!(origin("how many rows in orders?\n"), PromptOrigin::Attested);
    assert_eq!(origin("how many rows in order?"), PromptOrigin::Claimed);
}

fn given(facts: &[Fact]) -> Vec<Given> {
    facts.iter().filter_map(Fact::given).collect()
}

#[test]
fn what_could_not_be_recorded_is_given_out_again() {
    let mut world = World::new(Capture::LinkOnly);
    world.asks(ASKED[0], 1);
    world.answers(ANSWERED, 2);
    let (first, facts) = world.runs(SQL, &[9, AGENT], 3);
    assert_eq!(words(&facts), ["prompt", "args", "link"]);
    world.provenance.take_back(given(&facts));
    let (second, facts) = world.runs(SQL, &[10, AGENT], 4);
    assert_eq!(words(&facts), ["prompt", "args", "link", "link"]);
    let links = facts.iter().filter_map(|fact| match fact {
        Fact::Link(link) => Some(&**link),
        Fact::Call(_) | Fact::Use(_) | Fact::Args(_) | Fact::Prompt(_) => None,
    });
    assert_eq!(links.collect::<Vec<_>>(), [&first, &second]);
    // That went well.
    assert_eq!(words(&world.runs(SQL, &[11, AGENT], 5).1), ["link"]);
    let mut world = World::new(Capture::All);
    let facts = world.asks(ASKED[0], 1);
    world.provenance.take_back(given(&facts));
    assert_eq!(words(&world.answers(ANSWERED, 2)), ["use", "args", "call"]);
    assert_eq!(words(&world.runs(SQL, &[AGENT], 3).1), ["prompt", "link"]);
}

#[test]
fn a_running_session_keeps_no_more_once_the_config_says_so() {
    let mut world = World::new(Capture::All);
    world.asks(ASKED[0], 1);
    world.provenance.keep(Capture::None);
    assert_eq!(words(&world.answers(ANSWERED, 2)), ["use", "call"]);
    let (link, facts) = world.runs(SQL, &[AGENT], 3);
    assert_eq!((link.grade, words(&facts)), (Grade::Proven, vec!["link"]));
    let key = link.prompt_key.unwrap();
    assert_eq!(world.provenance.words(&key), None);
    // What was seen meanwhile stays in memory.
    world.provenance.keep(Capture::LinkOnly);
    assert_eq!(words(&world.runs(SQL, &[AGENT], 4).1), ["link"]);
    let mut world = World::new(Capture::None);
    world.asks(ASKED[0], 1);
    world.provenance.keep(Capture::LinkOnly);
    world.answers(ANSWERED, 2);
    let (link, facts) = world.runs(SQL, &[AGENT], 3);
    assert_eq!(words(&facts), ["args", "link"]);
    assert_eq!(world.provenance.words(&link.prompt_key.unwrap()), None);
}

#[test]
fn a_link_gives_out_the_arguments_of_its_own_use_where_ids_are_used_again() {
    let mut world = World::new(Capture::LinkOnly);
    let calls = |command: &str| {
        let body = serde_json::json!({"id": "x", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null, "tool_calls": [{"id": "call_0", "type": "function", "function": {
                "name": "Bash", "arguments": serde_json::json!({"command": command}).to_string()}}]}}]});
        body.to_string()
    };
    let asks = |world: &mut World, text: &str, second| {
        let body =
            serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]})
                .to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        world.feed(Side::Client, &[head, body].concat().into_bytes(), second)
    };
    let answers = |world: &mut World, command: &str, second| {
        let body = calls(command);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        world.feed(Side::Server, &[head, body].concat().into_bytes(), second)
    };
    asks(&mut world, "one", 1);
    answers(&mut world, &format!("snowsql -q '{SQL}'"), 2);
    asks(&mut world, "two", 3);
    answers(&mut world, "snowsql -q 'select 2 from lineitem'", 4);
    let (link, facts) = world.runs(SQL, &[AGENT], 5);
    assert_eq!(link.tool_call_id.as_deref(), Some("call_0"));
    let args = facts.iter().find_map(|fact| match fact {
        Fact::Args(args) => Some(args),
        Fact::Call(_) | Fact::Use(_) | Fact::Prompt(_) | Fact::Link(_) => None,
    });
    let args = args.unwrap();
    assert!(args.args.contains(SQL), "{args:?}");
    assert_eq!(Some(&args.call), link.llm_call_id.as_ref());
}

/// Another SQL than the model asked for, which is linked no better than D by itself.
const OTHER: &str = "select ssn from hr.people";

#[test]
fn an_answer_is_known_again_also_where_its_statement_was_linked_after_it() {
    const ERROR: &str = "SQL compilation error: object `HR.PEOPLE` does not exist";
    let arrived = |id| Arrived {
        id,
        at: at(3).time,
        sql: Sql::new(OTHER, None),
        ancestors: vec![9, AGENT],
        trace_ids: Vec::new(),
        agent_sessions: Vec::new(),
        tag: None,
    };
    let delivered = Delivered {
        error: Some(ERROR.to_owned()),
        ..Delivered::default()
    };
    for (is_early, is_late) in [(false, false), (false, true), (true, true)] {
        let mut provenance = told(Capture::LinkOnly);
        let id = StatementId::new();
        if is_early {
            // Others' answers, whose statements are never linked, take no room for good.
            for _ in 0..2 * EARLY_MAX {
                provenance.delivered(StatementId::new(), &delivered);
            }
            provenance.delivered(id, &delivered);
            assert_eq!(provenance.early.len(), EARLY_MAX);
        }
        if is_late {
            assert_eq!(
                words(&provenance.arrived_late(arrived(id))).last(),
                Some(&"link")
            );
        } else {
            provenance.arrived(arrived(id));
        }
        if !is_early {
            provenance.delivered(id, &delivered);
        }
        let links = returns(&mut provenance, &format!("error: {ERROR}"));
        let is_echo = |link: &Link| link.statement_id == id && link.evidence.has(Evidence::ECHO);
        assert!(links.iter().any(is_echo), "{is_early} {is_late}: {links:?}");
    }
}
