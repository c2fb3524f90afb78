"""Statements of the fourth corpus, as agents that explore, repair and report on a warehouse write them; from a seed, none twice."""

TABLES = ["SALES.PUBLIC.ORDER_LINES", "analytics.marts.fct_revenue", "RAW.STRIPE.CHARGES", "prod_db.core.users", "support.zendesk.tickets",
          "finops.cloud.cost_daily", "ml.features.user_vectors", "INVENTORY.WAREHOUSE.STOCK_LEVELS", "events.app.sessions", "hr.people.compensation",
          "risk.kyc.applicants", "loyalty.points.balances", "\"Vertrieb\".\"Angebote\"", "stg_payments", "dim_customer"]
COLUMNS = ["customer_id", "order_date", "amount_usd", "currency", "status", "plan_tier", "region_code", "created_at", "updated_at", "email",
           "margin_pct", "quantity", "sku", "channel", "is_active", "churned_at", "priority", "cost_center", "session_id", "iban"]
WORDS = ["EMEA", "past_due", "O''Neill", "Köln", "2026-03-31", "gold", "a/b test", "n/a", "São Paulo", "it''s late", "x-large", "USD", "50%"]


class Analyst:
    def __init__(self, dice):
        self.dice, self.count = dice, dice.randint(1, 500)

    def number(self):
        """Gives a number that this session has not had."""
        self.count += 1
        return 410_000 + self.count * 17 + self.dice.randint(0, 16)

    def literal(self):
        return str(self.number()) if self.dice.random() < 0.4 else f"'{self.dice.choice(WORDS)}'"

    def parts(self):
        return (*self.dice.sample(TABLES, 2), *self.dice.sample(COLUMNS, 4), self.number())

    def one(self):
        """Writes a query of one line, without braces, backslashes or semicolons."""
        t, u, a, b, c, e, n = self.parts()
        return self.dice.choice([
            f"SELECT COUNT(*) FROM {t} WHERE {a} >= {n}",
            f"SELECT {a}, SUM({b}) AS total FROM {t} WHERE {c} = {self.literal()} AND id > {n} GROUP BY {a} ORDER BY total DESC LIMIT 20",
            f"SELECT * FROM {t} WHERE customer_id = {n} LIMIT 10",
            f"select distinct {a}, {b} from {t} where {c} is not null and batch_id = {n}",
            f"SELECT table_name, row_count FROM {t.split('.')[0]}.information_schema.tables WHERE table_schema = 'PUBLIC' AND row_count > {n}",
            f"DESCRIBE TABLE {t.replace(chr(34), '')}_{n}",
            f"SELECT GET_DDL('TABLE', '{t.replace(chr(34), '')}_{n}')",
            f"select query_id, total_elapsed_time from table(information_schema.query_history(result_limit => {n})) where error_code is not null",
            f"WITH recent AS (SELECT {a}, {b} FROM {t} WHERE id > {n}) SELECT r.{a}, COUNT(u.{c}) FROM recent r LEFT JOIN {u} u ON u.{a} = r.{a} GROUP BY 1",
            f"SELECT {a}, LAG({b}, 1) OVER (PARTITION BY {c} ORDER BY {e}) AS prev FROM {t} WHERE id < {n}",
            f"select o.{a}, u.{b} from {t} o inner join {u} u using (customer_id) where o.{c} > {n} and u.{e} <> {self.literal()}",
            f"SELECT DATE_TRUNC('month', {a}) AS m, COUNT(DISTINCT {b}) AS n FROM {t} WHERE {c} IN ({n}, {n + 2}, {n + 9}) GROUP BY ALL ORDER BY m",
            f"select payload:user.id::string as uid, {a} from {t} where payload:meta.build = {n}",
            f"SELECT AVG({a}), MEDIAN({b}), STDDEV({a}) FROM {t} WHERE {c} BETWEEN {n} AND {n + 100}",
            f"SELECT HASH_AGG(*) FROM {t} WHERE {a} <= {n}",
            f"select {a}, count(*) from {t} group by 1 having count(*) > {n}",
            f"SELECT name, credits_used FROM snowflake.account_usage.warehouse_metering_history WHERE warehouse_id = {n}",
            f"SHOW GRANTS TO ROLE ANALYST_{n}",
            f"SELECT MAX({a}) AS latest, MIN({b}) FROM {t} WHERE {c} LIKE 'A%' AND id <> {n}",
            f"select {a}, case when {b} > {n} then 'big' else 'small' end as size from {t} where {c} = {self.literal()}",
        ])

    def change(self):
        """Writes a statement of one line that changes something."""
        t, u, a, b, c, e, n = self.parts()
        return self.dice.choice([
            f"CREATE OR REPLACE TABLE tmp_{n} AS SELECT {a}, {b} FROM {t} WHERE {c} = {self.literal()}",
            f"INSERT INTO {t} ({a}, {b}) SELECT {a}, {b} FROM {u} WHERE id = {n}",
            f"update {t} set {a} = {self.literal()} where id = {n}",
            f"DELETE FROM {t} WHERE {a} < {n} AND {b} = {self.literal()}",
            f"ALTER TABLE {t} ADD COLUMN {a}_{n} NUMBER(38,0)",
            f"ALTER WAREHOUSE WH_{n} SET WAREHOUSE_SIZE = 'MEDIUM' AUTO_SUSPEND = 60",
            f"grant select on table {t} to role reporter_{n}",
            f"DROP TABLE IF EXISTS scratch.tmp_{n}",
            f"CREATE SCHEMA IF NOT EXISTS sandbox_{n} COMMENT = 'for tests'",
            f"CALL ops.reload('{a}', {n})",
            f"CREATE OR REPLACE VIEW v_{n} AS SELECT {a}, COUNT(*) AS n FROM {t} GROUP BY 1",
        ])

    def long(self):
        """Writes a query of several lines, as models lay them out."""
        t, u, a, b, c, e, n = self.parts()
        return self.dice.choice([
            f"SELECT\n    {a},\n    {b},\n    SUM({c}) AS total_{c}\nFROM {t}\nWHERE {e} = {self.literal()}\n  AND id > {n}\nGROUP BY 1, 2\nORDER BY total_{c} DESC\nLIMIT 50",
            f"WITH base AS (\n    SELECT {a}, {b}, {c}\n    FROM {t}\n    WHERE {b} >= {n}\n),\nranked AS (\n    SELECT *, ROW_NUMBER() OVER (PARTITION BY {a} ORDER BY {c} DESC) AS rn\n    FROM base\n)\nSELECT *\nFROM ranked\nWHERE rn = 1",
            f"-- revenue by {a}\nselect o.{a}\n     , u.{b}\n     , sum(o.{c}) as revenue   -- gross\nfrom {t} as o\njoin {u} as u\n  on u.customer_id = o.customer_id\nwhere o.{e} <> {self.literal()}\n  and u.id = {n}\ngroup by 1, 2",
            f"MERGE INTO {t} AS tgt\nUSING (SELECT {a}, {b} FROM {u} WHERE id = {n}) AS src\n  ON tgt.{a} = src.{a}\nWHEN MATCHED THEN UPDATE SET tgt.{b} = src.{b}\nWHEN NOT MATCHED THEN INSERT ({a}, {b}) VALUES (src.{a}, src.{b})",
            f"CREATE OR REPLACE FUNCTION util.band_{n}(x FLOAT)\nRETURNS VARCHAR\nAS\n$$\n  CASE WHEN x > {n} THEN 'high' ELSE 'low' END\n$$",
            f"SELECT d.value:name::STRING AS item,\n       d.index,\n       t.{a}\nFROM {t} t,\n     LATERAL FLATTEN(INPUT => t.payload:lines) d\nWHERE t.id = {n}\n  AND d.value:qty::INT > 0",
        ])

    def any(self):
        return self.dice.choice([self.one, self.one, self.one, self.change, self.long, self.long])()
