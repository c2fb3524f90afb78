//! How files hold each column: by which encoding, and with a least and greatest value where somebody looks by them.

use parquet::basic::Encoding;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::columns::ELEMENT;
use super::schema::{Column, Table, Type};

/// Says how each column is encoded.
pub(super) fn encoded(
    table: &Table,
    mut properties: WriterPropertiesBuilder,
) -> WriterPropertiesBuilder {
    for path in table.columns().flat_map(unordered) {
        properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    for column in table.columns().filter(|column| !column.dictionary) {
        let path = ColumnPath::from(column.name);
        let encoding = match column.kind {
            Type::I64 | Type::Time => Some(Encoding::DELTA_BINARY_PACKED),
            Type::Hash | Type::Salt | Type::Json => Some(Encoding::PLAIN),
            Type::Text => Some(Encoding::DELTA_BYTE_ARRAY),
            Type::Bool | Type::I32 | Type::F64 | Type::List(_) | Type::Struct(_) => None,
        };
        if let Some(encoding) = encoding {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding);
        }
    }
    properties
}

/// Lists what of a column has no least and greatest value: no range of digests leaves a file out, and nobody looks into
/// lists by them.
fn unordered(column: &Column) -> Vec<ColumnPath> {
    let mut paths = Vec::new();
    match column.kind {
        Type::Hash | Type::Salt | Type::List(_) | Type::Struct(_) => {
            leaves(&column.kind, vec![column.name.to_owned()], &mut paths);
        }
        Type::Bool | Type::I32 | Type::I64 | Type::F64 | Type::Text | Type::Json | Type::Time => {}
    }
    paths
}

fn leaves(kind: &Type, mut path: Vec<String>, paths: &mut Vec<ColumnPath>) {
    match kind {
        Type::List(inner) => {
            path.extend(["list", ELEMENT].map(str::to_owned));
            leaves(inner, path, paths);
        }
        Type::Struct(columns) => {
            for column in *columns {
                let mut path = path.clone();
                path.push(column.name.to_owned());
                leaves(&column.kind, path, paths);
            }
        }
        Type::Bool
        | Type::I32
        | Type::I64
        | Type::F64
        | Type::Text
        | Type::Json
        | Type::Hash
        | Type::Salt
        | Type::Time => paths.push(ColumnPath::new(path)),
    }
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::basic::Type as Physical;
    use parquet::file::properties::WriterProperties;

    use super::super::columns;
    use super::super::schema::TABLES;
    use super::*;

    #[test]
    fn digests_and_what_is_in_lists_have_no_least_and_greatest_value() {
        for table in TABLES {
            let properties = encoded(table, WriterProperties::builder()).build();
            let schema = ArrowSchemaConverter::new()
                .convert(&columns::schema(table))
                .unwrap();
            for column in schema.columns() {
                let has = properties.statistics_enabled(column.path()) != EnabledStatistics::None;
                let is_ordered = column.physical_type() != Physical::FIXED_LEN_BYTE_ARRAY
                    && column.path().parts().len() == 1;
                assert_eq!(has, is_ordered, "{}.{}", table.name, column.path());
            }
        }
    }
}
