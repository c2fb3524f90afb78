//! The body of a query request: read strictly, sent on as it was judged.

use serde_json::value::RawValue;

use super::binds::Binds;
use super::count::{Count, CountError, STATEMENT_COUNT};
use super::json::{self, Object};
use super::parameters;
use super::route::QueryId;

/// Fields that a query request may hold. Source: protocol reference 4.1, read in ten drivers.
///
/// `bindStage` and `dataframeAst` are among them to be refused with a text: what they carry is not in the one that is
/// judged.
const FIELDS: [&str; 13] = [
    "sqlText",
    "asyncExec",
    "sequenceId",
    "querySubmissionTime",
    "isInternal",
    "describeOnly",
    "describedJobId",
    "parameters",
    "bindings",
    "queryContextDTO",
    "disableOfflineChunks",
    "bindStage",
    "dataframeAst",
];

/// Fields that give a request its meaning; the others are counters, times and caches, which a driver may renew when it
/// sends the request again.
const MEANING: [&str; 10] = [
    "sqlText",
    "asyncExec",
    "describeOnly",
    "describedJobId",
    "parameters",
    "bindings",
    // The SQL API's.
    "statement",
    "timeout",
    "database",
    "schema",
];

/// Why a query request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The body is not JSON that every parser reads the same way.
    #[error("request body: {0}")]
    Json(#[from] serde_json::Error),
    /// A field that Icecore does not know.
    #[error("request body: field `{0}` is not known to Icecore")]
    UnknownField(String),
    /// A known field of another shape.
    #[error("request body: field `{field}`: expected {expected}")]
    Shape {
        /// The field's name.
        field: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A field whose content would run without being in the judged text.
    #[error(
        "request body: field `{field}` carries what the statement's text does not show: {advice}"
    )]
    Hidden {
        /// The field's name.
        field: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// A parameter that is not let through.
    #[error("request body: parameter `{0}` is not one that Icecore lets through; leave it out")]
    Parameter(String),
    /// The number of statements is none.
    #[error("request body: field `parameters`: {0}")]
    Count(#[from] CountError),
    /// The statement's text passes the limit.
    #[error("statement of {found_bytes} bytes is longer than the limit of {limit_bytes} bytes")]
    TooLong {
        /// Bytes of the text.
        found_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
        /// SHA-256 of the text, for a record that does not hold it.
        sha256: Box<[u8]>,
    },
}

/// What a request of the SQL API says in its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Api {
    /// Whether the client wants a handle at once and the result later.
    pub is_async: bool,
    /// How a null is written; Snowflake's own way if nothing is said.
    pub nullable: Option<bool>,
}

impl Api {
    /// Writes the address members that say the same.
    #[must_use]
    pub fn members(self) -> String {
        let nullable = self.nullable.map(|is| format!("&nullable={is}"));
        let detached = if self.is_async { "&async=true" } else { "" };
        format!("{detached}{}", nullable.unwrap_or_default())
    }
}

/// A query request as judged; what is sent upstream is written from it.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    sql_text: String,
    is_async: bool,
    is_internal: bool,
    is_describe: bool,
    sequence_id: Option<i64>,
    bind_count: usize,
    binds: Binds,
    count: Count,
    body: Object,
    pub(super) parameters: Object,
    api: Option<Api>,
}

impl QueryRequest {
    /// Reads a plain (inflated) body.
    ///
    /// # Errors
    /// Anything that is not surely what it seems: see `QueryError`.
    pub fn read(plain: &[u8], statement_max_bytes: u64) -> Result<Self, QueryError> {
        json::check_strict(plain)?;
        let mut body = Object::read(plain)?;
        if let Some((unknown, _)) = body.members().find(|(key, _)| !FIELDS.contains(key)) {
            return Err(QueryError::UnknownField(unknown.to_owned()));
        }
        refuse_hidden(&mut body)?;
        Self::of(body, "sqlText", statement_max_bytes, None)
    }

