//! Rows as JSON objects. Pure.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value as Json};

use crate::record::entry::Entry;
use crate::record::hex;
use crate::record::schema::{Column, Type};
use crate::record::value::Value;

/// Gives a row's columns that have a value: times as RFC 3339, digests as hexadecimal, JSON columns as what they hold.
pub(crate) fn object(entry: &Entry) -> Map<String, Json> {
    members(entry.table.columns().zip(entry.values()))
}

/// Gives a time as RFC 3339 in UTC, to the microsecond.
pub(crate) fn time(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Micros, true),
        None => format!("{micros} us"),
    }
}

fn members<'c, 'v>(fields: impl Iterator<Item = (&'c Column, &'v Value)>) -> Map<String, Json> {
    fields
        .filter(|(_, value)| !value.is_null())
        .map(|(column, value)| (column.name.to_owned(), json(&column.kind, value)))
        .collect()
}

fn json(kind: &Type, value: &Value) -> Json {
    match (kind, value) {
        (Type::Time, Value::Int(micros)) => time(*micros).into(),
        (Type::Json, Value::Text(text)) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
        }
        (Type::List(inner), Value::List(values)) => {
            values.iter().map(|value| json(inner, value)).collect()
        }
        (Type::Struct(columns), Value::Struct(values)) => {
            Json::Object(members(columns.iter().zip(values)))
        }
        (_, Value::Bool(truth)) => (*truth).into(),
        (_, Value::Int(number)) => (*number).into(),
        (_, Value::Float(number)) => (*number).into(),
        (_, Value::Text(text)) => text.as_str().into(),
        (_, Value::Bytes(bytes)) => hex(bytes).into(),
        (_, Value::Null | Value::List(_) | Value::Struct(_)) => Json::Null,
    }
}
