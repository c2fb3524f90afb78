"""Serves fakesnow on a unix socket and ends with the process that started it."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

parent = os.getppid()
ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != parent:
    sys.exit("the starting process is gone")

import uvicorn  # noqa: E402  (after the death signal: the import takes a second)
from fakesnow.server import app  # noqa: E402

uvicorn.run(app, uds=sys.argv[1], log_level="error", access_log=False)
