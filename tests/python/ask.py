"""Answers queries over views of a record with DuckDB: a JSON list of queries in, a JSON list of their rows out."""

import glob
import importlib.util
import json
import sys

import duckdb

connection = duckdb.connect()
# Wheels bring extensions; DuckDB does not look there by itself.
wheel = importlib.util.find_spec("duckdb_extension_httpfs")
for place in wheel.submodule_search_locations if wheel else []:
    for extension in glob.glob(glob.escape(place) + "/extensions/*/httpfs.duckdb_extension"):
        connection.execute(f"LOAD '{extension}'")
connection.execute(open(sys.argv[1]).read())
answers = []
for query in json.load(sys.stdin):
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    answers.append([dict(zip(names, row)) for row in cursor.fetchall()])
print(json.dumps(answers, default=str))
