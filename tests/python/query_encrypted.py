"""Reads an encrypted record as others do: DuckDB with the printed keys and views, pyarrow with the key itself."""

import base64
import json
import sys

import duckdb
import pyarrow.parquet as parquet
import pyarrow.parquet.encryption as encryption

keys, views, query, file, key = sys.argv[1:6]
connection = duckdb.connect()
connection.execute(open(keys).read())
connection.execute(open(views).read())
cursor = connection.execute(query)
names = [column[0] for column in cursor.description]
rows = [dict(zip(names, row)) for row in cursor.fetchall()]
opened = encryption.create_decryption_properties(footer_key=base64.b64decode(key))
table = parquet.read_table(file, decryption_properties=opened, partitioning=None)
texts = table.column("sql_text").to_pylist()
print(json.dumps({"duckdb": duckdb.__version__, "rows": rows, "pyarrow": texts}, default=str))
