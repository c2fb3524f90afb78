"""The connector's surface that scripts use."""

from issue import bound, issue, split

paramstyle = "pyformat"
ProgrammingError = RuntimeError


class DictCursor:
    """Marks the cursor that is wanted."""


class Cursor:
    sfqid = None

    def __init__(self):
        self.rows = []

    def execute(self, sql, params=None, **_):
        if paramstyle == "pyformat":
            sql = bound(sql, params)
        self.rows = [(row,) for row in issue(sql)]
        return self

    execute_async = execute

    def executemany(self, sql, rows):
        # Source: cursor.py, `executemany`: one statement with all rows' values.
        head, values = sql.rsplit("values", 1) if "values" in sql else sql.rsplit("VALUES", 1)
        filled = ",".join(bound(values.strip(), row) for row in rows)
        return self.execute(f"{head}values {filled}")

    def fetchall(self):
        return self.rows

    def fetchone(self):
        return self.rows[0]

    def fetchmany(self, count):
        return self.rows[:count]

    def __iter__(self):
        return iter(self.rows)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Connection:
    def cursor(self, *_):
        return Cursor()

    def execute_string(self, text, **_):
        return [Cursor().execute(sql) for sql in split(text)]

    def close(self):
        pass

    def commit(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def connect(*_, **__):
    return Connection()
