//! Stage 8: hides what may not be seen. Pure.
//!
//! No rule can ask for a mask yet, and the record says so: `masked_columns` is empty and `decision` is never `mask`.
//! What holds already: the answer's kind must be the judged one, and nothing in it may work outside the session.

mod api;
mod cell;
mod kind;
mod plan;
mod rows;
mod transform;
mod treatment;
mod chunk;
mod column;
mod detect;
mod doubt;
mod several;
mod stream;

pub use chunk::{MaskedChunk, mask_chunk};
pub use several::Child;

use bytes::Bytes;

use doubt::Doubt;

use crate::id::StatementId;
use crate::snowflake::answer::{Answer, Body, Form, code};
use crate::snowflake::chunks::NamedChunk;
use crate::snowflake::current::Current;
use crate::snowflake::route::QueryId;
use crate::upstream::{Earlier, Said, Subject, Unmasked, UpstreamError};

/// An answer that may leave; made only by `mask`.
#[derive(Debug)]
pub struct Masked {
    subject: Subject,
    body: Body,
    outcome: Outcome,
    chunks: Vec<NamedChunk>,
}

/// What became of the statement, for the record.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether Snowflake ran it.
    pub succeeded: bool,
    /// Whether Snowflake goes on with it: the answer holds an id and no rows.
    pub in_progress: bool,
    /// Whether Snowflake says that it was cancelled.
    pub cancelled: bool,
    /// Whether it was cancelled before it was sent.
    pub withdrawn: bool,
    /// Why Icecore withheld the answer.
    pub withheld: Option<String>,
    /// Whether Snowflake says that it ran something else than what was judged.
    pub is_other: bool,
    /// Whether it was withheld only since Snowflake could not be asked what it ran: another request may compare it.
    pub is_untold: bool,
    /// Whether the answer does not tell of the query that Snowflake had named before: how that ended is not known.
    pub is_elsewhere: bool,
    /// Snowflake's id of the query.
    pub query_id: Option<QueryId>,
    /// Snowflake's error code, digits.
    pub error_code: Option<String>,
    /// SQLSTATE of the error.
    pub sql_state: Option<String>,
    /// The error's text.
    pub error_text: Option<String>,
    /// Rows of the result.
    pub rows: Option<i64>,
    /// Rows that the answer itself holds: the others come in chunks or partitions.
    pub rows_here: u64,
    /// `json` or `arrow`.
    pub result_format: Option<String>,
    /// Snowflake's number of the statement's kind.
    pub statement_type_id: Option<u32>,
    /// The statements that were sent together, as Snowflake names them.
    pub children: Vec<Child>,
    /// External chunks of the result.
    pub chunks: usize,
    /// The partition of the result that was asked for, if one was.
    pub partition: Option<u32>,
    /// The login's database and schema after the statement, where the answer of one that is over says them.
    pub current: Option<Current>,
    /// The answer's plain bytes as they came.
    pub upstream_body: Option<Bytes>,
}

impl Outcome {
    /// Gives Snowflake's names of the query and of the statements that it held.
    pub fn query_ids(&self) -> impl Iterator<Item = QueryId> {
        let children = self.children.iter().map(|child| child.query_id);
        self.query_id.into_iter().chain(children)
    }

    /// Tells whether the answer says that the statement of this id is over: an error may be about the asking alone.
    #[must_use]
    pub fn is_end_of(&self, query_id: QueryId) -> bool {
        let is_about_it = self.succeeded || self.query_id == Some(query_id);
        let is_told = !self.is_untold && !self.is_elsewhere;
        is_told && (self.withheld.is_some() || (is_about_it && !self.in_progress))
    }

