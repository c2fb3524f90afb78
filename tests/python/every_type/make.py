"""Writes the tables that the emulator serves, in both forms: `make.py FOLDER`.

`FOLDER/<table>/` gets `table.json` and pieces; `FOLDER/tables.json` tells the columns and tags of each.
"""

import json
import sys
from decimal import Context, Decimal
from pathlib import Path

import pyarrow as pa

from columns import PIECES, ROWS, common, rare
from masks import MASKS, mask_of

FIXED = {"logicalType": "FIXED", "precision": "38", "scale": "0"}
TEXT = {"logicalType": "TEXT", "charLength": "16", "byteLength": "64"}
# The usual context has 28 digits and would round.
WIDE = Context(prec=60)


def whole(values, among):
    """Gives numbers in the narrowest type that holds all of them, as Snowflake does stream by stream."""
    top = max((abs(value) + (value > 0) for value in among if value is not None), default=0)
    for kind, bits in ((pa.int8(), 7), (pa.int16(), 15), (pa.int32(), 31), (pa.int64(), 63)):
        if top <= 2**bits:
            return pa.array(values, kind)
    return None


def parts(values, names, kinds):
    """Gives values in parts; a null is told at the whole, and its parts are zeros."""
    none = [b"" if pa.types.is_binary(kind) else 0 for kind in kinds]
    told = [none if value is None else value for value in values]
    columns = [pa.array([value[at] for value in told], kind) for at, kind in enumerate(kinds)]
    fields = [pa.field(name, kind) for name, kind in zip(names, kinds)]
    return pa.StructArray.from_arrays(columns, fields=fields, mask=pa.array([value is None for value in values]))


def apart(value, scale):
    """Gives seconds, and nanoseconds that count up from them, before 1970 too."""
    second, fraction = divmod(value, 10**scale)
    return second, fraction * 10 ** (9 - scale)


