//! Any row that a table's definition allows, for property tests.

use proptest::prelude::*;

use super::entry::Entry;
use super::schema::{Column, TABLES, Table, Type};
use super::value::Value;

/// Any row of any table.
pub(super) fn entry() -> impl Strategy<Value = Entry> {
    table().prop_flat_map(row)
}

/// Some rows of one table.
pub(super) fn entries_of_one_table() -> impl Strategy<Value = Vec<Entry>> {
    table().prop_flat_map(|table| prop::collection::vec(row(table), 1..5))
}

fn table() -> impl Strategy<Value = &'static Table> {
    (0..TABLES.len()).prop_map(|position| TABLES[position])
}

fn row(table: &'static Table) -> BoxedStrategy<Entry> {
    let values: Vec<_> = table.columns().map(column).collect();
    values
        .prop_map(move |values| {
            let mut entry = Entry::empty(table);
            for (position, value) in values.into_iter().enumerate() {
                entry.place(position, value);
            }
            entry
        })
        .boxed()
}

fn column(column: &'static Column) -> BoxedStrategy<Value> {
    if column.required {
        return value(&column.kind);
    }
    prop_oneof![Just(Value::Null), value(&column.kind)].boxed()
}

fn value(kind: &'static Type) -> BoxedStrategy<Value> {
    match kind {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::I32 => any::<i32>().prop_map(Value::from).boxed(),
        Type::I64 | Type::Time => any::<i64>().prop_map(Value::Int).boxed(),
        // Not a number is not equal to itself.
        Type::F64 => prop::num::f64::NORMAL.prop_map(Value::Float).boxed(),
        Type::Text | Type::Json => ".{0,30}".prop_map(Value::Text).boxed(),
        Type::Hash => any::<[u8; 32]>().prop_map(Value::from).boxed(),
        Type::Salt => any::<[u8; 16]>().prop_map(Value::from).boxed(),
        Type::List(inner) => prop::collection::vec(value(inner), 0..4)
            .prop_map(Value::List)
            .boxed(),
        Type::Struct(columns) => {
            let members: Vec<_> = columns.iter().map(column).collect();
            members.prop_map(Value::Struct).boxed()
        }
    }
}
