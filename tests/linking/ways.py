"""Ways that are more than one command: files written before, servers' tools, jobs in the background, several at once."""

import json
import os

import programs
import shells
from case import SHOP
from programs import CONNECT, triple
from shells import double, here, single


def command(s, d, direct=True):
    """Gives one of the commands, for cases in which it does not matter which."""
    return d.choice([shells.DIRECT["snow, double quotes"], shells.DIRECT["here-string"], programs.DIRECT["py, triple quotes"]])(s, d)


# Tools that take SQL, and whose servers were there before.
TOOLS = [
    ("mcp__warehouse__run_sql", lambda s: {"sql": s}),
    ("mcp__snowflake_local__query", lambda s: {"query": s, "max_rows": 200}),
    ("snowflake.execute", lambda s: {"statement": s, "bindings": [], "warehouse": "WH"}),
    ("mcp__db__batch", lambda s: {"statements": [{"text": s, "name": "first"}]}),
    ("call_tool", lambda s: {"server": "snowflake", "tool": "run", "arguments": json.dumps({"sql": s}, ensure_ascii=False)}),
    ("use_mcp_tool", lambda s: {"server_name": "snowflake", "arguments": {"params": {"q": s}}}),
    ("mcp__jupyter__execute_code", lambda s: {"code": "import pandas as pd\ndf = pd.read_sql(" + triple(s) + ", conn)\ndf.head()"}),
    ("mcp__jupyter__execute_cell", lambda s: {"source": "%%sql\n" + s}),
]


def server(case):
    process = case.process()
    for _ in range(2):
        sql = case.writer.any()
        tool, arguments = case.dice.choice(TOOLS)
        call = case.ask(tool, arguments(sql))
        case.issue(process, sql, call, True, None)
        case.result(call)


def server_sends_it_otherwise(case):
    process = case.process()
    sql = case.writer.one()
    call = case.ask("mcp__warehouse__run_sql", {"sql": sql + ";"})
    sent = case.dice.choice([f"/* mcp */ {sql}", f"{sql}\n", sql.replace(" from ", "\n  from "), sql.replace("select ", "SELECT ").replace(" where ", " WHERE ")])
    case.issue(process, sent, call, True, None)
    case.result(call)


def server_adds_a_limit(case):
    process = case.process()
    sql = case.writer.one()
    call = case.ask("mcp__warehouse__run_sql", {"sql": sql})
    case.issue(process, case.dice.choice([f"{sql}\nLIMIT 1000", f"select * from ({sql}) limit 1000"]), call, False, None)
    case.result(call)


def several(case):
    """Several statements in one text."""
    all = [case.writer.any() for _ in range(3)]
    text = ";\n".join(all) + ";"
    made = case.dice.choice([
        f"snow sql -q {double(text)}",
        f"snowsql {here(text)}",
        f"cat > all.sql {here(text)}\nsnow sql -f all.sql --format json",
        programs.script(f"{CONNECT}for c in conn.execute_string({triple(text)}):\n    print(c.fetchall())", case.dice),
    ])
    case.use(made, True)


def twice(case):
    """A driver sends it again."""
    sql = case.writer.one()
    case.use(f"snow sql -q {double(sql)} > /dev/null; snow sql -q {double(sql)}", True)


def file_before(case):
    sql = case.writer.any()
    d = case.dice
    path, content, run = d.choice([
        ("sql/report.sql", sql + ";\n", "snow sql -f sql/report.sql"),
        ("report.sql", sql + "\n", 'snow sql -q "$(cat report.sql)"'),
        ("q/report.sql", sql, f"snowsql -f {SHOP}/q/report.sql -o output_format=json"),
        ("report.sql", sql, "snow sql -i < report.sql"),
        ("report.sql", sql, "cat report.sql | snow sql -i"),
        ("report.sql", sql, "python3 run.py --file report.sql"),
        ("ask.py", f"{CONNECT}print(cur.execute({triple(sql)}).fetchall())\n", "python3 ask.py"),
        ("src/ask.py", f"{CONNECT}SQL = {triple(sql)}\n\n\ndef main():\n    print(cur.execute(SQL).fetchall())\n\n\nmain()\n", "cd src && PYTHONPATH=$PYTHONPATH python3 -m ask"),
        ("ask.sh", f"#!/usr/bin/env bash\nset -euo pipefail\nsnow sql -q {double(sql)}\n", "chmod +x ask.sh && ./ask.sh"),
        ("ask.cjs", programs.NODE + f"c.execute({{ sqlText: {programs.template(sql)}, complete: () => {{}} }});\n", "node ./ask.cjs"),
    ])
    case.write(path, content)
    case.use(run, False)


def document_before(case):
    sql = case.writer.any()
    path, content, run = case.dice.choice([
        ("q.json", json.dumps({"queries": [{"name": "a", "sql": sql}]}, indent=2), "python3 run_json.py q.json"),
        ("checks.yml", "checks:\n  - name: a\n    sql: |\n" + programs.indented(sql, "      ") + "\n", "python3 run_yaml.py checks.yml"),
        ("notes.md", f"# Report\n\nHow many there are:\n\n```sql\n{sql}\n```\n", "python3 run_md.py notes.md"),
        ("q.env", f"QUERY={single(sql)}\n", "set -a; . ./q.env; python3 run_env.py"),
        ("Makefile", "report:\n\t@snow sql -q " + single(sql.replace("\n", " ")).replace("$", "$$") + "\n", "make -s report"),
    ])
    if path == "Makefile" and ("--" in sql or "//" in sql):
        path, content, run = "q.sql", sql, "snow sql -f q.sql"
    case.write(path, content)
    case.use(run, False)


