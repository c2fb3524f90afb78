//! The answers: rows to facts. What is not as it must be leaves a relation unknown.

use std::collections::BTreeMap;

use crate::config::TagCanary;
use crate::snowflake::answer::Answer;
use crate::statement::{Class, ColumnFacts, Path, RelationFacts};

/// A row, cell by cell.
type Row = [Option<String>; 6];

/// Reads all rows of an answer; one that came in parts is an error, since a part alone would be too little.
pub(super) fn read(answer: &Answer) -> Result<Vec<Row>, String> {
    let data = answer.data().ok_or("expected rows, found none")?;
    let rows: Vec<Row> = data
        .read_as("rowset")
        .ok_or("expected rows of six texts, found something else")?;
    let total = usize::try_from(answer.rows().unwrap_or(-1)).ok();
    if total == Some(rows.len()) && !data.has_content("chunks") {
        return Ok(rows);
    }
    Err(format!(
        "expected all rows at once, found {} of {total:?}",
        rows.len()
    ))
}

/// What rows say of one relation.
#[derive(Default)]
struct Told {
    class: Option<Class>,
    is_view: bool,
    text: Option<String>,
    columns: Vec<ColumnFacts>,
}

/// Puts together what rows say of the relations of a database.
pub(super) fn relations(
    database: &str,
    rows: Vec<Row>,
) -> impl Iterator<Item = (Path, RelationFacts)> {
    let mut told: BTreeMap<Path, Told> = BTreeMap::new();
    for [what, schema, name, one, other, _place] in rows {
        let (Some(what), Some(schema), Some(name)) = (what, schema, name) else {
            continue;
        };
        let path = Path::new(vec![database.to_owned(), schema, name]);
        let relation = told.entry(path).or_default();
        match (what.as_str(), one, other) {
            ("table", Some(kind), _) => relation.class = class(&kind),
            ("view", text, _) => {
                relation.is_view = true;
                relation.text = text.filter(|text| !text.is_empty());
            }
            ("column", Some(name), data_type) => relation.columns.push(ColumnFacts {
                name,
                data_type: data_type.unwrap_or_default(),
                tags: None,
            }),
            (_, _, _) => {}
        }
    }
    told.into_iter().filter_map(|(path, told)| {
        let class = if told.is_view {
            Class::View
        } else {
            told.class?
        };
        // Columns that the role may not see make it less than the whole; none at all is no relation.
        (!told.columns.is_empty()).then_some((
            path,
            RelationFacts {
                class,
                columns: told.columns,
                text: told.text,
            },
        ))
    })
}

/// Reads `TABLE_TYPE`; a table of another login's own is none that anybody else can name.
fn class(kind: &str) -> Option<Class> {
    match kind {
        "BASE TABLE" | "EXTERNAL TABLE" | "EVENT TABLE" | "DYNAMIC TABLE" | "ICEBERG TABLE"
        | "HYBRID TABLE" => Some(Class::Table),
        "VIEW" | "MATERIALIZED VIEW" => Some(Class::View),
        _ => None,
    }
}

