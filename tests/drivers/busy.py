"""Queries over one connection, and dials beside it, until a line comes; then tells what became of all of them.

Its arguments: a word that its statements begin their numbers with, so that each text is sent once.
"""

import json
import socket
import sys
import threading
import time

import snowflake.connector

HOST = "acme.snowflakecomputing.com"
stop = threading.Event()


def dial(told):
    """Opens connections one after the other; a connect that waits is none that is refused."""
    while not stop.is_set():
        began = time.monotonic()
        try:
            socket.create_connection((HOST, 443), timeout=20).close()
            told["connected"] += 1
        except ConnectionRefusedError:
            told["refused"] += 1
        except OSError as error:
            told["other"].append(f"{type(error).__name__}: {error}")
        told["slowest_s"] = max(told["slowest_s"], round(time.monotonic() - began, 3))
        time.sleep(0.002)


def query(told, word):
    connection = snowflake.connector.connect(
        account="acme", host=HOST, user="agent", password="dummy-password-3b1c", role="ANALYST",
        warehouse="WH", database="ACME_DB", schema="PUBLIC", login_timeout=30, network_timeout=60,
    )
    print(json.dumps({"step": "connect", "ok": True}), flush=True)
    number = 0
    while not stop.is_set():
        number += 1
        began = time.monotonic()
        try:
            with connection.cursor() as cursor:
                found = cursor.execute(f"select {word}{number:06} as A").fetchall()
            if [int(row[0]) for row in found] != [int(f"{word}{number:06}")]:
                told["failed"].append(f"{number}: {found}")
        except Exception as error:
            told["failed"].append(f"{number}: {type(error).__name__}: {error}")
        told["slowest_s"] = max(told["slowest_s"], round(time.monotonic() - began, 3))
    told["statements"] = number
    connection.close()


dialled = {"connected": 0, "refused": 0, "other": [], "slowest_s": 0}
queried = {"statements": 0, "failed": [], "slowest_s": 0}
threads = [threading.Thread(target=dial, args=(dialled,)), threading.Thread(target=query, args=(queried, sys.argv[1]))]
for thread in threads:
    thread.start()
sys.stdin.readline()
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({"step": "busy", "ok": True, "dials": dialled, "queries": queried}), flush=True)
