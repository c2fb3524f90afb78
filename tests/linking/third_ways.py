"""Honest ways of the third corpus: how else a model's use of a tool comes to issue a statement."""

import json

from shells import double

CONNECT = "import snowflake.connector\nconn = snowflake.connector.connect()\n"
MCP = [
    ("mcp__sf__query", lambda s: {"query": s, "max_rows": 200}),
    ("mcp__data-platform__execute", lambda s: {"statement": s, "timeout": 60}),
    ("run_snowflake_query", lambda s: {"sql": s, "role": "ANALYST"}),
    ("mcp__sf__read_query", lambda s: {"params": {"query": s}}),
    ("sf.batch", lambda s: {"statements": [s]}),
    ("cortex_execute", lambda s: {"request": {"body": {"sql_text": s}}, "explain": False}),
    ("mcp__notebook__run_cell", lambda s: {"cell": {"language": "sql", "source": s}}),
]


def single(text):
    return "'" + text.replace("'", "'\\''") + "'"


def coded(text):
    """In $'..', with all that is not a letter or a digit written by its number."""
    return "$'" + "".join(one if one.isalnum() and one.isascii() or one == " " else "".join(f"\\x{byte:02x}" for byte in one.encode()) for one in text) + "'"


def perl(text):
    return "q{" + text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}") + "}"


def java(sql, dice):
    lines = [json.dumps(sql, ensure_ascii=False)]
    return ("cat > /tmp/shop/Q.java <<'EOF'\npublic class Q {\n  public static void main(String[] a) throws Exception {\n"
            f"    String sql = {lines[0]};\n    new ProcessBuilder(\"snow\", \"sql\", \"-q\", sql).inheritIO().start().waitFor();\n  }}\n}}\nEOF\njava Q.java")


def c(sql, dice):
    text = json.dumps(sql, ensure_ascii=False)
    return f"cat > q.c <<'EOF'\n#include <unistd.h>\nint main(void) {{\n  const char *sql = {text};\n  return execlp(\"snow\", \"snow\", \"sql\", \"-q\", sql, (char *)0);\n}}\nEOF\ngcc -o q q.c && ./q"


def notebook(sql, dice):
    cells = [{"cell_type": "markdown", "metadata": {}, "source": ["# look\n"]},
             {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
              "source": [line + "\n" for line in f"{CONNECT}for row in conn.cursor().execute({sql!r}):\n    print(row)".splitlines()]}]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False)
    return f"cat > look.ipynb <<'NB'\n{text}\nNB\njupyter nbconvert --to notebook --execute look.ipynb"


def unittest(sql, dice):
    return (f"cat > test_q.py <<'EOF'\nimport unittest\nimport snowflake.connector\n\n\nclass Query(unittest.TestCase):\n    SQL = {sql!r}\n\n"
            "    def test_rows(self):\n        rows = snowflake.connector.connect().cursor().execute(self.SQL).fetchall()\n        self.assertTrue(rows)\n\n"
            "    def test_other(self):\n        self.assertTrue(1)\n\n\nif __name__ == '__main__':\n    unittest.main()\nEOF\npython3 -m unittest -k test_rows test_q")


def table_of_queries(sql, dice):
    return f"python3 - <<'PY'\n{CONNECT}QUERIES = {{\n    'first': {sql!r},\n}}\nfor name, sql in QUERIES.items():\n    print(name, conn.cursor().execute(sql).fetchone())\nPY"


def body(sql):
    return json.dumps({"statement": sql, "timeout": 60, "warehouse": "WH"}, ensure_ascii=False)


URL = "https://acme-dev.snowflakecomputing.com/api/v2/statements -H 'Content-Type: application/json'"

