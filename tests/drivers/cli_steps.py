"""Runs steps with an unmodified `snow sql`, one process a statement; `run_steps.py` tells the language."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from run_steps import rows, run, text, told

SNOW = Path(sys.executable).with_name("snow")
CONFIG = Path(os.environ["HOME"]) / "snow.toml"


class Failed(Exception):
    """`snow` ended with another code than 0; the text is what it printed for people, frame taken off."""

    def __init__(self, code, printed):
        framed = [line.strip().strip("│").strip() for line in printed.splitlines()]
        super().__init__(" ".join(line for line in framed if line and line[0] not in "╭╰"))
        self.code = code
        found = re.search(r"(\d{6}) \((\w{5})\)", str(self))
        self.errno = int(found[1]) if found else None
        self.sqlstate = found[2] if found else None


def connect(step):
    """Writes the config that every later `snow` reads; each logs in by itself."""
    timeout = step.get("network_timeout", 60)
    CONFIG.write_text(
        f"""default_connection_name = "acme"

[cli.logs]
save_logs = false

[connections.acme]
account = "acme"
host = "acme.snowflakecomputing.com"
user = "agent"
password = "dummy-password-3b1c"
role = "ANALYST"
warehouse = "WH"
database = "ACME_DB"
schema = "PUBLIC"
login_timeout = {step.get("login_timeout", 30)}
network_timeout = {timeout}
"""
    )
    CONFIG.chmod(0o600)
    return {"version": snow(["--version"]).split()[-1]}


def command(arguments):
    return [str(SNOW), "--config-file", str(CONFIG), *arguments]


def snow(arguments):
    done = subprocess.run(command(arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(done.returncode, done.stdout + done.stderr)
    return done.stdout


def answers(query):
    """Gives the results of a query: a list of rows for each statement in it."""
    printed = snow(["sql", "--format", "json", "--query", query])
    printed = json.loads(printed)
    return printed if printed and isinstance(printed[0], list) else [printed]


def sql(step):
    found = answers(text(step))[0]
    line = rows({}, [list(row.values()) for row in found], step)
    line["columns"] = list(found[0]) if found else []
    return line


def multi(step):
    """Several statements in one command line: the program itself splits them."""
    return {"results": [rows({}, [list(row.values()) for row in found], step) for found in answers(text(step))]}


def cancel(step):
    """Starts a statement and presses Ctrl-C once it runs."""
    running = subprocess.Popen(
        command(["sql", "--query", step["sql"]]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    told(step)
    running.send_signal(signal.SIGINT)
    printed, _ = running.communicate()
    return {"cancelled": running.returncode != 0, "code": running.returncode, "message": printed}


def asynchronous(step):
    """A statement that ends in `;>` is not waited for; `!result` fetches it later."""
    query_id = answers(step["sql"] + ";>")[0][0]["scheduled query ID"]
    line = {"query_id": query_id}
    if step.get("fetch"):
        time.sleep(step.get("after", 3))
        rows(line, [list(row.values()) for row in answers(f"!result {query_id}")[0]], step)
    return line


run({"connect": connect, "sql": sql, "multi": multi, "cancel": cancel, "async": asynchronous, "close": lambda step: {}})
