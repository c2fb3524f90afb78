"""Writes one large table whose chunks are all the same bytes: `large.py FOLDER MEBIBYTES`; prints bytes and rows as JSON."""

import json
import random
import sys
from pathlib import Path

from columns import Column
from make import rows_text, stream

INLINE_ROWS = 50
CHUNK_ROWS = 40_000
# Rows of a batch; each has about 200 bytes.
BATCH_ROWS = 4096

TAGS = {"NAME": "partial:1:2", "MAIL": "hash", "AMOUNT": "bucket:10", "SEEN": "month", "SECRET": "null", "DOC": "json:a.b=null"}


def columns(rows):
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz ", k=24)) for _ in range(997)]
    text = lambda name, make: Column(name, "text", [make(row) for row in range(rows)], length=256)  # noqa: E731
    number = lambda name, scale, top: Column(name, "fixed", [draw.randrange(top) for _ in range(rows)], 18, scale)  # noqa: E731
    return [
        Column("ID", "fixed", list(range(rows)), 18, 0), text("NAME", lambda row: draw.choice(words)), text("MAIL", lambda row: f"user{row % 9973}@example.com"),
        number("AMOUNT", 2, 10**9), Column("SEEN", "timestamp_ntz", [draw.randrange(2 * 10**9) * 10**3 for _ in range(rows)], 0, 3),
        text("SECRET", lambda row: draw.choice(words)), Column("DOC", "variant", [json.dumps({"a": {"b": row}, "c": words[row % 997]}) for row in range(rows)]),
        text("T1", lambda row: draw.choice(words)), text("T2", lambda row: draw.choice(words)), number("N1", 0, 10**12), number("N2", 0, 10**4),
        Column("R", "real", [draw.random() for _ in range(rows)]), Column("B", "boolean", [row % 3 == 0 for row in range(rows)]),
    ]


def main(folder, mebibytes):
    folder.mkdir()
    every = columns(CHUNK_ROWS)
    for name, rows in (("inline", INLINE_ROWS), ("chunk", CHUNK_ROWS)):
        (folder / f"{name}.arrow").write_bytes(stream(every, 0, rows, False, BATCH_ROWS))
        (folder / f"{name}.json").write_text(rows_text(every, 0, rows))
    chunk_bytes = min((folder / f"chunk.{form}").stat().st_size for form in ("arrow", "json"))
    times = -(-(mebibytes << 20) // chunk_bytes)
    piece = lambda name, rows, times: {"rows": rows, "arrow": f"{name}.arrow", "json": f"{name}.json", "times": times}  # noqa: E731
    pieces = [piece("inline", INLINE_ROWS, 1), piece("chunk", CHUNK_ROWS, times)]
    (folder / "table.json").write_text(json.dumps({"columns": [column.rowtype() for column in every], "pieces": pieces}))
    told = [{"name": column.name, "data_type": column.sql, "tags": {"MASK": TAGS[column.name]} if column.name in TAGS else {}} for column in every]
    print(json.dumps({"columns": told, "chunks": times, "rows": INLINE_ROWS + times * CHUNK_ROWS, "chunk_bytes": chunk_bytes}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
