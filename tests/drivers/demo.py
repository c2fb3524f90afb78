"""What an AI agent would run: a plain Snowflake script that knows nothing of Icecore.

Host, account and driver are as always; the password is a dummy.
"""

import snowflake.connector

connection = snowflake.connector.connect(
    account="acme",
    host="acme.snowflakecomputing.com",
    user="agent",
    password="dummy-password-3b1c",
    role="ANALYST",
    warehouse="WH",
    database="ACME_DB",
    schema="PUBLIC",
)
cursor = connection.cursor()

question = "select customer, amount from orders where amount > 10 order by amount desc"
print("agent asks: ", question)
for row in cursor.execute(question):
    print("agent gets: ", row[0], row[1])

order = "insert into orders values (5, 'nia', 7.25)"
print("agent asks: ", order)
cursor.execute(order)
print("agent gets: ", cursor.rowcount, "row inserted")

cleanup = "delete from orders where amount < 10"
print("agent asks: ", cleanup)
try:
    cursor.execute(cleanup)
    print("agent gets:  done")
except snowflake.connector.errors.ProgrammingError as error:
    print("agent gets: ", error)

connection.close()
