//! Snowflake's answers: the envelope read faithfully. The bodies that Icecore writes itself are in `form`.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::chunks::{self, ChunkError, NamedChunk};
use super::current::Current;
use super::granted;
use super::json::Object;
use super::route::QueryId;
use super::stage::{self, Moves, NamedStage, StageError};

pub use super::form::{Body, Form, plain_error, success};

/// Codes with a meaning for every driver. Source: protocol reference section 3.
pub mod code {
    /// The statement is running: poll `getResultUrl`.
    pub const IN_PROGRESS: &str = "333333";
    /// The statement runs detached.
    pub const IN_PROGRESS_ASYNC: &str = "333334";
    /// The session token has expired: renew, then send the same request again.
    pub const SESSION_EXPIRED: &str = "390112";
    /// The master token has expired: log in anew.
    pub const MASTER_EXPIRED: &str = "390114";
    /// The statement was cancelled.
    pub const CANCELLED: &str = "000604";
    /// Insufficient privileges: what a refusal by policy reads as.
    pub const REFUSED: &str = "003001";
    /// A login that is refused; no driver retries it.
    pub const LOGIN_REFUSED: &str = "390100";
    /// Icecore could not carry the request out.
    pub const FAILED: &str = "000603";
}

/// Why an answer was withheld.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The body is not JSON, breaks off, or holds a key twice.
    #[error(
        "upstream answered what is not one JSON object read the same way by all (line {}, column {})",
        .0.line(),
        .0.column()
    )]
    Json(#[from] serde_json::Error),
    /// The envelope lacks `success`.
    #[error("upstream answered a JSON object without `success`")]
    NoEnvelope,
    /// No id where there must be one.
    #[error("upstream answered without a `statementHandle`, or with one that is no id")]
    NoHandle,
    /// The code is no number.
    #[error("upstream answered a `code` that is not digits")]
    Code,
    /// The answer carries what the agent may not have.
    #[error(
        "upstream's answer carries `{0}`, which would work outside this session; it was withheld"
    )]
    Credential(&'static str),
    /// The answer carries what opens a stage's storage, where it may not.
    #[error(
        "expected an answer without keys, found `{0}`: it opens the stage's storage outside this session too. Files are \
         carried for a PUT or GET that is sent alone; else INSERT rows with bound values, or SELECT from the stage"
    )]
    Key(&'static str),
    /// The answer's files cannot be carried.
    #[error("the answer opens a stage, and its files are not carried: {0}")]
    Stage(#[from] StageError),
    /// The answer's chunks cannot be carried.
    #[error("upstream's answer: {0}")]
    Chunks(#[from] ChunkError),
    /// The answer's poll address leads elsewhere.
    #[error(
        "upstream's answer names a result address that is not `/queries/<id>/result` on the same host"
    )]
    ForeignResultUrl,
}

/// An answer's envelope.
///
/// Source: protocol reference section 1: `{"data","code","message","success","headers"}`.
#[derive(Debug)]
pub struct Answer {
    body: Object,
    data: Option<Object>,
    /// The stage of ours that takes the place of the one that `data` opened.
    stage_info: Option<Object>,
    success: bool,
    code: Option<String>,
}

impl Answer {
    /// Reads a plain body.
    ///
    /// # Errors
    /// Not one JSON object, a key of the envelope or of `data` twice, or no `success`.
    pub fn read(plain: &[u8]) -> Result<Self, AnswerError> {
        let mut body = Object::read(plain)?;
        let data = match body.raw("data") {
            Some(raw) if raw.get().starts_with('{') => Some(serde_json::from_str(raw.get())?),
            _ => None,
        };
        let success = body.read_as("success").ok_or(AnswerError::NoEnvelope)?;
        let code = read_code(&mut body)?;
        Ok(Self {
            body,
            data,
            stage_info: None,
            success,
            code,
        })
    }

    /// Makes the poll address a path, if it is absolute and names the host that was asked.
    ///
    /// # Errors
    /// None in practice: the path can be written as JSON.
    pub fn come_from(&mut self, host: &str) -> Result<(), AnswerError> {
        if let Some(data) = &mut self.data
            && let Some(url) = data.read_as::<String>("getResultUrl")
            && let Some(path) = on_host(&url, host)
        {
            data.set("getResultUrl", path)?;
        }
        Ok(())
    }

    /// Tells whether Snowflake says that the request succeeded.
    #[must_use]
    pub fn success(&self) -> bool {
        self.success
    }

