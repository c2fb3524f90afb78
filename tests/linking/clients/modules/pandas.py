"""`read_sql` of pandas."""


def read_sql(sql, connection, params=None):
    return connection.cursor().execute(sql, params).fetchall()


read_sql_query = read_sql
