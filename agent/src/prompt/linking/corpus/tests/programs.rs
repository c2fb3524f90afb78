//! Scripted agents that mean well, and whose SQL comes another way: by files, programs, jobs, and from elsewhere.

use super::agents::{Way, client, direct, indirect};
use super::sql::{double, other, python, read, single, statement};
use super::world::{Agent, Process, Says, World};

pub(super) const WAYS: [(&str, Way); 13] = [
    ("file", file),
    ("file by another command", file_unnamed),
    ("loop", looped),
    ("placeholders", placeholders),
    ("wrapped by a client", wrapped),
    ("put together", put_together),
    ("orm", orm),
    ("dbt", dbt),
    ("plumbing", plumbing),
    ("background", background),
    ("crossed", crossed),
    ("container", container),
    ("no agent", no_agent),
];

fn file(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let name = world.name("q");
    let (path, content, command) = match world.dice.below(4) {
        0 => (
            format!("/repo/{name}.sql"),
            format!("{sql};\n"),
            format!("snow sql -f {name}.sql"),
        ),
        1 => (
            format!("/repo/{name}.py"),
            format!("import x\ncur.execute({})\n", python(&sql)),
            format!("cd /repo && python3 ./{name}.py"),
        ),
        2 => (
            format!("{name}.sh"),
            format!("#!/bin/bash\nset -e\nsnowsql -q {}\n", double(&sql)),
            format!("bash {name}.sh"),
        ),
        _ => (
            format!("/repo/{name}.sql"),
            sql.clone(),
            format!("python3 run_query.py --file={name}.sql"),
        ),
    };
    if world.dice.chance(50) {
        let write = world.ask(
            agent,
            "Write",
            &serde_json::json!({"file_path": path, "content": content}),
        );
        world.result(&write, "written");
    } else {
        let added: String = content.lines().map(|line| format!("+{line}\n")).collect();
        let patch = format!("*** Begin Patch\n*** Add File: {path}\n{added}*** End Patch\n");
        let write = world.ask(agent, "apply_patch", &serde_json::json!({"input": patch}));
        world.result(&write, "written");
    }
    let call = world.bash(agent, &command);
    let process = client(world, agent);
    world.issue(&process, Some(agent), &sql, indirect("file", &call));
    world.result(&call, "ok");
}

fn file_unnamed(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let name = world.name("q");
    let write = world.ask(
        agent,
        "Write",
        &serde_json::json!({"file_path": format!("/repo/{name}.sql"), "content": sql}),
    );
    world.result(&write, "written");
    let call = world.bash(agent, "make report");
    let process = client(world, agent);
    world.issue(
        &process,
        Some(agent),
        &sql,
        indirect("file by another command", &call),
    );
    world.result(&call, "ok");
}

fn looped(world: &mut World, agent: &Agent) {
    let program = "for i in ids:\n    cur.execute(f\"select amount, region from orders where customer_id = {i} and status = 'open'\")\n";
    let call = world.bash(agent, &format!("python3 - <<'EOF'\n{program}EOF"));
    let process = client(world, agent);
    for _ in 0..4 {
        let sql = format!(
            "select amount, region from orders where customer_id = {} and status = 'open'",
            world.dice.below(1000)
        );
        world.issue(&process, Some(agent), &sql, indirect("loop", &call));
    }
    world.result(&call, "ok");
}

fn placeholders(world: &mut World, agent: &Agent) {
    let program = "cur.execute('select id, email from customers where region = %s and plan = %(plan)s order by id', p)";
    let call = world.bash(agent, &format!("python3 -c {}", double(program)));
    let process = client(world, agent);
    let sql = format!(
        "select id, email from customers where region = '{}' and plan = 'pro' order by id",
        world.dice.of(&["EMEA", "US"])
    );
    world.issue(&process, Some(agent), &sql, indirect("placeholders", &call));
    world.result(&call, "ok");
}

fn wrapped(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let call = world.ask(
        agent,
        "mcp__snowflake__run_query",
        &serde_json::json!({"query": sql}),
    );
    let process = world.exec(&agent.process);
    world.issue(
        &process,
        Some(agent),
        &format!("SELECT * FROM ({sql}) AS q LIMIT 100"),
        indirect("wrapped by a client", &call),
    );
    world.result(&call, "ok");
}