# SQL that stands in the command as a whole.
DIRECT = {
    "ansi-c by numbers": lambda s, d: f"snow sql -q {coded(s)}",
    "quotes joined": lambda s, d: "snow sql -q " + "".join(d.choice([single, double])(s[at:at + 9]) for at in range(0, len(s), 9)),
    "process substitution": lambda s, d: f"snow sql -f <(cat <<'Q'\n{s}\nQ\n)",
    "process substitution, printf": lambda s, d: f"snowsql -f <(printf '%s\\n' {single(s)})",
    "printf -v": lambda s, d: f"printf -v q '%s' {single(s)}\nsnow sql -q \"$q\"",
    "command's output in quotes": lambda s, d: f"snow sql -q \"$(printf %s {single(s)})\"",
    "mapfile": lambda s, d: f"mapfile -d '' q < <(printf '%s\\0' {single(s)})\nsnow sql -q \"${{q[0]}}\"",
    "positional": lambda s, d: f"set -- {double(s)}; snow sql --query \"$1\" --format json",
    "sh -c, positional": lambda s, d: f"sh -c 'snow sql -q \"$1\"' _ {single(s)}",
    "dash": lambda s, d: f"dash -c {single('snow sql -q ' + single(s))}",
    "zsh": lambda s, d: f"zsh -fc {double('snow sql -q ' + single(s))}",
    "xargs -0": lambda s, d: f"printf '%s\\0' {single(s)} | xargs -0 -n1 snow sql -q",
    "xargs -I": lambda s, d: f"printf '%s' {single(s)} | xargs -0 -I@@ snow sql -q @@",
    "find -exec": lambda s, d: f"mkdir -p sqls && cat > sqls/a.sql <<'END'\n{s}\nEND\nfind sqls -name '*.sql' -exec snow sql -f {{}} \\;",
    "tee >()": lambda s, d: f"printf '%s\\n' {single(s)} | tee log.sql | snow sql -i",
    "file descriptor": lambda s, d: f"exec 3<<'X'\n{s}\nX\nsnow sql -i <&3",
    "coproc of cat": lambda s, d: f"{{ cat <<'X'\n{s}\nX\n}} | snowsql -c dev -o friendly=false",
    "curl, data": lambda s, d: f"curl -sS -X POST {URL} -d {single(body(s))}",
    "curl, @-": lambda s, d: f"curl -sS {URL} --data-binary @- <<'JSON'\n{body(s)}\nJSON",
    "curl, file at once": lambda s, d: f"cat > body.json <<'JSON'\n{json.dumps(json.loads(body(s)), indent=2)}\nJSON\ncurl -sS {URL} --json @body.json",
    "curl, jq --arg": lambda s, d: f"jq -n --arg s {single(s)} '{{statement: $s, timeout: 30}}' | curl -sS {URL} -d @-",
    "poetry run": lambda s, d: f"poetry run python run.py --sql {double(s)}",
    "pdm run": lambda s, d: f"pdm run snow sql -q {single(s)}",
    "tox exec": lambda s, d: f"tox exec -- python3 run.py {single(s)}",
    "perl, q{}": lambda s, d: f"perl -e {single('system(qw(snow sql -q), ' + perl(s) + ') == 0 or die')}",
    "perl, heredoc": lambda s, d: f"cat > q.pl <<'PL'\nmy $sql = <<'SQL';\n{s}\nSQL\nchomp $sql;\nsystem('snow', 'sql', '-q', $sql);\nPL\nperl q.pl",
    "perl, pipe open": lambda s, d: f"perl <<'PL'\nopen(my $p, '|-', 'snow sql -i') or die;\nprint $p <<'SQL';\n{s}\nSQL\nclose $p;\nPL",
    "tcl, braces": lambda s, d: f"tclsh <<'T'\nset sql \"{''.join(chr(92) + one if one in '[]$' + chr(34) + chr(92) + '{}' else one for one in s)}\"\nputs [exec snow sql -q $sql]\nT",
    "java": java,
    "c": c,
    "awk prints it": lambda s, d: f"awk 'BEGIN {{ while ((getline line < \"/dev/stdin\") > 0) print line }}' <<'A' | snow sql -i\n{s}\nA",
    "notebook at once": notebook,
    "unittest": unittest,
    "table of queries": table_of_queries,
    "py, walrus": lambda s, d: f"python3 -c {double(CONNECT + 'print(conn.cursor().execute((q := ' + repr(s) + ')).fetchall(), len(q))')}",
    "py, class": lambda s, d: f"python3 <<'PY'\n{CONNECT}class Report:\n    sql = {json.dumps(s)}\n    def run(self): return conn.cursor().execute(self.sql).fetchall()\nprint(Report().run())\nPY",
    "py, getenv": lambda s, d: f"QUERY={double(s)} python3 run_env.py",
    "node, array": lambda s, d: f"node -e {single('const sdk = require(' + chr(34) + 'snowflake-sdk' + chr(34) + '); const c = sdk.createConnection({}); for (const sqlText of [' + json.dumps(s, ensure_ascii=False) + ']) c.execute({sqlText, complete: (e, st, rows) => console.log(rows)})')}",
    "node, execFile": lambda s, d: f"node <<'JS'\nconst {{ execFileSync }} = require('child_process');\nconsole.log(execFileSync('snow', ['sql', '-q', {json.dumps(s)}]).toString());\nJS",
    "trap": lambda s, d: f"q={single(s)}\ntrap 'snow sql -q \"$q\"' EXIT\ntrue",
    "eval": lambda s, d: f"cmd={single('snow sql -q ' + single(s))}; eval \"$cmd\"",
    "case": lambda s, d: f"case dev in dev) snow sql -q {single(s)};; *) exit 1;; esac",
    "retry loop": lambda s, d: f"for i in 1 2 3; do snow sql -q {double(s)} && break; sleep 1; done",
    "redirected, piped on": lambda s, d: f"set -o pipefail; snow sql -q {single(s)} --format json 2>&1 | tee out.json | head -c 400",
}


