"""Honest ways of the fourth corpus in which a use writes a file and a later one runs it. The label is the use that ran it, and the SQL
stands whole in what was written."""

import json
import os

from case import SHOP
from fourth_ways import CONNECT, NODE, dressed, js_text, notebook, on_lines, py_text
from shells import double, here, single


def put(case, path, content):
    """Writes a file by a tool, or as shells and Codex do it; each is a use of its own that is over."""
    how = case.dice.randint(0, 5)
    if how < 4:
        case.write(path, content)
        return
    full = os.path.join(SHOP, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w") as out:
        out.write(content if content.endswith("\n") else content + "\n")
    if how == 4:
        call = case.shell(f"mkdir -p {os.path.dirname(path) or '.'} && cat > {path} {here(content.rstrip(chr(10)), 'EOF')}")
    else:
        added = "".join(f"+{line}\n" for line in content.splitlines())
        call = case.ask("shell", {"command": ["apply_patch", f"*** Begin Patch\n*** Add File: {path}\n{added}*** End Patch\n"], "workdir": SHOP})
    case.result(call, "")


def file_of_sql(case):
    path = case.dice.choice(["report.sql", "sql/active_plans.sql", "analysis/2026/q1.sql"])
    put(case, path, case.writer.any() + case.dice.choice([";\n", "\n", ""]))
    case.use(dressed(case.dice.choice([f"snow sql -f {path}", f"snow sql --filename {SHOP}/{path} --format json", f"snowsql -c dev -f ./{path} -o output_format=psql"]), case.dice), True)


def file_of_sql_fed(case):
    path = case.dice.choice(["q.sql", "queries/top.sql"])
    put(case, path, case.writer.any() + "\n")
    case.use(case.dice.choice([f"snow sql -i < {path}", f"cat {path} | snow sql -i --format csv | head", f"snow sql -q \"$(cat {path})\"", f"snow sql -q \"$(<{path})\" 2>&1 | head -20", f"q=$(cat ./{path}); snow sql -q \"$q\"",
                               f"python3 run_query.py --file {path}", f"python3 run_query.py \"$(cat {path})\""]), True)


def file_of_sql_read_by_python(case):
    put(case, "sql/base.sql", case.writer.any())
    case.use(case.dice.choice([
        f"python3 -c {double(CONNECT + 'print(cur.execute(open(' + repr('sql/base.sql') + ').read()).fetchall())')}",
        f"python3 - <<'EOF'\nfrom pathlib import Path\n{CONNECT}sql = Path('sql/base.sql').read_text()\ncur.execute(sql)\nprint(cur.fetchall())\nEOF",
        f"cd sql && python3 <<'PY'\n{CONNECT}with open('base.sql') as f:\n    for row in cur.execute(f.read()):\n        print(row)\nPY",
        f"node -e {single(NODE + 'conn.execute({sqlText: require(' + chr(34) + 'fs' + chr(34) + ').readFileSync(' + chr(34) + 'sql/base.sql' + chr(34) + ', ' + chr(34) + 'utf8' + chr(34) + '), complete: (e, s, r) => console.log(r)})')}",
    ]), True)


def file_of_statements(case):
    """Several statements, each of which is issued."""
    put(case, "migrate.sql", ";\n\n".join(case.writer.any() for _ in range(3)) + ";\n")
    case.use(dressed("snow sql -f migrate.sql", case.dice), True)


def files_in_a_loop(case):
    for at in range(2):
        put(case, f"checks/0{at}_check.sql", case.writer.any() + ";\n")
    case.use(case.dice.choice(["for f in checks/*.sql; do echo \"== $f\"; snow sql -f \"$f\"; done", "ls checks/*.sql | while read -r f; do snow sql -f $f; done", "cat checks/*.sql | snow sql -i"]), True)


def program_of_python(case):
    path = case.dice.choice(["check_plans.py", "scripts/explore.py", "src/etl/probe.py"])
    sql = case.writer.any()
    put(case, path, f"#!/usr/bin/env python3\nimport snowflake.connector\n\nSQL = {on_lines(sql) if case.dice.random() < 0.5 else py_text(sql, case.dice)}\n\n\ndef main():\n    conn = snowflake.connector.connect(connection_name='default')\n    try:\n        for row in conn.cursor().execute(SQL):\n            print(row)\n    finally:\n        conn.close()\n\n\nif __name__ == '__main__':\n    main()\n")
    case.use(dressed(case.dice.choice([f"python3 {path}", f"uv run python {path}", f"python -u {SHOP}/{path}", f"PYTHONPATH=$PYTHONPATH:. timeout 300 python3 ./{path}"]), case.dice), True)


def program_of_python_executable(case):
    put(case, "bin/report", f"#!/usr/bin/env python3\n{CONNECT}cur.execute({py_text(case.writer.any(), case.dice)})\nprint(*cur.fetchall(), sep='\\n')\n")
    case.use("chmod +x bin/report && ./bin/report | head -30", True)


def program_of_two_files(case):
    put(case, "queries.py", f"\"\"\"Queries of the report.\"\"\"\n\nACTIVE = {py_text(case.writer.any(), case.dice)}\n")
    put(case, "main.py", f"from queries import ACTIVE\n{CONNECT}print(cur.execute(ACTIVE).fetchall())\n")
    case.use(case.dice.choice(["python3 main.py", f"python3 -c {double('import main')}", "python3 -m main"]), True)


def program_of_a_package(case):
    put(case, "jobs/daily.py", f"import snowflake.connector\n\n\ndef run():\n    sql = {on_lines(case.writer.any())}\n    with snowflake.connector.connect() as conn:\n        return conn.cursor().execute(sql).fetchall()\n\n\nif __name__ == \"__main__\":\n    print(run())\n")
    case.use(case.dice.choice(["python3 -m jobs.daily", f"python3 -c {single('from jobs.daily import run; print(run())')}"]), True)


def program_of_node(case):
    put(case, "scripts/report.js", f"{NODE}\nconst SQL = {js_text(case.writer.any())};\n\nconn.execute({{ sqlText: SQL, complete: (err, stmt, rows) => {{ if (err) throw err; console.table(rows); }} }});\n")
    case.use(dressed("node scripts/report.js", case.dice), True)


def program_of_shell(case):
    path = case.dice.choice(["run.sh", "ops/nightly.sh"])
    put(case, path, f"#!/usr/bin/env bash\nset -euo pipefail\ncd \"$(dirname \"$0\")\"\n\nread -r -d '' QUERY <<'SQL' || true\n{case.writer.any()}\nSQL\n\nsnow sql -q \"$QUERY\" --format json\n"
        if case.dice.random() < 0.5 else f"#!/bin/sh\nsnow sql \\\n  -q {double(case.writer.any())} \\\n  --format csv\n")
    case.use(dressed(f"bash {path}", case.dice) if case.dice.random() < 0.7 else f"chmod +x {path}; ./{path}", True)


def package_script(case):
    sql = case.writer.one()
    put(case, "package.json", json.dumps({"name": "shop", "private": True, "scripts": {"report": f"snow sql -q {double(sql)}", "lint": "echo ok"}}, indent=2, ensure_ascii=False) + "\n")
    case.use(case.dice.choice(["npm run --silent report", "npm run -s report 2>&1 | tail -5"]), True)


def makefile(case):
    sql = case.writer.one()
    put(case, "Makefile", f".PHONY: report lint\n\nQUERY = {sql.replace('$', '$$').replace('#', chr(92) + '#')}\n\nreport:\n\t@snow sql -q \"$(QUERY)\"\n\nlint:\n\t@echo ok\n"
        if '"' not in sql and case.dice.random() < 0.5 else f".PHONY: report\nreport:\n\tsnow sql -q {single(sql).replace('$', '$$')} --format json\n")
    case.use("make report 2>&1 | tail -20", True)


def tests_by_pytest(case):
    put(case, "tests/test_plans.py", f"import snowflake.connector\n\n\ndef query(sql):\n    return snowflake.connector.connect().cursor().execute(sql).fetchall()\n\n\ndef test_there_are_rows():\n    rows = query({py_text(case.writer.any(), case.dice)})\n    assert rows\n")
    case.use(case.dice.choice(["pytest -q tests/test_plans.py", "python3 -m pytest -x tests/test_plans.py 2>&1 | tail -15", "uv run pytest tests/test_plans.py::test_there_are_rows"]), True)


def notebook_run(case):
    put(case, "notebooks/look.ipynb", notebook(case.writer.any()))
    case.use("cd notebooks && jupyter nbconvert --to notebook --execute look.ipynb", True)


def notebook_cell_edited(case):
    """Claude Code's `NotebookEdit`: a cell gets a new source."""
    put(case, "look.ipynb", notebook("SELECT 1"))
    sql = case.writer.any()
    source = CONNECT + f"cur.execute({sql!r})\ncur.fetchall()"
    with open(os.path.join(SHOP, "look.ipynb")) as file:
        book = json.load(file)
    book["cells"][1]["source"] = source.splitlines(True)
    with open(os.path.join(SHOP, "look.ipynb"), "w") as out:
        json.dump(book, out)
    case.result(case.ask("NotebookEdit", {"notebook_path": f"{SHOP}/look.ipynb", "cell_id": "b2", "new_source": source, "cell_type": "code", "edit_mode": "replace"}), "Updated cell b2")
    case.use("jupyter nbconvert --to notebook --execute look.ipynb", True)


def moved_or_copied_then_run(case):
    put(case, "draft.sql", case.writer.any())
    case.use(case.dice.choice(["mv draft.sql final.sql && snow sql -f final.sql", "mkdir -p out && cp draft.sql out/run.sql && cd out && snow sql -f run.sql", "ln -s draft.sql latest.sql; snow sql -f latest.sql"]), True)


def moved_in_one_use_run_in_another(case):
    put(case, "draft.sql", case.writer.any())
    os.rename(f"{SHOP}/draft.sql", f"{SHOP}/ready.sql")
    case.result(case.shell("mv draft.sql ready.sql"), "")
    case.use("snow sql -f ready.sql --format json", True)


def edited_as_a_whole(case):
    """Written, run, its statement replaced by another one, run again."""
    first, second = case.writer.one(), case.writer.one()
    case.write("probe.sql", first + "\n")
    case.use("snow sql -f probe.sql", True)
    case.edit("probe.sql", first, second)
    case.use("snow sql -f probe.sql", True)


def program_edited(case):
    first, second = case.writer.one(), case.writer.one()
    case.write("probe.py", f"{CONNECT}SQL = {first!r}\ncur.execute(SQL)\nprint(cur.fetchall())\n")
    case.edit("probe.py", f"SQL = {first!r}", f"SQL = {second!r}")
    case.use(dressed("python3 probe.py", case.dice), True)


def grown_by_appending(case):
    one, two = case.writer.any(), case.writer.any()
    with open(f"{SHOP}/all.sql", "w") as out:
        out.write(f"{one};\n{two};\n")
    case.result(case.shell(f"cat > all.sql {here(one + ';', 'EOF')}"), "")
    case.result(case.shell(f"cat >> all.sql {here(two + ';', 'EOF')}"), "")
    case.use("snow sql -f all.sql", True)


def sourced_by_a_shell(case):
    sql = case.writer.any()
    put(case, "lib/queries.sh", f"ACTIVE_SQL={single(sql)}\n\nrun_active() {{\n  snow sql -q \"$ACTIVE_SQL\"\n}}\n")
    case.use(case.dice.choice([". lib/queries.sh && run_active", "source ./lib/queries.sh; snow sql -q \"$ACTIVE_SQL\" --format json"]), True)


def body_of_an_api_call(case):
    sql = case.writer.any()
    put(case, "body.json", json.dumps({"statement": sql, "timeout": 60, "role": "ANALYST"}, indent=2, ensure_ascii=False))
    case.use("curl -s -X POST https://acme.snowflakecomputing.com/api/v2/statements -H 'Content-Type: application/json' -d @body.json", True)


def document_of_queries(case):
    sql = case.writer.one()
    put(case, "checks.json", json.dumps({"queries": [{"name": "plans", "sql": sql}]}, indent=2, ensure_ascii=False))
    case.use(case.dice.choice(["python3 run_json.py checks.json", "jq -r '.queries[].sql' checks.json | snow sql -i", "jq -r '.queries[0].sql' checks.json | xargs -d '\\n' -n1 snow sql -q"]), True)


def value_given_to_a_program(case):
    """A program that a model wrote takes its SQL from what calls it."""
    put(case, "ask.py", f"import sys\n{CONNECT}for row in cur.execute(sys.argv[1]):\n    print(row)\n")
    case.use(f"python3 ask.py {double(case.writer.any())}", True)


def program_with_values(case):
    """A program that a model wrote puts its SQL together: not whole in any argument."""
    put(case, "count.py", f"import sys\n{CONNECT}for table in sys.argv[1:]:\n    cur.execute(f'SELECT COUNT(*), MIN(created_at) FROM {{table}} WHERE shard = {case.writer.number()}')\n    print(table, cur.fetchone())\n")
    case.use("python3 count.py prod_db.core.users RAW.STRIPE.CHARGES", False)


def model_of_dbt(case):
    put(case, "models/plans.sql", f"{{{{ config(materialized='table') }}}}\n\nselect plan_tier, count(*) as n\nfrom {{{{ ref('dim_customer') }}}}\nwhere id > {case.writer.number()}\ngroup by 1\n")
    case.use("dbt run --select plans 2>&1 | tail -5", False)


def compiled_by_dbt(case):
    put(case, "models/plain.sql", case.writer.one() + "\n")
    case.use("dbt compile --select plain -q && snow sql -f target/compiled/shop/models/plain.sql", False)


WAYS = [file_of_sql, file_of_sql, file_of_sql_fed, file_of_sql_fed, file_of_sql_read_by_python, file_of_statements, files_in_a_loop, program_of_python, program_of_python,
        program_of_python_executable, program_of_two_files, program_of_a_package, program_of_node, program_of_shell, program_of_shell, package_script, makefile, tests_by_pytest,
        notebook_run, notebook_cell_edited, moved_or_copied_then_run, moved_in_one_use_run_in_another, edited_as_a_whole, program_edited, grown_by_appending,
        sourced_by_a_shell, body_of_an_api_call, document_of_queries, value_given_to_a_program, program_with_values, model_of_dbt, compiled_by_dbt]
