"""Statements of the third corpus: corners of Snowflake's SQL that the second corpus leaves out, written from a seed, none twice."""

TABLES = ["ledger.gl.journal", "telemetry.pings", "crm.accounts_scd", "\"Ünïts\"", "lake.bronze.events", "fleet.trips", "hris.payroll_runs",
          "wms.bin_moves", "ads.bids", "claims.adjustments", "grid.meter_reads", "lab.assays"]
COLUMNS = ["acct_no", "posted_at", "amt", "fx_rate", "valid_from", "plate", "\"Größe\"", "kwh", "bid_usd", "assay_id", "bin", "ssn", "dob",
           "is_void", "raw_doc", "seq_no"]
WORDS = ["Łódź", "it''s", "a|b", "C:\\\\tmp", "100%", "naïve café", "=sum(a1)", "#1", "x\\ty", "ab-12", "Q3/25", "~", "é", "<b>", "user@host"]


class Corners:
    def __init__(self, dice):
        self.dice, self.count = dice, dice.randint(1, 300)

    def number(self):
        """Gives a number that this corpus has not had: a session's statements are told apart by it."""
        self.count += 1
        return 20_000 + self.count * 31 + self.dice.randint(0, 30)

    def literal(self):
        return str(self.number()) if self.dice.random() < 0.5 else f"'{self.dice.choice(WORDS)}'"

    def parts(self):
        return (*self.dice.sample(TABLES, 2), *self.dice.sample(COLUMNS, 3), self.number())

    def one(self):
        """Writes a query of one line."""
        t, u, a, b, c, n = self.parts()
        lit = self.literal
        return self.dice.choice([
            f"select * exclude ({a}) rename ({b} as b_{n}) from {t} where {c} > {n}",
            f"select {{* ilike '%_{n}'}} from {t}",
            f"select $1:id::number({n % 30 + 8}), metadata$filename from @stage_{n}/in/ (file_format => 'ff_json', pattern => '.*{n}[.]json')",
            f"select * from {t} match_recognize (partition by {a} order by {b} measures match_number() as m pattern (up{{2,}} down+) define up as {c} > lag({c}), down as {c} < {n})",
            f"select t.{a}, u.{b} from {t} t asof join {u} u match_condition (t.{c} >= u.{c}) on t.seq_no = u.seq_no where t.amt <> {lit()}",
            f"select {a}, level, sys_connect_by_path({b}, '/') from {t} start with {c} = {n} connect by prior {a} = {b}",
            f"select grouping_id({a}, {b}) g, sum({c}) from {t} where {c} < {n} group by grouping sets (({a}), ({b}), ())",
            f"select seq4() as s, uniform(1, {n}, random({n})) from table(generator(rowcount => {n}))",
            f"select filter({a}, x -> x:qty::int > {n}), transform({b}, y int -> y * {n}) from {t}",
            f"select {a} from {t} before (statement => '01b{n:08x}-0000-0000-0000-000000000000') minus select {a} from {t}",
            f"select * from {t} changes (information => append_only) at (timestamp => '2025-03-{n % 27 + 1:02} 00:00:{n % 60:02}'::timestamp_tz) where {a} = {lit()}",
            f"select object_construct_keep_null('k{n}', {a}, 'v', {lit()}) from {t}",
            f"select snowflake.cortex.complete('llama3-8b', concat('sum up: ', {a})) from {t} where {b} = {n}",
            f"select {a} from {t} where {b} rlike '^[A-Z]{{2}}{n}.*$' and {c} is distinct from {lit()}",
            f"select column1, column2 from values ({n}, {lit()}), ({n + 7}, 'z{n}') order by all",
            f"show tables like 'T_{n}%' in schema {t.split('.')[0]} starts with 'T' limit {n % 90 + 3}",
            f"show tables in account ->> select \"name\" from $1 where \"rows\" > {n}",
            f"select {a}, {b}, from {t} where {c} = {n}",
            f"select listagg({a}, ', ') within group (order by {b}) over (partition by {c}) from {t} where seq_no % {n} = 0",
            f"explain using json select {a} from {t} where {b} = {lit()} and {c} = {n}",
        ])

    def change(self):
        """Writes a statement that changes something."""
        t, u, a, b, c, n = self.parts()
        return self.dice.choice([
            f"insert all when {a} > {n} then into {t} values ({a}, {b}) else into {u} select {a}, {b}, {c} from lake.bronze.events",
            f"insert overwrite into {t} select * replace ({self.literal()} as {a}) from {u} where {b} = {n}",
            f"create or alter task ops.t_{n} warehouse = wh_{n % 9} schedule = 'using cron {n % 60} 4 * * * UTC' as delete from {t} where {a} < {n}",
            f"create dynamic table mart.d_{n} target_lag = '{n} minutes' warehouse = wh as\nselect {a}, max({b}) {b}\nfrom {t}\ngroup by 1",
            f"grant select, references on future views in schema sc_{n} to database role r_{n}",
            f"alter table {t} modify column {a} set masking policy pii.m_{n} using ({a}, {b})",
            f"comment if exists on column {t}.{a} is 'seen {n} times'",
            f"undrop table {t.strip(chr(34))}_{n}",
            f"create stream if not exists cdc.s_{n} on table {t} append_only = true",
            f"update {t} x set {a} = y.{a} from {u} y where x.seq_no = y.seq_no and y.{b} = {self.literal()} and x.{c} = {n}",
            f"truncate table if exists {t.split('.')[0]}.tmp_{n}",
            f"create tag if not exists gov.t_{n} allowed_values 'red', 'amber'",
            f"copy into @out/{n}/ from (select {a} from {t}) file_format = (type = parquet) header = true overwrite = true",
        ])

    def long(self):
        """Writes a query of several lines, with remarks."""
        t, u, a, b, c, n = self.parts()
        return self.dice.choice([
            f"with recursive r as (\n    select {a}, 1 as depth from {t} where {b} = {n}\n    union all\n    select u.{a}, r.depth + 1 from {u} u join r on u.{b} = r.{a}\n)\nselect * from r where depth < {n % 17 + 2}",
            f"-- who owes us\nselect {a},\n       sum({b}) filter_sum, -- net\n       /* not {c} */ avg({c})\nfrom {t}\nwhere posted_at >= dateadd(day, -{n}, current_date)\ngroup by cube ({a})",
            f"select *\nfrom {t}\n  unpivot include nulls (val for k in ({a}, {b}))\nwhere val = {self.literal()}\n   or seq_no = {n}",
            f"SELECT\n\tCASE WHEN {a} = {self.literal()} THEN 'x' ELSE {b} END AS k,\n\tCOUNT(*)\nFROM {t}\nWHERE {c} NOT IN ({n}, {n + 1})\nGROUP BY ALL",
        ])

    def any(self):
        return self.dice.choice([self.one, self.one, self.one, self.change, self.long])()