def crlf(s, d):
    text = s.replace("\n", "\r\n")
    return f"printf %s {single(text)} > w.sql && snow sql -f w.sql"


# SQL that is put together when it runs, or coded.
INDIRECT = {
    "envsubst": lambda w, d: f"export T=lab.assays N={w.number()}\nenvsubst <<'Q' | snow sql -i\nselect count(*) from $T where seq_no > ${{N}}\nQ",
    "sed -i, then run": lambda w, d: f"cat > t.sql <<'Q'\nselect assay_id from lab.assays where seq_no = __N__ and bin = '__B__'\nQ\nsed -i 's/__N__/{w.number()}/; s/__B__/b{w.number()}/' t.sql\nsnow sql -f t.sql",
    "jinja2 -D": lambda w, d: f"printf 'select {{{{ cols }}}} from fleet.trips where plate = {{{{ p }}}}' > t.j2\njinja2 t.j2 -D cols=kwh,amt -D p={w.number()} > t.sql; snow sql -f t.sql",
    "printf with values": lambda w, d: f"printf \"select %s from ads.bids where bid_usd > %d limit %d\" kwh {w.number()} 5 | snow sql -i",
    "paste of columns": lambda w, d: f"cols=$(printf 'plate\\nkwh\\namt\\n' | paste -sd,)\nsnow sql -q \"select $cols from fleet.trips where seq_no < {w.number()}\"",
    "perl, sprintf": lambda w, d: f"perl -e 'system(qw(snow sql -q), sprintf(q{{select * from ads.bids where seq_no between %d and %d}}, {w.number()}, {w.number()}))'",
    "tr and rev": lambda w, d: f"echo {single(f'select bin from wms.bin_moves where seq_no = {w.number()}'[::-1])} | rev | snow sql -i",
    "hex": lambda w, d: f"perl -e 'print pack(q(H*), shift)' {w.one().encode().hex()} | snow sql -i",
    "gzip": lambda w, d: f"cat <<'Q' | gzip -c > q.gz\n{w.long()}\nQ\nzcat q.gz | tr '\\n' ' ' | snow sql -i",
    "brace expansion": lambda w, d: f"for t in crm.accounts_{{{w.number()},{w.number()}}}; do snow sql -q \"select count(*) from $t\"; done",
    "seq and printf": lambda w, d: f"printf 'select * from ads.bids where seq_no = %s;\\n' {w.number()} {w.number()} | snow sql -i",
    "windows line ends": lambda w, d: crlf(w.long(), d),
    "java, joined": lambda w, d: f"cat > J.java <<'EOF'\npublic class J {{ public static void main(String[] a) throws Exception {{\n var b = new StringBuilder(\"select \"); b.append(String.join(\", \", \"plate\", \"kwh\")).append(\" from fleet.trips where seq_no = \").append({w.number()});\n new ProcessBuilder(\"snow\", \"sql\", \"-q\", b.toString()).inheritIO().start().waitFor(); }} }}\nEOF\njava J.java",
}


