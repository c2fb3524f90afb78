"""Runs a program in a terminal of its own, and types what is asked for as soon as a text has been shown.

    terminal.py '[["TEXT", "KEYS"], ...]' PROGRAM ARGUMENT...

Prints what was shown; ends as the program did.
"""

import json
import os
import pty
import select
import sys
import time

turns, command = json.loads(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown, seen, deadline = b"", 0, time.monotonic() + 60
while time.monotonic() < deadline:
    ready, _, _ = select.select([terminal], [], [], 1)
    if ready:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            piece = b""
        if not piece:
            break
        shown += piece
    if turns:
        at = shown.find(turns[0][0].encode(), seen)
        if at >= 0:
            os.write(terminal, turns.pop(0)[1].encode())
            seen = len(shown)
else:
    os.kill(pid, 9)
sys.stdout.buffer.write(shown)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) if not turns else 99)
