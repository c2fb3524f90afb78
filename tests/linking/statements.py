"""Statements: those of the corpus of SQL (`tests/corpus`), and others of shapes that analysts and agents write."""

import glob
import os
import random
import tomllib

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus")

TABLES = ["shop.public.orders", "crm.contacts", "finance.ledger_entries", "web.clicks", "\"Kunden\"", "ops.shipments",
          "billing.invoices", "hr.leave_days", "iot.readings", "marketing.campaign_costs", "raw.app.page_views", "risk.alerts"]
COLUMNS = ["order_ts", "net_eur", "gross", "country_iso", "segment", "utm_source", "device", "latency_ms", "vat_rate", "owner_id",
           "\"Straße\"", "score", "closed_on", "sku_code", "payload", "batch_no"]
WORDS = ["north", "O''Brien", "Zürich", "q1;q2", "50 %", "a--b", "東京", "new\\nline", "2025-06-30", "x/*y*/z", "e-mail", "tier_3",
         "naïve", "paid?", "{curly}", "$5"]


def pool():
    """Gives the statements of the corpus of SQL."""
    found = []
    for name in sorted(glob.glob(os.path.join(FOLDER, "*.toml"))):
        with open(name, "rb") as file:
            cases = tomllib.load(file).get("case", [])
        found += [case["sql"] for case in cases if "sql" in case]
    # A body of several statements is one only where its client does not part it, and a stage command needs a local file.
    return [sql for sql in found if ";" not in sql and not sql.lower().startswith(("put ", "get "))]


class Writer:
    """Writes statements from a seed; none twice."""

    def __init__(self, dice):
        self.dice = dice
        self.left = pool()
        dice.shuffle(self.left)

    def literal(self):
        dice = self.dice
        return str(dice.randint(10, 99_999)) if dice.random() < 0.5 else f"'{dice.choice(WORDS)}'"

    def read(self):
        """Writes a query."""
        dice = self.dice
        a, b, c = dice.sample(COLUMNS, 3)
        t, u = dice.sample(TABLES, 2)
        n = dice.randint(2, 9_999)
        return dice.choice([
            f"with base as (\n  select {a}, {b}, {c}\n  from {t}\n  where {a} >= {self.literal()}\n)\nselect {b}, count(*) as n\nfrom base\ngroup by 1\nhaving n > {n}\norder by n desc",
            f"select {a}, {b} from {t} qualify row_number() over (partition by {a} order by {b} desc) <= {n}",
            f"SELECT f.value:id::int AS id, f.value:tags[0]::string AS tag, {a} FROM {t}, LATERAL FLATTEN(input => payload:items) f WHERE {b} <> {self.literal()} LIMIT {n}",
            f"select t.{a},\n       u.{b},\n       sum(t.{c}) over (partition by u.{b}) as total -- per group\nfrom {t} t\nleft join {u} u on u.owner_id = t.owner_id\nwhere t.{c} between {self.literal()} and {self.literal()}",
            f"select {a}, payload:customer.address[0].zip::varchar from {t} where payload:kind = {self.literal()} and {b} is not null",
            f"select count_if({a} = {self.literal()}) as hits, approx_count_distinct({b}) from {t} at(offset => -{n})",
            f"/* weekly */ select date_trunc('week', {a}) as w, listagg(distinct {b}, '|') from {t} where {c} ilike any ('%{n}%', {self.literal()}) group by all",
            f"select {a} from {t} where {b} in (select {b} from {u} where {c} = {self.literal()}) or {a} = {self.literal()}",
            f"SELECT *\nFROM {t}\n  PIVOT (sum({a}) FOR {b} IN ({self.literal()}, {self.literal()}))\nORDER BY {n % 7 + 1}",
            f"select {a}, iff({b} > {self.literal()}, 'high', 'low') as band from {t} sample ({n % 90 + 1}) where try_to_number({c}) is not null union all select {b}, 'none' from {u}",
        ])

    def wide(self):
        """Writes a query of many lines."""
        dice = self.dice
        lines = [f"  {column} as {column.strip(chr(34)).lower()}_{at}" for at, column in enumerate(dice.choices(COLUMNS, k=dice.randint(40, 90)))]
        return "select\n" + ",\n".join(lines) + f"\nfrom {dice.choice(TABLES)}\nwhere batch_no = {dice.randint(1, 10**6)}"

    def change(self):
        """Writes a statement that changes something."""
        dice = self.dice
        a, b = dice.sample(COLUMNS, 2)
        t, u = dice.sample(TABLES, 2)
        n = dice.randint(2, 9_999)
        return dice.choice([
            f"merge into {t} t using {u} s on t.owner_id = s.owner_id\nwhen matched and s.{a} = {self.literal()} then update set t.{b} = s.{b}\nwhen not matched then insert (owner_id, {b}) values (s.owner_id, {self.literal()})",
            f"copy into {t} from @load/day={n}/ file_format = (type = csv skip_header = 1) on_error = continue",
            f"insert into {t} ({a}, {b}) values ({self.literal()}, {self.literal()}), ({self.literal()}, {n})",
            f"update {t} set {a} = {self.literal()}, {b} = null where owner_id = {n}",
            f"delete from {t} using {u} where {t}.owner_id = {u}.owner_id and {u}.{a} < {n}",
            f"create or replace view reporting.v_{n} comment = 'made by hand' as select {a}, max({b}) as {b} from {t} group by 1",
            f"create or replace function util.f_{n}(x float) returns float language sql as $$ x * {n} + 1 $$",
            f"alter table {t} add column {a}_{n} varchar({n})",
            f"call util.refresh('{t}', {n})",
        ])

    def any(self):
        """Writes any statement; half are of the corpus of SQL."""
        draw = self.dice.random()
        if draw < 0.45 and self.left:
            return self.left.pop()
        return self.change() if draw < 0.6 else self.wide() if draw < 0.65 else self.read()

    def one(self):
        """Gives a query of one line, as it fits into any quotes."""
        return self.read().replace("\n", " ").replace("-- per group ", "")
