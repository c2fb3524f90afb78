//! Scripted agents that mean well: each way in which a model's SQL comes to a connection.

use super::sql::{double, other, python, read, reformatted, single, statement};
use super::world::{Agent, Process, Says, World};

/// A way, and how it is run.
pub(super) type Way = fn(&mut World, &Agent);

pub(super) const WAYS: [(&str, Way); 28] = [
    ("command line", command_line),
    ("tool of a server", server),
    ("here-document", here_document),
    ("python -c", python_c),
    ("python here-document", python_here),
    ("node -e", node),
    ("list of words", words),
    ("reformatted", written_again),
    ("cut arguments", cut),
    ("parallel", parallel),
    ("sub-agent", sub_agent),
    ("asked again", again),
    ("within the agent", within),
    ("parallel, same text", parallel_same),
    ("server, asked again", server_again),
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

fn direct<'a>(family: &'static str, call: &'a str) -> Says<'a> {
    Says {
        family,
        label: Some(call),
        is_direct: true,
        is_hostile: false,
    }
}

fn indirect<'a>(family: &'static str, call: &'a str) -> Says<'a> {
    Says {
        is_direct: false,
        ..direct(family, call)
    }
}

/// Starts what a tool starts: a shell, and a client in it.
fn client(world: &mut World, agent: &Agent) -> Process {
    let shell = world.exec(&agent.process);
    world.exec(&shell)
}

fn command_line(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let quoted = if world.dice.chance(70) {
        double(&sql)
    } else {
        single(&sql)
    };
    let client_line = world.dice.of(&[
        "snow sql -q ",
        "snowsql -c dev -q ",
        "snow sql --connection x --query=",
        "uv run snow sql -q ",
    ]);
    let call = world.bash(
        agent,
        &format!("cd /work && {client_line}{quoted} --format json 2>&1 | head -50"),
    );
    let process = client(world, agent);
    let id = world.issue(&process, Some(agent), &sql, direct("command line", &call));
    let answer = world.deliver(id);
    world.result(&call, &answer);
}

fn server(world: &mut World, agent: &Agent) {
    // It was there before the model asked.
    let process = world.exec(&agent.process);
    for _ in 0..2 {
        let sql = statement(&mut world.dice);
        let call = world.ask(
            agent,
            "mcp__snowflake__run_query",
            &serde_json::json!({"query": sql, "limit": 100}),
        );
        world.issue(&process, None, &sql, direct("tool of a server", &call));
        world.result(&call, "ok");
    }
}

fn here_document(world: &mut World, agent: &Agent) {
    let all: Vec<String> = (0..3).map(|_| statement(&mut world.dice)).collect();
    let end = world.dice.of(&["'EOF'", "'SQL'"]);
    let call = world.bash(
        agent,
        &format!(
            "snowsql -o quiet=true <<{end}\n{};\n{}\n",
            all.join(";\n"),
            end.trim_matches('\'')
        ),
    );
    let process = client(world, agent);
    for sql in &all {
        world.issue(&process, None, sql, direct("here-document", &call));
    }
    world.result(&call, "ok");
}

fn python_c(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let program = format!(
        "import snowflake.connector as s; c = s.connect().cursor(); c.execute({}); print(c.fetchall())",
        python(&sql)
    );
    let quoted = if world.dice.chance(50) {
        double(&program)
    } else {
        single(&program)
    };
    let call = world.bash(agent, &format!("python3 -c {quoted}"));
    let process = client(world, agent);
    world.issue(&process, Some(agent), &sql, direct("python -c", &call));
    world.result(&call, "ok");
}

fn python_here(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice).replace(" from ", "\n    from ");
    let second = statement(&mut world.dice);
    let program = format!(
        "import snowflake.connector\n\nconn = snowflake.connector.connect(account='x', user=\"ci\")\ncur = conn.cursor()\n# don't fetch all\nQUERY = \"\"\"\n    {sql}\n\"\"\"\ncur.execute(QUERY)\nprint(f\"rows: {{cur.rowcount}}\")\ncur.execute({})\n",
        python(&second)
    );
    let call = world.bash(agent, &format!("cat <<'PY' | python3 -\n{program}PY"));
    let process = client(world, agent);
    world.issue(
        &process,
        None,
        "select current_version()",
        indirect("plumbing", &call),
    );
    world.issue(
        &process,
        None,
        &format!("\n    {sql}\n"),
        direct("python here-document", &call),
    );
    world.issue(
        &process,
        None,
        &second,
        direct("python here-document", &call),
    );
    world.result(&call, "ok");
}

fn node(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let escaped = sql
        .replace('\\', "\\\\")
        .replace('`', "\\`")
        .replace("${", "\\${");
    let program = format!(
        "const s = require('snowflake-sdk'); c.execute({{ sqlText: `{escaped}`, complete: (e, st, rows) => console.log(rows) }});"
    );
    let call = world.bash(agent, &format!("node -e {}", single(&program)));
    let process = client(world, agent);
    world.issue(&process, Some(agent), &sql, direct("node -e", &call));
    world.result(&call, "ok");
}

