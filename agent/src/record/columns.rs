//! Rows as Arrow columns and back, by the tables' definitions.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Fields, Float64Type, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::error::ArrowError;

use super::digest::{hex, sha256};
use super::entry::Entry;
use super::schema::{Column, Table, Type};
use super::value::Value;

/// Names the values of a list, as the Parquet format asks (LogicalTypes.md, "Lists").
pub(super) const ELEMENT: &str = "element";

/// The key under which a field's id reaches the Parquet file.
const FIELD_ID: &str = "PARQUET:field_id";

/// Gives a table's Arrow schema.
pub(super) fn schema(table: &Table) -> SchemaRef {
    let fields: Vec<Field> = table.columns().map(field).collect();
    Arc::new(Schema::new(fields))
}

/// Gives what tells columns, with their places and types, from others: 16 hexadecimal digits.
pub(super) fn told_apart(schema: &Schema) -> String {
    let mut said = String::new();
    schema
        .fields()
        .iter()
        .for_each(|field| say(field, &mut said));
    let digest = hex(&sha256(said.as_bytes()));
    digest.chars().take(16).collect()
}

/// Writes a field's name and type, and the fields in it.
fn say(field: &Field, said: &mut String) {
    let kind = field.data_type();
    let inner: &[Arc<Field>] = if let DataType::List(inner) = kind {
        std::slice::from_ref(inner)
    } else if let DataType::Struct(inner) = kind {
        inner
    } else {
        said.push_str(&format!("{} {kind}\n", field.name()));
        return;
    };
    said.push_str(&format!("{} of {}\n", field.name(), inner.len()));
    inner.iter().for_each(|field| say(field, said));
}

fn field(column: &Column) -> Field {
    let id = HashMap::from([(FIELD_ID.to_owned(), column.id.to_string())]);
    Field::new(column.name, data_type(&column.kind), !column.required).with_metadata(id)
}

/// Gives the Arrow type of a column's values.
pub(super) fn data_type(kind: &Type) -> DataType {
    match kind {
        Type::Bool => DataType::Boolean,
        Type::I32 => DataType::Int32,
        Type::I64 => DataType::Int64,
        Type::F64 => DataType::Float64,
        Type::Text | Type::Json => DataType::Utf8,
        Type::Hash => DataType::FixedSizeBinary(32),
        Type::Salt => DataType::FixedSizeBinary(16),
        Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::List(inner) => DataType::List(element(inner)),
        Type::Struct(columns) => DataType::Struct(members(columns)),
    }
}

/// Gives the field of a list's values.
pub(super) fn element(inner: &Type) -> Arc<Field> {
    Arc::new(Field::new(ELEMENT, data_type(inner), true))
}

/// Gives the fields of a struct.
pub(super) fn members(columns: &[Column]) -> Fields {
    let member = |column: &Column| Field::new(column.name, data_type(&column.kind), true);
    columns.iter().map(member).collect()
}

/// Gives rows of one table as columns.
#[cfg(test)]
pub(super) fn batch(table: &'static Table, rows: &[Entry]) -> Result<RecordBatch, ArrowError> {
    let mut filling = super::filling::Filling::new(table);
    for row in rows {
        let bytes = super::cbor::encode_entry(row).unwrap();
        filling
            .add(super::cbor::Reader::begin(&bytes).unwrap())
            .unwrap();
    }
    filling.take()
}

/// Gives the rows of columns; columns that the batch lacks have no value, those that the table lacks are left out.
pub(super) fn entries(
    table: &'static Table,
    batch: &RecordBatch,
) -> Result<Vec<Entry>, ArrowError> {
    unknown(table, &batch.schema())?;
    let mut rows = vec![Entry::empty(table); batch.num_rows()];
    for (position, column) in table.columns().enumerate() {
        let Some(array) = batch.column_by_name(column.name) else {
            continue;
        };
        for (index, row) in rows.iter_mut().enumerate() {
            row.place(position, value(&column.kind, array, index)?);
        }
    }
    Ok(rows)
}

/// Names the columns that a table does not have; refuses those that it has with another type.
pub(super) fn unknown(table: &Table, found: &Schema) -> Result<Vec<String>, ArrowError> {
    let mut unknown = Vec::new();
    for found in found.fields() {
        let Some(column) = table.columns().find(|column| column.name == found.name()) else {
            unknown.push(found.name().clone());
            continue;
        };
        let expected = data_type(&column.kind);
        if expected != *found.data_type() {
            return Err(ArrowError::SchemaError(format!(
                "column `{}` of table `{}`: expected type {expected}, found {}",
                found.name(),
                table.name,
                found.data_type(),
            )));
        }
    }
    Ok(unknown)
}

fn value(kind: &Type, array: &ArrayRef, index: usize) -> Result<Value, ArrowError> {
    if array.is_null(index) {
        return Ok(Value::Null);
    }
    let value = match kind {
        Type::Bool => array
            .as_boolean_opt()
            .map(|array| array.value(index).into()),
        Type::I32 => array
            .as_primitive_opt::<Int32Type>()
            .map(|array| array.value(index).into()),
        Type::I64 => array
            .as_primitive_opt::<Int64Type>()
            .map(|array| array.value(index).into()),
        Type::F64 => array
            .as_primitive_opt::<Float64Type>()
            .map(|array| array.value(index).into()),
        Type::Text | Type::Json => array
            .as_string_opt::<i32>()
            .map(|array| array.value(index).into()),
        Type::Hash | Type::Salt => array
            .as_fixed_size_binary_opt()
            .map(|array| Value::Bytes(array.value(index).to_vec())),
        Type::Time => array
            .as_primitive_opt::<TimestampMicrosecondType>()
            .map(|array| array.value(index).into()),
        Type::List(inner) => match array.as_list_opt::<i32>() {
            Some(array) => {
                let list = array.value(index);
                let values: Result<_, _> = (0..list.len())
                    .map(|index| value(inner, &list, index))
                    .collect();
                Some(Value::List(values?))
            }
            None => None,
        },
        Type::Struct(columns) => match array.as_struct_opt() {
            Some(array) => {
                let members = columns.iter().zip(array.columns());
                let values: Result<_, _> = members
                    .map(|(column, array)| value(&column.kind, array, index))
                    .collect();
                Some(Value::Struct(values?))
            }
            None => None,
        },
    };
    value.ok_or_else(|| {
        ArrowError::CastError(format!(
            "found {} in a column of another type",
            array.data_type()
        ))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::any::entries_of_one_table;
    use super::*;

    proptest! {
        #[test]
        fn rows_read_back_equal(rows in entries_of_one_table()) {
            let table = rows[0].table;
            let batch = batch(table, &rows).unwrap();
            prop_assert_eq!(entries(table, &batch).unwrap(), rows);
        }
    }

    #[test]
    fn a_column_of_another_type_is_refused() {
        let table = Table::by_name("events").unwrap();
        let wrong = Schema::new(vec![Field::new("event_code", DataType::Int32, false)]);
        let refused = unknown(table, &wrong).unwrap_err().to_string();
        let told = "column `event_code` of table `events`: expected type Utf8, found Int32";
        assert!(refused.ends_with(told), "{refused}");
    }
}