/// Gives columns their tags, if the canary's tag is among the rows; tells whether it is.
pub(super) fn add_tags(
    relations: &mut BTreeMap<Path, RelationFacts>,
    canary: &TagCanary,
    rows: Vec<Row>,
) -> bool {
    let is_canary = |row: &Row| {
        let expected = canary.table.iter().chain([&canary.column, &canary.tag]);
        row.iter()
            .zip(expected)
            .all(|(found, expected)| found.as_ref() == Some(expected))
    };
    if !rows.iter().any(is_canary) {
        return false;
    }
    let columns = relations.values_mut().flat_map(|facts| &mut facts.columns);
    columns.for_each(|column| column.tags = Some(BTreeMap::new()));
    for [database, schema, name, column, tag, value] in rows {
        let (Some(database), Some(schema), Some(name)) = (database, schema, name) else {
            continue;
        };
        let path = Path::new(vec![database, schema, name]);
        let Some(facts) = relations.get_mut(&path) else {
            continue;
        };
        let (Some(column), Some(tag)) = (column, tag) else {
            // A tag of nobody knows which column could be any one's.
            let columns = facts.columns.iter_mut();
            columns.for_each(|column| column.tags = None);
            continue;
        };
        let value = value.unwrap_or_default();
        for column in facts.columns.iter_mut().filter(|one| one.name == column) {
            let Some(tags) = &mut column.tags else {
                continue;
            };
            // Two schemas may have tags of one name: which value a policy means cannot be told.
            if tags
                .insert(tag.clone(), value.clone())
                .is_some_and(|other| other != value)
            {
                column.tags = None;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rows(rows: &Value) -> Vec<Row> {
        serde_json::from_value(rows.clone()).unwrap()
    }

    fn known(given: &Value) -> BTreeMap<Path, RelationFacts> {
        relations("DB", rows(given)).collect()
    }

    fn told(relations: &BTreeMap<Path, RelationFacts>) -> Vec<String> {
        let column = |column: &ColumnFacts| match &column.tags {
            None => format!("{}?", column.name),
            Some(tags) => format!("{}{tags:?}", column.name),
        };
        let told = relations.iter().map(|(path, facts)| {
            let columns: Vec<String> = facts.columns.iter().map(column).collect();
            let text = facts.text.as_deref().unwrap_or("-");
            format!("{} {path} {} {text}", facts.class.name(), columns.join(" "))
        });
        told.collect()
    }

    #[test]
    fn relations_are_what_the_catalogue_says_and_others_are_unknown() {
        let found = known(&json!([
            ["table", "S", "T", "BASE TABLE", null, "0"],
            ["table", "S", "V", "VIEW", null, "0"],
            ["table", "S", "TMP", "TEMPORARY TABLE", null, "0"],
            ["table", "S", "BARE", "BASE TABLE", null, "0"],
            ["view", "S", "V", "create view v as select 1 a", null, "0"],
            ["view", "S", "HIDDEN", null, null, "0"],
            ["column", "S", "T", "ID", "NUMBER", "1"],
            ["column", "S", "T", "email", "TEXT", "2"],
            ["column", "S", "V", "A", "NUMBER", "1"],
            ["column", "S", "TMP", "A", "NUMBER", "1"],
            ["column", "S", "HIDDEN", "A", "NUMBER", "1"],
            ["column", "S", "GHOST", "A", "NUMBER", "1"],
        ]));
        assert_eq!(
            told(&found),
            [
                "view DB.S.HIDDEN A? -",
                "table DB.S.T ID? email? -",
                "view DB.S.V A? create view v as select 1 a"
            ]
        );
    }

    #[test]
    fn tags_are_known_only_by_the_canary() {
        let canary = TagCanary {
            table: ["G", "C", "CANARY"].map(str::to_owned),
            column: "X".to_owned(),
            tag: "SEEN".to_owned(),
        };
        let table = json!([
            ["table", "S", "T", "BASE TABLE", null, "0"],
            ["column", "S", "T", "ID", "NUMBER", "1"],
            ["column", "S", "T", "EMAIL", "TEXT", "2"],
        ]);
        let tag = json!(["DB", "S", "T", "EMAIL", "PII", "email"]);
        let seen = json!(["G", "C", "CANARY", "X", "SEEN", "yes"]);
        let with = |given: &Value| {
            let mut found = known(&table);
            let is_seen = add_tags(&mut found, &canary, rows(given));
            (is_seen, told(&found).concat())
        };
        assert_eq!(
            with(&json!([tag])),
            (false, "table DB.S.T ID? EMAIL? -".to_owned())
        );
        let other = json!(["G", "C", "CANARY", "Y", "SEEN", "yes"]);
        assert!(!with(&json!([tag, other])).0);
        assert_eq!(
            with(&json!([seen, tag])),
            (
                true,
                r#"table DB.S.T ID{} EMAIL{"PII": "email"} -"#.to_owned()
            )
        );
        let twice = json!(["DB", "S", "T", "EMAIL", "PII", "name"]);
        assert_eq!(
            with(&json!([seen, tag, twice])).1,
            "table DB.S.T ID{} EMAIL? -"
        );
        let of_none = json!(["DB", "S", "T", null, "PII", "name"]);
        assert_eq!(with(&json!([seen, of_none])).1, "table DB.S.T ID? EMAIL? -");
    }

    #[test]
    fn an_answer_in_parts_is_none() {
        let answer = |data: Value| {
            let body = json!({"success": true, "data": data}).to_string();
            read(&Answer::read(body.as_bytes()).unwrap()).map(|rows| rows.len())
        };
        let row = json!(["table", "S", "T", "BASE TABLE", null, "0"]);
        assert_eq!(answer(json!({"rowset": [row], "total": 1})), Ok(1));
        for part in [
            json!({"rowset": [row], "total": 2}),
            json!({"rowset": [row]}),
            json!({"rowset": [row], "total": 1, "chunks": [{"url": "x"}]}),
            json!({"rowset": [["a"]], "total": 1}),
            json!({"total": 0}),
        ] {
            assert!(answer(part.clone()).is_err(), "{part}");
        }
    }
}
