"""Tells how a compacted file is laid out: by pyarrow its order and compression, by DuckDB its bloom filters and order of rows.

compacted.py FILE SESSION OTHER prints JSON; the filter of `session_id` is asked for SESSION, which is there, and OTHER.
"""

import json
import sys

import duckdb
import pyarrow.parquet

path, session, other = sys.argv[1:]
metadata = pyarrow.parquet.ParquetFile(path).metadata
group = metadata.row_group(0)
names = metadata.schema.to_arrow_schema().names
leaves = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
connection = duckdb.connect()


def ask(sql, *values):
    return connection.execute(sql, values).fetchall()


filtered = ask("select path_in_schema from parquet_metadata(?) where bloom_filter_offset is not null", path)
order = ask("select ts, session_id from read_parquet(?)", path)


def excluded(value):
    return [row[0] for row in ask("select bloom_filter_excludes from parquet_bloom_probe(?, 'session_id', ?)", path, value)]


print(json.dumps({
    "sorted_by": [names[column.column_index] if column.column_index < len(names) else None for column in group.sorting_columns],
    "descending": [column.descending for column in group.sorting_columns],
    "compression": group.column(leaves.index("ts")).compression,
    "has_statistics": group.column(leaves.index("ts")).is_stats_set,
    "bloom": sorted({name for (name,) in filtered}),
    "is_sorted": order == sorted(order),
    "rows": metadata.num_rows,
    "says": sorted(key.decode() for key in metadata.metadata),
    "excluded": [excluded(session), excluded(other)],
}))
