"""Runs numbered statements until its input ends, whatever becomes of Icecore meanwhile: connects anew after each failure,
and now and then without one. Beside them it opens connections to the account's host, and leaves each at once.

Its arguments: `connector` or `adbc`, what its numbers begin with, and addresses `host:port` that it dials beside it, none of
which may ever answer. One JSON line a connect, a statement, and a dial that was answered; the texts of statements are each
sent once by this script, so that whoever reads the record can tell them apart.
"""

import json
import socket
import sys
import threading
import time

HOST = "acme.snowflakecomputing.com"
PATIENCE_S = 15
STATEMENTS_A_LOGIN = 40
stop = threading.Event()
speaking = threading.Lock()


def say(**line):
    with speaking:
        print(json.dumps(line), flush=True)


def connector():
    import snowflake.connector

    return snowflake.connector.connect(
        account="acme", host=HOST, user="agent", password="dummy-password-3b1c", role="ANALYST", warehouse="WH",
        database="ACME_DB", schema="PUBLIC", login_timeout=PATIENCE_S, network_timeout=PATIENCE_S,
    )


def adbc():
    import adbc_driver_snowflake.dbapi
    from adbc_driver_snowflake import DatabaseOptions

    options = {
        DatabaseOptions.ACCOUNT.value: "acme", DatabaseOptions.HOST.value: HOST, DatabaseOptions.PORT.value: "443",
        DatabaseOptions.PROTOCOL.value: "https", DatabaseOptions.ROLE.value: "ANALYST", DatabaseOptions.WAREHOUSE.value: "WH",
        DatabaseOptions.DATABASE.value: "ACME_DB", DatabaseOptions.SCHEMA.value: "PUBLIC",
        DatabaseOptions.LOGIN_TIMEOUT.value: f"{PATIENCE_S}s", DatabaseOptions.REQUEST_TIMEOUT.value: f"{PATIENCE_S}s",
        DatabaseOptions.CLIENT_TIMEOUT.value: f"{PATIENCE_S}s", "username": "agent", "password": "dummy-password-3b1c",
    }
    return adbc_driver_snowflake.dbapi.connect(db_kwargs=options, autocommit=True)


def failure(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def close(connection):
    try:
        connection.close()
    except Exception:
        pass  # It is gone already, which is what is wanted.


def run(connect, first):
    connection, number = None, int(first)
    while not stop.is_set():
        began = time.monotonic()
        if connection is None:
            try:
                connection = connect()
                say(do="connect", ok=True, s=time.monotonic() - began)
            except Exception as error:
                say(do="connect", ok=False, s=time.monotonic() - began, error=failure(error))
                stop.wait(0.2)
            continue
        number += 1
        try:
            cursor = connection.cursor()
            cursor.execute(f"select {number} as A")
            found = cursor.fetchall()
            cursor.close()
            say(do="sql", ok=True, n=number, s=time.monotonic() - began, right=[int(row[0]) for row in found] == [number])
        except Exception as error:
            say(do="sql", ok=False, n=number, s=time.monotonic() - began, error=failure(error))
            close(connection)
            connection = None
        if connection is not None and number % STATEMENTS_A_LOGIN == 0:
            close(connection)
            connection = None
        stop.wait(0.05)
    if connection is not None:
        close(connection)


def dial(addresses):
    while not stop.wait(0.05):
        try:
            socket.create_connection((HOST, 443), timeout=2).close()
        except OSError:
            pass  # The statements tell how long there was no answer.
        for address in addresses:
            host, port = address.rsplit(":", 1)
            try:
                socket.create_connection((host, int(port)), timeout=2).close()
                say(do="dial", ok=True, to=address)
            except OSError:
                pass


kind, first, *addresses = sys.argv[1:]
threads = [
    threading.Thread(target=run, args=({"connector": connector, "adbc": adbc}[kind], first)),
    threading.Thread(target=dial, args=(addresses,)),
]
for thread in threads:
    thread.start()
sys.stdin.read()
stop.set()
for thread in threads:
    thread.join()
