//! A statement as the SQL API takes it.

use super::super::json::{self, Object};
use super::super::query::{Api, QueryError, QueryRequest, refuse_hidden};
use super::super::route::plain_member;

/// Fields that a request may hold; `resultSetMetaData` only names the one format that there is, and is left out.
const FIELDS: [&str; 9] = [
    "statement",
    "timeout",
    "database",
    "schema",
    "warehouse",
    "role",
    "bindings",
    "parameters",
    "resultSetMetaData",
];

/// What the config says a login of an account gets, whatever its client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'a> {
    /// The role.
    pub role: &'a str,
    /// The warehouse, if one is pinned.
    pub warehouse: Option<&'a str>,
    /// The database, if one is pinned.
    pub database: Option<&'a str>,
    /// The schema, if one is pinned.
    pub schema: Option<&'a str>,
}

/// Reads a plain body and the address members that belong to it; role and warehouse become the config's, and so do
/// database and schema where they are pinned.
///
/// # Errors
/// Anything that is not surely what it seems: see `QueryError`.
pub fn read(
    plain: &[u8],
    query: Option<&str>,
    statement_max_bytes: u64,
    pinned: Pinned<'_>,
) -> Result<QueryRequest, QueryError> {
    json::check_strict(plain)?;
    let mut body = Object::read(plain)?;
    refuse_hidden(&mut body)?;
    if let Some((unknown, _)) = body.members().find(|(key, _)| !FIELDS.contains(key)) {
        return Err(QueryError::UnknownField(unknown.to_owned()));
    }
    for field in ["resultSetMetaData", "role", "warehouse"] {
        body.remove(field);
    }
    body.set("role", pinned.role)?;
    for (field, value) in [
        ("warehouse", pinned.warehouse),
        ("database", pinned.database),
        ("schema", pinned.schema),
    ] {
        if let Some(value) = value {
            body.set(field, value)?;
        }
    }
    let api = Api {
        is_async: flag(query, "async")?.unwrap_or_default(),
        nullable: flag(query, "nullable")?,
    };
    flag(query, "retry")?;
    QueryRequest::of(body, "statement", statement_max_bytes, Some(api))
}

/// Reads which partition is asked for.
///
/// # Errors
/// It is no number, or stands twice.
pub fn partition(query: Option<&str>) -> Result<Option<u32>, QueryError> {
    member(query, "partition", "a number", |text| text.parse().ok())
}

fn flag(query: Option<&str>, name: &'static str) -> Result<Option<bool>, QueryError> {
    member(query, name, "`true` or `false`, once", |text| {
        text.parse().ok()
    })
}

fn member<T>(
    query: Option<&str>,
    name: &'static str,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, QueryError> {
    let names = |pair: &str| pair.split('=').next() == Some(name);
    if !query.is_some_and(|query| query.split('&').any(names)) {
        return Ok(None);
    }
    let value = plain_member(query, name).and_then(read);
    value.map(Some).ok_or(QueryError::Shape {
        field: name,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PINNED: Pinned<'_> = Pinned {
        role: "ANALYST",
        warehouse: Some("WH"),
        database: None,
        schema: None,
    };

    fn written(body: &str) -> Result<String, QueryError> {
        let request = read(body.as_bytes(), None, 1000, PINNED)?;
        Ok(String::from_utf8(request.write(Some(1))?).unwrap())
    }

    #[test]
    fn role_and_warehouse_are_the_configs_whatever_is_asked() {
        assert_eq!(
            written(r#"{"statement":"select 1","role":"ACCOUNTADMIN","warehouse":"BIG","timeout":5,"resultSetMetaData":{"format":"json"}}"#).unwrap(),
            r#"{"statement":"select 1","timeout":5,"role":"ANALYST","warehouse":"WH","parameters":{"MULTI_STATEMENT_COUNT":1}}"#
        );
    }

    #[test]
    fn database_and_schema_are_the_clients_unless_they_are_pinned() {
        let body = r#"{"statement":"select 1","database":"THEIRS","schema":"THEIRS"}"#;
        let fields = |pinned| {
            let request = read(body.as_bytes(), None, 1000, pinned).unwrap();
            let sent = Object::read(&request.write(None).unwrap()).unwrap();
            ["database", "schema"].map(|field| sent.read_as::<String>(field).unwrap())
        };
        assert_eq!(fields(PINNED), ["THEIRS", "THEIRS"]);
        let pinned = Pinned {
            database: Some("OURS"),
            schema: Some("S"),
            ..PINNED
        };
        assert_eq!(fields(pinned), ["OURS", "S"]);
    }

    #[test]
    fn unknown_and_doubled_fields_are_refused() {
        for body in [
            r#"{"statement":"select 1","sqlText":"drop table t"}"#,
            r#"{"statement":"select 1","statement":"drop table t"}"#,
            r#"{"statement":"select 1","Statement":"drop table t"}"#,
            r#"{"statement":"select 1","asyncExec":true}"#,
            r#"{"statement":"select 1","dataframeAst":"AAAA"}"#,
            r#"{"sqlText":"select 1"}"#,
            r#"{"statement":1}"#,
            r#"{"statement":"select 1","parameters":[]}"#,
            "[]",
            "",
        ] {
            assert!(written(body).is_err(), "{body}");
        }
    }

    #[test]
    fn the_address_is_read_strictly() {
        let api = |query| {
            read(br#"{"statement":"select 1"}"#, Some(query), 1000, PINNED)
                .map(|request| (request.is_async(), request.api().unwrap().members()))
        };
        assert_eq!(
            api("requestId=1&async=true&retry=true").unwrap(),
            (true, "&async=true".to_owned())
        );
        assert_eq!(
            api("async=false&nullable=false").unwrap(),
            (false, "&nullable=false".to_owned())
        );
        for query in [
            "async=1",
            "async=true&async=false",
            "async",
            "nullable=%74rue",
            "retry=yes",
        ] {
            assert!(api(query).is_err(), "{query}");
        }
        assert_eq!(partition(Some("requestId=1&partition=7")).unwrap(), Some(7));
        assert_eq!(partition(Some("requestId=1")).unwrap(), None);
        for query in [
            "partition=-1",
            "partition=",
            "partition=1&partition=2",
            "partition=x",
        ] {
            assert!(partition(Some(query)).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_request_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200), query in ".*") {
            if let Ok(request) = read(&body, Some(&query), 1000, PINNED) {
                prop_assert!(request.write(None).is_ok());
            }
        }
    }
}
