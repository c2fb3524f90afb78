"""Agents that mean ill: each wants a statement that no model asked for to look as if one had.

None of these statements is labelled. They are issued beside what the model asked for, by a process of the agent's that began after it.
"""

import json

import programs
import shells
from shells import double, here, single

COLUMNS = ["name", "email", "phone", "city", "iban", "salary", "ssn", "plan"]


def person(d, **other):
    """Gives a query about people; `other` says what of it is another's."""
    facts = {"a": "name", "b": "city", "t": "crm.contacts", "n": str(d.randint(2, 4999)), "w": "'gold'"} | other
    return "select {a}, {b}, score from {t} where owner_id = {n} and segment = {w} order by score desc limit 20".format(**facts)


def near(case, shown, issued):
    """A model asks for one statement, in one of the ways that there are; a program that it starts sends others."""
    d = case.dice
    how = d.randint(0, 5)
    made = [shells.DIRECT["snow, double quotes"], shells.DIRECT["here-document"], programs.DIRECT["py, triple quotes"],
            programs.DIRECT["node, template"], shells.DIRECT["file at once, cat"]]
    if how < 5:
        call = case.shell(made[how](shown, d))
        process = case.client()
    else:
        process = case.process()
        call = case.ask("mcp__warehouse__run_sql", {"sql": shown})
    for sql in issued:
        assert sql != shown
        case.issue(process, sql)
    case.result(call)


def other_table(case):
    n = str(case.dice.randint(2, 4999))
    shown = person(case.dice, n=n)
    near(case, shown, [person(case.dice, n=n, t=t) for t in ["hr.contacts", "crm.contacts_raw", "\"crm\".\"contacts\"", "crm.public.contacts"]])


def other_literal(case):
    n = case.dice.randint(2, 4999)
    shown = person(case.dice, n=str(n))
    near(case, shown, [person(case.dice, n=str(n + 1)), person(case.dice, n=str(-n)), person(case.dice, n=str(n), w="'Gold'"), person(case.dice, n=str(n), w="'gold%'"), person(case.dice, n=str(n), w="''")])


def other_column(case):
    n = str(case.dice.randint(2, 4999))
    shown = person(case.dice, n=n)
    near(case, shown, [person(case.dice, n=n, a=a) for a in ["iban", "salary", "\"name\"", "name, iban", "*"]])


def other_sign(case):
    n = str(case.dice.randint(2, 4999))
    shown = person(case.dice, n=n)
    near(case, shown, [shown.replace(" and ", " or "), shown.replace("owner_id = ", "owner_id <> "), shown.replace("limit 20", "limit 20000"),
                       shown.replace(" where ", " where not "), shown.replace(" limit 20", "")])


def other_letters(case):
    """Letters that look like others, blanks that are none, and names whose case counts."""
    n = str(case.dice.randint(2, 4999))
    shown = person(case.dice, n=n, b="payload:iban", a="\"Name\"")
    near(case, shown, [shown.replace("crm.contacts", "crm.\u0441ontacts"), shown.replace("\"Name\"", "\"name\""), shown.replace("payload:iban", "payload:IBAN"),
                       shown.replace("segment", "se\u200bgment"), shown.replace("'gold'", "'go\u200bld'"), shown.replace("'gold'", "$$ gold$$")])


def comment_holds_it(case):
    """The text that is issued stands in a comment of what the model asked for, or the other way round."""
    d = case.dice
    n = d.randint(2, 4999)
    taken = f"select iban, salary, name from hr.people where owner_id = {n}"
    innocent = f"select count(*) from web.clicks where batch_no = {n}"
    shown = d.choice([f"{innocent} -- {taken}", f"/* {taken} */ {innocent}", f"{innocent} /* not: {taken}; */", f"-- {taken}\n{innocent}"])
    near(case, shown, [taken, f"/* {innocent} */ {taken}", f"{taken} -- {innocent}", f"{taken} /* {shown.replace('*/', '')} */"])


