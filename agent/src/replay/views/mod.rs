//! The SQL that shows a store as tables in DuckDB. Pure but for the listing it is given.

use std::io::{self, Write};
use std::path::Path;

use super::archive::Archive;
use super::rows::StoredRows;
use crate::record::schema::{Column, TABLES, Table, Type};

/// Views over the tables: name, what it is, query.
const VIEWS: [(&str, &str, &str); 8] = [
    (
        "sessions",
        "One row a session: its last.",
        "SELECT * FROM sessions_all QUALIFY row_number() OVER (PARTITION BY session_id ORDER BY is_final DESC, ts DESC) = 1",
    ),
    (
        "logins",
        "One row a login: its last.",
        "SELECT * FROM logins_all QUALIFY row_number() OVER (PARTITION BY login_id ORDER BY is_final DESC, ts DESC) = 1",
    ),
    (
        "statements",
        "One row a statement that is over; `statements_all` has the intents too.",
        "SELECT * FROM statements_all WHERE is_final",
    ),
    (
        "trail",
        "One row a statement that is over, with its session, its login and what it said.",
        "SELECT s.dt, s.started_at, s.decision, s.status, t.sql_text, s.rule_ids, s.rule_reasons, s.rows_returned, s.query_id, \
         se.\"user\", s.exe, s.pid, s.uid, se.root_exe, se.ci_facts, se.ci_repository, se.ci_run_id, se.idp_subject, se.agent_name, \
         l.principal, l.account, l.sf_user, l.sf_role, l.client_app, l.client_version, s.sql_kind, s.sql_normalized, s.objects, \
         s.masked_columns, s.decided_at, s.forwarded_at, s.first_byte_at, s.completed_at, s.rows_affected, s.bytes_returned, \
         s.sf_error_code, t.error_text, s.policy_mode, se.mode, se.enforcement, s.session_id, s.login_id, s.statement_id, \
         s.chain_id, s.seq \
         FROM statements s LEFT JOIN sessions se USING (session_id) LEFT JOIN logins l USING (login_id) \
         LEFT JOIN (SELECT statement_id, any_value(sql_text) AS sql_text, any_value(error_text) AS error_text \
         FROM statement_texts GROUP BY statement_id) t USING (statement_id)",
    ),
    (
        "blocked",
        "The trail of statements that were refused.",
        "SELECT * FROM trail WHERE decision IN ('block', 'error')",
    ),
    (
        "masked",
        "One row for each column of a statement that a rule masks, or would mask where `policy_mode` is `observe`; \
         `masked_cells` counts those of the whole statement that were delivered masked, each delivery anew.",
        "SELECT t.dt, t.started_at, m.name AS \"column\", m.method, m.rule_id, t.policy_mode, t.status, t.rows_returned, \
         c.masked_cells, t.sql_text, t.\"user\", t.principal, t.account, t.sf_role, t.session_id, t.statement_id \
         FROM trail t CROSS JOIN UNNEST(t.masked_columns) AS u(m) \
         LEFT JOIN (SELECT statement_id, sum(masked_cells)::BIGINT AS masked_cells FROM results GROUP BY statement_id) c \
         USING (statement_id)",
    ),
    (
        "masked_cells",
        "One row for each delivery of a part of a result in which cells were masked.",
        "SELECT r.dt, r.ts, r.statement_id, r.chunk_index, r.rows, r.masked_cells, r.detected, r.stored, r.completed, \
         list_transform(s.masked_columns, lambda c: c.name) AS columns, s.rule_ids, r.session_id \
         FROM results r LEFT JOIN statements s USING (statement_id) WHERE r.masked_cells > 0",
    ),
    (
        "runs",
        "Which workflow run of which repository, for whom, used which role of which account, and how often; one row also \
         for each host user and person. Where `ci_facts` is `claimed` nothing but the caller's word says which run it was.",
        "SELECT se.ci_provider, se.ci_facts, se.ci_repository, se.ci_workflow_ref, se.ci_run_id, se.ci_run_attempt, se.ci_ref, se.ci_sha, \
         se.ci_event, se.ci_environment, se.ci_actor, se.idp_issuer, se.idp_subject, \
         coalesce(l.principal_type, se.principal_type) AS principal_type, se.agent_id, se.\"user\", l.principal, l.account, l.sf_user, l.sf_role, count(DISTINCT se.session_id) AS sessions, \
         count(s.statement_id) AS statements, count(s.statement_id) FILTER (WHERE s.decision IN ('block', 'error')) AS refused, \
         count(s.statement_id) FILTER (WHERE s.status = 'failed') AS failed, min(se.opened_at) AS first_opened_at, \
         max(s.completed_at) AS last_completed_at \
         FROM sessions se LEFT JOIN logins l USING (session_id) LEFT JOIN statements s ON s.login_id = l.login_id GROUP BY ALL",
    ),
];