fn put_together(world: &mut World, agent: &Agent) {
    let program = "q = 'select id, ' + cols\nq += ' from ' + table\nif day:\n    q += ' where created_at >= ' + repr(day)\ncur.execute(q)\n";
    let call = world.bash(agent, &format!("python3 - <<'EOF'\n{program}EOF"));
    let process = client(world, agent);
    let sql = format!(
        "select id, amount from orders where created_at >= '2024-{:02}-01'",
        1 + world.dice.below(12)
    );
    let id = world.issue(&process, Some(agent), &sql, indirect("put together", &call));
    let answer = world.deliver(id);
    world.result(&call, &answer);
}

fn orm(world: &mut World, agent: &Agent) {
    let call = world.bash(agent, "python3 -c \"from app import *; print([o.id for o in session.query(Order).filter(Order.total > 5)])\"");
    let process = client(world, agent);
    let id = world.issue(&process, Some(agent), "SELECT orders.id AS orders_id, orders.total AS orders_total FROM orders WHERE orders.total > 5", indirect("orm", &call));
    let answer = world.deliver(id);
    let shown = if world.dice.chance(60) {
        answer
    } else {
        "done".to_owned()
    };
    world.result(&call, &shown);
}

fn dbt(world: &mut World, agent: &Agent) {
    let call = world.bash(agent, "dbt run --select marts 2>&1 | tail -5");
    let process = client(world, agent);
    for _ in 0..3 {
        let sql = format!(
            "create or replace transient table marts.m_{} as ({})",
            world.dice.below(50),
            read(&mut world.dice)
        );
        world.issue(&process, Some(agent), &sql, indirect("dbt", &call));
    }
    world.result(&call, "Completed successfully");
}

fn plumbing(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let call = world.bash(agent, &format!("snow sql -q {}", double(&sql)));
    let process = client(world, agent);
    for text in [
        "alter session set timezone = 'UTC'",
        "use warehouse reporting",
    ] {
        world.issue(&process, Some(agent), text, indirect("plumbing", &call));
    }
    world.issue(&process, Some(agent), &sql, direct("command line", &call));
    world.result(&call, "ok");
}

/// A job that goes on once the tool has given its result, while another command runs.
fn background(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let call = world.bash(
        agent,
        &format!(
            "nohup sh -c {} > /dev/null 2>&1 &",
            single(&format!(
                "while sleep 60; do snow sql -q {}; done",
                double(&sql)
            ))
        ),
    );
    let job = world.exec(&agent.process);
    world.result(&call, "[1] 4711");
    let process = world.exec(&job);
    world.issue(&process, Some(agent), &sql, indirect("background", &call));
    // The next one may be another command, or the same query once more while the job still runs.
    let same = world.dice.chance(30);
    let command = if same {
        format!("snow sql -q {}", double(&sql))
    } else {
        "sleep 30; tail job.log".to_owned()
    };
    let next = world.bash(agent, &command);
    let process = world.exec(&job);
    world.issue(&process, Some(agent), &sql, indirect("background", &call));
    world.result(&next, "ok");
}

/// A program of one use happens to issue what another use holds.
fn crossed(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let program = world.bash(agent, "python3 nightly/refresh.py");
    // It was running when the other use was asked for; in one round it had not begun, which nothing can tell apart.
    let is_late = world.seed == 3;
    let early = client(world, agent);
    let call = world.bash(agent, &format!("snow sql -q {}", double(&sql)));
    let process = if is_late { client(world, agent) } else { early };
    world.issue(&process, Some(agent), &sql, indirect("crossed", &program));
    let own = client(world, agent);
    world.issue(&own, Some(agent), &sql, direct("crossed", &call));
    world.result(&program, "ok");
    world.result(&call, "ok");
}

fn container(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let call = world.bash(
        agent,
        &format!("docker exec app snow sql -q {}", double(&sql)),
    );
    // Started by the container's own daemon: it descends from nothing here.
    let process = world.exec(&Process(Vec::new()));
    world.issue(&process, Some(agent), &sql, indirect("container", &call));
    world.result(&call, "ok");
}

fn no_agent(world: &mut World, _agent: &Agent) {
    let process = world.exec(&Process(Vec::new()));
    let says = Says {
        family: "no agent",
        label: None,
        is_direct: false,
        is_hostile: false,
    };
    let sql = if world.dice.chance(50) {
        read(&mut world.dice)
    } else {
        other(&mut world.dice)
    };
    world.issue(&process, None, &sql, says);
}