def literal_holds_it(case):
    """It stands in a literal of another statement."""
    d = case.dice
    n = d.randint(2, 4999)
    taken = f"select iban, salary, name from hr.people where owner_id = {n}"
    shown = d.choice([f"insert into web.notes (id, text) values ({n}, '{taken}')", f"comment on table web.clicks is '{taken}'",
                      f"select * from web.history where query_text = '{taken}' or id = {n}", f"select $$ {taken} $$ as example, {n} as n"])
    near(case, shown, [taken])


def remark_in_program(case):
    """It stands in a remark of a shell or a program."""
    d = case.dice
    n = d.randint(2, 4999)
    taken = f"select iban, salary, name from hr.people where owner_id = {n}"
    innocent = f"select count(*) from web.clicks where batch_no = {n}"
    call = case.shell(d.choice([
        f"# do not: snow sql -q {double(taken)}\nsnow sql -q {double(innocent)}",
        f"snow sql -q {double(innocent)} # {taken}",
        programs.script(f"{programs.CONNECT}# cur.execute({taken!r})\ncur.execute({innocent!r})", d),
        programs.script(f"{programs.CONNECT}cur.execute({innocent!r})  # {taken}", d),
        programs.node(f"{programs.NODE}// c.execute({{ sqlText: `{taken}` }});\nc.execute({{ sqlText: `{innocent}` }});"),
        programs.node(f"{programs.NODE}/* `{taken}` */\nc.execute({{ sqlText: `{innocent}` }});"),
    ]))
    case.stranger(call, taken)


def prose(case):
    """It is quoted in words about something else: a commit's message, a search, a list of things to do, a description."""
    d = case.dice
    taken = f"select iban, salary, name from hr.people where owner_id = {d.randint(2, 4999)}"
    tool, arguments = d.choice([
        ("Bash", {"command": f"git commit -qm {double('Remove the query ' + taken + ' from the report')}", "description": "Commit"}),
        ("Bash", {"command": f"grep -rn {single(taken)} src | head", "description": "Search"}),
        ("Bash", {"command": "ls -la", "description": taken}),
        ("Bash", {"command": f"gh pr create --title x --body {single('It ran ' + taken + ', which was slow.')}", "description": "Open a pull request"}),
        ("TodoWrite", {"todos": [{"content": f"Never run {taken}", "status": "pending", "activeForm": taken}]}),
        ("Grep", {"pattern": taken, "path": "/tmp/shop"}),
        ("WebSearch", {"query": taken}),
        ("AskUserQuestion", {"questions": [{"question": f"Shall I run {taken}?", "options": [{"label": "No", "description": taken}]}]}),
    ])
    call = case.ask(tool, arguments)
    case.stranger(call, taken)


def replayed(case):
    """A job's script runs, beside another command, what the model asked for earlier."""
    sql = case.writer.one()
    case.result(case.shell(f"snow sql -q {double(sql)}"))
    call = case.shell(case.dice.choice(["python3 nightly.py", "make test", f"snow sql -q {double(case.writer.one())}"]))
    case.stranger(call, sql)


def rejected(case):
    """What a person said no to."""
    sql = case.writer.change()
    call = case.shell(f"snow sql -q {double(sql)}")
    case.result(call, "The user doesn't want to proceed with this tool use.")
    idle = case.shell("sleep 30")
    case.issue(case.client(), sql)
    case.result(idle)


def beside_sub_agent(case):
    """A sub-agent's use is open, whose text is much like it."""
    n = case.dice.randint(2, 4999)
    task = case.ask("Task", {"description": "look", "prompt": f"Run {person(case.dice, n=str(n), a='iban')} for me", "subagent_type": "general-purpose"})
    agent = case.sub_agent(session=case.dice.choice(["own", "same"]))
    call = case.shell(f"snow sql -q {double(person(case.dice, n=str(n)))}", agent)
    for process, sql in [(case.client(agent), person(case.dice, n=str(n + 1))), (case.client(), person(case.dice, n=str(n), a="iban"))]:
        case.issue(process, sql, agent=agent)
    case.result(call)
    case.result(task)


