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


def minted(**other):
    """Makes a key-pair JWT as a client of the SQL API does (generation 4 alone has the library)."""
    import base64
    import hashlib
    import time

    import jwt
    from cryptography.hazmat.primitives import serialization

    with open(os.environ["TEST_PRIVATE_KEY"], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = base64.b64encode(hashlib.sha256(public).digest()).decode()
    now = int(time.time())
    claims = {"iss": f"ACME.ICECORE_SVC.SHA256:{digest}", "sub": "ACME.ICECORE_SVC", "iat": now, "exp": now + 60}
    return jwt.encode({**claims, **other}, key, algorithm="RS256")


def statements(path="", method="POST", authorization=None, headers=None, **other):
    """Asks the SQL API; with `json` for a submit."""
    import requests

    sent = {"Authorization": authorization or f"Bearer {minted()}", "Accept": "application/json"}
    sent.update(headers or {})
    sent = {name: value for name, value in sent.items() if value}
    at = "https://acme.snowflakecomputing.com/api/v2/statements"
    return requests.request(method, at + path, headers=sent, **other)


def settled(path):
    """Asks for a statement's state until it has ended."""
    import time

    while (answer := statements(path, method="GET")).status_code == 202:
        time.sleep(0.1)
    return answer


exec(compile(sys.argv[1], "piece", "exec"))