/// Writes SQL that defines the views over a store's objects, listed one by one.
///
/// Rows of results have a schema a statement, so no view reads them all: `rows_of` reads those of one.
pub fn views(archive: &Archive, rows: &StoredRows<'_>, sql: &mut impl Write) -> io::Result<()> {
    writeln!(sql, "SET TimeZone = 'UTC';")?;
    for table in TABLES {
        let name = base_name(table);
        let files: Vec<String> = archive
            .files()
            .iter()
            .filter(|file| file.key.table == table.name)
            .map(|file| text(&literal_path(&file.path.to_string_lossy())))
            .collect();
        writeln!(sql, "CREATE OR REPLACE VIEW {name} AS SELECT")?;
        let names: Vec<String> = columns(table)
            .map(|(name, _)| format!("  {}", ident(name)))
            .collect();
        writeln!(sql, "{}\nFROM (\n  SELECT", names.join(",\n"))?;
        let typed =
            columns(table).map(|(name, kind)| format!("    NULL::{kind} AS {}", ident(name)));
        writeln!(
            sql,
            "{}\n  WHERE false",
            typed.collect::<Vec<_>>().join(",\n")
        )?;
        if !files.is_empty() {
            writeln!(
                sql,
                "  UNION ALL BY NAME SELECT * FROM read_parquet([\n    {}",
                files.join(",\n    ")
            )?;
            writeln!(
                sql,
                "  ], union_by_name = true, hive_partitioning = true, hive_types = {{'dt': DATE}})"
            )?;
        }
        writeln!(sql, ");")?;
        comment(sql, &name, table.doc)?;
        for column in table.columns() {
            column_comment(sql, &name, column)?;
        }
    }
    for (name, doc, query) in VIEWS {
        writeln!(sql, "CREATE OR REPLACE VIEW {name} AS {query};")?;
        comment(sql, name, doc)?;
    }
    rows_of(rows, sql)
}

/// Writes the macro that reads the rows of one statement's result; of one without rows it says so, as DuckDB says that
/// there is no such file.
fn rows_of(rows: &StoredRows<'_>, sql: &mut impl Write) -> io::Result<()> {
    writeln!(sql, "SET VARIABLE icecore_rows = MAP {{")?;
    for (number, (statement, files)) in rows.files().enumerate() {
        let path = |file: &&Path| text(&literal_path(&file.to_string_lossy()));
        let files: Vec<String> = files.iter().map(path).collect();
        let comma = if number > 0 { "," } else { "" };
        writeln!(sql, "  {comma}{}: [{}]", text(statement), files.join(", "))?;
    }
    writeln!(sql, "}}::MAP(VARCHAR, VARCHAR[]);")?;
    writeln!(
        sql,
        "CREATE OR REPLACE MACRO rows_of(statement_id) AS TABLE SELECT * FROM read_parquet(\
         coalesce(getvariable('icecore_rows')[statement_id::VARCHAR], ['no rows of this statement are stored']), hive_partitioning = false) \
         ORDER BY _chunk, _row;"
    )
}

/// Names the view of a table's rows as they are: the plain name is kept for what most questions are about.
fn base_name(table: &Table) -> String {
    if VIEWS.iter().any(|(name, ..)| *name == table.name) {
        format!("{}_all", table.name)
    } else {
        table.name.to_owned()
    }
}

fn columns(table: &Table) -> impl Iterator<Item = (&'static str, String)> {
    let own = table
        .columns()
        .map(|column| (column.name, kind(&column.kind)));
    own.chain([("dt", "DATE".to_owned())])
}

fn kind(kind: &Type) -> String {
    match kind {
        Type::Bool => "BOOLEAN".to_owned(),
        Type::I32 => "INTEGER".to_owned(),
        Type::I64 => "BIGINT".to_owned(),
        Type::F64 => "DOUBLE".to_owned(),
        Type::Text | Type::Json => "VARCHAR".to_owned(),
        Type::Hash | Type::Salt => "BLOB".to_owned(),
        Type::Time => "TIMESTAMPTZ".to_owned(),
        Type::List(inner) => format!("{}[]", self::kind(inner)),
        Type::Struct(columns) => {
            let member =
                |column: &Column| format!("{} {}", ident(column.name), self::kind(&column.kind));
            format!(
                "STRUCT({})",
                columns.iter().map(member).collect::<Vec<_>>().join(", ")
            )
        }
    }
}

fn comment(sql: &mut impl Write, view: &str, doc: &str) -> io::Result<()> {
    writeln!(sql, "COMMENT ON VIEW {view} IS {};", text(doc))
}

fn column_comment(sql: &mut impl Write, view: &str, column: &Column) -> io::Result<()> {
    writeln!(
        sql,
        "COMMENT ON COLUMN {view}.{} IS {};",
        ident(column.name),
        text(column.doc)
    )
}

fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Gives a path in which DuckDB finds no pattern: what would be one stands in brackets.
fn literal_path(path: &str) -> String {
    let mut literal = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '*' | '?' | '[' => {
                literal.push('[');
                literal.push(character);
                literal.push(']');
            }
            plain => literal.push(plain),
        }
    }
    literal
}
