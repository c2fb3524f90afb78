//! Which endpoint a request names, byte for byte.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::answer::Form;
use super::chunks::{CHUNK_PATH, ChunkId};
use super::mcp::McpServer;
use super::stage::FILES_PATH;

/// An endpoint of the drivers' protocol that Icecore answers or carries.
///
/// Source: protocol reference section 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /session/v1/login-request`
    Login,
    /// `POST /session/token-request`
    Renew,
    /// `POST /session/authenticator-request`: the first step of a login by SAML, Okta or browser.
    Authenticator,
    /// `GET /console/login` and `/oauth/authorize`: pages that a person's browser opens.
    LoginPage,
    /// `POST /oauth/token-request` and `/oauth/token-revoke`
    OauthToken,
    /// `POST /session/heartbeat`
    Heartbeat,
    /// `POST /session?delete=true`
    Close,
    /// `POST /queries/v1/query-request`
    Query,
    /// `GET /queries/<id>/result`
    Result(QueryId),
    /// `GET /monitoring/queries/<id>`, which the Python connector 5 writes with two slashes before the id.
    Monitoring(QueryId),
    /// `POST /queries/v1/abort-request`: names the execution by its `requestId`.
    AbortRequest,
    /// `POST /api/v2/statements`
    Submit,
    /// `GET /api/v2/statements/<id>`
    Status(QueryId),
    /// `POST /api/v2/statements/<id>/cancel`
    Cancel(QueryId),
    /// `POST /api/v2/databases/<name>/schemas/<name>/mcp-servers/<name>`: a call of a managed MCP server.
    Mcp,
    /// Any other method there: streams and sessions of MCP, of which there are none.
    McpOther,
    /// `POST /queries/<id>/abort-request`
    AbortQuery(QueryId),
    /// `GET /icecore/chunks/<id>`: an address of ours, in the place of storage's.
    Chunk(ChunkId),
    /// `PUT`, `GET` and `HEAD /icecore-files/<name>`: an address of ours, in the place of a stage's.
    File(FileName),
    /// `POST /telemetry/send` and `/telemetry/send/sessionless`
    Telemetry,
}

/// A file's name as a path has it, its escapes read; whether it is one of a stage, the stage says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(pub String);

impl FileName {
    fn parse(path: &str) -> Option<Self> {
        let mut pieces = path.split('%').skip(1);
        let is_digits =
            |piece: &str| piece.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
        if !pieces.all(is_digits) {
            return None;
        }
        let name = percent_encoding::percent_decode_str(path)
            .decode_utf8()
            .ok()?;
        (!name.is_empty()).then(|| Self(name.into_owned()))
    }
}

/// Snowflake's or our own name of a query: a UUID, as drivers demand of a `getResultUrl`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(Uuid);

impl QueryId {
    /// Makes an own id for a statement that Snowflake has not named yet.
    #[must_use]
    pub fn mint() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads a hyphenated lower-case UUID; any other spelling is not an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::parse_str(text).ok()?;
        (id.hyphenated().to_string() == text).then_some(Self(id))
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for QueryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QueryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected a query id"))
    }
}

impl fmt::Debug for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Endpoint {
    /// Finds the endpoint whose method and path equal the request's, with no normalisation at all.
    ///
    /// `//`, `%2e`, `;` and other case give `None`, as every path that is not listed does.
    #[must_use]
    pub fn find(method: &str, path: &str, query: Option<&str>) -> Option<Self> {
        match (method, path) {
            ("POST", path) if McpServer::is_path(path) => Some(Self::Mcp),
            (_, path) if McpServer::is_path(path) => Some(Self::McpOther),
            ("POST", "/session/v1/login-request") => Some(Self::Login),
            ("POST", "/session/token-request") => Some(Self::Renew),
            ("POST", "/session/authenticator-request") => Some(Self::Authenticator),
            ("GET", "/console/login") | ("GET" | "POST", "/oauth/authorize") => {
                Some(Self::LoginPage)
            }
            ("POST", "/oauth/token-request" | "/oauth/token-revoke") => Some(Self::OauthToken),
            ("POST", "/session/heartbeat") => Some(Self::Heartbeat),
            ("POST", "/session") => {
                let delete =
                    query.is_some_and(|query| query.split('&').any(|pair| pair == "delete=true"));
                delete.then_some(Self::Close)
            }
            ("POST", "/queries/v1/query-request") => Some(Self::Query),
            ("POST", "/queries/v1/abort-request") => Some(Self::AbortRequest),
            ("POST", "/telemetry/send" | "/telemetry/send/sessionless") => Some(Self::Telemetry),
            ("POST", "/api/v2/statements" | "/api/v2/statements/") => Some(Self::Submit),
            ("PUT" | "GET" | "HEAD", path) if path.starts_with(FILES_PATH) => {
                FileName::parse(path.strip_prefix(FILES_PATH)?).map(Self::File)
            }
            ("GET", path) if path.starts_with("/api/") => {
                QueryId::parse(path.strip_prefix("/api/v2/statements/")?).map(Self::Status)
            }
            ("POST", path) if path.starts_with("/api/") => {
                let id = path.strip_prefix("/api/v2/statements/")?;
                QueryId::parse(id.strip_suffix("/cancel")?).map(Self::Cancel)
            }
            ("GET", path) => {
                if let Some(id) = path.strip_prefix("/monitoring/queries/") {
                    let id = id.strip_prefix('/').unwrap_or(id);
                    return QueryId::parse(id).map(Self::Monitoring);
                }
                if let Some(id) = path.strip_prefix(CHUNK_PATH) {
                    return ChunkId::parse(id).map(Self::Chunk);
                }
                QueryId::parse(path.strip_prefix("/queries/")?.strip_suffix("/result")?)
                    .map(Self::Result)
            }
            ("POST", path) => {
                let id = path
                    .strip_prefix("/queries/")?
                    .strip_suffix("/abort-request")?;
                QueryId::parse(id).map(Self::AbortQuery)
            }
            _ => None,
        }
    }
}

