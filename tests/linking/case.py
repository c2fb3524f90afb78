"""One case: what a model asks for, what its tools really run, and which statements came of it."""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.path.join(HERE, "clients")

# Where an agent's tools work; its name is part of commands and paths.
SHOP = "/tmp/shop"

# The job's own scripts, which no model wrote.
SCRIPTS = {
    "run.py": "import argparse, sys\nimport snowflake.connector\np = argparse.ArgumentParser()\np.add_argument('sql', nargs='*')\np.add_argument('--sql', dest='one')\n"
    "p.add_argument('--file')\na = p.parse_args()\ntexts = a.sql + ([a.one] if a.one else []) + ([open(a.file).read()] if a.file else [])\n"
    "c = snowflake.connector.connect()\nfor t in texts or [sys.stdin.read()]:\n    for r in c.execute_string(t):\n        print(r.fetchall())\n",
    "run_env.py": "import os\nimport snowflake.connector\nprint(snowflake.connector.connect().cursor().execute(os.environ['QUERY']).fetchall())\n",
    "run_json.py": "import json, sys\nimport snowflake.connector\nfor one in json.load(open(sys.argv[1]))['queries']:\n"
    "    print(snowflake.connector.connect().cursor().execute(one['sql']).fetchall())\n",
    "run_yaml.py": "import sys, yaml\nimport snowflake.connector\nfor one in yaml.safe_load(open(sys.argv[1]))['checks']:\n"
    "    print(snowflake.connector.connect().cursor().execute(one['sql'].strip()).fetchall())\n",
    "run_md.py": "import re, sys\nimport snowflake.connector\nfor one in re.findall(r'```sql\\n(.*?)```', open(sys.argv[1]).read(), re.S):\n"
    "    print(snowflake.connector.connect().cursor().execute(one.strip()).fetchall())\n",
    "run_template.py": "import sys, jinja2\nimport snowflake.connector\nvalues = dict(one.split('=', 1) for one in sys.argv[2:])\n"
    "print(snowflake.connector.connect().cursor().execute(jinja2.Template(open(sys.argv[1]).read()).render(**values)).fetchall())\n",
    "report.py": "import argparse\nimport snowflake.connector\np = argparse.ArgumentParser()\np.add_argument('--table')\np.add_argument('--since')\na = p.parse_args()\n"
    "print(snowflake.connector.connect().cursor().execute(f\"select count(*), max(order_ts) from {a.table} where order_ts >= '{a.since}'\").fetchall())\n",
}


