"""Runs steps with an unmodified ADBC driver (Go) through its DB-API; `run_steps.py` tells the language."""

import threading

import adbc_driver_snowflake
import adbc_driver_snowflake.dbapi
from adbc_driver_snowflake import DatabaseOptions

import every_cell
from run_steps import rows, run, text, told

state = {}


def connect(step):
    timeout = f"{step.get('network_timeout', 60)}s"
    options = {
        DatabaseOptions.ACCOUNT.value: "acme",
        DatabaseOptions.HOST.value: "acme.snowflakecomputing.com",
        DatabaseOptions.PORT.value: "443",
        DatabaseOptions.PROTOCOL.value: "https",
        DatabaseOptions.ROLE.value: "ANALYST",
        DatabaseOptions.WAREHOUSE.value: "WH",
        DatabaseOptions.DATABASE.value: "ACME_DB",
        DatabaseOptions.SCHEMA.value: "PUBLIC",
        DatabaseOptions.LOGIN_TIMEOUT.value: f"{step.get('login_timeout', 30)}s",
        DatabaseOptions.REQUEST_TIMEOUT.value: timeout,
        DatabaseOptions.CLIENT_TIMEOUT.value: timeout,
        "username": "agent",
        "password": "dummy-password-3b1c",
    }
    options.update(step.get("settings", {}))
    state["connection"] = adbc_driver_snowflake.dbapi.connect(db_kwargs=options, autocommit=True)
    return {"version": adbc_driver_snowflake.__version__}


def cursor():
    if state.get("connection") is None:
        connect({})
    return state["connection"].cursor()


def sql(step):
    """Executes a statement; `as` fetches an Arrow table or a pandas frame instead of rows."""
    with cursor() as at:
        at.execute(text(step), step.get("binds"))
        if step.get("as") == "arrow":
            table = at.fetch_arrow_table()
            return {"rows": table.num_rows, "sum": int(sum(table.column(0).to_pylist())), "type": type(table).__name__}
        line = rows({}, at.fetchall(), step)
        line["columns"] = [column[0] for column in at.description or []]
        return line


def read(step):
    """Executes a statement and writes all of its result into a file, as `as` fetches it."""
    with cursor() as at:
        at.execute(step["sql"])
        if step["as"] == "arrow":
            return every_cell.arrow(step, at.fetch_arrow_table())
        return every_cell.rows(step, [column[0] for column in at.description], at.fetchall())


def cancel(step):
    """Starts a statement in a thread and cancels it from this one."""
    at = cursor()

    def stop():
        told(step)
        at.adbc_cancel()

    waiting = threading.Thread(target=stop)
    waiting.start()
    try:
        at.execute(step["sql"])
        return {"cancelled": False, "rows": len(at.fetchall())}
    except Exception as error:
        return {"cancelled": True, **failure(error)}
    finally:
        waiting.join()
        at.close()


def close(step):
    if state.get("connection") is not None:
        state["connection"].close()
    state["connection"] = None
    return {}


def failure(error):
    return {
        "error": type(error).__name__,
        "errno": getattr(error, "vendor_code", None),
        "sqlstate": getattr(error, "sqlstate", None),
        "message": str(error),
    }


run({"connect": connect, "sql": sql, "read": read, "cancel": cancel, "close": close}, failure)
