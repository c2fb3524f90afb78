"""Sends raw HTTP requests, as any program in a session can, and prints one JSON line a step.

The steps are a JSON list in the first argument, or `"@file"`. Each has `do` (what; `send` unless it says otherwise) and a `name`. A text of
the form `${step/pointer}` is replaced by what an earlier step's line holds there.
"""

import gzip
import http.client
import json
import re
import ssl
import sys
import threading
import time

HOST = "acme.snowflakecomputing.com"


def looked_up(path):
    name, *keys = path.split("/")
    value = lines[name]
    for key in keys:
        value = value[int(key) if isinstance(value, list) else key]
    return value


def filled(value):
    if isinstance(value, dict):
        return {key: filled(held) for key, held in value.items()}
    if isinstance(value, list):
        return [filled(held) for held in value]
    if isinstance(value, str):
        return re.sub(r"\$\{([^}]+)\}", lambda found: str(looked_up(found[1])), value)
    return value


def send(step):
    """Sends one request over a connection of its own; `hang_up` leaves before the answer."""
    step = filled(step)
    body = step.get("body", "")
    body = body if isinstance(body, str) else json.dumps(body)
    body = gzip.compress(body.encode()) if step.get("gzip") else body.encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json", **step.get("headers", {})}
    link = http.client.HTTPSConnection(step.get("host", HOST), context=ssl.create_default_context(), timeout=60)
    link.request(step.get("method", "POST"), step["target"], body or None, headers)
    if "hang_up" in step:
        time.sleep(step["hang_up"])
        link.close()
        return {}
    answer = link.getresponse()
    data = answer.read()
    link.close()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    try:
        told = json.loads(data)
    except ValueError:
        told = data.decode(errors="replace")
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return {"status": answer.status, "headers": headers, "body": told}


def start(step):
    """Sends in a thread; `join` prints its line."""
    running[step["name"]] = threading.Thread(target=lambda: run(step, send, step["name"] + " sent"))
    running[step["name"]].start()


def join(step):
    running[step["of"]].join()
    return {key: value for key, value in lines[step["of"] + " sent"].items() if key not in ("step", "seconds")}


def pause(step):
    """Waits for a line on stdin."""
    print(json.dumps({"step": step.get("name", "pause"), "ok": True, "waiting": True}), flush=True)
    sys.stdin.readline()


def run(step, action, name):
    started = time.monotonic()
    line = {"step": name, "ok": True}
    try:
        line.update(action(step) or {})
    except Exception as error:
        line.update(ok=False, error=type(error).__name__, message=str(error))
    line["seconds"] = round(time.monotonic() - started, 3)
    lines[name] = line
    return line


ACTIONS = {
    "send": send,
    "start": start,
    "join": join,
    "pause": pause,
    "sleep": lambda step: time.sleep(step["seconds"]),
}

lines, running = {}, {}
steps = json.loads(sys.argv[1])
if isinstance(steps, str):
    # Too long for an argument: `@` and a file that holds them.
    with open(steps.removeprefix("@")) as file:
        steps = json.load(file)
for step in steps:
    action = step.get("do", "send")
    line = run(step, ACTIONS[action], step.get("name", action))
    if action not in ("pause", "start"):
        print(json.dumps(line), flush=True)