    /// Tells whether the answer was compared with what was judged: a later partition says nothing of its statement.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        let is_whole = self.partition.is_none_or(|number| number == 0);
        self.succeeded && !self.in_progress && self.withheld.is_none() && is_whole
    }

    /// Tells how much is known of what the statement left behind in its login.
    #[must_use]
    pub fn aftermath(&self) -> Aftermath {
        let is_over = self.withdrawn || self.error_code.is_some();
        match &self.current {
            Some(current) => Aftermath::Told(current.clone()),
            None if is_over && !self.in_progress && !self.is_elsewhere => Aftermath::Over,
            None => Aftermath::Open,
        }
    }

    /// Says how the statement ended, where it has: one that was cancelled has neither succeeded nor failed.
    #[must_use]
    pub fn end(&self) -> Option<Ended> {
        let is_open = self.in_progress || self.is_untold || self.is_elsewhere;
        (!is_open && !self.cancelled).then(|| self.ended())
    }

    /// Sums the outcome up for the session's counters.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match (self.succeeded, &self.withheld) {
            (true, _) => Ended::Succeeded,
            (false, Some(_)) => Ended::Refused,
            (false, None) => Ended::Failed,
        }
    }
}

/// What is known of a login after a statement of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Snowflake said in which database and schema it is.
    Told(Current),
    /// The statement is over, and nothing was said.
    Over,
    /// The statement may go on, or may not have been carried out yet.
    Open,
}

/// How a statement ended, for the session's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Snowflake ran it.
    Succeeded,
    /// Snowflake said no, or could not be asked.
    Failed,
    /// Icecore said no.
    Refused,
}

impl Masked {
    /// Gives the body for the agent.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Takes what fetches the result's chunks under the names that the body gives them.
    #[must_use]
    pub fn take_chunks(&mut self) -> Vec<NamedChunk> {
        std::mem::take(&mut self.chunks)
    }

    /// Notes that Snowflake had named the query before: the end of its statement is told by what names it, and not by an
    /// error about the asking.
    #[must_use]
    pub fn about(mut self, query_id: QueryId) -> Self {
        let outcome = &mut self.outcome;
        let is_answer = outcome.withheld.is_none() && !outcome.in_progress;
        if is_answer && !outcome.is_end_of(query_id) {
            outcome.is_elsewhere = true;
            outcome.query_id = Some(query_id);
        }
        self
    }

    /// Names the statement.
    #[must_use]
    pub fn statement(&self) -> Option<StatementId> {
        self.subject.statement()
    }

    /// Tells whether it answers the statement itself, and not a later question about it.
    #[must_use]
    pub fn is_first(&self) -> bool {
        matches!(self.subject, Subject::Statement(_))
    }

    /// Gives the statement as it was judged.
    #[must_use]
    pub fn earlier(&self) -> Option<Earlier> {
        self.subject.earlier()
    }

    /// Tells what became of the statement.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Takes the parts that the record needs.
    pub(crate) fn into_parts(self) -> (Subject, Body, Outcome) {
        (self.subject, self.body, self.outcome)
    }
}

/// Turns what Snowflake answered into what the agent may have, in the form of its door; `own_id` names the query if
/// Snowflake did not, `host` is where the agent asks for the result's chunks.
#[must_use]
pub fn mask(unmasked: Unmasked, own_id: QueryId, form: Form, host: &str) -> Masked {
    let (subject, answered) = unmasked.into_parts();
    match answered {
        Ok(Said::Api(answered)) => api::mask(subject, own_id, form, answered),
        Ok(Said::Driver(answered)) => {
            let (answer, upstream_body) = answered.into_parts();
            let outcome = Outcome {
                upstream_body: Some(upstream_body),
                ..read(&answer)
            };
            let checked = several::check(&subject, &answer).and_then(|children| {
                let written = answer.write_named(host);
                let (body, chunks) = written.map_err(|error| Doubt::Kept(error.to_string()))?;
                Ok((children, body, chunks))
            });
            match checked {
                Ok((children, body, chunks)) => Masked {
                    subject,
                    body: Body::ok(body),
                    outcome: Outcome {
                        children,
                        rows_here: rows_here(&outcome, &chunks),
                        chunks: chunks.len(),
                        ..outcome
                    },
                    chunks,
                },
                Err(doubt) => withhold(subject, own_id, form, outcome, doubt),
            }
        }
        Err(error) => fail(subject, own_id, form, &error),
    }
}

