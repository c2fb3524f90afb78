//! Which form a result has: by the kind of statement, the client's parameters, and what the client can read.

use hyper::HeaderMap;
use serde_json::Value;

/// The forms of a result over v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Format {
    /// Arrow IPC streams.
    Arrow,
    /// Arrays of strings.
    Json,
}

impl Format {
    /// Gives the name by which an answer tells it.
    #[must_use]
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Arrow => "arrow",
            Self::Json => "json",
        }
    }
}

/// Gives the session parameter by which an application chooses its form; `None` for those that read JSON alone.
///
/// Source: reference protocol 5.1. The Node SDK reads JSON alone; snowflake-connector-rs 1.1.1 sends no application.
#[must_use]
fn parameter_of(application: &str) -> Option<&'static str> {
    match application {
        "Go" => Some("GO_QUERY_RESULT_FORMAT"),
        "JDBC" => Some("JDBC_QUERY_RESULT_FORMAT"),
        "ODBC" => Some("ODBC_QUERY_RESULT_FORMAT"),
        ".NET" => Some("DOTNET_QUERY_RESULT_FORMAT"),
        "C API" => Some("C_API_QUERY_RESULT_FORMAT"),
        python if python.starts_with("Python") => Some("PYTHON_CONNECTOR_QUERY_RESULT_FORMAT"),
        _ => None,
    }
}

/// Gives the form that a client asks for a query; `parameter` reads a parameter of the statement or the session.
#[must_use]
pub(in super::super) fn preferred(
    application: &str,
    headers: &HeaderMap,
    parameter: impl Fn(&str) -> Option<Value>,
) -> Format {
    let Some(name) = parameter_of(application) else {
        return Format::Json;
    };
    if let Some(asked) = parameter(name).as_ref().and_then(Value::as_str) {
        return if asked.eq_ignore_ascii_case("JSON") {
            Format::Json
        } else {
            Format::Arrow
        };
    }
    let accepted = headers.get("accept").and_then(|value| value.to_str().ok());
    // Connector 5.2 says `application/json` with every query and reads Arrow (reference protocol, section 1).
    let by_header = !application.starts_with("Python");
    if by_header && accepted.is_some_and(|value| value.trim() == "application/json") {
        return Format::Json;
    }
    Format::Arrow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(application: &str, accept: &str, parameter: Option<&str>, expected: Format) {
        let mut headers = HeaderMap::new();
        headers.insert("accept", accept.parse().unwrap());
        let found = preferred(application, &headers, |name| {
            assert!(name.ends_with("_QUERY_RESULT_FORMAT"));
            parameter.map(Value::from)
        });
        assert_eq!(found, expected, "{application} {accept} {parameter:?}");
    }

    #[test]
    fn form_follows_application_parameter_and_header() {
        let (snowflake, json) = ("application/snowflake", "application/json");
        check("JavaScript", snowflake, Some("ARROW"), Format::Json);
        check("", snowflake, None, Format::Json);
        check("PythonConnector", json, None, Format::Arrow);
        check("PythonConnector", snowflake, Some("JSON"), Format::Json);
        check("Go", snowflake, None, Format::Arrow);
        check("Go", json, None, Format::Json);
        check("Go", json, Some("ARROW_FORCE"), Format::Arrow);
    }
}
