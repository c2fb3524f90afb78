//! The SQL that shows a store as tables in DuckDB.
//!
//! Each table has a view over the objects that hold it, listed one by one; `derived`, `flat`, `health` and `shapes` are
//! views over those. What a column means comes from the schema and from these views, and goes into DuckDB as comments and
//! into docs/tables.md (`reference`).

mod chains;
mod definition;
mod derived;
mod flat;
mod health;
mod reach;
mod reference;
mod shapes;
mod unsealed;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::archive::Archive;
use super::chains::Chains;
use super::rows::StoredRows;
use super::scans;
use crate::record::encryption::KeyName;
use crate::record::entry::Entry;
use crate::record::schema::{Column, TABLES, Table, Tier, Type};
use definition::{BESIDE, View, base_name};

pub use reach::reach;
pub use reference::reference;

/// One object that a table's view reads.
struct Object {
    table: String,
    /// Where DuckDB finds it.
    address: String,
    alike: Alike,
}

/// What objects have in common that one call reads, in the order in which calls are written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    trust: Trust,
    pub(super) key: Option<KeyName>,
    /// What tells their columns apart; none where that is not known, and they may differ.
    pub(super) columns: Option<String>,
}

/// What is known of an object beside its rows: the columns of the same names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Trust {
    in_manifest: bool,
    verified: bool,
}

/// Writes SQL that defines the views over those of a store's objects that believed manifests list.
///
/// Rows of results have a schema a statement, so no view reads them all: `rows_of` reads those of one.
pub fn views(
    archive: &Archive,
    chains: &Chains,
    rows: &StoredRows<'_>,
    sql: &mut impl Write,
) -> io::Result<()> {
    writeln!(sql, "SET TimeZone = 'UTC';")?;
    // Objects never change, and each view that is defined looks at them again.
    // DuckDB 1.5.5 and 2.0.0 fail at encrypted ones that they look at again so.
    let is_cached = !archive.has_encrypted();
    writeln!(sql, "SET parquet_metadata_cache = {is_cached};")?;
    if !is_cached {
        writeln!(sql, "{}", scans::SETTING)?;
    }
    // DuckDB opens all objects of a table for each view that is defined over it, so those are defined before it has any.
    for table in TABLES {
        let (name, typed) = (base_name(table), typed(table));
        writeln!(sql, "CREATE OR REPLACE VIEW {name} AS SELECT")?;
        writeln!(sql, "  {typed}\nWHERE false;")?;
    }
    left_out(archive.refused(), sql)?;
    chains::chains_view(chains, sql)?;
    for view in definition::views() {
        derived_view(view, sql)?;
    }
    let objects = objects(archive);
    for table in TABLES {
        base_view(
            table,
            (&objects, archive.acknowledged()),
            closed(archive, table),
            sql,
        )?;
    }
    rows_of(rows, sql)
}

/// Most calls of one table by what manifests say of columns; more installations than that are read by name together.
const CALLS_MAX: usize = 32;

fn objects(archive: &Archive) -> Vec<Object> {
    let told = archive.shown_objects().map(|shown| shown.columns.as_ref());
    let by_table = archive.shown_objects().map(|shown| &shown.table).zip(told);
    let mut calls: BTreeMap<&String, BTreeSet<Option<&String>>> = BTreeMap::new();
    for (table, columns) in by_table {
        calls.entry(table).or_default().insert(columns);
    }
    let is_few = |table| {
        calls
            .get(table)
            .is_some_and(|calls| calls.len() <= CALLS_MAX)
    };
    let objects = archive.shown_objects().map(|shown| Object {
        table: shown.table.clone(),
        address: shown.address.clone(),
        alike: Alike {
            trust: Trust {
                // An archive has only objects that manifests list, or that a compaction made of such.
                in_manifest: true,
                verified: shown.verified,
            },
            key: shown.key.clone(),
            columns: shown.columns.clone().filter(|_| is_few(&shown.table)),
        },
    });
    objects.collect()
}

