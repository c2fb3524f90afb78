//! The questions: one statement for the relations of a database, one for tags. Names go in as literals alone.
//!
//! Source: Snowflake's reference, "INFORMATION_SCHEMA": views TABLES, COLUMNS and VIEWS, table function
//! TAG_REFERENCES_ALL_COLUMNS; read 2026-11.

use std::collections::BTreeMap;

use crate::config::TagCanary;
use crate::statement::Path;

/// Tells whoever reads the account's query history where the statements come from.
const COMMENT: &str = "/* icecore catalogue */";

/// Sorts whole paths by their database; others are left out.
pub(super) fn by_database(paths: &[Path]) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut sorted: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for path in paths {
        if let [database, schema, name] = path.names() {
            let names = sorted.entry(database).or_default();
            names.push((schema, name));
        }
    }
    sorted
}

/// Asks for kinds, columns in their order, and texts of views. Each row says what it is of.
pub(super) fn relations(database: &str, names: &[(&str, &str)]) -> String {
    let place = format!("{}.information_schema", quoted(database));
    let pairs: Vec<String> = names
        .iter()
        .map(|(schema, name)| format!("({}, {})", literal(schema), literal(name)))
        .collect();
    let these = format!("where (table_schema, table_name) in ({})", pairs.join(", "));
    format!(
        "{COMMENT} select 'table' as what, table_schema, table_name, table_type as one, null as other, 0 as place from {place}.tables {these} \
         union all select 'view', table_schema, table_name, view_definition, null, 0 from {place}.views {these} \
         union all select 'column', table_schema, table_name, column_name, data_type, ordinal_position from {place}.columns {these} \
         order by place"
    )
}

/// Asks for the tags of all columns of some relations, and of the canary.
pub(super) fn tags(canary: &TagCanary, paths: &[Path]) -> String {
    let canary = Path::new(canary.table.to_vec());
    let of = std::iter::once(&canary).chain(paths.iter().filter(|path| **path != canary));
    let each: Vec<String> = of
        .filter_map(|path| {
            let [database, schema, name] = path.names() else {
                return None;
            };
            Some(format!(
                "select {} as a, {} as b, {} as c, column_name, tag_name, tag_value from table({}.information_schema.tag_references_all_columns({}, 'table'))",
                literal(database),
                literal(schema),
                literal(name),
                quoted(database),
                literal(&path.to_string()),
            ))
        })
        .collect();
    format!("{COMMENT} {}", each.join(" union all "))
}

/// Gives one of each question, for whoever must know them again.
pub(in crate::upstream) fn samples() -> [String; 2] {
    let canary = TagCanary {
        table: ["D", "S", "C"].map(str::to_owned),
        column: String::new(),
        tag: String::new(),
    };
    let path = Path::new(["D", "S", "T"].map(str::to_owned).to_vec());
    [relations("D", &[("S", "T")]), tags(&canary, &[path])]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a text so that Snowflake reads it back unchanged: a backslash escapes in its literals.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a literal as Snowflake does, as far as it matters here.
    fn read_back(literal: &str) -> Option<String> {
        let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
        let (mut text, mut letters) = (String::new(), inner.chars());
        while let Some(letter) = letters.next() {
            match letter {
                '\'' if letters.next() != Some('\'') => return None,
                '\\' => text.push(letters.next()?),
                other => text.push(other),
            }
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn a_name_stays_inside_of_its_literal(name in "[a-z'\"\\\\. ()-]{0,20}") {
            prop_assert_eq!(read_back(&literal(&name)), Some(name));
        }
    }

    #[test]
    fn names_are_asked_for_exactly() {
        let text = relations("D\"B", &[("S", "it's"), ("S", "T")]);
        assert!(
            text.contains(r#"from "D""B".information_schema.tables where (table_schema, table_name) in (('S', 'it''s'), ('S', 'T'))"#),
            "{text}"
        );
        let canary = TagCanary {
            table: ["G", "C", "CANARY"].map(str::to_owned),
            column: "X".to_owned(),
            tag: "PII".to_owned(),
        };
        let path = Path::new(["DB", "s", "T"].map(str::to_owned).to_vec());
        let text = tags(&canary, &[path]);
        assert!(
            text.contains(r#"from table("G".information_schema.tag_references_all_columns('G.C.CANARY', 'table')) union all select 'DB' as a, 's' as b, 'T' as c"#)
                && text.contains(r#"tag_references_all_columns('DB."s".T', 'table')"#),
            "{text}"
        );
    }
}
