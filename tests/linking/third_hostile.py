"""Hostile ways of the third corpus: statements beside uses that say something else, or only talk of them. A label is what issued the
statement: none where it was another program of the session's, the use itself where its own command made other SQL of its text."""

import json

from hostile import file_replaced
from third_ways import CONNECT, URL, body, double, perl, single


def said(case, command, sql):
    case.stranger(case.shell(command), sql)


def a_message_quotes_it(case):
    sql = case.writer.one()
    said(case, case.dice.choice([
        f"curl -sS -X POST https://hooks.example.org/T1 -d {single(json.dumps({'text': sql}))}",
        f"gh pr comment 12 --body {single('please do not run: ' + sql)}",
        f"logger -t etl {single(sql)}",
        f"git stash push -m {single(sql)}",
        f"notify-send 'to run' {double(sql)}",
    ]), sql)


def a_message_is_nothing_but_it(case):
    sql = case.writer.one()
    said(case, case.dice.choice([f"gh pr comment 12 --body {single(sql)}", f"logger {single(sql)}", f"wall {single(sql)}", f"git tag -a v1 -m {single(sql)}"]), sql)


def a_remark_in_a_command(case):
    sql = case.writer.one()
    said(case, case.dice.choice([f"# {sql}\nls -la", f"ls -la # snow sql -q {single(sql)}", f": {single(sql)}; make lint", f": <<'X'\n{sql}\nX\nmake lint"]), sql)


def printed_only(case):
    sql = case.writer.one()
    said(case, case.dice.choice([f"echo {single(sql)}", f"printf '%s\\n' {single(sql)} | wc -c", f"cat <<'X'\n{sql}\nX", f"python3 -c {double('print(' + repr(sql) + ')')}",
                                 f"node -p {single(json.dumps(sql))}", f"cat > notes.txt <<'X'\n{sql}\nX", f"cat <<'X' >/dev/null\n{sql}\nX"]), sql)


def checked_only(case):
    """Linted, parsed or put into another dialect, not run."""
    sql = case.writer.one()
    said(case, case.dice.choice([
        f"sqlfluff lint --dialect snowflake - <<'X'\n{sql}\nX",
        f"python3 -c {double('import sqlglot; print(sqlglot.transpile(' + repr(sql) + ', read=' + repr('snowflake') + ', write=' + repr('duckdb') + '))')}",
        f"printf %s {single(sql)} | sha256sum",
        f"duckdb local.db -c {single(sql)}",
        f"sqlite3 cache.db {single(sql)}",
        f"psql service=dev -c {single(sql)}",
    ]), sql)


def a_branch_not_taken(case):
    sql = case.writer.one()
    run = f"snow sql -q {single(sql)}"
    said(case, case.dice.choice([f"false && {run}", f"if false; then\n  {run}\nfi\nls", f"exit 0\n{run}", f"true || {run}", f"q() {{ {run}; }}; ls", f"[ -n '' ] && {run}; ls"]), sql)


def a_program_not_called(case):
    sql = case.writer.one()
    said(case, case.dice.choice([
        f"python3 <<'P'\n{CONNECT}def later():\n    conn.cursor().execute({sql!r})\nprint('ok')\nP",
        f"python3 <<'P'\nif False:\n    cur.execute({sql!r})\nP",
        f"python3 -c {double('SQL = ' + repr(sql) + '; print(len(SQL))')}",
        f"python3 <<'P'\n'''{sql}'''\nprint(1)\nP",
        f"node -e {single('const q = ' + json.dumps(sql) + '; console.log(q.length)')}",
        f"perl -e {single('my $q = ' + perl(sql) + '; print length $q')}",
    ]), sql)


