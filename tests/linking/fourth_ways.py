"""Honest ways of the fourth corpus: what coding agents and their servers mostly send, in the dress in which they send it."""

import json

from shells import double, here, single

CONNECT = "import snowflake.connector\n\nconn = snowflake.connector.connect(connection_name=\"default\")\ncur = conn.cursor()\n"
NODE = "const snowflake = require('snowflake-sdk');\nconst conn = snowflake.createConnection({ account: process.env.SF_ACCOUNT });\nconn.connect(() => {});\n"

# Files of the job's own, which commands lean on.
FILES = {
    ".venv/bin/activate": "export VIRTUAL_ENV=/tmp/shop/.venv\n",
    ".env": "SNOWFLAKE_ROLE=ANALYST\n",
    "run_query.py": "import argparse\nimport snowflake.connector\np = argparse.ArgumentParser()\np.add_argument('query', nargs='?')\np.add_argument('-f', '--file')\n"
    "a = p.parse_args()\nprint(snowflake.connector.connect().cursor().execute(open(a.file).read() if a.file else a.query).fetchall())\n",
    "weekly.sql": "SELECT COUNT(*) FROM ops.weekly_totals\n",
    "sql/b/q.sql": "SELECT COUNT(*) FROM ops.other_totals\n",
}


def py_text(text, dice):
    """Writes a text as Python, most of the time within three quotes."""
    if "\\" in text or text[-1] in "'\"" or "'''" in text or dice.random() < 0.2:
        return repr(text)
    return '"""' + text + '"""' if '"' not in text or dice.random() < 0.5 else "'''" + text + "'''"


def on_lines(text):
    """Within three quotes on lines of its own, as models write it."""
    return '"""\n' + "\n".join("    " + line for line in text.replace("\\", "\\\\").split("\n")) + '\n"""'