fn read(answer: &Answer) -> Outcome {
    let failed = !answer.success();
    Outcome {
        succeeded: answer.success(),
        in_progress: answer.in_progress(),
        cancelled: answer.code() == Some(code::CANCELLED),
        withdrawn: false,
        withheld: None,
        is_other: false,
        is_untold: false,
        is_elsewhere: false,
        query_id: answer.query_id(),
        error_code: answer.code().filter(|_| failed).map(str::to_owned),
        sql_state: answer.sql_state().filter(|_| failed),
        error_text: answer.message().filter(|_| failed),
        rows: answer.rows().filter(|_| !failed),
        rows_here: 0,
        result_format: answer.result_format(),
        statement_type_id: answer.statement_type_id(),
        children: Vec::new(),
        chunks: 0,
        partition: None,
        current: answer
            .current()
            .filter(|_| !failed && !answer.in_progress()),
        upstream_body: None,
    }
}

/// Counts the rows that are in no chunk; those of a chunk that tells no number are taken to be here.
fn rows_here(outcome: &Outcome, chunks: &[NamedChunk]) -> u64 {
    let elsewhere = chunks.iter().filter_map(|named| named.chunk.rows());
    let here = elsewhere.fold(outcome.rows.unwrap_or(0), i64::saturating_sub);
    u64::try_from(here).unwrap_or(0)
}

fn withhold(
    subject: Subject,
    own_id: QueryId,
    form: Form,
    outcome: Outcome,
    doubt: Doubt,
) -> Masked {
    let is_other = matches!(doubt, Doubt::Other(_));
    let is_untold = matches!(doubt, Doubt::Untold(_));
    let reason = doubt.reason();
    let text = format!("Icecore withheld the answer: {reason}");
    let body = form.error(
        code::REFUSED,
        "42501",
        outcome.query_id.unwrap_or(own_id),
        &text,
    );
    Masked {
        subject,
        body,
        outcome: Outcome {
            succeeded: false,
            in_progress: false,
            rows_here: 0,
            withheld: Some(reason),
            is_other,
            is_untold,
            ..outcome
        },
        chunks: Vec::new(),
    }
}

