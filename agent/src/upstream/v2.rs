//! Statements of the SQL API upstream: submitted, asked for until they end, fetched by partition, cancelled.
//!
//! The API does not tell what kind of statement it ran. Once one has ended, the drivers' own endpoint is asked for that,
//! once for each statement, before anything of its result is handed on.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderValue, LINK};
use hyper::{Method, StatusCode};

use super::client::{Headers, Heard, Upstream, Whole};
use super::login::Login;
use super::query::{self, Way, patient, until_ended};
use super::{Earlier, Said, Subject, Unmasked, UpstreamError};
use crate::snowflake::answer::{self, AnswerError, code};
use crate::snowflake::form::status_url;
use crate::snowflake::query::Api;
use crate::snowflake::route::QueryId;
use crate::snowflake::v2::Answer;

/// First pause before a running statement is asked for again: Snowflake answers at once that it runs, and does not hold
/// the request.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// An answer of the SQL API.
pub struct Answered {
    answer: Answer,
    partition: Option<u32>,
    ran: Ran,
    route: Option<HeaderValue>,
}

/// What is known of the kind of statement that Snowflake ran.
pub enum Ran {
    /// Nothing: it was not asked for.
    Unasked,
    /// It was compared with the judged kind before another part of the result was delivered.
    Compared,
    /// What the drivers' endpoint tells of this query.
    Told(answer::Answer),
    /// The drivers' endpoint gave no answer that tells it.
    Untold(UpstreamError),
}

/// What is asked for of a statement that was sent earlier.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The statement.
    pub query_id: QueryId,
    /// One partition of its result; else how it stands, with the first one.
    pub partition: Option<u32>,
    /// Whether what ran was compared with what was judged already.
    pub is_compared: bool,
}

impl Answered {
    /// Gives the answer.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Takes the answer, the partition that was asked for, and what is known of the kind that ran.
    #[must_use]
    pub fn into_parts(self) -> (Answer, Option<u32>, Ran) {
        (self.answer, self.partition, self.ran)
    }

    /// Stands for an answer, for tests of the next stage.
    #[cfg(test)]
    pub(crate) fn of_answer(answer: Answer, partition: Option<u32>, ran: Ran) -> Self {
        Self {
            answer,
            partition,
            ran,
            route: None,
        }
    }

    /// Asks for the kind that ran, if the statement ended well. What failed has no result, and nothing to compare.
    async fn with_kind(mut self, way: Way<'_>, query_id: Option<QueryId>) -> Self {
        if self.answer.success() && !self.answer.in_progress() {
            self.ran = match query_id {
                None => Ran::Untold(AnswerError::NoHandle.into()),
                Some(query_id) => match query::result(way, query_id).await {
                    Ok(answered) => Ran::Told(answered.into_parts().0),
                    Err(error) => Ran::Untold(error),
                },
            };
        }
        self
    }
}

impl Heard for Answered {
    /// Each status below 500 has a body of its own, but for redirects and for "too many requests", which may pass.
    fn read(host: &str, whole: Whole) -> Result<Self, UpstreamError> {
        let is_answer = match whole.status {
            StatusCode::OK | StatusCode::ACCEPTED => true,
            StatusCode::TOO_MANY_REQUESTS => false,
            status => status.is_client_error(),
        };
        let bad = whole.bad_status(host);
        if !is_answer {
            return Err(bad);
        }
        let (status, route) = (whole.status.as_u16(), whole.route());
        let plain = whole.plain?;
        let link = whole.headers.get(LINK).and_then(|link| link.to_str().ok());
        match Answer::read(status, link, &plain) {
            Ok(answer) => Ok(Self {
                answer,
                partition: None,
                ran: Ran::Unasked,
                route,
            }),
            Err(error) if matches!(status, 200 | 202) => Err(error.into()),
            // A page of some gateway's.
            Err(_) => Err(bad),
        }
    }

    fn has_expired(&self) -> bool {
        self.answer.code() == Some(code::SESSION_EXPIRED)
    }

    fn in_progress(&self) -> bool {
        self.answer.in_progress()
    }

    fn route(&self) -> Option<&HeaderValue> {
        self.route.as_ref()
    }
}

/// Sends a statement and waits for its end, unless the client wants its handle alone.
pub(super) async fn submit(
    way: Way<'_>,
    api: Api,
    body: Vec<u8>,
    request_id: &str,
    on_running: impl Fn(QueryId),
) -> Result<Answered, UpstreamError> {
    let path = |attempt: usize| {
        let retry = if attempt == 0 { "" } else { "&retry=true" };
        let members = api.members();
        format!("/api/v2/statements?requestId={request_id}{members}{retry}")
    };
    let answered: Answered = patient(way, Method::POST, path, body).await?;
    let named = answered.answer.query_id();
    if !answered.in_progress() {
        return Ok(answered.with_kind(way, named).await);
    }
    let Some(query_id) = named else {
        return Err(AnswerError::NoHandle.into());
    };
    on_running(query_id);
    if api.is_async {
        return Ok(answered);
    }
    let ended: Answered = until_ended(FIRST_PAUSE, || ask(way, query_id, None)).await?;
    Ok(ended.with_kind(way, named).await)
}

/// Asks once for a statement that was sent earlier, or for one partition of its result.
pub async fn fetch_partition(
    upstream: &Upstream,
    login: &Arc<Login>,
    headers: &Headers,
    wanted: Wanted,
    earlier: Earlier,
) -> Unmasked {
    let way = Way {
        upstream,
        login,
        headers,
    };
    let answered = match ask(way, wanted.query_id, wanted.partition).await {
        Ok(answered) if wanted.is_compared => Ok(Answered {
            ran: Ran::Compared,
            ..answered
        }),
        Ok(answered) => Ok(answered.with_kind(way, Some(wanted.query_id)).await),
        Err(error) => Err(error),
    };
    Unmasked {
        subject: Subject::Later(earlier),
        answered: answered.map(Said::Api),
    }
}

async fn ask(
    way: Way<'_>,
    query_id: QueryId,
    partition: Option<u32>,
) -> Result<Answered, UpstreamError> {
    let address = status_url(query_id);
    let path = |_: usize| match partition {
        Some(number) => format!("{address}?partition={number}"),
        None => address.clone(),
    };
    let answered: Answered = patient(way, Method::GET, path, Vec::new()).await?;
    Ok(Answered {
        partition,
        ..answered
    })
}

/// Asks Snowflake to cancel a statement of the SQL API.
///
/// # Errors
/// No usable answer.
pub async fn cancel(
    upstream: &Upstream,
    login: &Arc<Login>,
    headers: &Headers,
    query_id: QueryId,
) -> Result<Answered, UpstreamError> {
    let way = Way {
        upstream,
        login,
        headers,
    };
    let path = |_: usize| format!("{}/cancel", status_url(query_id));
    patient(way, Method::POST, path, Vec::new()).await
}
