//! One place that is told: a notice after the other, again where it may help, and an event where it does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use super::content::Notice;
use super::slack::Posted;
use super::webhook::Signer;
use super::{NotifyTo, Told, slack, teams, webhook};
use crate::approval::State;
use crate::clock::Clock;
use crate::id::ApprovalId;
use crate::mailbox::News;
use crate::record::event::code;
use crate::record::{Category, EventRow, Recorder, Severity};
use crate::web;
use crate::web::sending::{Untaken, header, later, never, signed, taken};

/// Most messages that are remembered, to change them once their request has ended.
const POSTED_MAX: usize = 4096;

/// Words by which Slack says that it may go better later. Source: docs.slack.dev, "chat.postMessage", errors.
const SLACK_LATER: [&str; 6] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
];

/// Longest word of an answer that is told on, in characters.
const WORD_MAX: usize = 80;

/// A place that is told.
pub(super) struct Place {
    told: Told,
    web: web::Client,
    recorder: Recorder,
    clock: Clock,
    waits: &'static [Duration],
    lost: Arc<AtomicU64>,
    posted: BTreeMap<ApprovalId, Posted>,
}

impl Place {
    pub(super) fn new(
        told: Told,
        (web, recorder): (web::Client, Recorder),
        (clock, waits): (Clock, &'static [Duration]),
        lost: Arc<AtomicU64>,
    ) -> Self {
        Self {
            told,
            web,
            recorder,
            clock,
            waits,
            lost,
            posted: BTreeMap::new(),
        }
    }

    /// Tells everything that comes, in its order.
    pub(super) async fn run(mut self, mut taken: Receiver<News>) {
        while let Some(news) = taken.recv().await {
            if let Err(cause) = self.tell(&news).await {
                self.unsent(&news, &cause, 0).await;
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let cause = "too many notices waited for this place";
                self.unsent(&news, cause, lost).await;
            }
        }
    }

    /// Tells one, as often as it may help.
    async fn tell(&mut self, news: &News) -> Result<(), String> {
        let url = self.told.notify.inbox_url.as_deref();
        let notice = Notice::of(news, self.told.shows_statement, url);
        let mut waits = self.waits.iter();
        loop {
            let Err(untaken) = self.send(&notice, news).await else {
                return Ok(());
            };
            let (Some(asked), Some(own)) = (untaken.later, waits.next()) else {
                return Err(untaken.cause);
            };
            let is_over = self.clock.now() >= news.request.expires_at;
            if is_over && news.state == State::Requested {
                return Err(format!("{}; the request's time is over", untaken.cause));
            }
            tracing::debug!(
                cause = untaken.cause,
                to = self.kind(),
                "notice is sent again"
            );
            tokio::time::sleep(asked.max(*own)).await;
        }
    }

    async fn send(&mut self, notice: &Notice, news: &News) -> Result<(), Untaken> {
        let secret = self.told.secret.read().await;
        // It is read by way of a network too, which may work later.
        let secret = secret.map_err(|cause| later(cause, Duration::ZERO))?;
        let secret = std::str::from_utf8(&secret).map_err(|_| never("its secret is no text"))?;
        let secret = secret.trim_ascii();
        match self.told.notify.to.clone() {
            NotifyTo::Slack { api, channel, .. } => {
                self.send_slack(notice, (&api, &channel), secret).await
            }
            NotifyTo::Teams(_) => {
                let body = teams::body(notice).to_string();
                let answer = self.post(secret, HeaderMap::new(), body).await?;
                taken(&answer)
            }
            NotifyTo::Webhook { url, .. } => {
                let signer = Signer::read(secret).map_err(never)?;
                let body = webhook::body(notice, news).to_string();
                let id = webhook::id(notice);
                let seconds = self.clock.now().timestamp();
                let signature = signer.sign(&id, seconds, body.as_bytes());
                let headers = signed(&id, seconds, &signature)?;
                let answer = self.post(&url, headers, body).await?;
                taken(&answer)
            }
        }
    }

    /// Posts a message, or changes the one that is there; where that cannot be changed any more, posts another.
    async fn send_slack(
        &mut self,
        notice: &Notice,
        (api, channel): (&str, &str),
        token: &str,
    ) -> Result<(), Untaken> {
        if let Some(posted) = self.posted.get(&notice.id) {
            let body = slack::body(notice, channel, Some(posted));
            match self
                .ask_slack(&format!("{api}/chat.update"), token, &body)
                .await
            {
                Ok(_) => return Ok(()),
                Err(untaken) if untaken.later.is_some() => return Err(untaken),
                Err(untaken) => {
                    tracing::debug!(cause = untaken.cause, "message could not be changed");
                    self.posted.remove(&notice.id);
                }
            }
        }
        let body = slack::body(notice, channel, None);
        let url = format!("{api}/chat.postMessage");
        let answer = self.ask_slack(&url, token, &body).await?;
        if let Some(posted) = slack::posted(&answer) {
            self.posted.insert(notice.id, posted);
        }
        if self.posted.len() > POSTED_MAX {
            // Ids begin with their time: the oldest goes.
            self.posted.pop_first();
        }
        Ok(())
    }

    async fn ask_slack(&self, url: &str, token: &str, body: &Value) -> Result<Value, Untaken> {
        let mut headers = HeaderMap::new();
        let mut bearer = header(&format!("Bearer {token}"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        let answer = self.post(url, headers, body.to_string()).await?;
        taken(&answer)?;
        let said: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| never("expected an answer of Slack's in JSON, found another"))?;
        if said.get("ok") == Some(&Value::Bool(true)) {
            return Ok(said);
        }
        let word = said
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or("no word");
        let word: String = word
            .chars()
            .filter(char::is_ascii_graphic)
            .take(WORD_MAX)
            .collect();
        let cause = format!("Slack refused it: `{word}`");
        match SLACK_LATER.contains(&&*word) {
            true => Err(later(cause, Duration::ZERO)),
            false => Err(never(cause)),
        }
    }

    async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: String,
    ) -> Result<web::Response, Untaken> {
        let json = "application/json; charset=utf-8";
        self.web.post_json(url, headers, json, body).await
    }

    /// Tells of a notice that was not sent; nothing waits for it.
    async fn unsent(&self, news: &News, cause: &str, lost: u64) {
        let request = &news.request;
        let to = self.kind();
        tracing::warn!(approval = %request.id, to, cause, "notice could not be sent");
        let event = EventRow {
            session_id: Some(request.session_id),
            statement_id: Some(request.statement_id),
            event_code: code::NOTICE_UNSENT,
            severity: Severity::Medium,
            category: Category::Approval,
            detail: Some(json!({
                "approval_id": request.id, "state": news.state.as_str(), "to": to, "cause": cause,
                "lost": lost,
            })),
            ..EventRow::default()
        };
        if let Err(error) = self.recorder.commit(vec![event.into()]).await {
            tracing::error!(%error, "events could not be recorded");
        }
    }

    fn kind(&self) -> &'static str {
        self.told.notify.to.kind()
    }
}
