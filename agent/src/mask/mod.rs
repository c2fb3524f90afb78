//! Stage 8: hides what may not be seen. Pure.
//!
//! Each column of a result is made what the statement's plan says, in every form in which rows leave; a result that is not
//! as it was planned is withheld. The answer's kind must be the judged one, and nothing in it may work outside the session.

mod api;
mod cell;
mod chunk;
mod column;
mod detect;
mod doubt;
mod file;
mod guard;
mod kept;
mod keys;
mod outcome;
mod plan;
mod result;
mod rows;
mod sample;
mod several;
mod side;
mod stream;
mod told;
mod transform;
mod treatment;
mod words;

use std::sync::Arc;

pub use chunk::{BrokenOff, MaskedChunk, mask_chunk};
pub use detect::{Finds, found};
pub(crate) use detect::{may_hold_secret, redacted};
pub use file::{MaskedFile, mask_file};
pub use kept::KeptMasking;
pub use keys::HashKeys;
pub use outcome::{Aftermath, Ended, Outcome};
pub use result::{ChunkForm, Masking};
pub use rows::{Rows, Treatments};
pub use sample::{Sample, sample};
pub use several::Child;
pub use side::quiet_state;
pub use stream::Batches;
pub use transform::Keyed;
pub use treatment::{Treatment, Uncertain};
pub use words::quiet as quiet_words;

use doubt::Doubt;
use result::{Made, mask_data};

use crate::id::{SessionId, StatementId};
use crate::snowflake::answer::{AnswerError, Body, Form, code};
use crate::snowflake::chunks::NamedChunk;
use crate::snowflake::column::ColumnType;
use crate::snowflake::route::QueryId;
use crate::snowflake::stage::NamedStage;
use crate::upstream::{Answered, Earlier, Said, Subject, Unmasked, UpstreamError};

/// An answer that may leave; made only by `mask`.
#[derive(Debug)]
pub struct Masked {
    subject: Subject,
    body: Body,
    outcome: Outcome,
    chunks: Vec<NamedChunk>,
    /// What the chunks are masked by, if anything is made of them.
    masking: Option<Masking>,
    /// The types of the result's columns, if any is masked.
    types: Option<Arc<[ColumnType]>>,
    /// The stage whose files the agent may move.
    stage: Option<NamedStage>,
}

/// To whom an answer goes.
#[derive(Clone, Copy)]
pub struct Addressee<'a> {
    /// The session, whose hashes are its own.
    pub session: SessionId,
    /// The query, by the name that stands for it if Snowflake gave none.
    pub query_id: QueryId,
    /// The form of its door.
    pub form: Form,
    /// Where the agent asks for the result's chunks.
    pub host: &'a str,
    /// The keys of hashes.
    pub keys: &'a HashKeys,
}

impl Masked {
    /// Gives the body for the agent.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Takes what fetches the result's chunks under the names that the body gives them, and what they are masked by.
    #[must_use]
    pub fn take_chunks(&mut self) -> (Vec<NamedChunk>, Option<Masking>) {
        (std::mem::take(&mut self.chunks), self.masking.take())
    }

