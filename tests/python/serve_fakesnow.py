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

import fakesnow.arrow  # noqa: E402  (after the death signal: the import takes a second)
import pyarrow as pa  # noqa: E402
import uvicorn  # noqa: E402
from fakesnow.server import app  # noqa: E402

struct_of = fakesnow.arrow.timestamp_to_sf_struct


def struct_with_nulls(column):
    """Marks a null timestamp at the struct, as Snowflake does: fakesnow marks it in parts that say they have no nulls."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    filled = struct_of(column.fill_null(pa.scalar(0, column.type)))
    return pa.StructArray.from_arrays(filled.flatten(), fields=list(filled.type), mask=column.is_null())


fakesnow.arrow.timestamp_to_sf_struct = struct_with_nulls

uvicorn.run(app, uds=sys.argv[1], log_level="error", access_log=False)
