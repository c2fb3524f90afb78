"""`read_database` of Polars."""


def read_database(query, connection):
    return connection.cursor().execute(query).fetchall()