    /// Takes what the agent reaches of a stage under the token that the body holds.
    #[must_use]
    pub fn take_stage(&mut self) -> Option<NamedStage> {
        self.stage.take()
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

    /// Gives the statement as it was judged, with the types that the answer tells.
    #[must_use]
    pub fn earlier(&self) -> Option<Earlier> {
        let earlier = self.subject.earlier()?;
        let types = self.types.clone().or(earlier.types);
        Some(Earlier { types, ..earlier })
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

/// Turns what Snowflake answered into what the agent may have, in the form of its door.
#[must_use]
pub fn mask(unmasked: Unmasked, to: &Addressee<'_>) -> Masked {
    let (subject, answered) = unmasked.into_parts();
    match answered {
        Ok(Said::Api(answered)) => api::mask(subject, to, answered),
        Ok(Said::Driver(answered)) => mask_driver(subject, to, answered),
        Err(error) => fail(subject, to, &error),
    }
}

fn mask_driver(subject: Subject, to: &Addressee<'_>, answered: Answered) -> Masked {
    let (mut answer, upstream_body) = answered.into_parts();
    side::quiet(&mut answer, &subject);
    let outcome = Outcome {
        upstream_body: Some(upstream_body),
        columns: told::of_driver(&answer, &subject.plan()),
        ..outcome::read(&answer)
    };
    let checked = several::check(&subject, &answer).and_then(|children| {
        let made = match answer.data_mut() {
            Some(data) if outcome.succeeded && !outcome.in_progress => {
                mask_data(data, &subject.plan(), || to.keys.of(to.session))?
            }
            Some(_) | None => Made::default(),
        };
        let kept = |error: AnswerError| Doubt::Kept(error.to_string());
        let stage = match subject.moves() {
            Some(moves) => answer.name_stage(&moves, to.host).map_err(kept)?,
            None => None,
        };
        let (body, chunks) = answer.write_named(to.host).map_err(kept)?;
        Ok((children, body, chunks, made, stage))
    });
    match checked {
        Ok((children, body, chunks, made, stage)) => Masked {
            subject,
            body: Body::ok(body),
            outcome: Outcome {
                children,
                rows_here: rows_here(&outcome, &chunks),
                chunks: chunks.len(),
                masked_cells: made.cells,
                found: made.found,
                ..outcome
            },
            chunks,
            masking: made.masking,
            types: made.types,
            stage,
        },
        Err(doubt) => withhold(subject, to, outcome, doubt),
    }
}

/// Counts the rows that are in no chunk; those of a chunk that tells no number are taken to be here.
fn rows_here(outcome: &Outcome, chunks: &[NamedChunk]) -> u64 {
    let elsewhere = chunks.iter().filter_map(|named| named.chunk.rows());
    let here = elsewhere.fold(outcome.rows.unwrap_or(0), i64::saturating_sub);
    u64::try_from(here).unwrap_or(0)
}

fn withhold(subject: Subject, to: &Addressee<'_>, outcome: Outcome, doubt: Doubt) -> Masked {
    let is_other = matches!(doubt, Doubt::Other(_));
    let is_untold = matches!(doubt, Doubt::Untold(_));
    let reason = doubt.reason();
    let text = format!("Icecore withheld the answer: {reason}");
    let query_id = outcome.query_id.unwrap_or(to.query_id);
    let body = to.form.error(code::REFUSED, "42501", query_id, &text);
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
        masking: None,
        types: None,
        stage: None,
    }
}

fn fail(subject: Subject, to: &Addressee<'_>, error: &UpstreamError) -> Masked {
    let (form, own_id) = (to.form, to.query_id);
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
        masking: None,
        types: None,
        stage: None,
    }
}

/// As `mask`, for an agent of no session, for tests.
#[cfg(test)]
pub(crate) fn mask_for(unmasked: Unmasked, query_id: QueryId, form: Form, host: &str) -> Masked {
    let to = Addressee {
        session: SessionId::new(),
        query_id,
        form,
        host,
        keys: &HashKeys::for_tests(),
    };
    mask(unmasked, &to)
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
        let masked = mask_for(
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
        let masked = mask_for(
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
            let masked = mask_for(
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
            mask_for(unmasked, QueryId::mint(), Form::V1, HOST).about(named)
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
        let rows = mask_for(
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
        let masked = mask_for(
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
        let mut masked = mask_for(
            Unmasked::of_answer(Kind::Query, body),
            QueryId::mint(),
            Form::V1,
            HOST,
        );
        assert!(!text(&masked).contains("canary"), "{}", text(&masked));
        assert_eq!(masked.outcome().chunks, 1);
        let (named, _) = masked.take_chunks();
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
            let masked = mask_for(
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
