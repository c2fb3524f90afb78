"""An agent, as small as one can be: it asks its model what to do, runs that in a shell, and tells the model what came of it.

It knows nothing of Icecore. Its argument is what a person tells it to do; the model is asked by Anthropic's Messages API, streamed.
"""

import json
import os
import subprocess
import sys
import urllib.request

URL = "https://api.anthropic.com/v1/messages"
HEADERS = {"content-type": "application/json", "x-api-key": "sk-ant-dummy", "anthropic-version": "2023-06-01"}
BASH = {
    "name": "Bash",
    "description": "Runs a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}
# Its tools find the same Python, whose driver warns of its own future.
PATH = os.path.dirname(sys.executable) + ":" + os.environ["PATH"]
TOOLS = {**os.environ, "PATH": PATH, "PYTHONWARNINGS": "ignore"}


def ask(messages):
    """Asks the model; gives the blocks of its answer."""
    body = {"model": "claude-sonnet-4-5", "max_tokens": 1024, "stream": True, "tools": [BASH], "messages": messages}
    request = urllib.request.Request(URL, json.dumps(body).encode(), HEADERS)
    blocks, partial = [], ""
    with urllib.request.urlopen(request, timeout=60) as answer:
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[len(b"data: "):])
            if event["type"] == "content_block_start":
                blocks.append(event["content_block"])
                partial = ""
            elif event["type"] == "content_block_delta":
                delta = event["delta"]
                partial += delta.get("text", "") + delta.get("partial_json", "")
            elif event["type"] == "content_block_stop":
                if blocks[-1]["type"] == "tool_use":
                    blocks[-1]["input"] = json.loads(partial)
                else:
                    blocks[-1]["text"] = partial
    return blocks


def run(use):
    """Runs what the model asked for; gives the result as the model is told it."""
    command = use["input"]["command"]
    print("agent runs: ", command, flush=True)
    done = subprocess.run(command, shell=True, env=TOOLS, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    print("agent gets: ", said, flush=True)
    return {"type": "tool_result", "tool_use_id": use["id"], "content": said, "is_error": done.returncode != 0}


messages = [{"role": "user", "content": sys.argv[1]}]
print("person says:", sys.argv[1], flush=True)
while True:
    blocks = ask(messages)
    messages.append({"role": "assistant", "content": blocks})
    for block in blocks:
        if block["type"] == "text":
            print("model says: ", block["text"], flush=True)
    results = [run(block) for block in blocks if block["type"] == "tool_use"]
    if not results:
        break
    messages.append({"role": "user", "content": results})