def js_text(text):
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${") + "`"


def dressed(command, d):
    """Puts a command between what agents put around it."""
    before = d.choice(["", "", "", "cd /tmp/shop && ", "source .venv/bin/activate && ", "cd /tmp/shop && source .venv/bin/activate && ", "set -euo pipefail\n", "export SNOWFLAKE_HOME=~/.snowflake && ",
                       "set -a && . ./.env && set +a && ", "pwd; "])
    after = "" if "<<" in command else d.choice(["", "", " 2>&1", " 2>&1 | head -50", " | tail -n +2", " 2>/dev/null || true", " 2>&1 | tee out.txt", " | jq -R . | head -20", "; echo \"exit: $?\"", " > out.json && wc -c out.json"])
    return before + command + after


def py(body, d):
    """Gives a program to Python inline."""
    run = d.choice(["python3", "python", "uv run python", "poetry run python", "PYTHONWARNINGS=ignore python3", "timeout 120 python3"])
    return d.choice([lambda: f"{run} - {here(body, 'EOF')}", lambda: f"{run} {here(body, 'PY')}", lambda: f"{run} -c {double(chr(10) + body + chr(10))}", lambda: f"cd /tmp/shop && {run} -c {double(body)} 2>&1 | head -40"])()


def py_file(body, d):
    name = d.choice(["/tmp/shop/check.py", "query.py", "scripts/analyze.py"])
    return f"mkdir -p scripts\ncat > {name} {here(body, 'EOF')}\n{d.choice(['python3', 'python', 'uv run python3'])} {name}"


SNOW = ["snow sql -q {}", "snow sql -q {} --format json", "snow sql -c default -q {}", "snow sql --query {} --format csv", "snow sql -q {} -x --warehouse COMPUTE_WH --role ANALYST"]


def snow(text, d):
    return d.choice(SNOW).replace("{}", text, 1)


# SQL that stands in the command as a whole.
DIRECT = {
    "snow, dressed": lambda s, d: dressed(snow(double(s), d), d),
    "snow, dressed again": lambda s, d: dressed(snow(single(s), d), d),
    "snow, on lines": lambda s, d: dressed(snow('"\n' + double(s)[1:-1] + '\n"', d), d),
    "snow, variables before": lambda s, d: f"SNOWFLAKE_WAREHOUSE=WH_S SNOWFLAKE_ROLE='READ ONLY' {snow(double(s), d)}",
    "snow, timeout": lambda s, d: f"timeout --signal=KILL {d.choice(['90', '2m', '120s'])} {snow(double(s), d)}",
    "snow, nice and stdbuf": lambda s, d: f"nice -n 10 stdbuf -oL {snow(single(s), d)}",
    "snow, time": lambda s, d: f"time {snow(double(s), d)}",
    "snow, heredoc": lambda s, d: dressed(f"snow sql -i {here(s, 'EOF')}", d),
    "snow, heredoc and a pipe": lambda s, d: f"snow sql --stdin <<'EOF' | head -30\n{s};\nEOF",
    "snow, heredoc unquoted": lambda s, d: "cat <<EOF | snow sql -i --format json\n" + s.replace("\\", "\\\\").replace("$", "\\$").replace("`", "\\`") + "\nEOF",
    "snow, chain of two": lambda s, d: f"{snow(double(s), d)} && echo '---' && snow sql -q {double('SELECT CURRENT_TIMESTAMP() AS t_' + str(d.randint(1, 10**6)))}",
    "snow, output kept": lambda s, d: f"out=$({snow(double(s), d)} 2>&1)\nstatus=$?\necho \"$out\" | head -20\necho \"status $status\"",
    "snow, if not": lambda s, d: f"if ! {snow(double(s), d)} > result.txt 2>&1; then cat result.txt; exit 1; fi\ncat result.txt",
    "snow, bash's heredoc": lambda s, d: f"bash <<'SCRIPT'\nset -e\n{snow(double(s), d)}\nSCRIPT",
    "snow, bash -c in bash": lambda s, d: f"bash -c {single('cd /tmp/shop; ' + snow(double(s), d))}",
    "snow, fish": lambda s, d: f"fish --no-config -c {single('snow sql -q ' + double(s).replace(chr(92) + '`', '`'))}",
    "snow, uvx": lambda s, d: f"uvx --from snowflake-cli {snow(double(s), d)}",
    "snow, conda run": lambda s, d: f"conda run -n analytics {snow(single(s), d)}",
    "snow, op run": lambda s, d: f"op run --env-file=.env -- {snow(double(s), d)}",
    "snow, braces and redirect": lambda s, d: "{ " + f"echo '# result'; {snow(double(s), d)}; " + "} > report.md\ncat report.md",
    "snow, tee file at once": lambda s, d: f"tee /tmp/shop/q.sql {here(s, 'SQL')}\necho running\nsnow sql -f /tmp/shop/q.sql --format json 2>&1 | head -40",
    "snow, mktemp": lambda s, d: f"f=$(mktemp /tmp/shop/q.XXXXXX)\ncat > \"$f\" {here(s, 'SQL')}\nsnow sql -f \"$f\"; rm -f \"$f\"",
    "snowsql, dressed": lambda s, d: dressed(f"snowsql -c dev -q {double(s)} -o output_format=csv -o friendly=false -o timing=false", d),
    "snowsql, heredoc": lambda s, d: f"snowsql -c prod -o exit_on_error=true {here(s + ';', 'EOF')}",
    "snowsql, file at once": lambda s, d: f"cat <<'EOF' > /tmp/shop/adhoc.sql\n{s}\nEOF\nsnowsql -c dev -f /tmp/shop/adhoc.sql -o quiet=true 2>&1 | tail -20",
    "variable of a heredoc": lambda s, d: f"SQL=$(cat {here(s, 'EOF')}\n)\nsnow sql -q \"$SQL\" --format json",
    "variable with a default": lambda s, d: f"QUERY=\"${{QUERY:-}}\"\n[ -n \"$QUERY\" ] || QUERY={single(s)}\nsnow sql -q \"$QUERY\"",
    "function with local": lambda s, d: f"run_sql() {{\n  local query=\"$1\"\n  echo \"==> $query\"\n  snow sql -q \"$query\" --format json\n}}\n\nrun_sql {double(s)}",
    "while read": lambda s, d: f"while IFS= read -r q; do\n  [ -z \"$q\" ] && continue\n  snow sql -q \"$q\"\ndone <<'EOF'\n{s}\nEOF" if "\n" not in s else f"snow sql -q {double(s)}",
    "associative array": lambda s, d: f"declare -A checks=(\n  [rows]={single(s)}\n)\nfor name in \"${{!checks[@]}}\"; do\n  echo \"## $name\"\n  snow sql -q \"${{checks[$name]}}\" || echo \"FAILED $name\"\ndone",
    "xargs of lines": lambda s, d: f"printf '%s\\n' {double(' '.join(s.split(chr(10))))} | xargs -d '\\n' -I {{}} snow sql -q {{}}" if "--" not in s else f"snow sql -q {single(s)}",
    "retry with until": lambda s, d: f"n=0\nuntil snow sql -q {double(s)} || [ $n -ge 3 ]; do n=$((n+1)); sleep 1; done",
    "job's runner": lambda s, d: dressed(f"python3 run_query.py {double(s)}", d),
    "dbt run-operation": lambda s, d: f"dbt run-operation run_query --args {single(json.dumps({'sql': s}, ensure_ascii=False))}",
    "curl, --json": lambda s, d: f"curl -s -X POST \"https://$SF_ACCOUNT.snowflakecomputing.com/api/v2/statements\" -H \"Authorization: Bearer $TOKEN\" --json {single(json.dumps({'statement': s, 'timeout': 60}, ensure_ascii=False))}",
    "py, cursor": lambda s, d: py(f"{CONNECT}cur.execute({py_text(s, d)})\nfor row in cur.fetchall():\n    print(row)", d),
    "py, on lines": lambda s, d: py(f"{CONNECT}query = {on_lines(s)}\ncur.execute(query)\nprint(cur.fetchmany(10))\nconn.close()", d),
    "py, with": lambda s, d: py(f"import os\nfrom snowflake.connector import connect, DictCursor\n\nwith connect(account=os.environ.get('SF_ACCOUNT'), role='ANALYST') as c:\n    with c.cursor(DictCursor) as cs:\n        cs.execute({py_text(s, d)})\n        for r in cs:\n            print(r)", d),
    "py, function": lambda s, d: py(f"{CONNECT}\ndef run(sql, label=None):\n    print(f'--- {{label}}')\n    cur.execute(sql)\n    return cur.fetchall()\n\n\nprint(run({py_text(s, d)}, label='first'))", d),
    "py, list of queries": lambda s, d: py(f"{CONNECT}queries = [\n    (\"main\", {py_text(s, d)}),\n]\nfor name, q in queries:\n    try:\n        print(name, cur.execute(q).fetchall())\n    except Exception as e:\n        print(name, 'failed', e)", d),
    "py, try and finally": lambda s, d: py(f"import sys\n{CONNECT}try:\n    cur.execute({py_text(s, d)})\n    print(cur.fetchone()[0])\nexcept snowflake.connector.ProgrammingError as err:\n    sys.exit(str(err))\nfinally:\n    conn.close()", d),
    "py, main": lambda s, d: py_file(f"#!/usr/bin/env python3\n\"\"\"Looks at numbers.\"\"\"\nimport snowflake.connector\n\nQUERY = {on_lines(s)}\n\n\ndef main() -> None:\n    with snowflake.connector.connect() as conn:\n        rows = conn.cursor().execute(QUERY).fetchall()\n    for row in rows:\n        print(*row, sep='\\t')\n\n\nif __name__ == \"__main__\":\n    main()", d),
    "py, argparse": lambda s, d: py_file(f"import argparse\nimport snowflake.connector\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--sql', default={py_text(s, d)})\nargs = parser.parse_args()\nprint(snowflake.connector.connect().cursor().execute(args.sql).fetchall())", d),
    "py, pandas": lambda s, d: py(f"import pandas as pd\nimport snowflake.connector\nconn = snowflake.connector.connect()\ndf = pd.read_sql({on_lines(s) if d.random() < 0.5 else py_text(s, d)}, conn)\nprint(df)", d),
    "py, pandas and an engine": lambda s, d: py(f"import pandas as pd\nfrom sqlalchemy import create_engine, text\nengine = create_engine('snowflake://dev')\ndf = pd.read_sql(text({py_text(s, d)}), engine)\nprint(df)", d),
    "py, polars": lambda s, d: py(f"import polars as pl\nfrom snowflake.connector import connect\nprint(pl.read_database(query={py_text(s, d)}, connection=connect()))", d),
    "py, sqlalchemy": lambda s, d: py(f"from sqlalchemy import create_engine, text\n\nengine = create_engine('snowflake://user@acct/db')\nwith engine.connect() as connection:\n    result = connection.execute(text({py_text(s, d)}))\n    for row in result:\n        print(row)", d),
    "py, snowpark collect": lambda s, d: py(f"from snowflake.snowpark import Session\nsession = Session.builder.configs({{'connection_name': 'dev'}}).create()\nrows = session.sql({py_text(s, d)}).collect()\nprint(rows)", d),
    "py, snowpark to_pandas": lambda s, d: py(f"from snowflake.snowpark import Session\nsession = Session.builder.getOrCreate()\nprint(session.sql({on_lines(s)}).to_pandas())", d),
    "py, adbc": lambda s, d: py(f"import adbc_driver_snowflake.dbapi as sf\nwith sf.connect('snowflake://') as db, db.cursor() as cur:\n    cur.execute({py_text(s, d)})\n    print(cur.fetchall())", d),
    "py, requests": lambda s, d: py(f"import os, requests\nr = requests.post('https://acme.snowflakecomputing.com/api/v2/statements', headers={{'Authorization': 'Bearer ' + os.environ.get('TOKEN', '')}}, json={{'statement': {py_text(s, d)}, 'timeout': 60}})\nprint(r.json())", d),
    "py, subprocess": lambda s, d: py(f"import subprocess\nsql = {py_text(s, d)}\nr = subprocess.run(['snow', 'sql', '-q', sql, '--format', 'json'], capture_output=True, text=True, check=True)\nprint(r.stdout[:2000])", d),
    "py, subprocess's input": lambda s, d: py(f"import subprocess\nprint(subprocess.check_output(['snowsql', '-c', 'dev'], input={py_text(s, d)}, text=True))", d),
    "py, shlex": lambda s, d: py(f"import os, shlex\nquery = {py_text(s, d)}\nos.system('snow sql -q ' + shlex.quote(query))", d),
    "py, asyncio": lambda s, d: py(f"import asyncio\nimport snowflake.connector\n\nasync def fetch(sql):\n    return await asyncio.to_thread(lambda: snowflake.connector.connect().cursor().execute(sql).fetchall())\n\nprint(asyncio.run(fetch({py_text(s, d)})))", d),
    "py, dataclass": lambda s, d: py(f"from dataclasses import dataclass\n{CONNECT}\n@dataclass\nclass Check:\n    name: str\n    sql: str\n\nfor check in [Check('a', {py_text(s, d)})]:\n    print(check.name, cur.execute(check.sql).fetchone())", d),
    "py, joined in brackets": lambda s, d: py(f"{CONNECT}sql = (\n" + "".join(f"    {json.dumps(part, ensure_ascii=False)}\n" for part in cut(s)) + ")\ncur.execute(sql)\nprint(cur.fetchall())", d),
    "py, stripped": lambda s, d: py(f"import textwrap\n{CONNECT}sql = textwrap.dedent({on_lines(s)}).strip()\nprint(cur.execute(sql).fetchall())", d) if not s.startswith(" ") else py(f"{CONNECT}cur.execute({s!r})", d),
    "py, pytest at once": lambda s, d: f"mkdir -p tests && cat > tests/test_rows.py {here('import snowflake.connector' + chr(10) * 3 + 'def test_rows():' + chr(10) + '    rows = snowflake.connector.connect().cursor().execute(' + repr(s) + ').fetchall()' + chr(10) + '    assert len(rows) > 0', 'EOF')}\npytest -q tests/test_rows.py 2>&1 | tail -5",
    "ipython": lambda s, d: f"ipython --no-banner --quick -c {double(CONNECT + 'print(cur.execute(' + repr(s) + ').fetchall())')}",
    "node, promise": lambda s, d: f"node - <<'EOF'\n{NODE}const run = (sqlText) => new Promise((resolve, reject) => conn.execute({{ sqlText, complete: (err, stmt, rows) => (err ? reject(err) : resolve(rows)) }}));\n(async () => {{\n  const rows = await run({js_text(s)});\n  console.table(rows);\n}})();\nEOF",
    "node -e": lambda s, d: f"node -e {single(NODE + 'conn.execute({sqlText: ' + json.dumps(s, ensure_ascii=False) + ', complete: (e, _s, rows) => { if (e) throw e; console.log(rows.length); }});')}",
    "node, module at once": lambda s, d: f"cat > probe.mjs <<'EOF'\nimport snowflake from 'snowflake-sdk';\n\nconst SQL = {js_text(s)};\n\nconst connection = snowflake.createConnection({{}});\nawait connection.connectAsync();\nconnection.execute({{\n  sqlText: SQL,\n  complete: (err, stmt, rows) => console.log(JSON.stringify(rows, null, 2)),\n}});\nEOF\nnode probe.mjs && rm probe.mjs",
    "node, spawnSync": lambda s, d: f"node <<'EOF'\nconst {{ spawnSync }} = require('node:child_process');\nconst sql = {js_text(s)};\nconst r = spawnSync('snow', ['sql', '-q', sql], {{ encoding: 'utf8' }});\nprocess.stdout.write(r.stdout);\nEOF",
    "perl, qw and exec": lambda s, d: "perl -e " + single("my $sql = q~" + s.replace("\\", "\\\\") + "~; exec('snow', 'sql', '-q', $sql);"),
    "jshell": lambda s, d: f"jshell -s - <<'EOF'\nString sql = {json.dumps(s, ensure_ascii=False)};\nnew ProcessBuilder(\"snow\", \"sql\", \"-q\", sql).inheritIO().start().waitFor();\n/exit\nEOF",
    "notebook at once": lambda s, d: f"cat > eda.ipynb <<'EOF'\n{notebook(s)}\nEOF\njupyter nbconvert --to notebook --execute --stdout eda.ipynb",
}


def cut(text):
    words = text.split(" ")
    return [" ".join(words[at:at + 6]) + (" " if at + 6 < len(words) else "") for at in range(0, len(words), 6)]


def notebook(sql):
    source = (CONNECT + f"cur.execute({sql!r})\ncur.fetchall()").splitlines(True)
    cells = [{"cell_type": "markdown", "id": "a1", "metadata": {}, "source": ["## Rows\n"]},
             {"cell_type": "code", "id": "b2", "metadata": {}, "execution_count": None, "outputs": [], "source": source}]
    return json.dumps({"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False)


# SQL of which values, names or a frame are another's.
INDIRECT = {
    "loop of tables": lambda w, d: f"for t in core.users stripe.charges zendesk.tickets; do\n  echo \"$t\"\n  snow sql -q \"SELECT COUNT(*), MAX(updated_at) FROM prod.$t WHERE id > {w.number()}\" --format json\ndone",
    "loop of days": lambda w, d: f"for d in 0 1 2; do day=$(date -u -d \"2026-02-01 +$d day\" +%F); snow sql -q \"DELETE FROM events.app.sessions WHERE ds = '$day' AND shard = {w.number()}\"; done",
    "py, f-string of a constant": lambda w, d: py(f"{CONNECT}SCHEMA = 'analytics.marts'\nlimit = {w.number()}\ncur.execute(f\"SELECT status, COUNT(*) FROM {{SCHEMA}}.fct_orders WHERE id < {{limit}} GROUP BY status\")\nprint(cur.fetchall())", d),
    "py, loop of columns": lambda w, d: py(f"{CONNECT}for col in ['email', 'iban', 'plan_tier']:\n    cur.execute(f'SELECT COUNT(*) - COUNT({{col}}) AS nulls FROM prod_db.core.users WHERE id > {w.number()}')\n    print(col, cur.fetchone())", d),
    "py, bound": lambda w, d: py(f"{CONNECT}cur.execute(\n    \"SELECT * FROM support.zendesk.tickets WHERE priority = %s AND id > %s\",\n    ('{d.choice(['high', 'urgent'])}', {w.number()}),\n)\nprint(cur.fetchall())", d),
    "py, template": lambda w, d: py(f"from string import Template\n{CONNECT}q = Template('SELECT $cols FROM finops.cloud.cost_daily WHERE id = $n')\ncur.execute(q.substitute(cols='cost_center, amount_usd', n={w.number()}))\nprint(cur.fetchall())", d),
    "py, joined clauses": lambda w, d: py(f"{CONNECT}filters = {{'status': 'open', 'channel': 'web'}}\nwhere = ' AND '.join(f\"{{k}} = '{{v}}'\" for k, v in filters.items())\ncur.execute('SELECT COUNT(*) FROM support.zendesk.tickets WHERE ' + where + ' AND id > {w.number()}')\nprint(cur.fetchone())", d),
    "py, snowpark show": lambda w, d: py(f"from snowflake.snowpark import Session\nsession = Session.builder.getOrCreate()\nsession.sql('SELECT plan_tier, email FROM prod_db.core.users WHERE id > {w.number()}').show()", d),
    "py, snowpark frame": lambda w, d: py(f"from snowflake.snowpark import Session\nsession = Session.builder.getOrCreate()\nprint(session.table('prod_db.core.users').filter('id > {w.number()}').limit(5).collect())", d),
    "node, template with values": lambda w, d: f"node <<'EOF'\n{NODE}const since = {w.number()};\nconst table = 'events.app.sessions';\nconn.execute({{ sqlText: `SELECT channel, COUNT(*) FROM ${{table}} WHERE id > ${{since}} GROUP BY 1`, complete: (e, s, rows) => console.log(rows) }});\nEOF",
    "dbt show": lambda w, d: f"dbt show --inline {double(w.one())} --limit 5",
    "envsubst of a heredoc": lambda w, d: f"export TBL=loyalty.points.balances MIN_ID={w.number()}\nenvsubst <<'EOF' | snow sql -i\nSELECT region_code, SUM(points) FROM $TBL WHERE id >= $MIN_ID GROUP BY 1\nEOF",
    "base64 by the model": lambda w, d: f"snow sql -q \"$(echo {__import__('base64').b64encode(w.one().encode()).decode()} | base64 --decode)\"",
    "heredoc with a variable": lambda w, d: f"MIN={w.number()}\nsnow sql -i <<EOF\nSELECT sku, quantity FROM INVENTORY.WAREHOUSE.STOCK_LEVELS WHERE id > ${{MIN}} ORDER BY 2\nEOF",
}

TOOLS = [
    ("mcp__snowflake__read_query", lambda s: {"query": s}),
    ("mcp__snowflake__write_query", lambda s: {"query": s}),
    ("mcp__Snowflake_MCP_Server__run_snowflake_query", lambda s: {"statement": s}),
    ("mcp__dbhub__execute_sql", lambda s: {"sql": s}),
    ("mcp__toolbox__snowflake-execute-sql", lambda s: {"sql": s}),
    ("mcp__warehouse__execute_query", lambda s: {"query": s, "limit": 100, "format": "markdown"}),
    ("warehouse__query", lambda s: {"sql_text": s, "database": "PROD", "schema": "CORE"}),
    ("execute_snowflake_sql", lambda s: {"sql": s, "explanation": "Counts what is there."}),
    ("mcp__data__run_queries", lambda s: {"queries": [s]}),
    ("snowflake_cortex_sql", lambda s: {"input": {"query": s, "warehouse": "WH_XS"}}),
    ("run_python", lambda s: {"code": f"rows = session.sql({s!r}).collect()\nprint(rows)"}),
    ("mcp__ide__executeCode", lambda s: {"code": f"%%time\ncur.execute({on_lines(s)})\ncur.fetchall()"}),
]


def server(case):
    """Servers' tools that take SQL; the server was there before. What runs Python sends the text as Python reads it."""
    process = case.process()
    for tool, arguments in case.dice.sample(TOOLS, 5):
        sql = case.writer.any()
        call = case.ask(tool, arguments(sql))
        sent = eval(on_lines(sql)) if tool == "mcp__ide__executeCode" else sql
        case.issue(process, sent, call, True, None)
        case.result(call)


def servers_at_once(case):
    """A model asks a server for three queries in one answer; they come in any order."""
    process = case.process()
    tool, arguments = case.dice.choice(TOOLS[:8])
    asked = [(sql, case.ask(tool, arguments(sql))) for sql in [case.writer.any() for _ in range(3)]]
    case.dice.shuffle(asked)
    for sql, call in asked:
        case.issue(process, sql, call, True, None)
    for _, call in asked:
        case.result(call)


def not_tried_here(case):
    """Not run: Ruby, R, Go, PHP and PowerShell are not on the machine; what they send is written by their rules for quotes."""
    writer = case.writer
    made = [
        (one := writer.one(), f"ruby -e 'system(\"snow\", \"sql\", \"-q\", %q[{one.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}])'"),
        (two := writer.long(), f"cat > q.rb <<'RUBY'\nsql = <<~SQL.chomp\n  {two.replace(chr(10), chr(10) + '  ')}\nSQL\nputs IO.popen(['snow', 'sql', '-q', sql]).read\nRUBY\nruby q.rb"),
        (three := writer.one(), "cat > main.go <<'EOF'\npackage main\n\nimport (\n\t\"context\"\n\t\"database/sql\"\n\n\t_ \"github.com/snowflakedb/gosnowflake\"\n)\n\nfunc main() {\n\tdb, err := sql.Open(\"snowflake\", \"user@acct/db\")\n\tif err != nil {\n\t\tpanic(err)\n\t}\n"
         f"\trows, err := db.QueryContext(context.Background(), {json.dumps(three, ensure_ascii=False)})\n\tif err != nil {{\n\t\tpanic(err)\n\t}}\n\tdefer rows.Close()\n}}\nEOF\ngo run main.go"),
        (four := writer.one(), f"Rscript -e {single('library(DBI); con <- dbConnect(odbc::odbc(), ' + chr(34) + 'sf' + chr(34) + '); print(dbGetQuery(con, ' + json.dumps(four, ensure_ascii=False) + '))')}"),
        (five := writer.long(), f"pwsh -NoProfile -Command {single('snow sql -q ' + chr(39) + five.replace(chr(39), chr(39) * 2) + chr(39))}"),
    ]
    for sql, command in case.dice.sample(made, 3):
        call = case.shell(command)
        case.issue(case.client(), sql, call, True)
        case.result(call)


def container(case):
    """A container's process descends from its engine: no way to A or B, so not among the direct ones."""
    sql = case.writer.any()
    command = f"docker exec -i etl {snow(double(sql), case.dice)}"
    call = case.shell(command)
    printed, statements = case.run(command)
    for one in statements:
        case.issue(case.process(None), one["sql"], call, False, None, one["values"])
    case.result(call, printed)


def in_the_background(case):
    """Claude Code's background commands: the result is there at once, the statement comes later."""
    sql = case.writer.any()
    call = case.ask("Bash", {"command": f"sleep 5 && snow sql -q {double(sql)}", "description": "Query later", "run_in_background": True})
    job = case.process()
    case.result(call, "Command running in background with ID: bash_1")
    case.issue(case.process(job), sql, call)
    look = case.ask("BashOutput", {"bash_id": "bash_1"})
    case.result(look, "<status>completed</status>")


def sub_agent_of_a_task(case):
    sql = case.writer.any()
    task = case.ask("Task", {"description": "Find the numbers", "prompt": "How many active plans are there?", "subagent_type": "Explore"})
    agent = case.sub_agent()
    command = dressed(snow(double(sql), case.dice), case.dice)
    call = case.ask("Bash", {"command": command, "description": "Count plans"}, agent)
    printed, statements = case.run(command)
    case.issued(statements, call, True, agent)
    case.result(call, printed)
    case.result(task, "done")


def commands_at_once(case):
    """Three commands of one answer."""
    made = [dressed(snow(double(case.writer.any()), case.dice), case.dice), py(f"{CONNECT}print(cur.execute({py_text(case.writer.any(), case.dice)}).fetchall())", case.dice), f"snowsql -c dev {here(case.writer.any(), 'EOF')}"]
    calls = [(case.shell(command), *case.run(command)) for command in made]
    order = list(calls)
    case.dice.shuffle(order)
    for call, _, statements in order:
        case.issued(statements, call, True)
    for call, printed, _ in calls:
        case.result(call, printed)


def nothing_asked(case):
    """A job's own statement, of no agent."""
    case.issue(case.process(None), case.writer.any(), None, False, None)


WAYS = [server, servers_at_once, not_tried_here, container, in_the_background, sub_agent_of_a_task, commands_at_once, nothing_asked]
