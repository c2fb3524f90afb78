"""What stands in for Snowflake's clients: notes each statement that it is asked to run, and prints an answer of its own."""

import hashlib
import json
import os
import re

# The lexical forms at which a client does not part a file of statements.
TOKEN = re.compile(r"--[^\n]*|//[^\n]*|/\*.*?\*/|\$\$.*?\$\$|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"]|\"\")*\"|;|.", re.S)


def split(text):
    """Parts a file at its semicolons, as clients do before they send statements one by one."""
    parts, now = [], ""
    for token in TOKEN.findall(text):
        if token == ";":
            parts.append(now)
            now = ""
        else:
            now += token
    parts.append(now)
    return [part.strip() for part in parts if re.sub(r"--[^\n]*|/\*.*?\*/", "", part, flags=re.S).strip()]


def quoted(value):
    """Writes a value into a statement as the Python connector does. Source: converter.py, `escape` and `quote`."""
    if value is None:
        return "NULL"
    if isinstance(value, (list, tuple)):
        return "(" + ",".join(quoted(one) for one in value) + ")"
    if isinstance(value, str):
        plain = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("'", "\\'")
        return f"'{plain}'"
    return str(value)


def bound(sql, values):
    """Fills in `%s` and `%(name)s`."""
    if values is None:
        return sql
    if isinstance(values, dict):
        return sql % {name: quoted(value) for name, value in values.items()}
    return sql % tuple(quoted(value) for value in values)


def issue(sql):
    """Notes a statement; gives the rows of its answer."""
    digest = hashlib.sha256((sql + os.environ.get("ROUND", "")).encode()).hexdigest()
    rows = [f"{digest[at:at + 8]}@example.org" for at in range(0, 32, 8)]
    with open(os.environ["ISSUED"], "a") as out:
        out.write(json.dumps({"sql": sql, "pid": os.getpid(), "values": rows}) + "\n")
    return rows
