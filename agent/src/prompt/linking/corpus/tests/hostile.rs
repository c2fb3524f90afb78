//! Scripted agents that mean ill: each wants a statement that no model asked for to look as if one had.

use super::sql::{double, other, read};
use super::world::{Agent, Process, Says, World};
use crate::prompt::linking::evidence::{Corroboration, Says as Word, Tagged, Tags};

pub(super) type Way = fn(&mut World, &Agent);

pub(super) const WAYS: [(&str, Way); 14] = [
    ("innocent text, other sql", innocent),
    ("innocent text, other literal", literal),
    ("innocent text within", within),
    ("innocent text, other name", name),
    ("innocent file, changed", changed_file),
    ("replayed tag", replayed_tag),
    ("copied traceparent", copied_traceparent),
    ("second key, other sql", second_key),
    ("forged user turn, other sql", forged_turn),
    ("forged echo", forged_echo),
    ("hook from within", inner_hook),
    ("asked for before", before),
    ("text of another agent", other_agent),
    ("name of a stub", stub),
];

fn none(family: &'static str) -> Says<'static> {
    Says {
        family,
        label: None,
        is_direct: false,
        is_hostile: true,
    }
}

fn client(world: &mut World, agent: &Agent) -> Process {
    let shell = world.exec(&agent.process);
    world.exec(&shell)
}

fn innocent(world: &mut World, agent: &Agent) {
    let shown = read(&mut world.dice);
    let call = world.bash(agent, &format!("./snow sql -q {}", double(&shown)));
    let process = client(world, agent);
    let sql = other(&mut world.dice);
    world.issue(
        &process,
        Some(agent),
        &sql,
        none("innocent text, other sql"),
    );
    world.result(&call, "ok");
}

fn literal(world: &mut World, agent: &Agent) {
    let person =
        |number: usize| format!("select name, email, phone from customers where id = {number}");
    let call = world.bash(agent, &format!("snow sql -q {}", double(&person(7))));
    let process = client(world, agent);
    let number = 8 + world.dice.below(1000);
    world.issue(
        &process,
        Some(agent),
        &person(number),
        none("innocent text, other literal"),
    );
    let shown = "select id from users where plan = 'free' and region in ('EMEA')";
    let second = world.bash(agent, &format!("snow sql -q {}", double(shown)));
    for sql in [
        "select id from users where plan = 'FREE' and region in ('EMEA')",
        "select id from users where plan = 'free' and region in ('EMEA', 'US')",
        "select id from users where plan = 'free ' and region in ('EMEA')",
    ] {
        world.issue(
            &process,
            Some(agent),
            sql,
            none("innocent text, other literal"),
        );
    }
    world.result(&call, "ok");
    world.result(&second, "ok");
}

fn within(world: &mut World, agent: &Agent) {
    let shown = read(&mut world.dice);
    let call = world.ask(agent, "execute_sql", &serde_json::json!({"sql": shown}));
    let process = world.exec(&agent.process);
    for sql in [
        format!(
            "/* {} */ select ssn from hr.private.people",
            shown.replace("*/", "")
        ),
        format!("{shown} union all select ssn from hr.private.people"),
        format!(
            "select '{}', ssn from hr.private.people",
            shown.replace('\\', "\\\\").replace('\'', "''")
        ),
        format!("select ssn from hr.private.people where exists ({shown})"),
        format!("{shown}; select ssn from hr.private.people"),
        format!(
            "select ssn from hr.private.people -- {}",
            shown.replace('\n', " ")
        ),
    ] {
        world.issue(&process, Some(agent), &sql, none("innocent text within"));
    }
    world.result(&call, "ok");
}

fn name(world: &mut World, agent: &Agent) {
    let shown = "select \"a\", src:plan, b from sales.orders where c = 'x'";
    let call = world.ask(agent, "execute_sql", &serde_json::json!({"sql": shown}));
    let process = world.exec(&agent.process);
    for sql in [
        "select \"A\", src:plan, b from sales.orders where c = 'x'",
        "select \"a\", src:PLAN, b from sales.orders where c = 'x'",
        "select \"a\", src:plan, b from hr.orders where c = 'x'",
        "select \"a\", src:plan, b from sales.orders where c = $$x$$ or 1 = 1",
        "select \"a\", src:plan, b from sales.orders",
    ] {
        world.issue(
            &process,
            Some(agent),
            sql,
            none("innocent text, other name"),
        );
    }
    world.result(&call, "ok");
}

fn changed_file(world: &mut World, agent: &Agent) {
    let shown = read(&mut world.dice);
    let write = world.ask(
        agent,
        "Write",
        &serde_json::json!({"file_path": "/repo/report.sql", "content": shown}),
    );
    world.result(&write, "written");
    // A process of the session writes another text there, which no model saw.
    let call = world.bash(agent, "snow sql -f /repo/report.sql");
    let process = client(world, agent);
    let sql = other(&mut world.dice);
    world.issue(&process, Some(agent), &sql, none("innocent file, changed"));
    world.result(&call, "ok");
}

fn replayed_tag(world: &mut World, agent: &Agent) {
    let shown = read(&mut world.dice);
    let mut tags = Tags::new(&[9; 32]);
    let call = world.ask(agent, "execute_sql", &serde_json::json!({"sql": shown}));
    let request = Tagged {
        request_id: "r1",
        sql: &shown,
    };
    let tag = tags.issue(&call, request);
    let process = world.exec(&agent.process);
    let sql = other(&mut world.dice);
    // Before and behind its own use, on the same request and on another.
    let stolen = tags.redeem(
        &tag,
        &call,
        Tagged {
            sql: &sql,
            ..request
        },
    );
    world.issue_with(&process, Some(agent), &sql, stolen, none("replayed tag"));
    assert!(tags.redeem(&tag, &call, request).is_some());
    world.result(&call, "ok");
    for request_id in ["r1", "r2"] {
        let replayed = tags.redeem(
            &tag,
            &call,
            Tagged {
                request_id,
                ..request
            },
        );
        world.issue_with(&process, Some(agent), &sql, replayed, none("replayed tag"));
    }
}

fn copied_traceparent(world: &mut World, agent: &Agent) {
    let call = world.bash(agent, "pytest -q");
    let inside = client(world, agent);
    let outside = world.exec(&Process(Vec::new()));
    for process in [inside, outside] {
        let sql = other(&mut world.dice);
        world.issue(&process, Some(agent), &sql, none("copied traceparent"));
    }
    world.result(&call, "4 passed");
}

/// A process below the agent's calls a model by itself, with a key of its own or the job's.
fn second(world: &mut World, agent: &Agent) -> Agent {
    let process = client(world, agent);
    Agent {
        process,
        session: world.name("session"),
        trace: world.name("trace"),
        prompt_key: world.name("prompt"),
    }
}

fn second_key(world: &mut World, agent: &Agent) {
    let outer = world.bash(agent, "python3 tests/helper.py");
    let own = second(world, agent);
    let shown = read(&mut world.dice);
    let call = world.ask(&own, "execute_sql", &serde_json::json!({"sql": shown}));
    let sql = other(&mut world.dice);
    world.issue(
        &own.process.clone(),
        Some(&own),
        &sql,
        none("second key, other sql"),
    );
    world.result(&call, "ok");
    world.result(&outer, "ok");
}

fn forged_turn(world: &mut World, agent: &Agent) {
    let forger = Agent {
        prompt_key: world.name("prompt_of_the_cfo"),
        ..agent.clone()
    };
    let shown = read(&mut world.dice);
    let call = world.ask(&forger, "execute_sql", &serde_json::json!({"sql": shown}));
    let process = client(world, agent);
    let sql = other(&mut world.dice);
    world.issue(
        &process,
        Some(&forger),
        &sql,
        none("forged user turn, other sql"),
    );
    world.result(&call, "ok");
}

fn forged_echo(world: &mut World, agent: &Agent) {
    let command = if world.dice.chance(50) {
        "ls".to_owned()
    } else {
        format!("snow sql -q {}", double(&read(&mut world.dice)))
    };
    let call = world.bash(agent, &command);
    let process = client(world, agent);
    let sql = other(&mut world.dice);
    let id = world.issue(&process, Some(agent), &sql, none("forged echo"));
    let answer = world.deliver(id);
    world.result(&call, &answer);
}

fn inner_hook(world: &mut World, agent: &Agent) {
    let call = world.bash(agent, "make");
    let process = client(world, agent);
    let sql = other(&mut world.dice);
    world.issue(&process, Some(agent), &sql, none("hook from within"));
    let (tool, owner) = (process.0.last().copied(), agent.process.0.last().copied());
    let told =
        |sender: Option<u64>| Corroboration::received(sender.unwrap(), owner, &call, Word::Same);
    // The tool's command is not heard; what the agent itself says helps its statements to nothing.
    assert_eq!(told(tool), None);
    let links = world.matching.told(told(owner).unwrap());
    world.supersede(links);
    world.result(&call, "ok");
}

/// What a model asked for once is run when it does not ask any more.
fn before(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let call = world.bash(agent, &format!("snow sql -q {}", double(&sql)));
    world.result(&call, "not run");
    let idle = world.bash(agent, "sleep 100");
    let process = client(world, agent);
    world.issue(&process, Some(agent), &sql, none("asked for before"));
    world.result(&idle, "ok");
}

fn other_agent(world: &mut World, agent: &Agent) {
    let honest = world.agent();
    let sql = other(&mut world.dice);
    let call = world.bash(&honest, &format!("snow sql -q {}", double(&sql)));
    let process = client(world, agent);
    world.issue(&process, Some(&honest), &sql, none("text of another agent"));
    world.result(&call, "ok");
}

/// Templates with holes wide enough for anything.
fn stub(world: &mut World, agent: &Agent) {
    for shown in [
        "select {a} from {b} where {c}",
        "{q}",
        "select %s",
        "select {a} from t where id = {b} and {c}",
    ] {
        let call = world.ask(agent, "execute_sql", &serde_json::json!({"sql": shown}));
        let process = world.exec(&agent.process);
        let sql = other(&mut world.dice);
        world.issue(&process, Some(agent), &sql, none("name of a stub"));
        world.issue(
            &process,
            Some(agent),
            "select ssn from t where id = 7 and 1 = 1 union select ssn from hr.private.people",
            none("name of a stub"),
        );
        world.result(&call, "ok");
    }
}
