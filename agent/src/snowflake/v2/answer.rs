//! An answer of the SQL API: a result set, a partition, a status or a failure, told apart by HTTP status.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::super::answer::{AnswerError, Body, read_code};
use super::super::form::status_url;
use super::super::json::Object;
use super::super::route::QueryId;
use super::link;

/// Members that would work outside the session. The API has none of them today.
const WORKS_ELSEWHERE: [&str; 7] = [
    "stageInfo",
    "presignedUrls",
    "encryptionMaterial",
    "chunks",
    "chunkHeaders",
    "qrmk",
    "token",
];

/// An answer of the SQL API.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    code: Option<String>,
    link: Option<String>,
    body: Object,
    plain: Bytes,
}

impl Answer {
    /// Reads a plain body that came under a status, with the `Link` header beside it.
    ///
    /// # Errors
    /// Not one JSON object, a key twice, or a `code` that is not digits.
    pub fn read(status: u16, link: Option<&str>, plain: &Bytes) -> Result<Self, AnswerError> {
        let mut body = Object::read(plain)?;
        Ok(Self {
            status,
            code: read_code(&mut body)?,
            link: link.map(str::to_owned),
            body,
            plain: plain.clone(),
        })
    }

    /// Tells whether the statement succeeded or is still running.
    #[must_use]
    pub fn success(&self) -> bool {
        matches!(self.status, 200 | 202)
    }

    /// Tells whether the statement is still running.
    #[must_use]
    pub fn in_progress(&self) -> bool {
        self.status == 202
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

    /// Gives the SQLSTATE.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        self.body.read_as("sqlState")
    }

    /// Gives the id by which Snowflake calls the query.
    #[must_use]
    pub fn query_id(&self) -> Option<QueryId> {
        QueryId::parse(&self.body.read_as::<String>("statementHandle")?)
    }

    /// Gives the ids of the statements that were sent together.
    ///
    /// # Errors
    /// One of them is no id.
    pub fn children(&self) -> Result<Vec<QueryId>, AnswerError> {
        let handles: Vec<String> = self.body.read_as("statementHandles").unwrap_or_default();
        if handles.is_empty() && self.body.has_content("statementHandles") {
            return Err(AnswerError::NoHandle);
        }
        let ids: Option<Vec<QueryId>> = handles.iter().map(|id| QueryId::parse(id)).collect();
        ids.ok_or(AnswerError::NoHandle)
    }

    /// Gives the number of the result's rows, counted over all its partitions.
    #[must_use]
    pub fn rows(&self) -> Option<i64> {
        self.body
            .read_as::<Object>("resultSetMetaData")?
            .read_as("numRows")
    }

    /// Gives what it says of the result's columns.
    #[must_use]
    pub fn row_type(&self) -> Vec<Object> {
        let about: Option<Object> = self.body.read_as("resultSetMetaData");
        about
            .and_then(|about| about.read_as("rowType"))
            .unwrap_or_default()
    }

    /// Counts the rows that the answer itself holds: those of one partition.
    #[must_use]
    pub fn rows_here(&self) -> Option<usize> {
        let rows: Vec<IgnoredAny> = self.body.read_as("data")?;
        Some(rows.len())
    }

    /// Tells whether Snowflake says that rows were changed.
    #[must_use]
    pub fn changed_rows(&self) -> bool {
        let stats: Option<Object> = self.body.read_as("stats");
        let counts = ["numRowsInserted", "numRowsUpdated", "numRowsDeleted"];
        stats.is_some_and(|stats| {
            counts.iter().any(|name| {
                stats
                    .raw(name)
                    .is_some_and(|count| !matches!(count.get(), "0" | "null" | "\"0\""))
            })
        })
    }

    /// Gives the body to change it.
    pub fn body_mut(&mut self) -> &mut Object {
        &mut self.body
    }

    /// Gives the plain bytes as they came.
    #[must_use]
    pub fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// Writes the answer for the agent: every address in it leads to the own query on the same host.
    ///
    /// # Errors
    /// It carries what would work outside the session.
    pub fn write(mut self, query_id: QueryId) -> Result<Body, AnswerError> {
        for part in WORKS_ELSEWHERE {
            if self.body.has_content(part) {
                return Err(AnswerError::Credential(part));
            }
        }
        if self.body.has_content("statementStatusUrl") {
            self.body.set("statementStatusUrl", &status_url(query_id))?;
        }
        let link = self.link.and_then(|link| link::rewritten(&link, query_id));
        Ok(Body::new(self.status, self.body.write()?.into()).linked(link))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

    fn read(status: u16, text: &str) -> Result<Answer, AnswerError> {
        Answer::read(status, None, &Bytes::from(text.to_owned()))
    }

    #[test]
    fn a_result_set_passes_byte_for_byte_but_for_its_addresses() {
        let text = |url: &str| {
            format!(
                r#"{{"resultSetMetaData":{{"numRows":9007199254740993,"partitionInfo":[]}},"data":[["1",null]],"code":"090001","statementHandle":"{ID}","statementStatusUrl":"{url}","new":{{"a":1e400}}}}"#
            )
        };
        let answer = read(200, &text("https://evil.example/")).unwrap();
        assert_eq!(answer.rows(), Some(9_007_199_254_740_993));
        let body = answer.write(QueryId::parse(ID).unwrap()).unwrap();
        let expected = text(&format!("/api/v2/statements/{ID}"));
        assert_eq!((body.status(), body.text()), (200, &Bytes::from(expected)));
    }

    #[test]
    fn what_works_elsewhere_is_withheld() {
        for part in WORKS_ELSEWHERE {
            let answer = read(200, &format!(r#"{{"{part}":"x"}}"#)).unwrap();
            assert!(
                matches!(
                    answer.write(QueryId::mint()),
                    Err(AnswerError::Credential(_))
                ),
                "{part}"
            );
        }
    }

    #[test]
    fn changed_rows_are_seen() {
        for (stats, expected) in [
            (r#"{"numRowsInserted":1}"#, true),
            (r#"{"numRowsInserted":0,"numRowsDeleted":"2"}"#, true),
            (r#"{"numRowsInserted":0,"numRowsUpdated":0}"#, false),
            ("null", false),
        ] {
            let answer = read(200, &format!(r#"{{"stats":{stats}}}"#)).unwrap();
            assert_eq!(answer.changed_rows(), expected, "{stats}");
        }
    }

    #[test]
    fn handles_are_ids_or_an_error() {
        let children = |text: &str| read(200, text).unwrap().children();
        assert_eq!(children("{}").unwrap(), []);
        let two = format!(r#"{{"statementHandles":["{ID}","{ID}"]}}"#);
        assert_eq!(children(&two).unwrap().len(), 2);
        for text in [
            r#"{"statementHandles":["x"]}"#,
            r#"{"statementHandles":"x"}"#,
            r#"{"statementHandles":[1]}"#,
        ] {
            assert!(children(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer_or_an_error(plain in proptest::collection::vec(any::<u8>(), 0..200), link in ".*") {
            if let Ok(answer) = Answer::read(200, Some(&link), &plain.into()) {
                drop(answer.children());
                prop_assert!(!answer.in_progress());
                drop(answer.write(QueryId::mint()));
            }
        }
    }
}
