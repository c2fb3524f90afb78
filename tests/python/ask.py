"""Answers queries over views of a record with DuckDB: a JSON list of queries in, a JSON list of their rows out."""

import json
import sys

import duckdb

connection = duckdb.connect()
connection.execute(open(sys.argv[1]).read())
answers = []
for query in json.load(sys.stdin):
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    answers.append([dict(zip(names, row)) for row in cursor.fetchall()])
print(json.dumps(answers, default=str))
