"""Compares the bytes that an agent got with those that storage has, in columns that no mask is on: `same.py READS`.

`READS` is a JSON list: `served` and `stored` name files of one piece, `form` is JSON or ARROW, `table` names the table.
"""

import json
import re
import sys

import pyarrow as pa

from columns import common
from masks import mask_of

CELL = re.compile(rb'"(?:[^"\\]|\\.)*"|null')


def unmasked(table):
    turn = int(table.rpartition("_")[2])
    return [at for at, column in enumerate(common()) if mask_of(column, at, turn) is None]


def of_json(served, stored, places):
    """Rows of JSON, of which each cell is compared as it is written."""
    width = len(common())
    cells = [CELL.findall(text) for text in (served, stored)]
    if len(cells[0]) != len(cells[1]) or len(cells[0]) % width:
        return [f"{len(cells[0])} cells, of {len(cells[1])}"]
    return [f"cell {at}" for at, (mine, own) in enumerate(zip(*cells)) if at % width in places and mine != own]


def of_arrow(served, stored, places):
    """Streams, of which fields, batches and the bytes of values are compared."""
    mine, own = (pa.ipc.open_stream(text) for text in (served, stored))
    wrong = [f"field {at}" for at in places if not mine.schema.field(at).equals(own.schema.field(at), check_metadata=True)]
    names = [field.name for field in own.schema]
    kept = [(field.metadata or {}).get(b"logicalType") for field in mine.schema] == [field.metadata[b"logicalType"] for field in own.schema]
    if [field.name for field in mine.schema] != names or not kept:
        wrong.append("names or types")
    batches = list(mine), list(own)
    if [batch.num_rows for batch in batches[0]] != [batch.num_rows for batch in batches[1]]:
        wrong.append("batches")
    for mine, own in zip(*batches):
        for at in places:
            bits = [column.view(pa.int64()) if pa.types.is_float64(column.type) else column for column in (mine.column(at), own.column(at))]
            if not bits[0].equals(bits[1]):
                wrong.append(f"values of {names[at]}")
    return wrong


def main(reads):
    wrong, compared = [], 0
    for read in reads:
        texts = []
        for name in (read["served"], read["stored"]):
            with open(name, "rb") as file:
                texts.append(file.read())
        places = unmasked(read["table"])
        compared += len(places)
        found = (of_json if read["form"] == "JSON" else of_arrow)(*texts, places)
        wrong += [f"{read['table']} {read['form']} {read['served'].rpartition('/')[2]}: {text}" for text in found]
    print(json.dumps({"differences": wrong, "compared": compared}))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