def signed(number):
    return number.to_bytes((number.bit_length() + 8) // 8, "big", signed=True)


def told(values, make):
    return [None if value is None else make(value) for value in values]


def array(column, values, among):
    """Gives values in the physical type that Snowflake sends them in (protocol reference 5.4)."""
    kind, scale = column.kind, column.scale
    if kind == "fixed":
        found = whole(values, among)
        if found is None:
            decimals = told(values, lambda value: Decimal(value).scaleb(-scale, context=WIDE))
            found = pa.array(decimals, pa.decimal128(column.precision, scale))
        return found
    if kind == "time":
        return pa.array(values, pa.int32() if scale <= 4 else pa.int64())
    if kind in ("timestamp_ntz", "timestamp_ltz"):
        if scale <= 7:
            return pa.array(values, pa.int64())
        return parts(told(values, lambda value: apart(value, scale)), ["epoch", "fraction"], [pa.int64(), pa.int32()])
    if kind == "timestamp_tz":
        if scale <= 3:
            zoned = told(values, lambda value: (value[0], value[1] + 1440))
            return parts(zoned, ["epoch", "timezone"], [pa.int64(), pa.int32()])
        zoned = told(values, lambda value: (*apart(value[0], scale), value[1] + 1440))
        return parts(zoned, ["epoch", "fraction", "timezone"], [pa.int64(), pa.int32(), pa.int32()])
    if kind == "decfloat":
        return parts(told(values, lambda value: (value[0], signed(value[1]))), ["exponent", "significand"], [pa.int16(), pa.binary()])
    if "fields" in column.more:
        kinds = {
            "vector": pa.list_(pa.field("item", pa.float32()), 3), "map": pa.map_(pa.field("key", pa.string(), False, TEXT), pa.field("value", pa.int64(), metadata=FIXED)),
            "object": pa.struct([pa.field("id", pa.int64(), metadata=FIXED), pa.field("name", pa.string(), metadata=TEXT)]),
            "array": pa.list_(pa.field("item", pa.int64(), metadata=FIXED)),
        }
        return pa.array(told(values, lambda value: list(value.items()) if kind == "map" else value), kinds[kind])
    kinds = {
        "real": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(), "binary": pa.binary(),
        "interval_year_month": pa.int64(), "interval_day_time": pa.int64(),
    }
    return pa.array(values, kinds.get(kind, pa.string()))


def arrow_field(column, found):
    logical = column.kind.upper()
    is_narrow_zone = logical == "TIMESTAMP_TZ" and column.scale <= 3
    byte_length = {"TIMESTAMP_TZ": 8 if is_narrow_zone else 16, "FIXED": 8}.get(logical, (column.length or 0) * (4 if logical == "TEXT" else 1))
    metadata = {
        "logicalType": logical, "precision": str(column.precision or 0), "scale": str(column.scale or 0),
        "charLength": str(column.length or 0), "byteLength": str(byte_length), "finalType": "T",
    }
    return pa.field(column.name, found.type, True, metadata)


def stream(columns, start, rows, is_mixed, batch_rows):
    """Gives an Arrow stream of some rows in batches; `is_mixed` says whether its numbers are as narrow as they can be."""
    own = slice(start, start + rows)
    arrays = [array(column, column.values[own], column.values[own] if is_mixed else column.values) for column in columns]
    schema = pa.schema([arrow_field(column, found) for column, found in zip(columns, arrays)])
    batch = pa.record_batch(arrays, schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for at in range(0, rows, batch_rows):
            writer.write_batch(batch.slice(at, batch_rows))
    return sink.getvalue().to_pybytes()


def with_point(value, scale):
    if scale == 0:
        return str(value)
    sign, digits = "-" if value < 0 else "", str(abs(value)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def cell(column, value):
    """Gives a value as the text of a JSON cell (protocol reference 5.3)."""
    kind = column.kind
    if value is None:
        return None
    if kind in ("fixed", "time", "timestamp_ntz", "timestamp_ltz"):
        return with_point(value, column.scale)
    if kind == "timestamp_tz":
        return f"{with_point(value[0], column.scale)} {value[1] + 1440}"
    if kind == "real":
        return {"nan": "NaN", "inf": "inf", "-inf": "-inf"}.get(str(value), repr(value))
    if kind == "boolean":
        return "1" if value else "0"
    if kind == "binary":
        return value.hex().upper()
    if kind == "decfloat":
        return str(Decimal(value[1]).scaleb(value[0], context=WIDE))
    if kind in ("date", "interval_year_month", "interval_day_time"):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def rows_text(columns, start, rows):
    """Gives rows without the brackets around them; every other one has its signs escaped, which is the same JSON."""
    lines = []
    for row in range(start, start + rows):
        cells = [cell(column, column.values[row]) for column in columns]
        lines.append(json.dumps(cells, ensure_ascii=row % 2 == 0, separators=(",", ":")))
    return ",".join(lines)


def write(folder, columns, cuts, is_mixed=False):
    folder.mkdir()
    start, pieces = 0, []
    for place, rows in enumerate(cuts):
        (folder / f"{place}.arrow").write_bytes(stream(columns, start, rows, is_mixed, (rows + 1) // 2))
        (folder / f"{place}.json").write_text(rows_text(columns, start, rows))
        pieces.append({"rows": rows, "arrow": f"{place}.arrow", "json": f"{place}.json", "times": 1})
        start += rows
    table = {"columns": [column.rowtype() for column in columns], "pieces": pieces}
    (folder / "table.json").write_text(json.dumps(table))


def main(folder):
    key, *others = common()
    tables = []

    def add(name, source, columns, mask):
        tags = [{"name": column.name, "data_type": column.sql, "tags": {"MASK": found} if (found := mask(column, at)) else {}} for at, column in enumerate(columns)]
        tables.append({"name": name, "folder": str(folder / source), "columns": tags})

    write(folder / "cut", [key, *others], PIECES)
    # The connector puts no Arrow table together of streams whose numbers differ in width; it reads rows of them.
    write(folder / "mixed", [key, *others], PIECES, is_mixed=True)
    write(folder / "whole", [key, *others], [ROWS])
    for source in ("cut", "mixed", "whole"):
        # In the first none is masked; in the others each column meets each mask, and each has a turn without one.
        add(f"EVERY_{source.upper()}", source, [key, *others], lambda column, at: None)
        for turn in range(len(MASKS)):
            add(f"EVERY_{source.upper()}_{turn}", source, [key, *others], lambda column, at, turn=turn: mask_of(column, at, turn))
    for column in rare():
        write(folder / column.name.lower(), [key, column], PIECES)
        add(f"RARE_{column.name}", column.name.lower(), [key, column], lambda column, at: None)
        add(f"RARE_{column.name}_NULL", column.name.lower(), [key, column], lambda column, at: "null" if at else None)
    (folder / "tables.json").write_text(json.dumps(tables))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
