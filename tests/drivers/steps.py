"""Runs steps with an unmodified Snowflake connector of either generation; `run_steps.py` tells the language."""

import os
import signal
import threading
import time
import warnings

warnings.simplefilter("ignore")
import snowflake.connector  # noqa: E402

import every_cell  # noqa: E402
from run_steps import rows, run, text, told  # noqa: E402

snowflake.connector.paramstyle = "qmark"

HOST = "acme.snowflakecomputing.com"

state = {}


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
    elif "settings" not in step or "authenticator" not in step["settings"]:
        settings.update(password=step.get("password", "dummy-password-3b1c"))
    if timeout := step.get("network_timeout"):
        settings.update(network_timeout=timeout)
    settings.update(step.get("settings", {}))
    state["connection"] = snowflake.connector.connect(**settings)
    return {"version": snowflake.connector.__version__}


def cursor():
    if state.get("connection") is None:
        connect({})
    return state["connection"].cursor()


def sql(step):
    """Executes a statement; `as` fetches a table of `pandas` or `arrow` instead of rows."""
    with cursor() as at:
        arguments = {"timeout": step["timeout"]} if "timeout" in step else {}
        if step.get("binds"):
            arguments["params"] = step["binds"]
        if step.get("parameters"):
            arguments["_statement_params"] = step["parameters"]
        if step.get("describe"):
            columns = at.describe(text(step))
            return {"columns": [column.name for column in columns]}
        at.execute(text(step), **arguments)
        if step.get("as") == "pandas":
            table = at.fetch_pandas_all()
            return {"rows": len(table), "sum": int(table.iloc[:, 0].sum()), "type": type(table).__name__}
        if step.get("as") == "arrow":
            table = at.fetch_arrow_all()
            return {"rows": table.num_rows, "sum": int(sum(table.column(0).to_pylist())), "type": type(table).__name__}
        line = {"query_id": at.sfqid}
        rows(line, at.fetchall(), step)
        line["rowcount"] = at.rowcount
        line["columns"] = [column[0] for column in at.description or []]
        return line


def read(step):
    """Executes a statement and writes all of its result into a file, as `as` fetches it."""
    with cursor() as at:
        at.execute(step["sql"])
        if step["as"] == "pandas":
            return every_cell.pandas(step, at.fetch_pandas_all())
        if step["as"] == "arrow":
            return every_cell.arrow(step, at.fetch_arrow_all())
        return every_cell.rows(step, [column[0] for column in at.description], at.fetchall())


def multi(step):
    """Executes several statements as one request."""
    with cursor() as at:
        at.execute(text(step), num_statements=step["count"])
        results = [rows({}, at.fetchall(), step)]
        while at.nextset():
            results.append(rows({}, at.fetchall(), step))
        return {"results": results}


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


def cancel(step):
    """Starts a statement without waiting for it, aborts it by its id and asks for its state until it has ended."""
    with cursor() as at:
        at.execute_async(step["sql"])
        query_id = at.sfqid
        if step["do"] == "cancel":
            told(step)
        else:
            time.sleep(step.get("after", 1))
        cancelled = at.abort_query(query_id)
    connection = state["connection"]
    while connection.is_still_running(status := connection.get_query_status(query_id)):
        time.sleep(0.1)
    return {"query_id": query_id, "cancelled": cancelled, "status": status.name}


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
            rows(line, at.fetchall(), step)
        return line


def by_id(step):
    with cursor() as at:
        at.get_results_from_sfqid(step["query_id"])
        return {"rows": len(at.fetchall())}


def close(step):
    if state.get("connection") is not None:
        state["connection"].close()
    state["connection"] = None
    return {}


run(
    {
        "connect": connect,
        "sql": sql,
        "read": read,
        "multi": multi,
        "interrupt": interrupt,
        "abort": cancel,
        "cancel": cancel,
        "async": asynchronous,
        "by_id": by_id,
        "close": close,
    }
)
