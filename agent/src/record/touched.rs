//! What a statement touches, as its row lists it: told from the statement's meaning. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::event;
use crate::statement::{Class, Object, Statement};

/// Most objects that a row lists; a statement that names more is listed up to there.
const OBJECTS_MAX: usize = 256;

/// How a column is listed of which nobody can tell the name.
const ANY_COLUMN: &str = "*";

/// Lists each object with each thing that is done to it, and the columns of it that the statement uses. What only columns
/// lead to, such as the table behind a view, is listed without anything that is done to it.
pub(crate) fn objects(statement: &Statement) -> Vec<event::Object> {
    let Some(meaning) = statement.meaning() else {
        return Vec::new();
    };
    let mut columns: BTreeMap<&Object, BTreeSet<&str>> = BTreeMap::new();
    for found in meaning.columns() {
        let name = found.column.name.as_deref().unwrap_or(ANY_COLUMN);
        columns
            .entry(&found.column.object)
            .or_default()
            .insert(name);
    }
    let done = meaning.accesses().iter().map(|access| {
        let used = columns.get(&access.object);
        row(&access.object, Some(access.action.name()), used)
    });
    let is_touched = |object: &&Object| {
        let mut accesses = meaning.accesses().iter();
        accesses.any(|access| access.object == **object)
    };
    let behind = columns
        .iter()
        .filter(|(object, _)| !is_touched(object))
        .map(|(object, used)| row(object, None, Some(used)));
    done.chain(behind).take(OBJECTS_MAX).collect()
}

fn row(object: &Object, access: Option<&str>, columns: Option<&BTreeSet<&str>>) -> event::Object {
    let mut names = object.path().names().iter().rev().cloned();
    let (catalog, schema, name) = match object.class() {
        Class::Account => (None, None, None),
        Class::Database => (names.next(), None, None),
        Class::Schema => {
            let schema = names.next();
            (names.next(), schema, None)
        }
        Class::Table
        | Class::View
        | Class::Relation
        | Class::Stage
        | Class::Function
        | Class::Procedure
        | Class::Task
        | Class::Pipe
        | Class::Stream
        | Class::Warehouse
        | Class::Role
        | Class::User
        | Class::Integration
        | Class::Share
        | Class::Object => {
            let (name, schema) = (names.next(), names.next());
            (names.next(), schema, name)
        }
    };
    event::Object {
        catalog,
        schema,
        name,
        kind: Some(object.class().name().to_owned()),
        access: access.map(str::to_owned),
        columns: columns
            .into_iter()
            .flatten()
            .map(|&column| column.to_owned())
            .collect(),
        resolved: object.is_settled(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Catalogue, Scope};

    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let catalogue = Catalogue::described(
            r#"
            database = "DB"
            schema = "S"
            [tables]
            "DB.S.T" = ["ID NUMBER", "EMAIL TEXT"]
            [views]
            "DB.S.V" = { text = "create view v as select email as e from t", columns = ["E TEXT"] }
            "#,
        )
        .unwrap();
        let scope = Scope::new(&|_| false).with(&catalogue);
        let told: Vec<String> = objects(&Statement::read(sql, &scope))
            .into_iter()
            .map(|object| {
                let place = [object.catalog, object.schema, object.name];
                let place: Vec<String> = place.into_iter().flatten().collect();
                format!(
                    "{} {} {} {:?} {}",
                    object.access.as_deref().unwrap_or("-"),
                    object.kind.unwrap(),
                    place.join("."),
                    object.columns,
                    object.resolved
                )
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_row_lists_what_is_done_to_what_and_by_which_columns() {
        check(
            "select id from t where email = 'x'",
            &[r#"read table DB.S.T ["EMAIL", "ID"] true"#],
        );
        check(
            "select e from v",
            &[
                r#"read view DB.S.V ["E"] true"#,
                r#"- table DB.S.T ["EMAIL"] true"#,
            ],
        );
        check(
            "select * from other.x.y",
            &[r#"read relation OTHER.X.Y ["*"] true"#],
        );
        check("use warehouse w", &["use_warehouse warehouse W [] true"]);
        check("not sql at all", &[]);
    }
}
