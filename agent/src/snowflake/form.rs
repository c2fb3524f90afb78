//! The bodies that Icecore writes itself, in the form that the callers of each door read.
//!
//! The drivers' own endpoints (v1) answer errors under HTTP 200, since some driver retries any other status without end
//! (protocol reference 4.4). The SQL API (v2) answers them under HTTP 422, as Snowflake does (reference 6).

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::answer::{code, result_url};
use super::json::Object;
use super::route::QueryId;

/// Status of a body that was carried out, or of any body on the drivers' own endpoints.
const OK: u16 = 200;
/// Status of a v2 statement that is still running.
const ACCEPTED: u16 = 202;
/// Status of a v2 request whose credential is not good.
const UNAUTHORIZED: u16 = 401;
/// Status of a v2 statement that failed or was refused.
const UNPROCESSABLE: u16 = 422;

/// A whole body for the agent and the HTTP status it goes under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    status: u16,
    text: Bytes,
    is_page: bool,
    link: Option<String>,
}

impl Body {
    /// Makes a body that goes under HTTP 200.
    #[must_use]
    pub fn ok(text: Bytes) -> Self {
        Self::new(OK, text)
    }

    /// Makes a body that goes under some status.
    #[must_use]
    pub fn new(status: u16, text: Bytes) -> Self {
        Self {
            status,
            text,
            is_page: false,
            link: None,
        }
    }

    /// Makes a page for a person's browser.
    #[must_use]
    pub fn page(status: u16, html: String) -> Self {
        Self {
            is_page: true,
            ..Self::new(status, html.into())
        }
    }

    /// Adds the `Link` header that leads to a v2 result's other partitions.
    #[must_use]
    pub fn linked(self, link: Option<String>) -> Self {
        Self { link, ..self }
    }

    /// Gives the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Gives the bytes.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Gives the body's media type.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        if self.is_page {
            "text/html; charset=utf-8"
        } else {
            "application/json"
        }
    }

    /// Gives the value of the `Link` header.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }
}

/// Which door a request came through, and so which form its answers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The drivers' own endpoints.
    V1,
    /// The SQL API, `/api/v2/`.
    V2 {
        /// When the statement came; v2 bodies tell it.
        created_on: DateTime<Utc>,
    },
}

impl Form {
    /// Tells whether another form is that of the same door.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::V1, Self::V1) | (Self::V2 { .. }, Self::V2 { .. })
        )
    }

    /// Writes the answer "still running, poll here".
    #[must_use]
    pub fn in_progress(self, query_id: QueryId) -> Body {
        match self {
            Self::V1 => Body::ok(text(&json!({
                "data": {
                    "queryId": query_id.to_string(),
                    "getResultUrl": result_url(query_id),
                    "progressDesc": null,
                    "queryAbortsAfterSecs": 300,
                },
                "code": code::IN_PROGRESS,
                "message": "Query execution in progress...",
                "success": true,
                "headers": null,
            }))),
            Self::V2 { created_on } => Body::new(
                ACCEPTED,
                text(&json!({
                    "code": code::IN_PROGRESS_ASYNC,
                    "message": "Asynchronous execution in progress. Use provided query id to perform query monitoring and management.",
                    "statementHandle": query_id.to_string(),
                    "createdOn": created_on.timestamp_millis(),
                    "statementStatusUrl": status_url(query_id),
                })),
            ),
        }
    }

    /// Writes the answer "it runs, ask for it later": to a client that wanted no more.
    #[must_use]
    pub fn detached(self, query_id: QueryId) -> Body {
        match self {
            Self::V1 => Body::ok(text(&json!({
                "data": {
                    "queryId": query_id.to_string(),
                    "getResultUrl": result_url(query_id),
                    "progressDesc": null,
                    "queryAbortsAfterSecs": 300,
                },
                "code": code::IN_PROGRESS_ASYNC,
                "message": "Query execution in progress asynchronously.",
                "success": true,
                "headers": null,
            }))),
            Self::V2 { .. } => self.in_progress(query_id),
        }
    }

    /// Writes an error of a statement, which every caller shows with its text, at once and without a retry.
    ///
    /// Which members v1 needs, and why: protocol reference 4.4; tried with nine clients (test bed section 0).
    #[must_use]
    pub fn error(self, code: &str, sql_state: &str, query_id: QueryId, message: &str) -> Body {
        match self {
            Self::V1 => Body::ok(text(&json!({
                "data": {
                    "internalError": false,
                    "errorCode": code,
                    "age": 0,
                    "sqlState": sql_state,
                    "queryId": query_id.to_string(),
                    "line": -1,
                    "pos": -1,
                    "type": "COMPILATION",
                },
                "code": code,
                "message": message,
                "success": false,
                "headers": null,
            }))),
            Self::V2 { created_on } => Body::new(
                UNPROCESSABLE,
                text(&json!({
                    "code": code,
                    "sqlState": sql_state,
                    "message": message,
                    "statementHandle": query_id.to_string(),
                    "createdOn": created_on.timestamp_millis(),
                    "statementStatusUrl": status_url(query_id),
                })),
            ),
        }
    }

    /// Writes an error outside any statement: a login, a token, an endpoint that is not carried.
    #[must_use]
    pub fn plain_error(self, code: &str, message: &str) -> Body {
        match self {
            Self::V1 => plain_error(code, message),
            Self::V2 { .. } => {
                let status = match code {
                    code::SESSION_EXPIRED | code::LOGIN_REFUSED => UNAUTHORIZED,
                    _ => UNPROCESSABLE,
                };
                Body::new(status, text(&json!({ "code": code, "message": message })))
            }
        }
    }
}

