"""Runs steps by the SQL API v2 with Python's own HTTP client; `run_steps.py` tells the language."""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
import uuid

import every_cell
from run_steps import rows, run, text, told

HOST = "https://acme.snowflakecomputing.com"

state = {"token": "dummy-password-3b1c", "kind": "PROGRAMMATIC_ACCESS_TOKEN"}


class Failed(Exception):
    """An answer that is no success, as its body tells it."""

    def __init__(self, status, body):
        super().__init__(body.get("message") or json.dumps(body))
        self.status = status
        self.errno = int(body["code"]) if str(body.get("code", "")).isdigit() else None
        self.sqlstate = body.get("sqlState")
        self.sfqid = body.get("statementHandle")


def ask(method, path, body=None):
    """Sends one request and gives the status and the body of its answer."""
    request = urllib.request.Request(HOST + path, method=method)
    request.add_header("Authorization", f"Bearer {state['token']}")
    request.add_header("X-Snowflake-Authorization-Token-Type", state["kind"])
    request.add_header("User-Agent", "icecore-test/1.0")
    request.add_header("Accept", "application/json")
    request.add_header("Content-Type", "application/json")
    content = None if body is None else json.dumps(body).encode()
    # Python reads the bundle that `icecore run` names in the environment.
    context = ssl.create_default_context()
    try:
        with urllib.request.urlopen(request, content, timeout=state.get("timeout", 60), context=context) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        read = error.read()
        try:
            body = json.loads(read)
        except ValueError:
            body = {"message": read.decode(errors="replace")}
        raise Failed(error.code, body) from None


def connect(step):
    """There is no login: the token comes with each request."""
    state.update(step.get("settings", {}))
    state["timeout"] = step.get("network_timeout", 60)
    return {"version": "v2"}


def submit(step, query=""):
    body = {"statement": text(step), "timeout": 60, "database": "ACME_DB", "schema": "PUBLIC"}
    if "role" in step:
        body["role"] = step["role"]
    if "count" in step:
        body["parameters"] = {"MULTI_STATEMENT_COUNT": str(step["count"])}
    if binds := step.get("binds"):
        kinds = {int: "FIXED", str: "TEXT"}
        body["bindings"] = {
            str(at): {"type": kinds[type(value)], "value": str(value)} for at, value in enumerate(binds, start=1)
        }
    return ask("POST", f"/api/v2/statements?requestId={uuid.uuid4()}{query}", body)


def finished(status, body):
    """Asks for a statement until it has ended."""
    polls = 0
    while status == 202:
        polls += 1
        time.sleep(0.2)
        status, body = ask("GET", body["statementStatusUrl"])
    return status, body, polls


def whole_result(body):
    """Reads all partitions of a result."""
    about = body["resultSetMetaData"]
    found = list(body["data"])
    for partition in range(1, len(about["partitionInfo"])):
        _, more = ask("GET", f"/api/v2/statements/{body['statementHandle']}?partition={partition}")
        found.extend(more["data"])
    return about, found


def read(step):
    """Executes a statement and writes all of its result into a file, cell by cell as it came."""
    _, body, _ = finished(*submit(step))
    about, found = whole_result(body)
    return every_cell.rows(step, [column["name"] for column in about["rowType"]], found)


def result(step, body, polls=0):
    """Tells what a result holds."""
    about, found = whole_result(body)
    whole = {at for at, column in enumerate(about["rowType"]) if column["type"] == "fixed" and not column["scale"]}
    typed = [[int(cell) if at in whole and cell is not None else cell for at, cell in enumerate(row)] for row in found]
    line = rows({"query_id": body["statementHandle"], "polls": polls}, typed, step)
    line["partitions"] = len(about["partitionInfo"])
    line["columns"] = [column["name"] for column in about["rowType"]]
    return line


def sql(step):
    status, body, polls = finished(*submit(step))
    return result(step, body, polls)


def multi(step):
    _, body, _ = finished(*submit(step))
    handles = body["statementHandles"]
    parts = [finished(*ask("GET", f"/api/v2/statements/{handle}"))[1] for handle in handles]
    return {"results": [result(step, part) for part in parts]}


def cancel(step):
    """Submits without waiting, cancels by the handle and asks until the statement has ended."""
    _, body = submit(step, "&async=true")
    handle = body["statementHandle"]
    told(step)
    _, answer = ask("POST", f"/api/v2/statements/{handle}/cancel")
    line = {"query_id": handle, "answer": answer.get("message")}
    try:
        finished(202, body)
        return {"cancelled": False, **line}
    except Failed as error:
        return {"cancelled": True, "errno": error.errno, "sqlstate": error.sqlstate, "message": str(error), **line}


def asynchronous(step):
    status, body, polls = finished(*submit(step, "&async=true"))
    return result(step, body, polls)


def other(step):
    """Asks for anything else."""
    status, body = ask(step.get("method", "GET"), step["path"], step.get("body"))
    return {"status": status, "body": body}


def failure(error):
    return {
        "error": type(error).__name__,
        "status": getattr(error, "status", None),
        "errno": getattr(error, "errno", None),
        "sqlstate": getattr(error, "sqlstate", None),
        "query_id": getattr(error, "sfqid", None),
        "message": str(error),
    }


if token_file := os.environ.get("TEST_TOKEN_FILE"):
    with open(token_file) as file:
        state["token"] = file.read().strip()

run(
    {
        "connect": connect,
        "sql": sql,
        "read": read,
        "multi": multi,
        "cancel": cancel,
        "async": asynchronous,
        "ask": other,
        "close": lambda step: {},
    },
    failure,
)
