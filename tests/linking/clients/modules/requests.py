"""`post` of requests, to Snowflake's SQL API."""

from issue import issue


class Response:
    def __init__(self, rows):
        self.rows = rows

    def json(self):
        return {"data": [[row] for row in self.rows]}


def post(url, headers=None, json=None):
    return Response(issue(json["statement"]) if "snowflakecomputing.com" in url else [])