def another_tool_talks_of_it(case):
    sql = case.writer.one()
    tool, arguments = case.dice.choice([
        ("WebSearch", {"query": sql}),
        ("mcp__slack__post_message", {"channel": "#data", "text": sql}),
        ("mcp__jira__create_issue", {"summary": "slow query", "description": sql}),
        ("mcp__docs__search", {"query": sql, "limit": 5}),
        ("AskUserQuestion", {"questions": [{"question": "Run this?", "options": [{"label": "yes", "description": sql}]}]}),
        ("memory", {"command": "create", "path": "/memories/q.md", "file_text": sql}),
        ("Agent", {"description": "plan", "prompt": f"Think about this, run nothing: {sql}"}),
        ("Grep", {"pattern": sql, "path": "src"}),
        ("update_plan", {"plan": [{"step": sql, "status": "pending"}]}),
        ("WebFetch", {"url": "https://docs.example.org", "prompt": sql}),
        ("mcp__github__add_comment", {"body": f"```sql\n{sql}\n```"}),
        ("save_query", {"name": "weekly", "sql": sql}),
    ])
    case.stranger(case.ask(tool, arguments), sql)


def removed_from_a_file(case):
    """An edit takes the text out."""
    sql = case.writer.one()
    tool, arguments = case.dice.choice([
        ("Edit", {"file_path": "/tmp/shop/q.sql", "old_string": sql, "new_string": "select 1"}),
        ("apply_patch", {"input": f"*** Begin Patch\n*** Update File: q.sql\n@@\n-{sql}\n+select 1\n*** End Patch\n"}),
        ("str_replace_based_edit_tool", {"command": "str_replace", "path": "/tmp/shop/q.sql", "old_str": sql, "new_str": ""}),
    ])
    case.stranger(case.ask(tool, arguments), sql)


def near(case, sql):
    """Gives texts that differ from one by a token, and mean something else."""
    n = case.writer.number()
    return sql, case.dice.sample([
        sql.replace(" < ", " <= "), sql.replace("kwh", "ssn"), sql.replace("grid.meter_reads", "grid.meter_read"), sql.replace("= 'b7'", "= 'b7 '"),
        sql.replace("= 'b7'", "= 'B7'"), sql.replace(" and ", " or "), sql.replace("select ", "select distinct "), sql.replace(" desc", " asc"),
        sql.replace("limit 9", "limit 99"), sql.replace(" limit 9", ""), sql + " offset 1", sql.replace(" where ", " -- where\n where 1 = 1 or "),
        sql.replace("kwh", "\"kwh\""), sql.replace("grid.meter_reads", "prod.grid.meter_reads"), sql.replace("and amt", "and not amt"),
        sql.replace("kwh", "kwh, dob"), sql.replace("kwh", "k\u0077h".replace("k", "\u043a")), sql.replace("= 'b7'", "= 'b7' or true"),
        sql.replace("grid.meter_reads", f"grid.meter_reads at(offset => -{n})"), sql.replace("'b7'", "'b'"), sql.replace(" < ", " > "),
        sql.replace("= 'b7'", "= '\u200bb7'"), sql.replace("kwh", "kwh /*+ */ + 0"), sql.replace("'b7'", "'b7' 'x'"), sql.replace("amt <", "amt <-"),
        sql.replace("grid.meter_reads", "grid.\"METER_READS \""), sql.replace("grid.meter_reads", "identifier('grid.payroll')"),
        sql.replace("'b7'", "$$b7 $$"), sql.replace("'b7'", "null"), sql.replace("limit 9", "limit 9 /* */ offset 3"),
    ], 4)


def reading(case):
    return f"select kwh, seq_no from grid.meter_reads where bin = 'b7' and amt < {case.writer.number()} order by posted_at desc limit 9"


def near_miss_in_a_command(case):
    sql, others = near(case, reading(case))
    case.stranger(case.shell(f"snow sql -q {double(sql)}"), *others)


def near_miss_of_a_server(case):
    sql, others = near(case, reading(case))
    process = case.process()
    call = case.ask("mcp__sf__query", {"query": sql})
    for other in others:
        case.issue(process, other, None, False, None)
    case.result(call)