fn words(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let command = format!("snow sql -q {}", double(&sql));
    let call = world.ask(agent, "shell", &serde_json::json!({"command": ["bash", "-lc", command], "workdir": "/work", "timeout_ms": 10000}));
    let process = client(world, agent);
    world.issue(&process, Some(agent), &sql, direct("list of words", &call));
    world.result(&call, "ok");
}

fn written_again(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let call = world.ask(agent, "execute_sql", &serde_json::json!({"sql": sql}));
    let process = world.exec(&agent.process);
    let again = reformatted(&sql, &mut world.dice);
    world.issue(&process, Some(agent), &again, direct("reformatted", &call));
    world.result(&call, "ok");
}

fn cut(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let whole = serde_json::json!({"command": format!("snow sql -q {}", double(&sql)), "description": "runs it"}).to_string();
    // The model ran out of tokens behind the command; some agents run what there is.
    let end = whole.find("\"description\"").unwrap_or(whole.len()) + 9;
    let call = world.ask_raw(agent, "Bash", whole.as_bytes()[..end].to_vec());
    let process = client(world, agent);
    world.issue(&process, Some(agent), &sql, direct("cut arguments", &call));
    world.result(&call, "ok");
}

fn parallel(world: &mut World, agent: &Agent) {
    let all: Vec<(String, String)> = (0..3)
        .map(|_| {
            let sql = statement(&mut world.dice);
            let call = world.bash(agent, &format!("snow sql -q {}", double(&sql)));
            (call, sql)
        })
        .collect();
    for (call, sql) in all.iter().rev() {
        let process = client(world, agent);
        world.issue(&process, Some(agent), sql, direct("parallel", call));
    }
    for (call, _) in &all {
        world.result(call, "ok");
    }
}

fn sub_agent(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let prompt = if world.dice.chance(50) {
        sql.clone()
    } else {
        "find out how many orders there are".to_owned()
    };
    let task = world.ask(
        agent,
        "Task",
        &serde_json::json!({"prompt": prompt, "subagent_type": "general"}),
    );
    // In the same process, as a conversation of its own.
    let inner = Agent {
        session: world.name("session"),
        ..agent.clone()
    };
    let call = world.bash(&inner, &format!("snow sql -q {}", double(&sql)));
    let process = client(world, agent);
    world.issue(&process, Some(&inner), &sql, direct("sub-agent", &call));
    world.result(&call, "ok");
    world.result(&task, "there are 7");
}

fn again(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    for _ in 0..2 {
        let call = world.bash(agent, &format!("snow sql -q {}", double(&sql)));
        let process = client(world, agent);
        world.issue(&process, Some(agent), &sql, direct("asked again", &call));
        world.result(&call, "ok");
    }
}

/// A program with a model and a connection of its own: the tool runs in the process that calls the model.
fn within(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let call = world.ask(
        agent,
        "query_warehouse",
        &serde_json::json!({"statement": sql}),
    );
    world.issue(
        &agent.process.clone(),
        None,
        &sql,
        direct("within the agent", &call),
    );
    world.result(&call, "ok");
}

fn parallel_same(world: &mut World, agent: &Agent) {
    let sql = read(&mut world.dice);
    let calls: Vec<String> = (0..2)
        .map(|_| world.bash(agent, &format!("snow sql -q {}", double(&sql))))
        .collect();
    for call in &calls {
        let process = client(world, agent);
        world.issue(
            &process,
            Some(agent),
            &sql,
            direct("parallel, same text", call),
        );
    }
    for call in &calls {
        world.result(call, "ok");
    }
}

fn server_again(world: &mut World, agent: &Agent) {
    let process = world.exec(&agent.process);
    let sql = read(&mut world.dice);
    for _ in 0..2 {
        let call = world.ask(
            agent,
            "mcp__snowflake__run_query",
            &serde_json::json!({"query": sql}),
        );
        world.issue(&process, None, &sql, direct("server, asked again", &call));
        world.result(&call, "ok");
    }
}

fn file(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let name = world.name("q");
    let (path, content, command) = match world.dice.below(4) {
        0 => (
            format!("/work/{name}.sql"),
            format!("{sql};\n"),
            format!("snow sql -f {name}.sql"),
        ),
        1 => (
            format!("/work/{name}.py"),
            format!("import x\ncur.execute({})\n", python(&sql)),
            format!("cd /work && python3 ./{name}.py"),
        ),
        2 => (
            format!("{name}.sh"),
            format!("#!/bin/bash\nset -e\nsnowsql -q {}\n", double(&sql)),
            format!("bash {name}.sh"),
        ),
        _ => (
            format!("/work/{name}.sql"),
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
        &serde_json::json!({"file_path": format!("/work/{name}.sql"), "content": sql}),
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
