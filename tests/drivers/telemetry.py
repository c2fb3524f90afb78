"""Sends OTLP to the session's receiver, as its variables name it, and prints the status and body of each answer.

Its arguments: `says ID COMMAND` tells of a use of a tool as Claude Code does; `wrong` sends all that a receiver may be sent by
mistake; `flood` sends more in a second than a session may.
"""

import gzip
import http.client
import json
import os
import sys
import urllib.parse

# Agents do not hand their variables of telemetry on to their tools.
host = urllib.parse.urlsplit(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.73.67.69")).netloc


def send(path, body, media="application/json", method="POST", **headers):
    connection = http.client.HTTPConnection(host, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    # A list goes out in chunks.
    is_chunked = not isinstance(body, bytes)
    connection.request(method, path, body, {"Content-Type": media, **headers}, encode_chunked=is_chunked)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return {"status": answer.status, "body": text, "retry": answer.getheader("Retry-After"), "media": answer.getheader("Content-Type")}


def says(tool_use_id, command):
    text = lambda key, value: {"key": key, "value": {"stringValue": value}}
    parameters = json.dumps({"full_command": command})
    record = {"attributes": [text("event.name", "tool_result"), text("tool_use_id", tool_use_id), text("tool_parameters", parameters)]}
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()


def wrong():
    good = says("toolu_none", "ls")
    yield send("/v1/logs", good)
    yield send("/v1/logs", gzip.compress(good), Content_Encoding="gzip")
    yield send("/v1/logs", [good[:9], good[9:]])
    yield send("/v1/traces", b"", media="application/x-protobuf")
    yield send("/v1/metrics", b"{}")
    yield send("/v1/logs", good[:-1])
    yield send("/v1/logs", b"\xff\xff", media="application/x-protobuf")
    yield send("/v1/logs", b"{}", media="text/plain")
    yield send("/v1/logs", b"{}", Content_Encoding="br")
    yield send("/v2/logs", b"{}")
    yield send("/v1/logs", b"{}", method="PUT")
    yield send("/v1/logs", b" " * (1 << 21))
    yield send("/v1/logs", gzip.compress(b" " * (1 << 21)), Content_Encoding="gzip")
    many = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{}] * 4100}]}]}
    yield send("/v1/logs", json.dumps(many).encode())


if sys.argv[1] == "says":
    answers = [send("/v1/logs", says(*sys.argv[2:4]))]
elif sys.argv[1] == "flood":
    answers = [send("/v1/logs", b"{}") for _ in range(200)]
else:
    answers = wrong()
for answer in answers:
    print(json.dumps(answer), flush=True)
