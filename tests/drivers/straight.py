"""Runs a piece of Python against the emulator, without a proxy: `connect()` brings the registered key itself.

The first argument is the piece; what it passes to `tell` is printed as one JSON line a step.
"""

import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
import snowflake.connector  # noqa: E402

snowflake.connector.paramstyle = "qmark"


def connect(**other):
    settings = dict(
        account="acme",
        host="acme.snowflakecomputing.com",
        port=443,
        user="ICECORE_SVC",
        role="ANALYST",
        warehouse="WH",
        database="ACME_DB",
        schema="PUBLIC",
        login_timeout=30,
    )
    if "password" not in other and "token" not in other:
        settings.update(authenticator="SNOWFLAKE_JWT", private_key_file=os.environ["TEST_PRIVATE_KEY"])
    settings.update(other)
    return snowflake.connector.connect(**settings)


def tell(step, **facts):
    print(json.dumps({"step": step, **facts}, default=str), flush=True)


def failure(step, act):
    """Does something that must fail and tells how."""
    try:
        act()
    except snowflake.connector.Error as error:
        tell(step, errno=error.errno, sqlstate=error.sqlstate, message=str(error))
    else:
        tell(step, errno=None, message="it worked")


exec(compile(sys.argv[1], "piece", "exec"))