    /// Takes a body whose fields are known; `text` names the one that holds the statement.
    pub(super) fn of(
        body: Object,
        text: &'static str,
        statement_max_bytes: u64,
        api: Option<Api>,
    ) -> Result<Self, QueryError> {
        let sql_text: String = body.read_as(text).ok_or(QueryError::Shape {
            field: text,
            expected: "a string",
        })?;
        if sql_text.len() as u64 > statement_max_bytes {
            return Err(QueryError::TooLong {
                found_bytes: sql_text.len() as u64,
                limit_bytes: statement_max_bytes,
                sha256: ring::digest::digest(&ring::digest::SHA256, sql_text.as_bytes())
                    .as_ref()
                    .into(),
            });
        }
        let mut parameters = read_parameters(&body)?;
        let count = Count::take(&mut parameters)?;
        let bindings = match body.raw("bindings").filter(|raw| raw.get() != "null") {
            Some(_) => body.read_as("bindings").ok_or(QueryError::Shape {
                field: "bindings",
                expected: "an object or null",
            })?,
            None => Object::default(),
        };
        Ok(Self {
            is_async: flag(&body, "asyncExec")? || api.is_some_and(|api| api.is_async),
            is_internal: flag(&body, "isInternal")?,
            is_describe: flag(&body, "describeOnly")?,
            sequence_id: body.read_as("sequenceId"),
            sql_text,
            bind_count: bindings.members().count(),
            binds: Binds::read(&bindings),
            count,
            body,
            parameters,
            api,
        })
    }

    /// Gives the statement's exact text.
    #[must_use]
    pub fn sql_text(&self) -> &str {
        &self.sql_text
    }

    /// Tells whether the client wants an id at once and the result later.
    #[must_use]
    pub fn is_async(&self) -> bool {
        self.is_async
    }

    /// Gives what the address says, if the request came through the SQL API.
    #[must_use]
    pub fn api(&self) -> Option<Api> {
        self.api
    }

    /// Tells whether the client says that its driver, not its user, made the statement.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.is_internal
    }

    /// Tells whether the statement is to be compiled only.
    #[must_use]
    pub fn is_describe(&self) -> bool {
        self.is_describe
    }

    /// Gives the client's statement counter.
    #[must_use]
    pub fn sequence_id(&self) -> Option<i64> {
        self.sequence_id
    }

    /// Gives the number of bound values (columns of a bulk bind count once).
    #[must_use]
    pub fn bind_count(&self) -> usize {
        self.bind_count
    }

    /// Gives the bound values that may name what the statement is about.
    #[must_use]
    pub fn binds(&self) -> &Binds {
        &self.binds
    }

    /// Gives the bound values as the client wrote them.
    #[must_use]
    pub fn bindings(&self) -> Option<&RawValue> {
        self.body
            .raw("bindings")
            .filter(|raw| !matches!(raw.get(), "null" | "{}"))
    }

    /// Gives the parts that tell this request from another: a replay has the same, byte for byte.
    pub fn meaning(&self) -> impl Iterator<Item = (&str, &str)> {
        self.body
            .members()
            .filter(|(key, _)| MEANING.contains(key))
            .map(|(key, value)| (key, value.get()))
    }

    /// Puts the ids by which Snowflake knows queries in the place of ours, where a literal of the text is one: a driver that
    /// was given an id before Snowflake named its query scans the result by that.
    ///
    /// # Errors
    /// None in practice: a text has a JSON form.
    pub fn renamed(
        mut self,
        other: impl Fn(QueryId) -> Option<QueryId>,
    ) -> Result<Self, serde_json::Error> {
        let rename = |piece: &str| QueryId::parse(piece).and_then(&other);
        let pieces = self.sql_text.split('\'');
        let pieces: Vec<(&str, Option<QueryId>)> =
            pieces.map(|piece| (piece, rename(piece))).collect();
        if pieces.iter().all(|(_, named)| named.is_none()) {
            return Ok(self);
        }
        let told = |(piece, named): &(&str, Option<QueryId>)| {
            named.map_or_else(|| (*piece).to_owned(), |id| id.to_string())
        };
        let text = pieces.iter().map(told).collect::<Vec<_>>().join("'");
        let member = if self.api.is_some() {
            "statement"
        } else {
            "sqlText"
        };
        self.body.set(member, &text)?;
        self.sql_text = text;
        Ok(self)
    }

    /// Gives the body as it was read: what is read from it again is the same request.
    ///
    /// # Errors
    /// None in practice: every value was JSON when it came in.
    pub fn kept(&self) -> Result<Vec<u8>, serde_json::Error> {
        self.body.write()
    }

    /// Tells how many statements the client says its text holds.
    #[must_use]
    pub fn count(&self) -> Count {
        self.count
    }

    /// Writes the body to send upstream: the fields above as read, none other, and the number of statements that were
    /// judged, whatever the login's own parameters say; the client's number where none could be told.
    ///
    /// # Errors
    /// None in practice: every value was JSON when it came in.
    pub fn write(&self, judged: Option<usize>) -> Result<Vec<u8>, serde_json::Error> {
        let mut parameters = self.parameters.clone();
        parameters.set(STATEMENT_COUNT, &judged.unwrap_or(self.count.wire()))?;
        let mut body = self.body.clone();
        body.set("parameters", &parameters)?;
        body.write()
    }
}