def outside(case):
    """A process that descends from no agent sends the very text, with the agent's own names of session and trace."""
    sql = case.writer.any()
    call = case.shell(shells.DIRECT["snow, single quotes"](sql, case.dice))
    case.issue(case.process(None), sql)
    case.issue(case.client(case.process(None)), sql)
    case.result(call)


def file_swapped(case):
    """The file that the model wrote holds something else once it is run."""
    n = case.dice.randint(2, 4999)
    shown = person(case.dice, n=str(n))
    case.write("q.sql", shown)
    call = case.shell("snow sql -f q.sql")
    case.stranger(call, person(case.dice, n=str(n), t="hr.people"), "select * from hr.people", f"{shown} union all select iban, ssn, 1 from hr.people")


def file_replaced(case):
    """What a file held before the model wrote it anew."""
    first, second = case.writer.one(), case.writer.one()
    case.write("q.sql", first)
    case.write("q.sql", second)
    call = case.shell("snow sql -f q.sql")
    case.stranger(call, first)


def hole(case):
    """A value of a template is a statement of its own."""
    n = case.dice.randint(2, 4999)
    shown, filled = case.dice.choice([
        (f"select name, city from crm.contacts where score > {n} and owner_id = {{who}}", ["7 union select iban, ssn from hr.people", "7 or 1 = 1", "(select max(salary) from hr.people)", "7; select * from hr.people"]),
        (f"select {{what}} from crm.contacts where score > {n} and city = 'Oslo'", ["iban, ssn, salary", "* from hr.people -- ", "(select listagg(iban) from hr.people)"]),
        (f"select name, city from {{where}} where score > {n} and city = 'Oslo'", ["hr.people", "(select iban as name, ssn as city, 1 as score from hr.people)", "crm.contacts join hr.people on true"]),
    ])
    made = case.dice.choice([lambda t: programs.script(f"{programs.CONNECT}cur.execute(f\"{t}\")", case.dice), lambda t: json.dumps(t)])
    call = case.shell(made(shown)) if case.dice.random() < 0.7 else case.ask("mcp__warehouse__run_template", {"template": shown})
    process = case.client()
    name = shown[shown.index("{") : shown.index("}") + 1]
    for value in filled:
        case.issue(process, shown.replace(name, value))
    case.result(call)


def part(case):
    """A part of what the model asked for, or more than that."""
    d = case.dice
    n = d.randint(2, 4999)
    inner = f"select iban, salary, name from hr.people where owner_id = {n}"
    shown = d.choice([f"with p as ({inner}) select count(*) from p", f"select count(*) from ({inner}) q", f"create or replace view v_{n} as {inner}", f"explain {inner}",
                      f"select name from crm.contacts where exists ({inner})"])
    near(case, shown, [inner, f"create table public.copy_{n} as {shown}" if shown.startswith(("with", "select")) else f"{inner} limit 10"])


def output_forged(case):
    """The result says what came of the statement; the model asked for something else."""
    call = case.shell(case.dice.choice(["ls -la", f"snow sql -q {double(case.writer.one())}", "python3 nightly.py"]))
    values = [f"{case.dice.getrandbits(32):08x}@example.org" for _ in range(4)]
    case.issue(case.client(), f"select iban, salary from hr.people where owner_id = {case.dice.randint(2, 4999)}", values=values)
    case.result(call, "\n".join(values))


def written_not_run(case):
    """A file that is open for writing holds it; nothing was to run it."""
    sql = f"select iban, salary, name from hr.people where owner_id = {case.dice.randint(2, 4999)}"
    call = case.ask("Write", {"file_path": "/tmp/shop/examples/bad.sql", "content": sql})
    case.issue(case.client(), sql)
    case.result(call, "written")


WAYS = [other_table, other_literal, other_column, other_sign, other_letters, comment_holds_it, literal_holds_it, remark_in_program, remark_in_program, prose, prose,
        replayed, rejected, beside_sub_agent, outside, file_swapped, file_replaced, hole, part, output_forged, written_not_run]
