"""Writes what a driver shows of a result into a file: names, and each cell as text that says as much as the driver does.

Instants of Arrow and pandas are a unit and a number, `us:17`; those of Python are ISO 8601.
"""

import json
import os
from datetime import date, datetime, time, timedelta
from decimal import Decimal


def shown(value):
    if value is None or value.__class__.__name__ in ("NaTType", "NAType"):
        return None
    if value.__class__.__name__ == "Timestamp":
        return f"{value.unit}:{value.value if value.unit == 'ns' else value.asm8.astype('int64')}"
    if isinstance(value, bool) or value.__class__.__name__ in ("bool", "bool_"):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.hex().upper()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"us:{value // timedelta(microseconds=1)}"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return repr(float(value))
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, default=shown)
    return str(value)


def column_of(array):
    """Gives an Arrow column's cells without a loss to what Python's own types can say."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_time32(kind) or pa.types.is_duration(kind):
        whole = array.cast(pa.int32()).cast(pa.int64()) if pa.types.is_time32(kind) else array.cast(pa.int64())
        return [None if value is None else f"{kind.unit}:{value}" for value in whole.to_pylist()]
    return [shown(value) for value in array.to_pylist()]


def keep(step, names, columns):
    with open(os.path.join(os.environ["HOME"], step["file"]), "w") as file:
        json.dump({"names": names, "columns": columns}, file)
    return {"rows": len(columns[0]) if columns else 0}


def rows(step, names, found):
    return keep(step, names, [[shown(row[at]) for row in found] for at in range(len(names))])


def arrow(step, table):
    return {**keep(step, table.column_names, [column_of(column) for column in table.columns]), "types": [str(kind) for kind in table.schema.types]}


def pandas(step, frame):
    return keep(step, list(frame.columns), [[shown(value) for value in frame.iloc[:, at].tolist()] for at in range(frame.shape[1])])
