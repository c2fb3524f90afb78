//! Stage 7: asks Snowflake; takes an `Intent`, gives `Unmasked`.

mod account;
mod catalogue;
mod chunk;
mod client;
mod credential;
mod explained;
mod file;
mod kept;
mod login;
mod mcp;
mod own_text;
mod place;
mod query;
mod resolve;
mod standing;
mod survey;
mod tag;
mod v2;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::header::HeaderValue;

pub use account::Account;
pub use catalogue::{Described, Describer, Gap};
pub use chunk::{UnmaskedChunk, open_chunk};
pub use client::{Headers, Upstream, UpstreamSettings};
pub use credential::{
    Credential, CredentialError, Flaw, OAuthClient, StoreError, Unasked, error_word, flaws,
    key_store_of, secret_of, store_of,
};
pub use explained::explain;
pub use file::{
    Looked, UnmaskedFile, Upload, UploadError, Uploaded, look_at_file, open_file, put_file,
};
pub use kept::KeptLogin;
pub use login::{CredentialUsed, Login, LoginOutcome, RenewalOutcome};
pub use mcp::{McpUnread, mcp_tools};
pub use own_text::is_own;
pub use place::place;
pub use query::{abort, call, execute, fetch, withdraw};
pub use resolve::Resolver;
pub use standing::{Standing, Unlike};
pub use survey::Survey;
pub use tag::{SetAt, tag_set_at};
pub use v2::{Answered as ApiAnswered, Ran, Wanted, cancel, fetch_partition};

use crate::id::StatementId;
use crate::policy::Plan;
use crate::record::{Intent, Part};
use crate::snowflake::answer::{Answer, AnswerError};
use crate::snowflake::column::ColumnType;
use crate::snowflake::gzip::GzipError;
use crate::snowflake::stage::Moves;
use crate::statement::Kind;

/// Why Snowflake gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The host's name has no address.
    #[error("cannot find the address of `{host}`: {cause}")]
    Unresolved {
        /// The host.
        host: String,
        /// The resolver's words.
        cause: String,
    },
    /// No connection, or it broke.
    #[error("cannot reach `{host}`: {cause}")]
    Unreachable {
        /// The host.
        host: String,
        /// What failed, causes joined by colons.
        cause: String,
    },
    /// No answer within the time that Snowflake's own long poll takes.
    #[error("`{host}` did not answer within {} s", .within.as_secs())]
    Slow {
        /// The host.
        host: String,
        /// How long was waited.
        within: Duration,
    },
    /// An HTTP status that is no answer.
    #[error("`{host}` answered with HTTP status {status}{}", redirect_note(*.status))]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
    /// The answer broke off, or is one that cannot be read.
    #[error("`{host}` gave no whole answer: {cause}")]
    Broke {
        /// The host.
        host: String,
        /// What failed.
        cause: String,
    },
    /// The name of a storage host leads to where none can be.
    #[error(
        "`{host}` leads to {address}, which is no address of a storage service; if it is, name it in `[upstream.resolve]`"
    )]
    Inside {
        /// The host.
        host: String,
        /// The address that is refused.
        address: IpAddr,
    },
    /// The body is no answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The body cannot be inflated or is too large.
    #[error("answer: {0}")]
    Body(#[from] GzipError),
    /// The login's master token has expired: the client must log in anew.
    #[error("the login has expired at Snowflake; log in anew")]
    Expired,
    /// The statement was cancelled before it was sent.
    #[error("the statement was cancelled before it was sent")]
    Withdrawn,
    /// Our own credential cannot be used; why is for the operator, since it names files.
    #[error(
        "Icecore's own credential for this account cannot be used; whoever runs Icecore finds the reason in its log"
    )]
    Credential(CredentialError),
    /// The request could not be written.
    #[error("the request could not be written: {0}")]
    Request(String),
}

fn redirect_note(status: u16) -> &'static str {
    if (300..400).contains(&status) {
        "; Icecore follows no redirect"
    } else {
        ""
    }
}

/// What an answer is about.
#[derive(Debug)]
pub enum Subject {
    /// A statement that was sent under this intent.
    Statement(Box<Intent>),
    /// The result of a statement that was sent earlier.
    Later(Earlier),
}

/// A statement that was sent earlier, as it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The statement.
    pub statement: StatementId,
    /// Its judged kind.
    pub kind: Kind,
    /// What is made of its result.
    pub plan: Plan,
    /// The types of the result's columns, once an answer told them and any is masked.
    pub types: Option<Arc<[ColumnType]>>,
    /// The statements that it holds, if several.
    pub parts: Arc<[Part]>,
}

