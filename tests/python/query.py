"""Runs a query over a store with DuckDB, as an analyst would: views first, then the query; JSON lines out."""

import json
import sys

import duckdb

views, query = sys.argv[1:3]
connection = duckdb.connect()
connection.execute(open(views).read())
cursor = connection.execute(query)
names = [column[0] for column in cursor.description]
for row in cursor.fetchall():
    print(json.dumps(dict(zip(names, row)), default=str))