    /// Gives the answer's code, digits in text.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Gives the answer's message.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        self.body.read_as("message")
    }

    /// Gives `data`, if it is an object.
    #[must_use]
    pub fn data(&self) -> Option<&Object> {
        self.data.as_ref()
    }

    /// Gives `data` to change it, if it is an object.
    pub fn data_mut(&mut self) -> Option<&mut Object> {
        self.data.as_mut()
    }

    /// Gives the envelope, in which `data` is as it came, and `data` to change them.
    pub fn parts_mut(&mut self) -> (&mut Object, Option<&mut Object>) {
        (&mut self.body, self.data.as_mut())
    }

    /// Takes `data` out.
    #[must_use]
    pub fn into_data(self) -> Option<Object> {
        self.data
    }

    /// Tells whether the statement is still running.
    #[must_use]
    pub fn in_progress(&self) -> bool {
        self.success
            && matches!(
                self.code(),
                Some(code::IN_PROGRESS | code::IN_PROGRESS_ASYNC)
            )
    }

    /// Gives the id by which Snowflake calls the query.
    #[must_use]
    pub fn query_id(&self) -> Option<QueryId> {
        QueryId::parse(&self.data.as_ref()?.read_as::<String>("queryId")?)
    }

    /// Gives the number of the result's rows, counted over all its parts.
    #[must_use]
    pub fn rows(&self) -> Option<i64> {
        self.data.as_ref()?.read_as("total")
    }

    /// Gives the kind of statement that Snowflake says it ran.
    #[must_use]
    pub fn statement_type_id(&self) -> Option<u32> {
        self.data.as_ref()?.read_as("statementTypeId")
    }

    /// Gives `json` or `arrow`.
    #[must_use]
    pub fn result_format(&self) -> Option<String> {
        self.data.as_ref()?.read_as("queryResultFormat")
    }

    /// Tells the login's database and schema after the statement, if the answer says them.
    #[must_use]
    pub fn current(&self) -> Option<Current> {
        Current::after_statement(self.data.as_ref()?)
    }

    /// Gives the SQLSTATE of an error.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        self.data.as_ref()?.read_as("sqlState")
    }

    /// Tells whether a state that was asked for one query tells of another one.
    #[must_use]
    pub fn tells_of_others(&self, query_id: QueryId) -> bool {
        let queries: Option<Vec<Object>> =
            self.data.as_ref().and_then(|data| data.read_as("queries"));
        queries.unwrap_or_default().iter().any(|query| {
            let id: Option<String> = query.read_as("id");
            id.and_then(|id| QueryId::parse(&id)) != Some(query_id)
        })
    }

    /// Puts a stage at `host` in the place of the one that the answer opens for a statement that moves files; gives what
    /// the agent reaches by it, if the answer opens one.
    ///
    /// # Errors
    /// See `StageError`.
    pub fn name_stage(
        &mut self,
        moves: &Moves,
        host: &str,
    ) -> Result<Option<NamedStage>, AnswerError> {
        let Some(data) = self
            .data
            .as_mut()
            .filter(|data| stage::key_in(data).is_some())
        else {
            return Ok(None);
        };
        let (told, info, named) = stage::name(data, moves, host)?;
        *data = told;
        self.stage_info = Some(info);
        Ok(Some(named))
    }

    /// Writes the answer for the agent, without anything that works outside its session.
    ///
    /// `getResultUrl` becomes `/queries/<id>/result`. Stage credentials and presigned URLs are not edited out but
    /// withhold the answer: without them it would be no answer.
    ///
    /// # Errors
    /// See `AnswerError`.
    pub fn write(self) -> Result<Bytes, AnswerError> {
        if self
            .data
            .as_ref()
            .is_some_and(|data| data.has_content("chunks"))
        {
            return Err(AnswerError::Credential("chunks"));
        }
        Ok(self.write_named("")?.0)
    }

    /// Writes the answer like `write`, with its external chunks named anew at `host`, and gives what fetches them.
    ///
    /// # Errors
    /// See `AnswerError`.
    pub fn write_named(mut self, host: &str) -> Result<(Bytes, Vec<NamedChunk>), AnswerError> {
        let mut chunks = Vec::new();
        let query_id = self.query_id();
        if let Some(data) = &mut self.data {
            if let Some(key) = stage::key_in(data) {
                return Err(AnswerError::Key(key));
            }
            granted::keep_parameters(data)?;
            chunks = chunks::name(data, host)?;
            if data.has_content("getResultUrl") {
                let own = query_id
                    .map(result_url)
                    .ok_or(AnswerError::ForeignResultUrl)?;
                let found: Option<String> = data.read_as("getResultUrl");
                if found.is_none_or(|found| found.split('?').next() != Some(own.as_str())) {
                    return Err(AnswerError::ForeignResultUrl);
                }
                data.set("getResultUrl", &own)?;
            }
            if let Some(info) = &self.stage_info {
                data.set("stageInfo", info)?;
                data.set("presignedUrls", &[(); 0])?;
            }
            self.body.set("data", data)?;
        }
        Ok((self.body.write()?.into(), chunks))
    }
}

/// Reads `code`: drivers want digits in quotes, and one that gets a bare number fails on the whole answer (protocol
/// reference section 1).
pub(super) fn read_code(body: &mut Object) -> Result<Option<String>, AnswerError> {
    let found = match body.raw("code").map(RawValue::get) {
        None | Some("null") => return Ok(None),
        Some(text) => text.trim_matches('"').to_owned(),
    };
    if found.is_empty() || !found.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AnswerError::Code);
    }
    body.set("code", &found)?;
    Ok(Some(found))
}