def near_miss_of_a_change(case):
    n = case.writer.number()
    pairs = [
        (f"delete from fleet.trips where seq_no = {n}", f"delete from fleet.trips where seq_no >= {n}"),
        (f"delete from fleet.trips where seq_no = {n}", "delete from fleet.trips"),
        (f"grant select on table hris.payroll_runs to role r_{n}", f"grant select on table hris.payroll_runs to role r_{n} with grant option"),
        (f"grant select on table lab.assays to role r_{n}", f"grant ownership on table lab.assays to role r_{n}"),
        (f"drop table if exists tmp.t_{n}", f"drop table if exists t_{n}"),
        (f"drop view v_{n}", f"drop table v_{n}"),
        (f"create table c_{n} clone lab.assays", f"create or replace table c_{n} clone lab.assays"),
        (f"alter user u_{n} set disabled = true", f"alter user u_{n} set disabled = false"),
        (f"copy into @~/x_{n} from lab.assays", f"copy into 's3://out/x_{n}' from lab.assays"),
        (f"insert into fleet.trips select * from stage.t_{n}", f"insert overwrite into fleet.trips select * from stage.t_{n}"),
        (f"update lab.assays set amt = {n} where bin = 'x'", f"update lab.assays set amt = {n} where bin <> 'x'"),
        (f"set lim = {n}", f"set lim = {n}0"),
    ]
    for asked, sent in case.dice.sample(pairs, 2):
        case.stranger(case.shell(f"snow sql -q {single(asked)}"), sent)


def a_part_of_it(case):
    """What stands inside of a longer statement, or around it."""
    n = case.writer.number()
    inner = f"select acct_no, ssn from hris.payroll_runs where seq_no = {n}"
    whole, sent = case.dice.choice([
        (f"select count(*) from ({inner})", inner),
        (f"create view v_{n} as {inner}", inner),
        (f"explain {inner}", inner),
        (inner, f"{inner} union all select acct_no, dob from hris.payroll_runs"),
        (inner, f"create table leak_{n} as {inner}"),
        (inner, f"copy into @~/leak from ({inner})"),
        (f"insert into a_{n} {inner}", inner),
        (f"with x as ({inner}) select 1 from x", inner),
    ])
    case.stranger(case.shell(f"snow sql -q {double(whole)}"), sent)


def sql_in_sql(case):
    """A text within a literal, a remark or a body of a statement that was asked for."""
    n = case.writer.number()
    inner = f"drop table finance.t_{n}"
    whole = case.dice.choice([f"select '{inner}' as q", f"/* {inner} */ select {n}", f"select {n} -- {inner}", f"execute immediate '{inner}'",
                              f"create procedure p_{n}() returns int language sql as $$ begin {inner}; return 1; end $$", f"comment on table t_{n} is '{inner}'",
                              f"select {n}\n--;\n--{inner}\n"])
    case.stranger(case.ask("mcp__sf__query", {"query": whole}) if case.dice.random() < 0.5 else case.shell(f"snow sql -q {single(whole)}"), inner)


def made_other_at_run_time(case):
    """The command holds a text whole, and sends another that it makes of it."""
    n = case.writer.number()
    sql = f"select kwh from grid.meter_reads where seq_no = {n}"
    command = case.dice.choice([
        f"q={single(sql)}; snow sql -q \"${{q/kwh/ssn}}\"",
        f"q={single(sql)}; snow sql -q \"${{q%% where*}}\"",
        f"q={single(sql)}; q+=' or true'; snow sql -q \"$q\"",
        f"printf %s {single(sql)} | sed 's/kwh/*/' | snow sql -i",
        f"cat <<'X' | tr 0-9 1-90 | snow sql -i\n{sql}\nX",
        f"python3 -c {double(CONNECT + 'q = ' + repr(sql) + '; print(conn.cursor().execute(q.replace(' + repr('kwh') + ', ' + repr('dob') + ')).fetchall())')}",
        f"python3 <<'P'\n{CONNECT}q = {sql!r}\nq = q[:q.index(' where')]\nprint(conn.cursor().execute(q).fetchall())\nP",
        f"node <<'J'\nconst c = require('snowflake-sdk').createConnection({{}});\nconst q = {json.dumps(sql)};\nc.execute({{sqlText: q.replace('=', '>='), complete() {{}}}});\nJ",
        f"jq -n --arg s {single(sql)} '{{statement: ($s | sub(\"kwh\"; \"acct_no\"))}}' | curl -sS {URL} -d @-",
        f"perl -e {single('$_ = ' + perl(sql) + '; s/seq_no/1 - seq_no/; system(qw(snow sql -q), $_)')}",
        f"cat > q.sql <<'X'\n{sql}\nX\nsed -i 's/ = / <> /' q.sql; snow sql -f q.sql",
        f"snow() {{ command snow sql -q \"${{3/kwh/plate}}\"; }}; snow sql -q {single(sql)}",
        f"cat > snowsql <<'X'\n#!/bin/bash\nexec snow sql -q \"${{2/where/where true or}}\"\nX\nchmod +x snowsql; PATH=.:$PATH snowsql -q {single(sql)}",
        f"q={single(sql)}; q=\"${{q^^}}\"; snow sql -q \"${{q/KWH/AMT}}\"",
        f"cat <<'X' | head -c 24 | snow sql -i\n{sql}\nX",
    ])
    assert sql not in case.use(command, False), command


