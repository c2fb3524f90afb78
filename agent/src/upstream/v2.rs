//! Statements of the SQL API upstream: submitted, asked for until they end, fetched by partition, cancelled.

use std::time::Duration;

use hyper::header::{HeaderValue, LINK};
use hyper::{Method, StatusCode};

use super::client::{Headers, Heard, Upstream, Whole};
use super::login::Login;
use super::query::{Way, patient};
use super::{Earlier, Said, Subject, Unmasked, UpstreamError};
use crate::snowflake::answer::{AnswerError, code};
use crate::snowflake::form::status_url;
use crate::snowflake::query::Api;
use crate::snowflake::route::QueryId;
use crate::snowflake::v2::Answer;

/// First and longest wait before a running statement is asked for again: Snowflake answers at once that it runs, and
/// does not hold the request.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// An answer of the SQL API.
pub struct Answered {
    answer: Answer,
    partition: Option<u32>,
    route: Option<HeaderValue>,
}

impl Answered {
    /// Gives the answer.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Takes the answer, and the partition that was asked for.
    #[must_use]
    pub fn into_parts(self) -> (Answer, Option<u32>) {
        (self.answer, self.partition)
    }

    /// Stands for an answer, for tests of the next stage.
    #[cfg(test)]
    pub(crate) fn of_answer(answer: Answer) -> Self {
        Self {
            answer,
            partition: None,
            route: None,
        }
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
    if !answered.answer.in_progress() {
        return Ok(answered);
    }
    let Some(query_id) = answered.answer.query_id() else {
        return Err(AnswerError::NoHandle.into());
    };
    on_running(query_id);
    if api.is_async {
        return Ok(answered);
    }
    let mut wait = ASK_AGAIN.0;
    loop {
        tokio::time::sleep(wait).await;
        let answered = ask(way, query_id, None).await?;
        if !answered.answer.in_progress() {
            return Ok(answered);
        }
        wait = (wait * 2).min(ASK_AGAIN.1);
    }
}

/// Asks once for a statement that was sent earlier, or for one partition of its result.
pub async fn fetch_partition(
    upstream: &Upstream,
    login: &Login,
    headers: &Headers,
    query_id: QueryId,
    partition: Option<u32>,
    earlier: Earlier,
) -> Unmasked {
    let way = Way {
        upstream,
        login,
        headers,
    };
    Unmasked {
        subject: Subject::Later(earlier),
        answered: ask(way, query_id, partition).await.map(Said::Api),
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
    login: &Login,
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
