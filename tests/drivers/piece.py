"""Runs a piece of Python in a session, as an agent would: `connect()` brings a dummy password.

The first argument is the piece; what it passes to `tell` is printed as one JSON line a step. `pause()` waits for a line on
stdin, `ask(path)` sends a raw GET over a connection of its own and tells how it ended.
"""

import http.client
import json
import ssl
import sys
import warnings

warnings.simplefilter("ignore")
import snowflake.connector  # noqa: E402

HOST = "acme.snowflakecomputing.com"

snowflake.connector.paramstyle = "qmark"


def connect(**other):
    settings = dict(
        account="acme",
        host=HOST,
        port=443,
        user="agent",
        password="dummy-password-3b1c",
        role="ANALYST",
        warehouse="WH",
        database="ACME_DB",
        schema="PUBLIC",
        login_timeout=30,
    )
    settings.update(other)
    return snowflake.connector.connect(**settings)


def tell(step, **facts):
    print(json.dumps({"step": step, **facts}, default=str), flush=True)


def failure(step, act):
    """Does something that must fail and tells how."""
    try:
        found = act()
    except Exception as error:
        tell(step, ok=False, errno=getattr(error, "errno", None), sqlstate=getattr(error, "sqlstate", None), message=str(error))
    else:
        tell(step, ok=True, found=found)


def pause(step="pause"):
    tell(step, waiting=True)
    sys.stdin.readline()


def ask(path, headers={}):
    """Sends a GET; gives status, bytes of the body that came, and whether it ended cleanly."""
    link = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(), timeout=60)
    try:
        link.request("GET", path, headers=headers)
        answer = link.getresponse()
        status = answer.status
        try:
            body, clean = answer.read(), True
        except (http.client.IncompleteRead, OSError) as error:
            body, clean = getattr(error, "partial", b""), False
        return {"status": status, "bytes": len(body), "clean": clean, "type": answer.getheader("Content-Type"),
                "encoding": answer.getheader("Content-Encoding"), "text": body[:600].decode(errors="replace")}
    finally:
        link.close()


exec(compile(sys.argv[1], "piece", "exec"))