/// Tells which form a path's callers read, whatever becomes of the request.
#[must_use]
pub fn form(path: &str, now: DateTime<Utc>) -> Form {
    if path.starts_with("/api/") {
        Form::V2 { created_on: now }
    } else {
        Form::V1
    }
}

/// Says what may be asked instead of an endpoint that is not carried.
#[must_use]
pub fn carried(form: Form) -> &'static str {
    match form {
        Form::V1 => "ask by SQL, through a driver",
        Form::V2 { .. } => {
            "of the REST API it carries `/api/v2/statements` alone; ask by SQL, which can do the same"
        }
    }
}

/// Finds the value of a query-string member; `None` if it is absent, stands twice or holds an escape.
///
/// The members that Icecore reads (`requestId`, `request_id`) are UUIDs and need no escape.
#[must_use]
pub fn plain_member<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut values = query?
        .split('&')
        .filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let value = values.next()?;
    let plain = !value.is_empty() && !value.contains(['%', '+']);
    (plain && values.next().is_none()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

    #[track_caller]
    fn check(method: &str, path: &str, query: Option<&str>, expected: Option<Endpoint>) {
        assert_eq!(
            Endpoint::find(method, path, query),
            expected,
            "{method} {path}"
        );
    }

    #[test]
    fn listed_paths_are_found() {
        let id = QueryId::parse(ID).unwrap();
        check(
            "POST",
            "/session/v1/login-request",
            Some("requestId=1"),
            Some(Endpoint::Login),
        );
        check(
            "POST",
            "/session",
            Some("delete=true&requestId=1"),
            Some(Endpoint::Close),
        );
        check(
            "GET",
            &format!("/queries/{ID}/result"),
            None,
            Some(Endpoint::Result(id)),
        );
        check(
            "POST",
            &format!("/queries/{ID}/abort-request"),
            None,
            Some(Endpoint::AbortQuery(id)),
        );
        check(
            "GET",
            &format!("/monitoring/queries/{ID}"),
            None,
            Some(Endpoint::Monitoring(id)),
        );
        check(
            "GET",
            &format!("/monitoring/queries//{ID}"),
            None,
            Some(Endpoint::Monitoring(id)),
        );
        check("GET", &format!("/monitoring/queries///{ID}"), None, None);
        check(
            "POST",
            "/api/v2/statements",
            Some("async=true"),
            Some(Endpoint::Submit),
        );
        let mcp = "/api/v2/databases/db/schemas/%22s%22/mcp-servers/m";
        check("POST", mcp, None, Some(Endpoint::Mcp));
        check("POST", &format!("{mcp}/x"), None, None);
        check("GET", mcp, None, Some(Endpoint::McpOther));
        check("DELETE", mcp, None, Some(Endpoint::McpOther));
        let status = format!("/api/v2/statements/{ID}");
        check(
            "GET",
            &status,
            Some("partition=1"),
            Some(Endpoint::Status(id)),
        );
        check(
            "POST",
            &format!("{status}/cancel"),
            None,
            Some(Endpoint::Cancel(id)),
        );
    }

    #[test]
    fn near_misses_are_not_found() {
        for path in [
            "//queries/v1/query-request",
            "/queries//v1/query-request",
            "/queries/v1/query-request/",
            "/queries/v1/query%2drequest",
            "/queries/v1/./query-request",
            "/queries/v1/query-request;x=1",
            "/Queries/v1/query-request",
            "/api/v2/databases",
            "/api/v2//statements",
            "/api/v2/statements/cancel",
            "/api/v2/cortex/agent:run",
            "/session",
            "/queries/01BF3A2E-0000-4A52-9F0B-3F3F2F3A0C11/abort-request",
        ] {
            check("POST", path, None, None);
        }
        check("PUT", "/queries/v1/query-request", None, None);
    }

    #[test]
    fn a_member_that_stands_twice_is_no_member() {
        assert_eq!(
            plain_member(Some("requestId=a&x=1"), "requestId"),
            Some("a")
        );
        assert_eq!(
            plain_member(Some("requestId=a&requestId=b"), "requestId"),
            None
        );
        assert_eq!(plain_member(Some("xrequestId=a"), "requestId"), None);
        assert_eq!(plain_member(Some("requestId=%61"), "requestId"), None);
    }
}
