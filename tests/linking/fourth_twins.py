"""Pairs of the fourth corpus: two commands of one shape, of which one runs a text and the other only holds it. In the second, another
program of the session's sends the text meanwhile. Both commands are run; what they issued is compared with what is written here.

A maker takes the text `s`, another one `o`, and whether `s` is to be run."""

import json

from fourth_ways import CONNECT, NODE
from shells import double, here, single


def sn(text, quote=single):
    return f"snow sql -q {quote(text)}"


def py(body):
    return f"python3 - {here(body, 'EOF')}"


def js(body):
    return f"node - {here(NODE + body, 'EOF')}"


def run_js(text):
    return f"conn.execute({{ sqlText: {text}, complete: (e, st, rows) => console.log(rows.length) }});"


def pick(runs, yes, no):
    return yes if runs else no


def swapped(runs, s, o):
    """Gives the text that is run, then the one that is not."""
    return (s, o) if runs else (o, s)


def a_script(s, o, runs, how):
    return f"cat > /tmp/shop/run.sh <<'X'\n{sn(s)}\nX\n{how}"


def remark_above(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"# was: {sn(no)}\n{sn(yes)}"


def remark_in_a_file(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"cat > q.sql <<'SQL'\n-- {no};\n{yes};\nSQL\nsnow sql -f q.sql"


def remark_in_python(s, o, runs):
    yes, no = swapped(runs, s, o)
    return py(f"{CONNECT}# cur.execute({no!r})\ncur.execute({yes!r})\nprint(cur.fetchall())")


def function_set_over(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"report() {{ {sn(no)}; }}\nreport() {{ {sn(yes)}; }}\nreport"


def alias_used(s, o, runs):
    return f"shopt -s expand_aliases\nalias rpt={single(sn(s, double))}\n{pick(runs, 'rpt', 'alias rpt')}"


def local_variable(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"Q={single(no)}\nreport() {{\n  local Q={single(yes)}\n  snow sql -q \"$Q\"\n}}\nreport"


def variable_in_a_subshell(s, o, runs):
    return pick(runs, f"Q={single(o)}\n(Q={single(s)}; snow sql -q \"$Q\")", f"Q={single(o)}\n(Q={single(s)})\nsnow sql -q \"$Q\"")


def variable_of_one_command(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"QUERY={single(no)} true; QUERY={single(yes)} python3 run_env.py"


def variable_read_in_a_pipe(s, o, runs):
    return f"Q={single(o)}\n" + pick(runs, f"echo {single(s)} | {{ read -r Q; snow sql -q \"$Q\"; }}", f"echo {single(s)} | read -r Q\nsnow sql -q \"$Q\"")


def default_of_a_variable(s, o, runs):
    return pick(runs, "unset Q", f"Q={single(o)}") + f"\nsnow sql -q \"${{Q:-{s.replace(chr(34), chr(92) + chr(34)).replace('$', chr(92) + '$')}}}\""


def set_twice(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"QUERY={single(no)}\nexport QUERY={single(yes)}\npython3 run_env.py"


def other_element(s, o, runs):
    return f"QS=({single(s)} {single(o)})\nsnow sql -q \"${{QS[{pick(runs, 0, 1)}]}}\" --format json"


def arm_of_a_case(s, o, runs):
    return f"target={pick(runs, 'prod', 'dev')}\ncase \"$target\" in\n  prod) {sn(s)} ;;\n  dev) {sn(o)} ;;\nesac"


def number_compared(s, o, runs):
    return f"rows={pick(runs, 9, 0)}\nif [ \"$rows\" -gt 5 ]; then\n  {sn(s)}\nelse\n  {sn(o)}\nfi"


def a_file_is_there(s, o, runs):
    """Only the machine knows."""
    return f"[ -f {pick(runs, 'run_query.py', 'enable_report.flag')} ] && {sn(s)}; echo done"


def loop_left_early(s, o, runs):
    return f"for q in {single(o)} {single(s)}; do\n  snow sql -q \"$q\"\n  {pick(runs, 'sleep 0', 'break')}\ndone"


def loop_over_nothing(s, o, runs):
    return f"for region in {pick(runs, 'EU', '')}; do\n  {sn(s)}\ndone\necho done"


def input_not_read(s, o, runs):
    return f"snow sql {pick(runs, '-i', '-q ' + double(o))} <<'SQL'\n{s}\nSQL"


def pipe_not_read(s, o, runs):
    return f"printf '%s\\n' {single(s)} | snow sql {pick(runs, '--stdin', '-q ' + single(o))} --format json"


def client_shadowed(s, o, runs):
    return f"snow() {{ {pick(runs, 'command snow ', 'echo would run: ')}\"$@\"; }}\n{sn(s)}"


def client_shadowed_by_an_alias(s, o, runs):
    return f"shopt -s expand_aliases\nalias snow={single(pick(runs, 'timeout 60 snow', 'echo snow'))}\n{sn(s)}"


def echo_before_it(s, o, runs):
    return f"printf '%s\\0' {single(s)} | xargs -0 -n1 {pick(runs, '', 'echo ')}snow sql -q"


def dry_run_variable(s, o, runs):
    return f"RUN={pick(runs, '', 'echo')}\n$RUN {sn(s, double)}"


def noexec(s, o, runs):
    return a_script(s, o, runs, pick(runs, "bash -e /tmp/shop/run.sh", "bash -n /tmp/shop/run.sh && echo syntax ok"))


def make_dry(s, o, runs):
    return f"cat > Makefile <<'M'\nreport:\n\t{sn(s).replace('$', '$$')}\nM\nmake {pick(runs, '-s', '-n')} report"


def other_target(s, o, runs):
    return f"cat > Makefile <<'M'\ndaily:\n\t@{sn(s).replace('$', '$$')}\n\nweekly:\n\t@{sn(o).replace('$', '$$')}\nM\nmake -s {pick(runs, 'daily', 'weekly')}"


def package_script(s, o, runs):
    scripts = {"report": f"snow sql -q {double(s)}", "check": "echo fine"}
    return f"cat > package.json <<'J'\n{json.dumps({'name': 'shop', 'scripts': scripts}, indent=2, ensure_ascii=False)}\nJ\nnpm run -s {pick(runs, 'report', 'check')}"


def other_file(s, o, runs):
    return f"cat > daily.sql <<'A'\n{s}\nA\ncat > weekly.sql <<'B'\n{o}\nB\nsnow sql -f {pick(runs, 'daily.sql', 'weekly.sql')}"


def file_written_twice(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"cat > q.sql <<'A'\n{no}\nA\ncat > q.sql <<'A'\n{yes}\nA\nsnow sql -f q.sql"


def file_removed(s, o, runs):
    return f"cat > q.sql <<'A'\n{s}\nA\n{pick(runs, 'true', 'rm q.sql')}\n[ -f q.sql ] || echo {single(o)} > q.sql\nsnow sql -f q.sql"


def trap_of_a_signal(s, o, runs):
    return f"trap {single(sn(s, double))} USR1\n{pick(runs, 'kill -USR1 $$', 'echo $$ > pid')}\ntrue"


def help_of_the_client(s, o, runs):
    return f"{sn(s)} {pick(runs, '--format json', '--help')}"


def option_of_another_kind(s, o, runs):
    yes, no = swapped(runs, s, o)
    return f"snow sql --role {single(no)} -q {single(yes)}"


def after_exec(s, o, runs):
    return f"{pick(runs, '', 'exec ')}ls run_query.py\n{sn(s)}"


def after_a_failure(s, o, runs):
    return f"set {pick(runs, '+e', '-e')}\nls no_such_folder 2>/dev/null\n{sn(s)}"


def second_line_of_several(s, o, runs):
    return f"printf '%s;\\n' {single(o)} {single(s)} | {pick(runs, 'tail', 'head')} -n1 | snow sql -i"


def field_of_a_document(s, o, runs):
    return f"jq -r .{pick(runs, 'current', 'previous')} <<'J' | snow sql -i\n{json.dumps({'current': s, 'previous': o}, ensure_ascii=False)}\nJ"


def py_mocked(s, o, runs):
    return py(f"from unittest.mock import MagicMock\n{CONNECT}log = MagicMock()\n{pick(runs, '', 'cur = MagicMock()' + chr(10))}cur.execute({s!r})\nlog.info('ran')")


def py_default_argument(s, o, runs):
    return py(f"{CONNECT}\ndef run(sql={s!r}):\n    return cur.execute(sql).fetchall()\n\n\nprint(run({pick(runs, '', repr(o))}))")


def py_dry_run(s, o, runs):
    return py(f"{CONNECT}DRY_RUN = {not runs}\nsql = {s!r}\nif DRY_RUN:\n    print('would run', sql)\nelse:\n    print(cur.execute(sql).fetchall())")


def py_generator(s, o, runs):
    return py(f"{CONNECT}results = (cur.execute(q).fetchall() for q in [{s!r}])\nprint({pick(runs, 'list(results)', 'results is not None')})")


def py_name_guard(s, o, runs):
    return f"cat > daily.py <<'P'\n{CONNECT}\nif __name__ == '__main__':\n    print(cur.execute({s!r}).fetchall())\nP\npython3 {pick(runs, 'daily.py', '-c ' + single('import daily; print(daily.conn is not None)'))}"


def py_early_exit(s, o, runs):
    leave = "sys.exit(0)"
    do = f"print(cur.execute({s!r}).fetchall())"
    return py(f"import sys\n{CONNECT}" + pick(runs, f"{do}\n{leave}", f"{leave}\n{do}"))


def py_other_key(s, o, runs):
    return py(f"{CONNECT}QUERIES = {{\n    'daily': {s!r},\n    'weekly': {o!r},\n}}\nprint(cur.execute(QUERIES[{pick(runs, 'daily', 'weekly')!r}]).fetchall())")


def py_other_database(s, o, runs):
    open_it = "sqlite3.connect(':memory:').cursor()"
    return py(f"import sqlite3\nimport snowflake.connector\ncur = {pick(runs, 'snowflake.connector.connect().cursor()', open_it)}\ntry:\n    print(cur.execute({s!r}).fetchall())\nexcept sqlite3.Error as error:\n    print('local:', error)")


def py_handler(s, o, runs):
    return py(f"{CONNECT}try:\n    {pick(runs, 'raise KeyError', 'cur.execute(' + repr(o) + ')')}\nexcept KeyError:\n    cur.execute({s!r})\nprint('ok')")


def py_short_circuit(s, o, runs):
    return py(f"{CONNECT}rows = {runs} and cur.execute({s!r}).fetchall()\nprint(rows)")


def py_argument_of_another_call(s, o, runs):
    yes, no = swapped(runs, s, o)
    return py(f"import logging\n{CONNECT}logging.basicConfig()\nlogging.warning('instead of %s', {no!r})\nprint(cur.execute({yes!r}).fetchall())")


def py_name_set_over(s, o, runs):
    yes, no = swapped(runs, s, o)
    return py(f"{CONNECT}sql = {no!r}\nsql = {yes!r}\nprint(cur.execute(sql).fetchall())")


def py_test_chosen(s, o, runs):
    return f"cat > test_two.py <<'P'\nimport snowflake.connector\n\nrun = lambda sql: snowflake.connector.connect().cursor().execute(sql).fetchall()\n\n\ndef test_daily():\n    assert run({s!r})\n\n\ndef test_weekly():\n    assert run({o!r})\nP\npytest -q test_two.py -k {pick(runs, 'daily', 'weekly')}"


def node_function(s, o, runs):
    return js(f"const report = () => {{ {run_js(json.dumps(s))} }};\n{pick(runs, 'report();', 'console.log(typeof report);')}")


def node_exit(s, o, runs):
    return js(pick(runs, f"{run_js(json.dumps(s))}\nprocess.exit(0);", f"process.exit(0);\n{run_js(json.dumps(s))}"))


def node_choice(s, o, runs):
    return js(f"const full = {json.dumps(runs)};\nconst sql = full ? {json.dumps(s)} : {json.dumps(o)};\n{run_js('sql')}")


def node_remark(s, o, runs):
    yes, no = swapped(runs, s, o)
    return js(f"/* before: {run_js(json.dumps(no))} */\n{run_js(json.dumps(yes))}")


def perl_end(s, o, runs):
    text = "q~" + s + "~"
    return f"perl - <<'P'\nprint \"begin\\n\";\n{pick(runs, '', '__END__' + chr(10))}system('snow', 'sql', '-q', {text});\nP"


TWINS = [remark_above, remark_in_a_file, remark_in_python, function_set_over, alias_used, local_variable, variable_in_a_subshell, variable_of_one_command, variable_read_in_a_pipe,
         default_of_a_variable, set_twice, other_element, arm_of_a_case, number_compared, a_file_is_there, loop_left_early, loop_over_nothing, input_not_read, pipe_not_read,
         client_shadowed, client_shadowed_by_an_alias, echo_before_it, dry_run_variable, noexec, make_dry, other_target, package_script, other_file, file_written_twice, file_removed,
         trap_of_a_signal, help_of_the_client, option_of_another_kind, after_exec, after_a_failure, second_line_of_several, field_of_a_document, py_mocked, py_default_argument,
         py_dry_run, py_generator, py_name_guard, py_early_exit, py_other_key, py_other_database, py_handler, py_short_circuit, py_argument_of_another_call, py_name_set_over,
         py_test_chosen, node_function, node_exit, node_choice, node_remark, perl_end]


def twin(make, runs):
    def way(case):
        s, o = case.writer.one(), case.writer.one()
        command = make(s, o, runs)
        if runs:
            issued = case.use(command, True)
            assert any(one.strip().endswith(s) for one in issued), (command, issued)
        else:
            case.idle(command, s)

    way.__name__ = f"twin: {make.__name__}"
    return way


RUN = [twin(make, True) for make in TWINS]
HELD = [twin(make, False) for make in TWINS]