/// Writes an error outside any query in the drivers' own form (login, renewal).
///
/// A lost login has no `data` at all: connector 5.2 and snowflake-connector-rs 1.1 read an empty one as an answer that
/// lacks its fields and hide the text; connector 4 wants the object where a login is refused.
#[must_use]
pub fn plain_error(code: &str, message: &str) -> Body {
    let data = match code {
        code::SESSION_EXPIRED | code::MASTER_EXPIRED => serde_json::Value::Null,
        _ => json!({}),
    };
    Body::ok(text(
        &json!({"data": data, "code": code, "message": message, "success": false, "headers": null}),
    ))
}

/// Writes a success in the drivers' own form whose `data` is given.
///
/// # Errors
/// None in practice: every value was JSON when it came in.
pub fn success(data: &Object) -> Result<Body, serde_json::Error> {
    let mut body = Object::default();
    body.set("data", data)?;
    body.set("code", &())?;
    body.set("message", &())?;
    body.set("success", &true)?;
    Ok(Body::ok(body.write()?.into()))
}

/// Gives the path at which a v2 statement's status is asked.
#[must_use]
pub fn status_url(query_id: QueryId) -> String {
    format!("/api/v2/statements/{query_id}")
}

fn text(value: &serde_json::Value) -> Bytes {
    value.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

    fn v2() -> Form {
        Form::V2 {
            created_on: DateTime::from_timestamp_millis(1_597_090_533_987).unwrap(),
        }
    }

    #[track_caller]
    fn check(body: &Body, status: u16, expected: &serde_json::Value) {
        let found: serde_json::Value = serde_json::from_slice(body.text()).unwrap();
        assert_eq!((body.status(), &found), (status, expected));
    }

    #[test]
    fn an_error_takes_the_form_of_its_door() {
        let id = QueryId::parse(ID).unwrap();
        check(
            &Form::V1.error("003001", "42501", id, "no"),
            200,
            &json!({"data": {"internalError": false, "errorCode": "003001", "age": 0, "sqlState": "42501",
                "queryId": ID, "line": -1, "pos": -1, "type": "COMPILATION"},
                "code": "003001", "message": "no", "success": false, "headers": null}),
        );
        check(
            &v2().error("003001", "42501", id, "no"),
            422,
            &json!({"code": "003001", "sqlState": "42501", "message": "no", "statementHandle": ID,
                "createdOn": 1_597_090_533_987_i64, "statementStatusUrl": format!("/api/v2/statements/{ID}")}),
        );
    }

    #[test]
    fn still_running_takes_the_form_of_its_door() {
        let id = QueryId::parse(ID).unwrap();
        let v1: serde_json::Value =
            serde_json::from_slice(Form::V1.in_progress(id).text()).unwrap();
        assert_eq!(v1["data"]["getResultUrl"], format!("/queries/{ID}/result"));
        assert_eq!(v1["code"], "333333");
        let held = v2().in_progress(id);
        let body: serde_json::Value = serde_json::from_slice(held.text()).unwrap();
        assert_eq!((held.status(), &body["code"]), (202, &json!("333334")));
        assert_eq!(
            body["statementStatusUrl"],
            format!("/api/v2/statements/{ID}")
        );
    }

    #[test]
    fn only_a_bad_credential_is_401_and_only_in_v2() {
        for (code, v2_status) in [
            (code::SESSION_EXPIRED, 401),
            (code::LOGIN_REFUSED, 401),
            (code::FAILED, 422),
        ] {
            assert_eq!(Form::V1.plain_error(code, "x").status(), 200);
            assert_eq!(v2().plain_error(code, "x").status(), v2_status);
        }
    }
}