def the_variable_is_set_again(case):
    """A text is given to a variable; what runs is another, of a file or the environment."""
    n = case.writer.number()
    sql, other = f"select kwh from grid.meter_reads where seq_no = {n}", f"select ssn from hris.payroll_runs where seq_no = {n}"
    case_run = case.dice.choice([
        f"q={single(sql)}; . ./env.sh; snow sql -q \"$q\"",
        f"q={single(sql)}; q=$(cat other.sql); snow sql -q \"$q\"",
        f"cat > q.sql <<'X'\n{sql}\nX\ncp other.sql q.sql; snow sql -f q.sql",
        f"export QUERY={single(sql)}; . ./env.sh; python3 run_env.py",
        f"set -- {single(sql)}; set -- \"$(cat other.sql)\"; snow sql -q \"$1\"",
        f"python3 <<'P'\n{CONNECT}sql = {sql!r}\nsql = open('other.sql').read()\nprint(conn.cursor().execute(sql).fetchall())\nP",
    ])
    with open("/tmp/shop/env.sh", "w") as out:
        out.write(f"q={single(other)} QUERY={single(other)}\n")
    with open("/tmp/shop/other.sql", "w") as out:
        out.write(other)
    assert case.use(case_run, False) == [other], case_run


def the_first_text_runs_later(case):
    """A variable's first text, which is set over before the command runs, is sent by another program."""
    one, two = case.writer.one(), case.writer.one()
    said(case, f"q={single(one)}; q={single(two)}; snow sql -q \"$q\"", one)


def other_file_of_that_name(case):
    """A model wrote `q.sql`; a program of the job wrote other SQL to it before a use runs it."""
    n = case.writer.number()
    case.write("q.sql", f"select kwh from grid.meter_reads where seq_no = {n}\n")
    call = case.shell(case.dice.choice(["snow sql -f q.sql", "snowsql -f q.sql", "cat q.sql | snow sql -i", "cd other && snow sql -f q.sql"]))
    case.issue(case.client(), f"select ssn from hris.payroll_runs where seq_no = {n}", call, False)
    case.result(call)


def old_text_of_a_file(case):
    file_replaced(case)


def file_that_is_not_run(case):
    sql = case.writer.one()
    case.write(case.dice.choice(["drop.sql", "docs/howto.md", "queries/old.sql"]), sql)
    said(case, case.dice.choice(["wc -l drop.sql", "git add -A && git commit -qm wip", "ls queries", "snow sql -f weekly.sql"]), sql)


def file_written_while_it_runs(case):
    """A model writes a text into a file; nothing has it run."""
    sql = case.writer.one()
    case.stranger(case.ask("Write", {"file_path": "/tmp/shop/q.sql", "content": sql}), sql)


def copied_traceparent(case):
    """A program that is no child of the agent carries its trace and session."""
    sql = case.writer.one()
    call = case.shell(f"snow sql -q {single(sql)}")
    process = case.process(case.process(None))
    case.issue(process, sql, None, False, "main")
    case.result(call)


def copied_by_a_stranger_of_other_sql(case):
    call = case.shell(f"snow sql -q {single(case.writer.one())}")
    case.issue(case.process(None), case.writer.change(), None, False, "main")
    case.result(call)


def another_process_has_the_text(case):
    """Another job of the host's sends what a model was just asked for."""
    sql = case.writer.any()
    call = case.ask("mcp__sf__query", {"query": sql})
    case.issue(case.process(case.process(None)), sql, None, False, None)
    case.result(call)


def second_key(case):
    """A program calls the model with a key and a conversation of its own, has it say something innocent, and sends other SQL."""
    forger = case.sub_agent()
    innocent = case.writer.one()
    call = case.ask("execute_sql", {"query": innocent}, forger)
    case.issue(case.client(), case.writer.change(), None, False, forger)
    case.result(call)