def mcp(case):
    process = case.process()
    for tool, arguments in case.dice.sample(MCP, 4):
        sql = case.writer.any()
        call = case.ask(tool, arguments(sql))
        case.issue(process, sql, call, True, None)
        case.result(call)


def mcp_values_apart(case):
    """A server binds values itself."""
    process = case.process()
    n = case.writer.number()
    call = case.ask("mcp__sf__query", {"query": "select plate, kwh from fleet.trips where seq_no = %s and bin = %s", "binds": [n, "b7"]})
    case.issue(process, f"select plate, kwh from fleet.trips where seq_no = {n} and bin = 'b7'", call, False, None)
    case.result(call)


def mcp_explains_first(case):
    """A server that has a query explained before it runs."""
    process = case.process()
    sql = f"select plate from fleet.trips where seq_no = {case.writer.number()}"
    call = case.ask("mcp__sf__query", {"query": sql})
    case.issue(process, f"explain {sql}", call, False, None)
    case.issue(process, sql, call, True, None)
    case.result(call)


def mcp_describes(case):
    """A tool that has no SQL in its arguments."""
    process = case.process()
    table = f"lab.assays_{case.writer.number()}"
    call = case.ask("mcp__sf__describe_table", {"table_name": table})
    case.issue(process, f"describe table {table}", call, False, None)
    case.result(call)


def powershell(case):
    """Not run: what PowerShell makes of its quotes is written by its rules (about_Quoting_Rules)."""
    one, two = case.writer.one(), case.writer.long()
    for sql, command in [(one, "snow sql -q '" + one.replace("'", "''") + "'"), (two, f"$sql = @'\n{two}\n'@\n$sql | snow sql -i"),
                         (two.replace("count(*)", "count(1)") + " limit 3", f"& snow sql -q @'\r\n{(two.replace('count(*)', 'count(1)') + ' limit 3')}\r\n'@")]:
        call = case.ask("powershell", {"command": command, "timeout_ms": 30000})
        case.issue(case.client(), sql, call, True)
        case.result(call)


def r_and_go(case):
    """Not run: R's raw strings (`r"(..)"`) and Go's (`` `..` ``) hold a text as it stands."""
    sql = case.writer.long()
    call = case.shell(f"Rscript -e 'con <- DBI::dbConnect(odbc::odbc(), dsn = \"sf\"); print(DBI::dbGetQuery(con, \"select kwh from grid.meter_reads where seq_no = {case.writer.count}77\"))'")
    case.issue(case.client(), f"select kwh from grid.meter_reads where seq_no = {case.writer.count}77", call, True)
    case.result(call)
    call = case.shell(f"cat > q.R <<'R'\nlibrary(DBI)\ncon <- dbConnect(odbc::odbc(), dsn = 'sf')\nprint(dbGetQuery(con, r\"({sql})\"))\nR\nRscript q.R")
    case.issue(case.client(), sql, call, True)
    case.result(call)
    sql = case.writer.long()
    call = case.shell(f"cat > main.go <<'GO'\npackage main\n\nimport (\n\t\"database/sql\"\n\t_ \"github.com/snowflakedb/gosnowflake\"\n)\n\nfunc main() {{\n\tdb, _ := sql.Open(\"snowflake\", dsn())\n\tdb.Query(`{sql}`)\n}}\nGO\ngo run .")
    case.issue(case.process(case.client()), sql, call, True)
    case.result(call)