fn fail(subject: Subject, own_id: QueryId, form: Form, error: &UpstreamError) -> Masked {
    let withdrawn = matches!(error, UpstreamError::Withdrawn);
    let body = if withdrawn {
        form.error(code::CANCELLED, "57014", own_id, "SQL execution canceled")
    } else {
        let text = format!("Icecore could not get an answer: {error}");
        form.error(code::FAILED, "08006", own_id, &text)
    };
    Masked {
        subject,
        body,
        outcome: Outcome {
            withdrawn,
            cancelled: withdrawn,
            error_text: Some(error.to_string()),
            ..Outcome::default()
        },
        chunks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Kind;

    const HOST: &str = "acme.snowflakecomputing.com";

    const ROWS: &str = r#"{"data":{"queryId":"01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11","total":2,"statementTypeId":4096,"rowset":[["canary"],["canary"]],"queryResultFormat":"json"},"code":null,"message":null,"success":true}"#;

    fn text(masked: &Masked) -> String {
        String::from_utf8(masked.body().text().to_vec()).unwrap()
    }

    #[test]
    fn rows_of_the_judged_kind_leave_as_they_came() {
        let masked = mask(
            Unmasked::of_answer(Kind::Query, ROWS),
            QueryId::mint(),
            Form::V1,
            HOST,
        );
        assert_eq!(text(&masked), ROWS);
        assert_eq!(masked.outcome().rows, Some(2));
        assert_eq!(masked.outcome().ended(), Ended::Succeeded);
    }

    #[test]
    fn another_kind_than_the_judged_one_withholds_the_rows() {
        let masked = mask(
            Unmasked::of_answer(Kind::Show, ROWS),
            QueryId::mint(),
            Form::V1,
            HOST,
        );
        assert!(!text(&masked).contains("canary"));
        assert!(masked.outcome().withheld.is_some() && masked.outcome().is_other);
        assert_eq!(masked.outcome().ended(), Ended::Refused);
    }

    #[test]
    fn rows_that_say_no_kind_are_withheld_and_no_sign_of_another() {
        let untold = r#"{"data":{"rowset":[["canary"]]},"success":true}"#;
        for kind in [Kind::Query, Kind::Insert, Kind::Show] {
            let masked = mask(
                Unmasked::of_answer(kind, untold),
                QueryId::mint(),
                Form::V1,
                HOST,
            );
            assert!(!text(&masked).contains("canary"));
            let outcome = masked.outcome();
            assert!(outcome.withheld.is_some() && !outcome.is_other && !outcome.is_untold);
        }
    }

    #[test]
    fn an_error_that_names_no_query_is_no_end_of_one_that_was_named() {
        const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";
        let named = QueryId::parse(ID).unwrap();
        let masked = |data: &str| {
            let body =
                format!(r#"{{"data":{data},"code":"000612","message":"x","success":false}}"#);
            let unmasked = Unmasked::of_answer(Kind::Query, body.leak());
            mask(unmasked, QueryId::mint(), Form::V1, HOST).about(named)
        };
        let about = masked(&format!(r#"{{"queryId":"{ID}"}}"#));
        assert!(about.outcome().is_end_of(named) && !about.outcome().is_elsewhere);
        let other = QueryId::mint();
        for data in ["null", &format!(r#"{{"queryId":"{other}"}}"#)] {
            let elsewhere = masked(data);
            let outcome = elsewhere.outcome();
            assert!(!outcome.is_end_of(named) && outcome.is_elsewhere, "{data}");
            assert_eq!(outcome.query_id, Some(named));
        }
        let rows = mask(
            Unmasked::of_answer(Kind::Query, ROWS),
            QueryId::mint(),
            Form::V1,
            HOST,
        );
        assert!(!rows.about(other).outcome().is_elsewhere);
    }

    #[test]
    fn what_works_elsewhere_withholds_the_rows() {
        let body = r#"{"data":{"statementTypeId":4096,"rowset":[["canary"]],"stageInfo":{"creds":"canary"},"qrmk":"canary"},"success":true}"#;
        let masked = mask(
            Unmasked::of_answer(Kind::Query, body),
            QueryId::mint(),
            Form::V1,
            HOST,
        );
        assert!(!text(&masked).contains("canary"), "{}", text(&masked));
    }

    #[test]
    fn chunks_are_named_anew_and_their_keys_stay_here() {
        let body = r#"{"data":{"statementTypeId":4096,"rowset":[],"total":9,"chunks":[{"url":"https://b.s3.amazonaws.com/?sig=canary","rowCount":9}],"qrmk":"canary"},"success":true}"#;
        let mut masked = mask(
            Unmasked::of_answer(Kind::Query, body),
            QueryId::mint(),
            Form::V1,
            HOST,
        );
        assert!(!text(&masked).contains("canary"), "{}", text(&masked));
        assert_eq!(masked.outcome().chunks, 1);
        let named = masked.take_chunks();
        let url = format!("https://{HOST}/icecore/chunks/{}", named[0].id);
        assert!(text(&masked).contains(&url), "{}", text(&masked));
    }

    #[test]
    fn a_damaged_answer_is_told_and_not_passed_on() {
        for body in [
            "canary",
            r#"{"success":true,"data":{"rowset":[["canary"]],"rowset":[]}}"#,
            r#"{"data":{"rowset":[["canary"]]"#,
        ] {
            let masked = mask(
                Unmasked::of_answer(Kind::Query, body),
                QueryId::mint(),
                Form::V1,
                HOST,
            );
            assert!(!text(&masked).contains("canary"), "{}", text(&masked));
            assert!(text(&masked).contains(r#""success":false"#));
            assert_eq!(masked.outcome().ended(), Ended::Failed);
        }
    }
}