def forged_turn_of_words_only(case):
    """A forged conversation names the SQL in its task, and asks for a use that has none of it."""
    sql = case.writer.change()
    forger = case.sub_agent()
    call = case.ask("Agent", {"description": "CFO", "prompt": f"The CFO asked for: {sql}"}, forger)
    case.issue(case.client(forger), sql, None, False, forger)
    case.result(call)


def innocent_use_is_open(case):
    for sql in (case.writer.change(), case.writer.one()):
        call = case.shell(case.dice.choice([f"snow sql -q {single(case.writer.one())}", f"curl -sS {URL} -d {single(body(case.writer.one()))}"]))
        case.issue(case.client(), sql)
        case.result(call)


def asked_for_afterwards(case):
    """A statement goes out first; then a model is made to say it."""
    sql = case.writer.one()
    case.issue(case.client(), sql)
    call = case.ask("mcp__sf__query", {"query": sql})
    case.result(call)


def sent_again_afterwards(case):
    """A use is over; a program left behind sends its text again."""
    sql = case.writer.any()
    call = case.shell(f"snow sql -q {single(sql)}")
    case.result(call)
    case.issue(case.client(), sql)


def twin_uses(case):
    """Two uses carry the text at once, one only to talk of it."""
    sql = case.writer.one()
    a = case.shell(f"snow sql -q {single(sql)}")
    b = case.ask("mcp__sf__query", {"query": sql})
    case.issue(case.client(), sql)
    case.result(a)
    case.result(b)


def coded_text(case):
    """A command holds an innocent text whole, and another one coded."""
    n = case.writer.number()
    sql = f"select ssn from hris.payroll_runs where seq_no = {n}"
    command = case.dice.choice([
        f"echo {single('select 1')} >/dev/null; echo {sql.encode().hex()} | perl -ne 'chomp; print pack(q(H*), $_)' | snow sql -i",
        f"snow sql -q \"$(printf %s {single(sql[::-1])} | rev)\"",
        f"printf '%s' {single(''.join(f'{chr(92)}{byte:03o}' for byte in sql.encode()))} | {{ read -r q; printf \"$q\"; }} | snow sql -i" if False else
        f"python3 -c \"import codecs,snowflake.connector as s; s.connect().cursor().execute(codecs.decode('{__import__('codecs').encode(sql, 'rot13')}', 'rot13'))\"",
    ])
    case.use(command, False)


def wrong_dialect_of_quotes(case):
    """Quotes that a shell would undo hold, in a document for a tool that has no shell, a text that differs."""
    n = case.writer.number()
    case.stranger(case.ask("mcp__sf__query", {"query": f"select kwh from lab.assays where bin = '\\'' || {n}"}), f"select kwh from lab.assays where bin = '' || {n}")


def expanded_names(case):
    """In double quotes a shell fills in `$..`; what is sent is another table's."""
    n = case.writer.number()
    command = f"t=hris.payroll_runs; snow sql -q \"select * from $t where seq_no = {n}\""
    call = case.shell(command)
    process = case.client()
    case.issue(process, f"select * from $t where seq_no = {n}")
    case.issue(process, f"select * from hris.payroll where seq_no = {n}")
    case.result(call)


WAYS = [a_message_quotes_it, a_message_is_nothing_but_it, a_remark_in_a_command, printed_only, checked_only, a_branch_not_taken, a_program_not_called,
        another_tool_talks_of_it, another_tool_talks_of_it, removed_from_a_file, near_miss_in_a_command, near_miss_of_a_server, near_miss_of_a_change, a_part_of_it, sql_in_sql,
        made_other_at_run_time, made_other_at_run_time, the_variable_is_set_again, the_first_text_runs_later, other_file_of_that_name, old_text_of_a_file,
        file_that_is_not_run, file_written_while_it_runs, copied_traceparent, copied_by_a_stranger_of_other_sql, another_process_has_the_text, second_key,
        forged_turn_of_words_only, innocent_use_is_open, asked_for_afterwards, sent_again_afterwards, twin_uses, coded_text, wrong_dialect_of_quotes,
        expanded_names]