/// Writes the view of a table's rows as they are. It has all columns where there are no objects, or only older ones.
fn base_view(
    table: &Table,
    (objects, acknowledged): (&[Object], &[Entry]),
    closed: &str,
    sql: &mut impl Write,
) -> io::Result<()> {
    let name = base_name(table);
    let columns = || table.columns().chain(&BESIDE);
    let names: Vec<String> = columns().map(|column| ident(column.name)).collect();
    writeln!(
        sql,
        "CREATE OR REPLACE VIEW {name} AS SELECT\n  {}\nFROM (\n  SELECT",
        names.join(",\n  ")
    )?;
    writeln!(sql, "    {}\n  WHERE false", typed(table))?;
    let of_table = objects.iter().filter(|object| object.table == table.name);
    let mut calls: BTreeMap<&Alike, Vec<String>> = BTreeMap::new();
    for object in of_table {
        let files = calls.entry(&object.alike).or_default();
        files.push(text(&literal_path(&object.address)));
    }
    for (alike, files) in calls {
        let Trust {
            in_manifest,
            verified,
        } = alike.trust;
        writeln!(
            sql,
            "  UNION ALL BY NAME SELECT *, {in_manifest} AS in_manifest, {verified} AS verified FROM {}",
            scans::scan_of(&format!("\n    {}\n  ", files.join(",\n    ")), alike)
        )?;
    }
    unsealed::rows(table, acknowledged, sql)?;
    writeln!(sql, ");")?;
    let meanings = columns().map(|column| (column.name, column.doc));
    comments(sql, &name, &format!("{}{closed}", table.doc), meanings)
}

/// Gives a table's columns without values.
fn typed(table: &Table) -> String {
    let columns = table.columns().chain(&BESIDE);
    let typed =
        columns.map(|column| format!("NULL::{} AS {}", duckdb_type(column), ident(column.name)));
    typed.collect::<Vec<_>>().join(",\n    ")
}

/// Says why a table's view lacks rows.
fn closed(archive: &Archive, table: &Table) -> &'static str {
    match table.tier {
        Tier::Content | Tier::Rows | Tier::Prompts if archive.is_partly_closed() => {
            " Encrypted rows are not in it: `icecore duckdb --identity FILE` lists those that the identity opens, by keys that `icecore keys fetch` prints."
        }
        Tier::Content | Tier::Rows | Tier::Prompts | Tier::Metadata => "",
    }
}

/// Writes what was left out of the views, and why.
fn left_out(lines: &[String], sql: &mut impl Write) -> io::Result<()> {
    let [object, reason] = definition::LEFT_OUT;
    writeln!(
        sql,
        "CREATE OR REPLACE VIEW left_out AS SELECT * FROM (SELECT NULL::VARCHAR AS {}, NULL::VARCHAR AS {} WHERE false",
        object.0, reason.0
    )?;
    for line in lines {
        let (object, reason) = line.split_once(": ").unwrap_or(("", line));
        writeln!(sql, "  UNION ALL SELECT {}, {}", text(object), text(reason))?;
    }
    writeln!(sql, ");")?;
    comments(sql, "left_out", definition::LEFT_OUT_DOC, [object, reason])
}

fn derived_view(view: &View, sql: &mut impl Write) -> io::Result<()> {
    let shown = view.shown();
    let columns: Vec<String> = shown
        .iter()
        .map(|column| format!("{} AS {}", column.sql, ident(column.name)))
        .collect();
    writeln!(
        sql,
        "CREATE OR REPLACE VIEW {} AS SELECT\n  {}\n{};",
        view.name,
        columns.join(",\n  "),
        view.from
    )?;
    let meanings = shown.iter().map(|column| (column.name, column.doc));
    comments(sql, view.name, view.doc, meanings)
}

/// Writes the macro that reads the rows of one statement's result; of one without rows it says so, as DuckDB says that
/// there is no such file.
fn rows_of(rows: &StoredRows<'_>, sql: &mut impl Write) -> io::Result<()> {
    writeln!(sql, "SET VARIABLE icecore_rows = MAP {{")?;
    for (number, (statement, query)) in scans::rows_queries(rows).enumerate() {
        let comma = if number > 0 { "," } else { "" };
        writeln!(sql, "  {comma}{}: {}", text(statement), text(&query))?;
    }
    writeln!(sql, "}}::MAP(VARCHAR, VARCHAR);")?;
    writeln!(
        sql,
        "CREATE OR REPLACE MACRO rows_of(statement_id) AS TABLE SELECT * FROM query(\
         coalesce(getvariable('icecore_rows')[statement_id::VARCHAR], 'FROM read_parquet(''no rows of this statement are stored'')')) \
         ORDER BY _chunk, _row;"
    )
}

/// Gives the type that DuckDB has a column in.
fn duckdb_type(column: &Column) -> String {
    if column.name == "dt" {
        // The folder's name says it.
        return "DATE".to_owned();
    }
    kind(&column.kind)
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

fn comments<'a>(
    sql: &mut impl Write,
    view: &str,
    doc: &str,
    columns: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> io::Result<()> {
    writeln!(sql, "COMMENT ON VIEW {view} IS {};", text(doc))?;
    for (name, doc) in columns {
        writeln!(
            sql,
            "COMMENT ON COLUMN {view}.{} IS {};",
            ident(name),
            text(doc)
        )?;
    }
    Ok(())
}

fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Gives a path in which DuckDB finds no pattern: what would be one stands in brackets.
pub(super) fn literal_path(path: &str) -> String {
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