/// Gives the path of a poll address on the asked host; `None` if it leads to another.
fn on_host<'a>(url: &'a str, host: &str) -> Option<&'a str> {
    match url.strip_prefix("https://") {
        None => Some(url),
        Some(rest) => {
            let rest = rest.strip_prefix(host)?;
            let path = rest.strip_prefix(":443").unwrap_or(rest);
            path.starts_with('/').then_some(path)
        }
    }
}

/// Gives the path at which a query's result is polled.
#[must_use]
pub fn result_url(query_id: QueryId) -> String {
    format!("/queries/{query_id}/result")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

    fn write(text: &str) -> Result<String, AnswerError> {
        Answer::read(text.as_bytes())?
            .write()
            .map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn an_answer_passes_byte_for_byte() {
        let text = format!(
            r#"{{"data":{{"queryId":"{ID}","total":9007199254740993,"rowset":[["1",null]],"new":{{"a":1e400}}}},"code":null,"message":null,"success":true,"headers":{{"h":1}}}}"#
        );
        assert_eq!(write(&text).unwrap(), text);
    }

    #[test]
    fn what_works_elsewhere_is_withheld_or_taken_out() {
        for part in [
            r#""stageInfo":{"creds":{}}"#,
            r#""presignedUrls":["https://b"]"#,
            r#""chunks":[{"url":"https://b"}]"#,
        ] {
            let text = format!(r#"{{"data":{{{part}}},"success":true}}"#);
            assert!(
                matches!(
                    write(&text),
                    Err(AnswerError::Credential(_) | AnswerError::Key(_))
                ),
                "{part}"
            );
        }
        let text = r#"{"data":{"chunks":[],"qrmk":"KEY","chunkHeaders":{"x":"KEY"},"rowset":[]},"success":true}"#;
        assert_eq!(
            write(text).unwrap(),
            r#"{"data":{"chunks":[],"rowset":[]},"success":true}"#
        );
    }

    #[test]
    fn a_poll_address_stays_on_the_host() {
        let answer = |url: &str| {
            format!(r#"{{"data":{{"queryId":"{ID}","getResultUrl":"{url}"}},"success":true}}"#)
        };
        fn write(text: &str) -> Result<String, AnswerError> {
            let mut answer = Answer::read(text.as_bytes())?;
            answer.come_from("acme.snowflakecomputing.com")?;
            let body = answer.write()?;
            Ok(String::from_utf8(body.to_vec()).unwrap())
        }
        let own = format!("/queries/{ID}/result");
        let host = "https://acme.snowflakecomputing.com";
        for url in [
            own.clone(),
            format!("{own}?requestId=1"),
            format!("{host}{own}"),
            format!("{host}:443{own}?requestId=1"),
        ] {
            let written = write(&answer(&url)).unwrap();
            assert!(written.contains(&format!("\"{own}\"")), "{written}");
        }
        for url in [
            format!("https://evil.example{own}"),
            format!("{host}.evil.example{own}"),
            format!("{host}:8443{own}"),
            format!("{host}@evil.example{own}"),
            format!("http://acme.snowflakecomputing.com{own}"),
            "/queries/x/result".to_owned(),
            "//evil/".to_owned(),
        ] {
            assert!(
                matches!(write(&answer(&url)), Err(AnswerError::ForeignResultUrl)),
                "{url}"
            );
        }
    }

    #[test]
    fn a_state_tells_of_the_asked_query_alone() {
        let answer = |ids: &[&str]| {
            let queries: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
            let text = format!(
                r#"{{"data":{{"queries":[{}]}},"success":true}}"#,
                queries.join(",")
            );
            Answer::read(text.as_bytes()).unwrap()
        };
        let (own, other) = (QueryId::parse(ID).unwrap(), QueryId::mint().to_string());
        assert!(!answer(&[ID]).tells_of_others(own));
        assert!(answer(&[ID, &other]).tells_of_others(own));
        assert!(answer(&[&other]).tells_of_others(own));
        assert!(answer(&["no id"]).tells_of_others(own));
    }

    #[test]
    fn a_code_is_digits_in_quotes() {
        let text = write(r#"{"data":null,"code":390112,"success":false}"#).unwrap();
        assert_eq!(text, r#"{"data":null,"code":"390112","success":false}"#);
        for code in [r#""x1""#, r#""""#, "{}", "1.5", "true"] {
            let text = format!(r#"{{"code":{code},"success":false}}"#);
            assert!(matches!(write(&text), Err(AnswerError::Code)), "{code}");
        }
    }

    #[test]
    fn damaged_answers_are_errors() {
        for text in [
            "",
            "{",
            "[]",
            "<html>",
            r#"{"success":true,"success":false}"#,
            r#"{"data":{"rowset":[],"rowset":[]},"success":true}"#,
            r#"{"data":null}"#,
        ] {
            assert!(Answer::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