impl Subject {
    /// Gives the kind that was judged.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Statement(intent) => intent.permit().statement().kind(),
            Self::Later(earlier) => earlier.kind,
        }
    }

    /// Gives what is made of the statement's result.
    #[must_use]
    pub fn plan(&self) -> Plan {
        match self {
            Self::Statement(intent) => intent.plan(),
            Self::Later(earlier) => earlier.plan.clone(),
        }
    }

    /// Tells whether what Snowflake says of the statement may hold values that are hidden.
    #[must_use]
    pub fn hides_words(&self) -> bool {
        self.plan().hides_words()
    }

    /// Gives the statement's text, if it is still known.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Statement(intent) => Some(intent.permit().statement().text()),
            Self::Later(_) => None,
        }
    }

    /// Gives the types of the result's columns, if an earlier answer told them.
    #[must_use]
    pub fn types(&self) -> Option<Arc<[ColumnType]>> {
        match self {
            Self::Statement(_) => None,
            Self::Later(earlier) => earlier.types.clone(),
        }
    }

    /// Tells which of the client's files the statement moves, in its own answer alone.
    #[must_use]
    pub fn moves(&self) -> Option<Moves> {
        match self {
            Self::Statement(intent) => intent.permit().statement().moves(),
            Self::Later(_) => None,
        }
    }

    /// Gives the statements that were sent together; none where there is one.
    #[must_use]
    pub fn parts(&self) -> Arc<[Part]> {
        match self {
            Self::Statement(intent) => intent.parts(),
            Self::Later(earlier) => Arc::clone(&earlier.parts),
        }
    }

    /// Gives the statement as it was judged.
    #[must_use]
    pub fn earlier(&self) -> Option<Earlier> {
        Some(Earlier {
            statement: self.statement()?,
            kind: self.kind(),
            plan: self.plan(),
            types: self.types(),
            parts: self.parts(),
        })
    }

    /// Names the statement.
    #[must_use]
    pub fn statement(&self) -> Option<StatementId> {
        match self {
            Self::Statement(intent) => intent.statement_id(),
            Self::Later(earlier) => Some(earlier.statement),
        }
    }
}

/// An answer and its plain bytes as they came.
pub struct Answered {
    answer: Answer,
    body: Bytes,
    route: Option<HeaderValue>,
    date: Option<DateTime<Utc>>,
}

impl Answered {
    /// Reads plain bytes.
    ///
    /// # Errors
    /// See `AnswerError`.
    pub(crate) fn read(body: Bytes) -> Result<Self, AnswerError> {
        Ok(Self {
            answer: Answer::read(&body)?,
            body,
            route: None,
            date: None,
        })
    }

    /// Adds where the answer came from: the host, and its headers `x-snowflake-session` and `Date` if it had them.
    fn come_from(
        mut self,
        host: &str,
        (route, date): (Option<HeaderValue>, Option<DateTime<Utc>>),
    ) -> Result<Self, AnswerError> {
        self.answer.come_from(host)?;
        Ok(Self {
            route,
            date,
            ..self
        })
    }

    fn route(&self) -> Option<&HeaderValue> {
        self.route.as_ref()
    }

    /// Gives the envelope.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Takes both.
    #[must_use]
    pub fn into_parts(self) -> (Answer, Bytes) {
        (self.answer, self.body)
    }
}

/// What Snowflake said, by the door that was asked.
pub enum Said {
    /// At the drivers' own endpoints.
    Driver(Answered),
    /// At the SQL API.
    Api(ApiAnswered),
}

/// What Snowflake answered; nothing of it may be shown, logged or sent on before `mask`. Only this stage makes it.
pub struct Unmasked {
    subject: Subject,
    answered: Result<Said, UpstreamError>,
}

impl Unmasked {
    /// Stands for an answer to a statement of a kind, for tests of the next stage.
    #[cfg(test)]
    pub(crate) fn of_answer(kind: Kind, body: &'static str) -> Self {
        let answered =
            Answered::read(Bytes::from_static(body.as_bytes())).map_err(UpstreamError::from);
        Self::of_said(kind, answered.map(Said::Driver))
    }

    /// Stands for an answer of the SQL API, for tests of the next stage.
    #[cfg(test)]
    pub(crate) fn of_api(kind: Kind, answered: ApiAnswered) -> Self {
        Self::of_said(kind, Ok(Said::Api(answered)))
    }

    #[cfg(test)]
    fn of_said(kind: Kind, answered: Result<Said, UpstreamError>) -> Self {
        Self {
            subject: Subject::Later(Earlier {
                statement: StatementId::new(),
                kind,
                plan: Plan::Open,
                types: None,
                parts: Arc::from([]),
            }),
            answered,
        }
    }

    /// Makes it an answer to a statement whose result is masked so.
    #[cfg(test)]
    pub(crate) fn made_masked(self, plan: Plan) -> Self {
        let subject = match self.subject {
            Subject::Later(earlier) => Subject::Later(Earlier { plan, ..earlier }),
            Subject::Statement(_) => self.subject,
        };
        Self { subject, ..self }
    }

    /// Makes it an answer to a statement that was sent under an intent.
    #[cfg(test)]
    pub(crate) fn under(self, intent: Intent) -> Self {
        Self {
            subject: Subject::Statement(Box::new(intent)),
            ..self
        }
    }

    /// Makes it the result of a statement that was sent earlier.
    #[cfg(test)]
    pub(crate) fn of_earlier(self, earlier: Earlier) -> Self {
        Self {
            subject: Subject::Later(earlier),
            ..self
        }
    }

    /// Makes it an answer to several statements of these kinds.
    #[cfg(test)]
    pub(crate) fn made_several(self, kinds: &[Kind]) -> Self {
        let parts = kinds.iter().map(|kind| Part {
            statement: StatementId::new(),
            kind: *kind,
            plan: Plan::Open,
        });
        let subject = Subject::Later(Earlier {
            statement: StatementId::new(),
            kind: kinds.iter().copied().max().unwrap_or(Kind::Unknown),
            plan: Plan::Open,
            types: None,
            parts: parts.collect(),
        });
        Self { subject, ..self }
    }

    /// Takes both parts, for `mask`.
    pub(crate) fn into_parts(self) -> (Subject, Result<Said, UpstreamError>) {
        (self.subject, self.answered)
    }
}
