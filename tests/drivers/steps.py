"""Runs steps with an unmodified Snowflake connector and prints one JSON line a step.

The steps are a JSON list in the first argument, or `"@file"`. Each has `do` (what), an optional `name` (printed as `step`) and
its own fields. A failed step is printed with what a person would see, and the next one runs.
"""

import json
import os
import signal
import sys
import threading
import time

import warnings

warnings.simplefilter("ignore")
import snowflake.connector  # noqa: E402

snowflake.connector.paramstyle = "qmark"

HOST = "acme.snowflakecomputing.com"


def connect(step):
    settings = dict(
        account="acme",
        host=step.get("host", HOST),
        port=443,
        user=step.get("user", "agent"),
        role=step.get("role", "ANALYST"),
        warehouse="WH",
        database="ACME_DB",
        schema="PUBLIC",
        login_timeout=step.get("login_timeout", 30),
    )
    if key := os.environ.get("TEST_PRIVATE_KEY"):
        # Straight to the emulator, without a proxy that would bring the credential.
        settings.update(user="ICECORE_SVC", authenticator="SNOWFLAKE_JWT", private_key_file=key)
    else:
        settings.update(password=step.get("password", "dummy-password-3b1c"))
    if timeout := step.get("network_timeout"):
        settings.update(network_timeout=timeout)
    state["connection"] = snowflake.connector.connect(**settings)
    return {"version": snowflake.connector.__version__}


def cursor():
    if state.get("connection") is None:
        connect({})
    return state["connection"].cursor()


def shown(row):
    return [value if isinstance(value, (int, float, bool, type(None))) else str(value) for value in row]


def sql(step):
    """Executes a statement; `rows` counts, `first` shows, `all` prints everything."""
    text = step["sql"] if "sql" in step else step["repeat"][0] * step["repeat"][1]
    with cursor() as at:
        arguments = {"timeout": step["timeout"]} if "timeout" in step else {}
        if step.get("binds"):
            arguments["params"] = step["binds"]
        if step.get("describe"):
            columns = at.describe(text)
            return {"columns": [column.name for column in columns]}
        at.execute(text, **arguments)
        rows = at.fetchall()
        out = {"query_id": at.sfqid, "rows": len(rows), "rowcount": at.rowcount}
        out["columns"] = [column[0] for column in at.description or []]
        if rows:
            out["first"] = shown(rows[0])
            out["last"] = shown(rows[-1])
        if step.get("sum"):
            out["sum"] = sum(int(row[0]) for row in rows)
        return out


def interrupt(step):
    """Starts a statement and presses Ctrl-C, by which a driver cancels what runs."""
    timer = threading.Timer(step.get("after", 1), os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with cursor() as at:
            at.execute(step["sql"])
            return {"rows": len(at.fetchall())}
    except KeyboardInterrupt:
        return {"interrupted": True}
    finally:
        timer.cancel()


def abort(step):
    """Starts a statement without waiting for it, aborts it by its id and asks for its state until it has ended."""
    with cursor() as at:
        at.execute_async(step["sql"])
        query_id = at.sfqid
        time.sleep(step.get("after", 1))
        aborted = at.abort_query(query_id)
    connection = state["connection"]
    while connection.is_still_running(status := connection.get_query_status(query_id)):
        time.sleep(0.1)
    return {"query_id": query_id, "aborted": aborted, "status": status.name}


def asynchronous(step):
    with cursor() as at:
        at.execute_async(step["sql"])
        query_id = at.sfqid
        connection = state["connection"]
        seen = []
        while connection.is_still_running(status := connection.get_query_status(query_id)):
            seen.append(status.name)
            time.sleep(0.2)
        line = {"query_id": query_id, "status": status.name, "polls": len(seen)}
        if step.get("fetch"):
            at.get_results_from_sfqid(query_id)
            line["rows"] = len(at.fetchall())
        return line


def by_id(step):
    with cursor() as at:
        at.get_results_from_sfqid(step["query_id"])
        return {"rows": len(at.fetchall())}


def pause(step):
    """Waits for a line on stdin."""
    print(json.dumps({"step": step.get("name", "pause"), "ok": True, "waiting": True}), flush=True)
    sys.stdin.readline()


def close(step):
    if state.get("connection") is not None:
        state["connection"].close()
    state["connection"] = None
    return {}


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


def failure(error):
    return {
        "error": type(error).__name__,
        "errno": getattr(error, "errno", None),
        "sqlstate": getattr(error, "sqlstate", None),
        "query_id": getattr(error, "sfqid", None),
        "message": str(error),
    }


ACTIONS = {
    "connect": connect,
    "sql": sql,
    "interrupt": interrupt,
    "abort": abort,
    "async": asynchronous,
    "by_id": by_id,
    "pause": pause,
    "sleep": lambda step: time.sleep(step["seconds"]),
    "close": close,
    "dial": dial,
    "environment": environment,
}

state = {}
steps = json.loads(sys.argv[1])
if isinstance(steps, str):
    # Too long for an argument: `@` and a file that holds them.
    with open(steps.removeprefix("@")) as file:
        steps = json.load(file)
for step in steps:
    started = time.monotonic()
    line = {"step": step.get("name", step["do"]), "ok": True}
    try:
        line.update(ACTIONS[step["do"]](step) or {})
    except Exception as error:
        line.update(ok=False, **failure(error))
    line["seconds"] = round(time.monotonic() - started, 3)
    if step["do"] != "pause":
        print(json.dumps(line), flush=True)
