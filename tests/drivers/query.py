"""Runs statements as an agent's tool would, and prints their rows.

Its arguments are statements; `-f FILE` reads one from a file, `-` from standard input. `-n N` runs the one after it N times,
with `{}` in it replaced by the number.
"""

import sys

import snowflake.connector


def statements(words):
    words = iter(words)
    times = None
    for word in words:
        if word == "-n":
            times = int(next(words))
            continue
        if word == "-f":
            with open(next(words), encoding="utf-8") as file:
                word = file.read()
        elif word == "-":
            word = sys.stdin.read()
        if times is None:
            yield word
        else:
            yield from (word.replace("{}", str(number)) for number in range(times))
            times = None


connection = snowflake.connector.connect(
    account="acme", host="acme.snowflakecomputing.com", user="agent", password="dummy-password-3b1c", role="ANALYST",
    warehouse="WH", database="ACME_DB", schema="PUBLIC", login_timeout=30, network_timeout=60,
)
for sql in statements(sys.argv[1:]):
    with connection.cursor() as cursor:
        print(cursor.execute(sql).fetchall(), flush=True)
connection.close()
