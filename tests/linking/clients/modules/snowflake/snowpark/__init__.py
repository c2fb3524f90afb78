"""Snowpark's surface that scripts use: SQL as it stands, and SQL that frames are written as."""

from issue import issue


class Frame:
    def __init__(self, sql):
        self.sql = sql

    def filter(self, condition):
        return Frame(f"SELECT  *  FROM ({self.sql}) WHERE ({condition})")

    def limit(self, count):
        return Frame(f"SELECT  *  FROM ({self.sql}) LIMIT {count}")

    def collect(self):
        return issue(self.sql)

    to_pandas = collect

    def show(self, count=10):
        print("\n".join(Frame(f"SELECT  *  FROM ({self.sql}) LIMIT {count}").collect()))


class Session:
    class builder:
        @staticmethod
        def configs(_):
            return Session.builder

        @staticmethod
        def getOrCreate():
            return Session()

        create = getOrCreate

    def sql(self, sql, params=None):
        return Frame(sql)

    def table(self, name):
        return Frame(f"SELECT  *  FROM {name}")