class Case:
    """Builds the steps of a case, and runs what its tools are asked to run."""

    def __init__(self, family, dice, writer, number, is_hostile=False, files=None):
        self.family, self.dice, self.writer, self.number, self.is_hostile = family, dice, writer, number, is_hostile
        self.steps, self.names = [], 0
        shutil.rmtree(SHOP, ignore_errors=True)
        os.makedirs(SHOP)
        for name, text in (SCRIPTS | (files or {})).items():
            os.makedirs(os.path.dirname(os.path.join(SHOP, name)), exist_ok=True)
            with open(os.path.join(SHOP, name), "w") as out:
                out.write(text)
        os.symlink(os.path.join(CLIENTS, "modules", "node_modules"), os.path.join(SHOP, "node_modules"))

    def line(self):
        return json.dumps({"family": self.family, "hostile": self.is_hostile, "steps": self.steps}, ensure_ascii=False, separators=(",", ":"))

    def name(self, kind):
        self.names += 1
        return f"{kind}{self.names}"

    # What the session does.

    def sub_agent(self, of="main", session="own"):
        agent = self.name("agent")
        self.steps.append(["agent", agent, of, session])
        return agent

    def ask(self, tool, arguments, agent="main"):
        call = self.name("call")
        self.steps.append(["ask", call, agent, tool, arguments])
        return call

    def result(self, call, text="ok"):
        self.steps.append(["result", call, text])

    def process(self, of="main"):
        """Starts a program from an agent's process, another process, or from none of these (`None`)."""
        name = self.name("process")
        self.steps.append(["run", name, of])
        return name

    def client(self, of="main"):
        return self.process(self.process(of))

    def issue(self, process, sql, label=None, direct=False, agent="main", values=()):
        self.steps.append(["issue", process, agent, sql, label, direct, list(values)])

    # What a tool runs.

    def shell(self, command, agent="main"):
        """Has a model ask for a command, by the tool of one agent or another."""
        tool = self.dice.choice(["Bash", "Bash", "exec_command", "shell", "run_shell_command", "bash"])
        arguments = {
            "Bash": {"command": command, "description": "Query the warehouse", "timeout": 120000},
            "exec_command": {"cmd": command, "workdir": SHOP, "yield_time_ms": 10000},
            "shell": {"command": ["bash", "-lc", command], "workdir": SHOP},
            "run_shell_command": {"command": command, "directory": SHOP},
            "bash": {"command": command, "description": "Runs the query"},
        }[tool]
        return self.ask(tool, arguments, agent)

    def run(self, command, must_issue=True):
        """Runs a command for real; gives what it printed and what statements it issued, each with its process."""
        issued = os.path.join(SHOP, ".issued")
        open(issued, "w").close()
        environment = {
            "PATH": f"{CLIENTS}:{os.path.dirname(sys.executable)}:/usr/bin:/bin",
            "PYTHONPATH": f"{CLIENTS}/modules:{CLIENTS}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ISSUED": issued,
            "ROUND": str(self.number),
            "HOME": SHOP,
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(["bash", "-c", command], cwd=SHOP, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if must_issue and done.returncode != 0:
            raise RuntimeError(f"{self.family}: {command}\n{done.stderr}")
        with open(issued) as lines:
            statements = [json.loads(line) for line in lines]
        if must_issue and not statements:
            raise RuntimeError(f"{self.family}: nothing was issued: {command}\n{done.stdout}{done.stderr}")
        return done.stdout[:30000], statements

    def issued(self, statements, call, direct, agent="main"):
        """Writes down what a command issued; its label is the use that the command is of."""
        processes = {}
        for one in statements:
            if one["pid"] not in processes:
                processes[one["pid"]] = self.client("main" if agent is None else agent)
            self.issue(processes[one["pid"]], one["sql"], call, direct, agent, one["values"])

    def use(self, command, direct, agent="main"):
        """A model asks for a command, it runs, and its output goes back; gives what it issued."""
        call = self.shell(command, agent)
        printed, statements = self.run(command)
        self.issued(statements, call, direct, agent)
        self.result(call, printed)
        return [one["sql"] for one in statements]

    def stranger(self, call, *sqls, text="ok"):
        """A program of the session's that no model asked for sends statements while a use is open."""
        process = self.client()
        for sql in sqls:
            self.issue(process, sql)
        self.result(call, text)

    def idle(self, command, sql, tried=True):
        """A model asks for a command that holds a statement and does not run it; another program sends that meanwhile.

        The command is tried, but where that needs a network or would leave something on the machine. What else it issues is not written
        down: no case that is hostile has an honest statement."""
        call = self.shell(command)
        printed, statements = self.run(command, must_issue=False) if tried else ("", [])
        assert all(one["sql"].strip() != sql.strip() for one in statements), (self.family, command)
        self.stranger(call, sql, text=printed)

    def replay(self, process, sql, call, of_sql):
        """A process sends a statement with the tag that was made, and is spent, for another request of a use."""
        self.steps.append(["replay", process, "main", sql, call, of_sql])

    def write(self, path, content):
        """A model writes a file, by the tool of one agent or another."""
        full = os.path.join(SHOP, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as out:
            out.write(content)
        added = "".join(f"+{line}\n" for line in content.splitlines())
        patch = f"*** Begin Patch\n*** Add File: {path}\n{added}*** End Patch\n"
        tool, arguments = self.dice.choice([
            ("Write", {"file_path": full, "content": content}),
            ("write_file", {"file_path": full, "content": content}),
            ("write", {"filePath": full, "content": content}),
            ("create_file", {"path": full, "file_text": content}),
            ("apply_patch", {"input": patch}),
        ])
        self.result(self.ask(tool, arguments), f"wrote {path}")

    def edit(self, path, old, new):
        """A model replaces a part of a file."""
        full = os.path.join(SHOP, path)
        with open(full) as file:
            text = file.read()
        assert text.count(old) == 1, (path, old)
        with open(full, "w") as out:
            out.write(text.replace(old, new))
        tool, arguments = self.dice.choice([
            ("Edit", {"file_path": full, "old_string": old, "new_string": new}),
            ("replace", {"file_path": full, "old_string": old, "new_string": new}),
            ("edit", {"filePath": full, "oldString": old, "newString": new}),
            ("MultiEdit", {"file_path": full, "edits": [{"old_string": old, "new_string": new}]}),
        ])
        self.result(self.ask(tool, arguments), "edited")
