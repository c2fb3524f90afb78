# Logs in and asks as a job of Python's does, with nothing but what its environment gives it, and prints one line.
import json
import os
import sys

host, account, password, kind = sys.argv[1:5]
told = {"stage": "import", "version": None, "error": None}
try:
    if kind == "adbc":
        import adbc_driver_snowflake
        import adbc_driver_snowflake.dbapi as driver

        told["version"] = "adbc-driver-snowflake " + getattr(adbc_driver_snowflake, "__version__", "")
        told["stage"] = "login"
        connection = driver.connect(
            db_kwargs={
                "username": "icecore_doctor",
                "password": password,
                "adbc.snowflake.sql.account": account,
                "adbc.snowflake.sql.uri.host": host,
                "adbc.snowflake.sql.uri.port": "443",
                "adbc.snowflake.sql.uri.protocol": "https",
                "adbc.snowflake.sql.client_option.login_timeout": "20s",
                "adbc.snowflake.sql.client_option.request_timeout": "20s",
            },
            # Else it begins a transaction first, which policies may know nothing of.
            autocommit=True,
        )
    else:
        import snowflake.connector as driver

        told["version"] = "snowflake-connector-python " + driver.__version__
        told["stage"] = "login"
        connection = driver.connect(
            host=host,
            account=account,
            user="icecore_doctor",
            password=password,
            login_timeout=20,
            network_timeout=20,
        )
    told["stage"] = "query"
    cursor = connection.cursor()
    cursor.execute("select 1")
    cursor.fetchall()
    told["stage"] = "done"
    cursor.close()
    connection.close()
except BaseException as error:
    words = []
    while error is not None and len(words) < 8:
        words.append(type(error).__name__ + ": " + str(error))
        error = error.__cause__ or error.__context__
    told["error"] = ": ".join(words)[:2000]
print("\n" + json.dumps(told), flush=True)
# Threads of a driver that still tries do not keep the answer waiting.
os._exit(0)