/// Fields whose content runs without being in the text, and what to do instead.
const HIDDEN: [(&str, &str); 2] = [
    (
        "bindStage",
        "bind fewer values at once, so that the driver sends them inline",
    ),
    ("dataframeAst", "switch the client's AST feature off"),
];

/// Takes the fields out that may hide what runs; refuses those that hold something.
pub(super) fn refuse_hidden(body: &mut Object) -> Result<(), QueryError> {
    for (field, advice) in HIDDEN {
        if body.has_content(field) {
            return Err(QueryError::Hidden { field, advice });
        }
        body.remove(field);
    }
    Ok(())
}

fn flag(body: &Object, field: &'static str) -> Result<bool, QueryError> {
    match body.raw(field).map(RawValue::get) {
        None | Some("null" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(QueryError::Shape {
            field,
            expected: "true or false",
        }),
    }
}

fn read_parameters(body: &Object) -> Result<Object, QueryError> {
    let parameters: Object = match body.raw("parameters").filter(|raw| raw.get() != "null") {
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| QueryError::Shape {
            field: "parameters",
            expected: "an object or null",
        })?,
        None => Object::default(),
    };
    if !parameters.has_plain_names() {
        return Err(QueryError::Shape {
            field: "parameters",
            expected: "names of ASCII letters alone, which every parser folds alike",
        });
    }
    if let Some((unknown, _)) = parameters
        .members()
        .find(|(name, _)| !parameters::passes(name))
    {
        return Err(QueryError::Parameter(parameters::shown(unknown).to_owned()));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_ours_become_snowflakes_in_what_is_judged_and_sent() {
        let ours = QueryId::mint();
        let (named, foreign) = (QueryId::mint(), QueryId::mint());
        let sql =
            format!("select '{foreign}', x from table(result_scan('{ours}')) where y = '{ours}!'");
        let body = serde_json::json!({ "sqlText": sql }).to_string();
        let request = QueryRequest::read(body.as_bytes(), 1000).unwrap();
        let renamed = request.renamed(|id| (id == ours).then_some(named)).unwrap();
        let expected =
            format!("select '{foreign}', x from table(result_scan('{named}')) where y = '{ours}!'");
        assert_eq!(renamed.sql_text(), expected);
        let written = String::from_utf8(renamed.write(None).unwrap()).unwrap();
        assert!(written.contains(&expected), "{written}");
    }

    fn read(body: &str) -> Result<QueryRequest, QueryError> {
        QueryRequest::read(body.as_bytes(), 1000)
    }

    #[test]
    fn a_parameter_that_folds_to_another_is_refused() {
        let body = r#"{"sqlText":"x","parameters":{"MULTI_\u017fTATEMENT_COUNT":0}}"#;
        assert!(matches!(
            read(body),
            Err(QueryError::Shape {
                field: "parameters",
                ..
            })
        ));
        assert!(read(&body.replace("\\u017f", "S")).is_ok());
    }

    #[test]
    fn a_drivers_body_is_read_and_written_whole() {
        let body = r#"{"sqlText":"select ?","asyncExec":false,"sequenceId":3,"querySubmissionTime":1760000000000,"isInternal":false,"describeOnly":true,"parameters":{"QUERY_TAG":"t","MULTI_STATEMENT_COUNT":1},"bindings":{"1":{"type":"FIXED","value":"5"}},"queryContextDTO":{"entries":[{"timestamp":1748552075465658}]}}"#;
        let request = read(body).unwrap();
        assert_eq!(request.sql_text(), "select ?");
        assert_eq!(request.bind_count(), 1);
        assert!(request.is_describe() && !request.is_async());
        assert_eq!(
            String::from_utf8(request.write(Some(1)).unwrap()).unwrap(),
            body
        );
    }

    #[test]
    fn a_parameter_that_is_not_let_through_is_refused() {
        for (name, told) in [
            ("SEARCH_PATH", "SEARCH_PATH"),
            (
                "quoted_identifiers_ignore_case",
                "quoted_identifiers_ignore_case",
            ),
            ("a b", "(no plain name)"),
        ] {
            let body = format!(r#"{{"sqlText":"x","parameters":{{"QUERY_TAG":"t","{name}":1}}}}"#);
            let refused = read(&body).unwrap_err();
            assert!(
                matches!(&refused, QueryError::Parameter(found) if found == told)
                    || matches!(refused, QueryError::Shape { .. }) && name == "a b",
                "{refused}"
            );
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(
            matches!(read(r#"{"sqlText":"x","sqlTextStage":"@s"}"#), Err(QueryError::UnknownField(field)) if field == "sqlTextStage")
        );
    }

    #[test]
    fn what_hides_content_is_refused() {
        for body in [
            r#"{"sqlText":"x","bindStage":"@SYSTEM$BIND/1"}"#,
            r#"{"sqlText":"x","dataframeAst":"AAAA"}"#,
        ] {
            assert!(
                matches!(read(body), Err(QueryError::Hidden { .. })),
                "{body}"
            );
        }
    }

    #[test]
    fn the_count_sent_is_the_judged_one() {
        for (parameters, judged, sent) in [
            (r#"{"QUERY_TAG":"t"}"#, Some(1), 1),
            (r#"{"multi_statement_count":0,"QUERY_TAG":"t"}"#, Some(3), 3),
            (
                r#"{"QUERY_TAG":"t","MULTI_STATEMENT_COUNT":"2"}"#,
                Some(2),
                2,
            ),
            (r#"{"QUERY_TAG":"t","MULTI_STATEMENT_COUNT":0}"#, None, 0),
        ] {
            let request = read(&format!(r#"{{"sqlText":"x","parameters":{parameters}}}"#)).unwrap();
            let written = String::from_utf8(request.write(judged).unwrap()).unwrap();
            let expected = format!(
                r#"{{"sqlText":"x","parameters":{{"QUERY_TAG":"t","MULTI_STATEMENT_COUNT":{sent}}}}}"#
            );
            assert_eq!(written, expected, "{parameters}");
        }
    }

    #[test]
    fn a_text_over_the_limit_is_refused() {
        let body = format!(r#"{{"sqlText":"{}"}}"#, "x".repeat(1001));
        assert!(matches!(
            read(&body),
            Err(QueryError::TooLong {
                found_bytes: 1001,
                limit_bytes: 1000,
                ..
            })
        ));
    }

    #[test]
    fn another_shape_is_refused() {
        for body in [
            r#"{"sqlText":1}"#,
            r#"{"sqlText":"x","asyncExec":"true"}"#,
            r#"{"sqlText":"x","parameters":[]}"#,
            "[]",
            "{}",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
