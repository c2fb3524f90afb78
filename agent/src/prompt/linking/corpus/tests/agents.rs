//! Scripted agents that mean well, and whose SQL stands in the arguments: each way in which it comes to a connection.

use super::sql::{double, python, read, reformatted, single, statement};
use super::world::{Agent, Process, Says, World};

/// A way, and how it is run.
pub(super) type Way = fn(&mut World, &Agent);

pub(super) const WAYS: [(&str, Way); 16] = [
    ("command line", command_line),
    ("tool of a server", server),
    ("here-document", here_document),
    ("file in one command", file_at_once),
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
];

pub(super) fn direct<'a>(family: &'static str, call: &'a str) -> Says<'a> {
    Says {
        family,
        label: Some(call),
        is_direct: true,
        is_hostile: false,
    }
}

pub(super) fn indirect<'a>(family: &'static str, call: &'a str) -> Says<'a> {
    Says {
        is_direct: false,
        ..direct(family, call)
    }
}

/// Starts what a tool starts: a shell, and a client in it.
pub(super) fn client(world: &mut World, agent: &Agent) -> Process {
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
        &format!("cd /repo && {client_line}{quoted} --format json 2>&1 | head -50"),
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

fn file_at_once(world: &mut World, agent: &Agent) {
    let sql = statement(&mut world.dice);
    let name = world.name("q");
    let program = format!("import x\nx.cursor().execute({})\n", python(&sql));
    let call = world.bash(
        agent,
        &format!("cat > /tmp/{name}.py << 'EOF'\n{program}EOF\ncd /tmp && python3 {name}.py"),
    );
    let process = client(world, agent);
    world.issue(
        &process,
        Some(agent),
        &sql,
        direct("file in one command", &call),
    );
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
    let shown = sql.replace('\\', "\\\\");
    let program = format!(
        "import snowflake.connector\n\nconn = snowflake.connector.connect(account='x', user=\"ci\")\ncur = conn.cursor()\n# don't fetch all\nQUERY = \"\"\"\n    {shown}\n\"\"\"\ncur.execute(QUERY)\nprint(f\"rows: {{cur.rowcount}}\")\ncur.execute({})\n",
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
    let call = world.ask(agent, "shell", &serde_json::json!({"command": ["bash", "-lc", command], "workdir": "/repo", "timeout_ms": 10000}));
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
