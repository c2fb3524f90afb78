//! Which header fields are kept, and where credentials stand.

/// Fields that are kept, in lower case. Source: `audit-prompt-perf.md` 2.1 and `testbed.md` F for what agents send; the
/// providers' references for the ids of requests.
const NAMES: [&str; 23] = [
    "content-type",
    "content-encoding",
    "user-agent",
    "traceparent",
    "request-id",
    "x-request-id",
    "x-client-request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-ms-client-request-id",
    "x-amzn-requestid",
    "x-goog-api-client",
    "session-id",
    "session_id",
    "x-session-id",
    "thread-id",
    "thread_id",
    "conversation_id",
    "originator",
    "anthropic-version",
    "anthropic-beta",
    "openai-beta",
    "openai-version",
];

/// Beginnings of names that are kept.
const PREFIXES: [&str; 2] = ["x-claude-code-", "x-codex-"];

/// Parts of names that are never kept, whatever list they are on.
const SECRET: [&str; 9] = [
    "key",
    "token",
    "auth",
    "secret",
    "cookie",
    "signature",
    "credential",
    "password",
    "account",
];

/// Longest value that is kept; a longer one is cut.
const VALUE_BYTES: usize = 8 << 10;

/// Header fields that were kept, in the order in which they came, names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of a field.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(kept, value)| (kept == name).then_some(value))
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes a field if it is one of those that are kept.
    pub(super) fn take(&mut self, name: &str, value: &[u8]) {
        if is_kept(name) {
            let value = value.get(..VALUE_BYTES).unwrap_or(value);
            let value = String::from_utf8_lossy(value).into_owned();
            self.0.push((name.to_owned(), value));
        }
    }
}

fn is_kept(name: &str) -> bool {
    let listed = NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    listed && !SECRET.iter().any(|part| name.contains(part))
}

/// The bytes of a field that stay the same for one credential, if it carries one.
pub(super) fn credential<'a>(name: &str, value: &'a [u8]) -> Option<&'a [u8]> {
    let found = match name {
        "authorization" => authorization(value),
        "x-api-key" | "api-key" | "x-goog-api-key" => Some(value),
        // OpenAI's Realtime API takes a key so from browsers.
        "sec-websocket-protocol" => value.split(|byte| *byte == b',').find_map(|protocol| {
            protocol
                .trim_ascii()
                .strip_prefix(b"openai-insecure-api-key.")
        }),
        _ => None,
    };
    found.filter(|bytes| !bytes.is_empty())
}

/// What follows the scheme; of AWS's signatures the access key's id, since they differ in each request.
///
/// Source: AWS "Authenticating Requests: Using the Authorization Header (Signature Version 4)".
fn authorization(value: &[u8]) -> Option<&[u8]> {
    let Some(space) = value.iter().position(u8::is_ascii_whitespace) else {
        return Some(value);
    };
    let (scheme, rest) = value.split_at_checked(space)?;
    if !scheme.starts_with(b"AWS4-") {
        return Some(rest.trim_ascii());
    }
    let mut parts = rest.split(|byte| *byte == b',');
    let scope = parts.find_map(|part| part.trim_ascii().strip_prefix(b"Credential="))?;
    scope.split(|byte| *byte == b'/').next()
}

/// The same in a request's query.
pub(super) fn credential_in_query(parameter: &str) -> Option<&[u8]> {
    let (name, value) = parameter.split_once('=')?;
    let found = match name.to_ascii_lowercase().as_str() {
        "key" | "api-key" | "api_key" | "access_token" => value,
        "x-amz-credential" => value.split(['/', '%']).next()?,
        _ => return None,
    };
    Some(found.as_bytes()).filter(|bytes| !bytes.is_empty())
}
