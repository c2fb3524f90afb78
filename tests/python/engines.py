"""Asks the same of a table's Parquet files with one engine or another; the answers must be equal.

engines.py ENGINE FILE... prints JSON: how many statements of each decision and status, when the first and the last began,
what they took, which objects and rules they name, and a digest as hexadecimal.
"""

import json
import sys

engine, files = sys.argv[1], sys.argv[2:]


def duckdb():
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    columns = "decision, status, epoch_us(started_at), decision_us, objects, rule_ids, sql_mac, sql_fingerprint"
    rows = connection.execute(f"select {columns} from read_parquet({files!r}, union_by_name = true)").fetchall()
    return [list(row) for row in rows]


def pyarrow():
    import pyarrow.dataset

    table = pyarrow.dataset.dataset(files, format="parquet").to_table()
    return [pick(row, micros) for row in table.to_pylist()]


def polars():
    import polars

    return [pick(row, micros) for row in polars.read_parquet(files, hive_partitioning=False).to_dicts()]


def spark():
    from pyspark.sql import SparkSession, functions

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.driver.host", "127.0.0.1")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.sql.shuffle.partitions", "1")
    session = builder.getOrCreate()
    frame = session.read.option("mergeSchema", "true").parquet(*files)
    frame = frame.withColumn("started_at", functions.unix_micros("started_at"))
    rows = [pick(row.asDict(recursive=True), lambda time: time) for row in frame.collect()]
    session.stop()
    return rows


def micros(time):
    from datetime import datetime, timedelta, timezone

    return (time - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


def pick(row, time):
    names = ["decision", "status", "started_at", "decision_us", "objects", "rule_ids", "sql_mac", "sql_fingerprint"]
    return [time(row[name]) if name == "started_at" else row[name] for name in names]


def plain(value):
    return bytes(value).hex() if isinstance(value, (bytes, bytearray)) else value


rows = [[plain(value) for value in row] for row in globals()[engine]()]
print(json.dumps(sorted(rows, key=json.dumps), sort_keys=True))
