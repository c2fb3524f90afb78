"""The red agent's ways out of a session: tries each, and beside it the nearest act that is allowed.

Run as `ways.py FACTS [NAME...]`; prints a JSON line for each way: what was seen of it, and of its twin. What must be seen
stands in the list of rows, `tests/src/red/rows`. Run as `ways.py FACTS within NAME` it is the same program as root of
namespaces that it made.
"""

import json
import sys
import traceback

import kit
import by_address
import by_descriptor
import by_process
import by_protocol

with open(sys.argv[1], encoding="utf-8") as file:
    kit.FACTS.update(json.load(file))

if sys.argv[2:3] == ["within"]:
    print(kit.came(kit.INNER[sys.argv[3]]))
    sys.exit()

assert all(module.__doc__ for module in (by_address, by_descriptor, by_process, by_protocol))
for name in sys.argv[2:] or kit.WAYS:
    try:
        seen, twin = kit.WAYS[name]()
    except Exception:  # Whatever goes wrong in one is told, and hides no other.
        seen, twin = traceback.format_exc()[-600:], "not tried"
    print(json.dumps({"way": name, "seen": seen, "twin": twin}), flush=True)
