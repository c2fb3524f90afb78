//! Rows that no object has yet, written into the views themselves.

use std::io::{self, Write};

use super::definition::BESIDE;
use super::{ident, kind, text};
use crate::record::day;
use crate::record::entry::Entry;
use crate::record::schema::{Table, Type};
use crate::record::value::Value;
use crate::replay::json::time;

/// Writes a table's acknowledged rows as one more part of its view.
pub(super) fn rows(table: &Table, rows: &[Entry], sql: &mut impl Write) -> io::Result<()> {
    let of_table = rows.iter().filter(|row| row.table.name == table.name);
    let mut tuples = of_table.map(tuple).peekable();
    if tuples.peek().is_none() {
        return Ok(());
    }
    let names = table.columns().chain(&BESIDE);
    let names: Vec<String> = names.map(|column| ident(column.name)).collect();
    writeln!(sql, "  UNION ALL BY NAME SELECT * FROM (VALUES")?;
    for (number, tuple) in tuples.enumerate() {
        let comma = if number > 0 { "," } else { "" };
        writeln!(sql, "    {comma}({tuple})")?;
    }
    writeln!(sql, "  ) AS acknowledged({})", names.join(", "))
}

fn tuple(row: &Entry) -> String {
    let columns = row.table.columns().zip(row.values());
    let mut values: Vec<String> = columns
        .map(|(column, value)| {
            let kind_of = kind(&column.kind);
            format!("{}::{kind_of}", literal(&column.kind, value))
        })
        .collect();
    // Beside a table's own: its day, `in_manifest`, and `verified`, since signature and order of the frames hold.
    values.push(format!("{}::DATE", text(&day(row.table, row).to_string())));
    values.extend(["false".to_owned(), "true".to_owned()]);
    values.join(", ")
}

fn literal(kind: &Type, value: &Value) -> String {
    match (kind, value) {
        (Type::Time, Value::Int(micros)) => text(&time(*micros)),
        (Type::List(inner), Value::List(values)) => {
            let values = values.iter().map(|value| literal(inner, value));
            format!("[{}]", values.collect::<Vec<_>>().join(", "))
        }
        (Type::Struct(columns), Value::Struct(values)) => {
            let members = columns.iter().zip(values).map(|(column, value)| {
                let kind_of = self::kind(&column.kind);
                let member = literal(&column.kind, value);
                format!("{}: {member}::{kind_of}", text(column.name))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        (_, Value::Bool(truth)) => truth.to_string(),
        (_, Value::Int(number)) => number.to_string(),
        (_, Value::Float(number)) => text(&number.to_string()),
        // DuckDB's shell ends a line's text at NUL.
        (_, Value::Text(said)) => {
            let parts: Vec<String> = said.split('\0').map(text).collect();
            format!("({})", parts.join(" || chr(0) || "))
        }
        (_, Value::Bytes(bytes)) => format!("unhex('{}')", crate::record::hex(bytes)),
        (_, Value::Null | Value::List(_) | Value::Struct(_)) => "NULL".to_owned(),
    }
}