def file_then_find(case):
    """Files that a model wrote, run by a later command that names none of them."""
    sqls = [case.writer.any() for _ in range(2)]
    for at, sql in enumerate(sqls):
        case.write(f"checks/c{at}.sql", sql + ";\n")
    case.use("find checks -name '*.sql' | sort | xargs -n1 snow sql -f", False)


def file_then_edited_by_sed(case):
    n = case.writer.number()
    case.write("m.sql", f"select kwh, amt from grid.meter_reads where seq_no = {n}\n")
    case.use(f"sed -i 's/{n}/{n + 5}/' m.sql && snow sql -f m.sql", False)


def file_of_python(case):
    """A program that a model wrote, run by name in the next use."""
    sql = case.writer.any()
    case.write("jobs/daily.py", f"{CONNECT}SQL = {sql!r}\n\n\ndef main():\n    print(conn.cursor().execute(SQL).fetchall())\n\n\nif __name__ == '__main__':\n    main()\n")
    case.use(case.dice.choice(["poetry run python jobs/daily.py", "cd jobs && python3 daily.py", "python3 -u ./jobs/daily.py 2>&1 | tail -5"]), False)


def file_of_perl(case):
    sql = case.writer.any()
    case.write("q.pl", f"system('snow', 'sql', '-q', {perl(sql)});\n")
    case.use("perl q.pl", False)


def container(case):
    """A container's process descends from its engine, not from the agent."""
    sql = case.writer.any()
    call = case.shell(f"docker run --rm -e QUERY={double(sql)} etl:1 python3 run_env.py")
    printed, statements = case.run(f"docker run --rm -e QUERY={double(sql)} etl:1 python3 run_env.py")
    for one in statements:
        case.issue(case.process(None), one["sql"], call, True, None, one["values"])
    case.result(call, printed)


def two_at_once(case):
    """Two uses open at once, each with its own process; their answers come back the other way round."""
    one, two = case.writer.any(), case.writer.any()
    first, second = f"snow sql -q {single(one)}", f"curl -s {URL} -d {single(body(two))}"
    a, b = case.shell(first), case.shell(second)
    printed_b, by_b = case.run(second)
    printed_a, by_a = case.run(first)
    case.issued(by_b, b, True)
    case.issued(by_a, a, True)
    case.result(b, printed_b)
    case.result(a, printed_a)


def programs_at_once(case):
    """Two programs of which nobody knows the SQL; the answers tell."""
    a, b = case.shell("python3 report.py --table ads.bids --since 2025-01-01"), case.shell("python3 report.py --table lab.assays --since 2024-06-30")
    printed_a, by_a = case.run("python3 report.py --table ads.bids --since 2025-01-01")
    printed_b, by_b = case.run("python3 report.py --table lab.assays --since 2024-06-30")
    case.issued(by_a, a, False)
    case.issued(by_b, b, False)
    case.result(a, printed_a)
    case.result(b, printed_b)


def helper_of_an_agent(case):
    """A sub-agent asks a server for a query while its parent's use of it is open."""
    outer = case.ask("Agent", {"description": "look", "prompt": "find the latest trips"})
    helper = case.sub_agent()
    sql = case.writer.any()
    call = case.ask("Bash", {"command": f"snow sql -q {single(sql)}"}, helper)
    case.issue(case.client(helper), sql, call, True, helper)
    case.result(call)
    case.result(outer)


def driver_of_its_own(case):
    """What a driver says of itself beside the query that was asked for."""
    sql = case.writer.one()
    call = case.ask("mcp__sf__query", {"query": sql})
    process = case.process()
    case.issue(process, "select current_version(), current_role() /* driver */", call, False, None)
    case.issue(process, sql, call, True, None)
    case.result(call)


def nothing_asked(case):
    """A job's own statement, of no agent."""
    case.issue(case.process(None), case.writer.any(), None, False, None)


WAYS = [mcp, mcp_values_apart, mcp_explains_first, mcp_describes, powershell, r_and_go, file_then_find, file_then_edited_by_sed, file_of_python, file_of_perl,
        container, two_at_once, programs_at_once, helper_of_an_agent, driver_of_its_own, nothing_asked]
