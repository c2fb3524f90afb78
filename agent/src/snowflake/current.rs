//! Where a login is: the database and schema from which its bare names lead, role and warehouse, as Snowflake tells them.
//! Pure.

use serde::{Deserialize, Serialize};

use super::json::Object;

/// Where a login is; `None` where Snowflake says nothing, or nothing that can mean one thing alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Current {
    /// The database.
    pub database: Option<String>,
    /// The schema.
    pub schema: Option<String>,
    /// The role, in Snowflake's words.
    pub role: Option<String>,
    /// The warehouse, the same.
    pub warehouse: Option<String>,
}

/// How an answer calls the four.
type Keys = [&'static str; 4];

/// In `sessionInfo` of the answer to a login. Source: protocol reference 2.2.
const OF_LOGIN: Keys = ["databaseName", "schemaName", "roleName", "warehouseName"];

/// In the answer to a statement. Source: protocol reference 4.2.
const OF_STATEMENT: Keys = [
    "finalDatabaseName",
    "finalSchemaName",
    "finalRoleName",
    "finalWarehouseName",
];

impl Current {
    /// Reads what the answer to a login says.
    #[must_use]
    pub fn of_login(data: &Object) -> Self {
        let told: Object = data.read_as("sessionInfo").unwrap_or_default();
        Self::read(&told, OF_LOGIN)
    }

    /// Reads what the answer to a statement says that it leaves behind; `None` if it says nothing of names.
    #[must_use]
    pub fn after_statement(data: &Object) -> Option<Self> {
        let [database, schema, ..] = OF_STATEMENT;
        let says = data.raw(database).is_some() && data.raw(schema).is_some();
        says.then(|| Self::read(data, OF_STATEMENT))
    }

    /// Takes names as Snowflake's functions give them, without quotes: database and schema, role and warehouse.
    #[must_use]
    pub fn plain(place: [&Option<String>; 2], used: [&Option<String>; 2]) -> Self {
        let [database, schema] = place.map(|name| name.clone().filter(|name| is_plain(name)));
        let [role, warehouse] = used.map(Option::clone);
        Self {
            schema: database.as_ref().and(schema),
            database,
            role,
            warehouse,
        }
    }

    fn read(told: &Object, [database, schema, role, warehouse]: Keys) -> Self {
        let name = |key| told.read_as::<String>(key).filter(|name| is_plain(name));
        let database = name(database);
        let schema = database.as_ref().and_then(|_| name(schema));
        Self {
            database,
            schema,
            role: told.read_as(role),
            warehouse: told.read_as(warehouse),
        }
    }
}

/// Tells whether a name means one thing: whether Snowflake puts quotes around others in an answer is not known.
fn is_plain(name: &str) -> bool {
    let mut letters = name.bytes();
    let first = letters.next();
    first.is_some_and(|first| first.is_ascii_uppercase() || first == b'_')
        && letters.all(|letter| {
            letter.is_ascii_uppercase() || letter.is_ascii_digit() || b"_$".contains(&letter)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<String> {
        let current = Current::after_statement(&Object::read(text.as_bytes()).unwrap())?;
        let told = |name: Option<String>| name.unwrap_or_else(|| "?".to_owned());
        Some(format!(
            "{}.{}",
            told(current.database),
            told(current.schema)
        ))
    }

    #[test]
    fn names_that_could_be_two_are_not_taken_and_what_is_not_said_is_nothing() {
        let names = |database: &str, schema: &str| {
            after(&format!(
                r#"{{"finalDatabaseName":{database},"finalSchemaName":{schema}}}"#
            ))
        };
        assert_eq!(names(r#""DB""#, r#""S_1$""#).as_deref(), Some("DB.S_1$"));
        assert_eq!(names(r#""DB""#, "null").as_deref(), Some("DB.?"));
        assert_eq!(names(r#""db""#, r#""S""#).as_deref(), Some("?.?"));
        assert_eq!(names(r#""DB""#, r#""\"S\"""#).as_deref(), Some("DB.?"));
        assert_eq!(names(r#""1DB""#, r#""""#).as_deref(), Some("?.?"));
        assert_eq!(after(r#"{"finalDatabaseName":"DB"}"#), None);
        assert_eq!(after("{}"), None);
    }

    #[test]
    fn a_login_says_where_it_begins() {
        let data = br#"{"sessionInfo":{"databaseName":"DB","schemaName":"S","roleName":"R"}}"#;
        let current = Current::of_login(&Object::read(data).unwrap());
        assert_eq!(
            (
                current.database.as_deref(),
                current.schema.as_deref(),
                current.role.as_deref()
            ),
            (Some("DB"), Some("S"), Some("R"))
        );
        assert_eq!(Current::of_login(&Object::default()), Current::default());
    }
}
