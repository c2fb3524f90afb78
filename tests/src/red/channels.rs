//! Ways to masked values, as statements.

/// A way to a value: what is asked, one after the other. `{c}` is the column, and `{g}` a guess of its value, where it is
/// whether that is right that would be told.
pub(super) type Channel = (&'static str, &'static [&'static str]);

/// Ways to a column that may be used for nothing but to be shown.
pub(super) const SHOWN_ALONE: [Channel; 30] = [
    ("filter", &["select id from customers where {c} = '{g}'"]),
    (
        "filter: prefix",
        &["select id from customers where {c} like '{g}%'"],
    ),
    (
        "filter: order",
        &["select id from customers where {c} >= '{g}' order by id"],
    ),
    (
        "filter: in a CTE",
        &["with q as (select id, {c} as x from customers) select id from q where x = '{g}'"],
    ),
    (
        "filter: through a view",
        &[
            "select n.id from customers n where exists (select 1 from customers m where m.{c} = '{g}')",
        ],
    ),
    (
        "join",
        &["select a.id from customers a join (select '{g}' as g) b on a.{c} = b.g"],
    ),
    (
        "group",
        &["select count(*) as n from customers group by {c} having {c} = '{g}'"],
    ),
    (
        "union",
        &["select count(*) as n from (select {c} as x from customers union select '{g}')"],
    ),
    (
        "intersect",
        &["select count(*) as n from (select {c} as x from customers intersect select '{g}')"],
    ),
    (
        "except",
        &["select count(*) as n from (select {c} as x from customers except select '{g}')"],
    ),
    (
        "count",
        &[
            "select count(distinct x) as n from (select {c} as x from customers union all select '{g}')",
        ],
    ),
    (
        "count_if",
        &["select count_if({c} = '{g}') as n from customers"],
    ),
    (
        "order",
        &[
            "select id from (select id, {c} as x from customers union all select 9, '{g}') order by x, id desc",
        ],
    ),
    (
        "window",
        &[
            "select id from customers qualify row_number() over (order by iff({c} = '{g}', 1, 0), id) = 1",
        ],
    ),
    (
        "case",
        &["select case when {c} = '{g}' then 'yes' else 'no' end as x from customers order by id"],
    ),
    (
        "in a subquery",
        &["select '{g}' in (select {c} from customers) as x"],
    ),
    (
        "error or none",
        &["select 1 / iff({c} = '{g}', 0, 1) as x from customers where id = 1"],
    ),
    (
        "counted changes",
        &["update customers set name = name where {c} = '{g}'"],
    ),
    (
        "counted deletions",
        &[
            "begin",
            "delete from customers where {c} = '{g}'",
            "rollback",
        ],
    ),
    (
        "limit",
        &["select id from customers order by iff({c} = '{g}', 2, 1), id limit 1"],
    ),
    (
        "plaintext in a union",
        &["select {c} as x from customers union all select '{g}'"],
    ),
    (
        "order of a percentile",
        &["select percentile_disc(0.5) within group (order by {c}) as x from customers"],
    ),
    (
        "substring",
        &["select substr({c}, 1, 4) as x from customers"],
    ),
    ("aggregate", &["select max({c}) as x from customers"]),
    ("list", &["select listagg({c}, ',') as x from customers"]),
    (
        "CTAS",
        &[
            "create table taken_{c} as select {c} as x from customers",
            "select x from taken_{c}",
        ],
    ),
    (
        "insert",
        &[
            "create table put_{c} (x varchar)",
            "insert into put_{c} select {c} from customers",
            "select x from put_{c}",
        ],
    ),
    (
        "view",
        &[
            "create view seen_{c} as select {c} as x from customers",
            "select x from seen_{c}",
        ],
    ),
    (
        "variable",
        &[
            "set v_{c} = (select max({c}) from customers)",
            "select $v_{c} as x",
        ],
    ),
    (
        "update",
        &[
            "create table up_{c} as select 1 as id, null::varchar as x",
            "update up_{c} set x = c.{c} from customers c where c.id = up_{c}.id",
            "select x from up_{c}",
        ],
    ),
];

/// Ways to a column of which something may be made: that is null, and words about it are withheld.
pub(super) const MADE: [Channel; 12] = [
    (
        "plaintext in a union",
        &["select {c} as x from people union all select '{g}'"],
    ),
    (
        "plaintext in COALESCE",
        &["select coalesce(iff(id > 9, {c}, null), '{g}') as x from people"],
    ),
    (
        "sliding substrings",
        &[
            "select substr({c}, 1, 4) as x from people",
            "select substr({c}, 5, 4) as x from people",
        ],
    ),
    ("reversed", &["select reverse({c}) as x from people"]),
    ("joined with a text", &["select {c} || '' as x from people"]),
    ("upper case", &["select upper({c}) as x from people"]),
    ("digest", &["select sha1({c}) as x from people"]),
    ("length", &["select length({c})::varchar as x from people"]),
    ("largest", &["select max({c}) as x from people"]),
    (
        "object",
        &["select to_json(object_construct('a', {c})) as x from people"],
    ),
    (
        "CTE",
        &["with q as (select {c} || '' as x from people) select x from q"],
    ),
    (
        "error with the value",
        &["select {c}::number as x from people"],
    ),
];

/// What has no twin on another column: names that come from values, code, credentials.
pub(super) const NEVER: [&str; 17] = [
    "select * from (select id, email from customers) pivot(count(id) for email in (any))",
    "select * from (select id, email from customers) pivot(count(id) for email in (select email from customers))",
    "create temporary table taken_anew as select email from customers",
    "create table kin clone customers",
    "alter table people rename column email to other",
    "copy into @~/taken from (select email from customers)",
    "copy into @~/taken from customers",
    "execute immediate 'select email from customers'",
    "begin let x := (select max(email) from customers); return x; end",
    "select getvariable('V_EMAIL') as x",
    "explain select id from customers where email = 'canary-mail-51ce'",
    "select * from table(result_scan(last_query_id()))",
    "create table urls as select get_presigned_url(@files, 'f') as u",
    "select 'at ' || get_presigned_url(@files, 'f') as u",
    "select error_message from table(information_schema.query_history())",
    "alter table customers alter column email unset tag pii",
    "alter user icecore_svc add pat canary",
];