def file_edited(case):
    d = case.dice
    old, new = d.randint(2, 4999), d.randint(5000, 9999)
    sql = f"select device, score, batch_no from web.clicks where score > {old} and country_iso = 'DE'"
    case.write("q.sql", sql)
    how = d.randint(0, 2)
    if how == 0:
        case.edit("q.sql", str(old), str(new))
    elif how == 1:
        case.edit("q.sql", sql, sql.replace(str(old), str(new)) + "\norder by score")
    else:
        call = case.shell(f"sed -i 's/{old}/{new}/' q.sql && cat q.sql")
        text = sql.replace(str(old), str(new))
        with open(os.path.join(SHOP, "q.sql"), "w") as out:
            out.write(text)
        case.result(call, text)
    case.use("snow sql -f q.sql", False)


def template_before(case):
    n = case.dice.randint(2, 9999)
    case.write("t.sql", "select device, score\nfrom {{ table }}\nwhere batch_no = {{ n }}\n  and device is not null")
    case.use(f"python3 run_template.py t.sql table=web.clicks n={n}", False)


def dbt(case):
    n = case.dice.randint(2, 9999)
    case.write("models/daily.sql", "{{ config(materialized='table') }}\nselect device, count(*) as n\nfrom {{ ref('clicks') }}\nwhere score > %d and order_ts >= '{{ var('since') }}'\ngroup by 1" % n)
    case.use("dbt run --select daily", False)


def background(case):
    """What outlives the result of its use, while another one is open."""
    sql = case.writer.one()
    made = f"snow sql -q {double(sql)}"
    call = case.shell(f"nohup bash -c {single('for i in 1 2 3; do ' + made + '; sleep 20; done')} > job.log 2>&1 &\necho started")
    job = case.process()
    case.result(call, "started")
    case.issue(case.process(job), sql, call)
    other = case.shell(case.dice.choice(["tail -n 5 job.log", f"snow sql -q {double(case.writer.one())}", "npm test"]))
    case.issue(case.process(job), sql, call)
    case.result(other)


def parallel(case):
    all = [(case.writer.any(), None) for _ in range(3)]
    asked = [(case.shell(command(sql, case.dice)), sql) for sql, _ in all]
    processes = [case.client() for _ in asked]
    order = list(range(len(asked)))
    case.dice.shuffle(order)
    for at in order:
        case.issue(processes[at], asked[at][1], asked[at][0], True)
    case.dice.shuffle(order)
    for at in order:
        case.result(asked[at][0])


def parallel_programs(case):
    """Two at once that name no SQL: nothing but order could tell them apart."""
    one, two = case.shell("python3 nightly.py"), case.shell("python3 hourly.py")
    first, second = case.client(), case.client()
    case.issue(second, case.writer.one(), two)
    case.issue(first, case.writer.one(), one)
    case.result(one)
    case.result(two)


def sub_agents(case):
    """Two sub-agents at once; the one's task quotes SQL, and each runs its own."""
    sql, other = case.writer.any(), case.writer.any()
    session = case.dice.choice(["own", "same"])
    tasks = [case.ask("Task", {"description": "look", "prompt": text, "subagent_type": "general-purpose"})
             for text in [f"Run this and tell me what comes: {sql}", "Find the slowest devices."]]
    agents = [case.sub_agent(session=session) for _ in tasks]
    calls = [case.shell(command(text, case.dice), agent) for agent, text in zip(agents, [sql, other])]
    processes = [case.client(agent) for agent in agents]
    for at in [1, 0]:
        case.issue(processes[at], [sql, other][at], calls[at], True, agents[at])
    for call in calls + tasks:
        case.result(call)


def crossed(case):
    """A script of one use runs, by chance, what another use holds; it was running when the other one was asked for."""
    sql = case.writer.one()
    program = case.shell("python3 nightly.py")
    early = case.client()
    call = case.shell(command(sql, case.dice))
    case.issue(early, sql, program)
    case.issue(case.client(), sql, call, True)
    case.result(program)
    case.result(call)


def plumbing(case):
    """What clients send of their own, beside what the model asked for."""
    sql = case.writer.one()
    call = case.shell(command(sql, case.dice))
    process = case.client()
    for text in ["ALTER SESSION SET TIMEZONE = 'Europe/Berlin'", "SELECT CURRENT_ROLE(), CURRENT_WAREHOUSE()", "USE SECONDARY ROLES ALL"]:
        case.issue(process, text, call)
    case.issue(process, sql, call, True)
    case.result(call)


def no_agent(case):
    """Cron, dbt Cloud, a person."""
    process = case.process(None)
    case.issue(process, case.writer.any(), None, False, None)


def beside(case):
    """Another command is open meanwhile, and has SQL of its own."""
    long = case.shell(case.dice.choice([f"sleep 90; snow sql -q {double(case.writer.one())}", "pytest -x tests/sql", "npm run dev"]))
    case.use(command(case.writer.any(), case.dice), True)
    case.result(long)


def own_process(case):
    """A program with a model and a connection of its own."""
    sql = case.writer.any()
    call = case.ask("query_database", {"sql_query": sql, "reason": "to answer the question"})
    case.issue("main", sql, call, True, None)
    case.result(call)


WAYS = [server, server, server_sends_it_otherwise, server_adds_a_limit, several, several, twice, file_before, file_before, file_before, document_before,
        document_before, file_edited, template_before, dbt, background, parallel, parallel_programs, sub_agents, crossed, plumbing, no_agent, beside, own_process]
