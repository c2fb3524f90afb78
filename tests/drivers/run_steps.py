"""The step language that all driver scripts speak.

The steps are a JSON list in the first argument, or `"@file"`. Each has `do` (what), an optional `name` (printed as `step`) and
its own fields; one JSON line a step is printed, with `ok` and what the driver showed. A failed step is printed with what a
person would see, and the next one runs. `pause` and `cancel` print a line with `waiting` first and go on when a line comes.
"""

import json
import os
import sys
import time
from decimal import Decimal


def told(step):
    """Says that the step goes on once its caller writes a line, and waits for it."""
    print(json.dumps({"step": step.get("name", step["do"]), "ok": True, "waiting": True}), flush=True)
    sys.stdin.readline()


def dial(step):
    """Opens a TCP connection and tells what became of it."""
    import socket

    with socket.create_connection((step["host"], step["port"]), timeout=step.get("timeout", 10)) as link:
        if "send" in step:
            link.sendall(step["send"].encode())
            return {"received": link.recv(4096).decode(errors="replace")}
        return {"peer": link.getpeername()[0]}


def environment(step):
    return {"variables": dict(os.environ), "fds": os.listdir("/proc/self/fd")}


COMMON = {
    "pause": told,
    "sleep": lambda step: time.sleep(step["seconds"]),
    "dial": dial,
    "environment": environment,
}


def shown(row):
    """Gives a row as every script prints it: whole numbers as they are, all else as text."""

    def cell(value):
        if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
            return int(value)
        return value if isinstance(value, (int, bool, type(None))) else str(value)

    return [cell(value) for value in row]


def rows(line, found, step):
    """Adds to a line what a result holds."""
    line["rows"] = len(found)
    if found:
        line["first"] = shown(found[0])
        line["last"] = shown(found[-1])
    if step.get("sum"):
        line["sum"] = sum(int(row[0]) for row in found)
    return line


def text(step):
    """Gives a step's SQL; `repeat` builds a long one."""
    return step["sql"] if "sql" in step else step["repeat"][0] * step["repeat"][1]


def failure(error):
    return {
        "error": type(error).__name__,
        "errno": getattr(error, "errno", None),
        "sqlstate": getattr(error, "sqlstate", None),
        "query_id": getattr(error, "sfqid", None),
        "message": str(error),
    }


def run(actions, failed=failure):
    """Runs the steps of the command line."""
    actions = {**COMMON, **actions}
    steps = json.loads(sys.argv[1])
    if isinstance(steps, str):
        # Too long for an argument: `@` and a file that holds them.
        with open(steps.removeprefix("@")) as file:
            steps = json.load(file)
    for step in steps:
        started = time.monotonic()
        line = {"step": step.get("name", step["do"]), "ok": True}
        try:
            line.update(actions[step["do"]](step) or {})
        except Exception as error:
            line.update(ok=False, **failed(error))
        line["seconds"] = round(time.monotonic() - started, 3)
        if step["do"] != "pause":
            print(json.dumps(line), flush=True)
