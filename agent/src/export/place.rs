//! One place that is told of events: again as long as it may help, and counted where it does not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};
use serde_json::json;
use tokio::sync::mpsc::Receiver;

use super::{Addressed, Counts, kind, otlp, webhook};
use crate::clock::Clock;
use crate::config::ExportTo;
use crate::notices::Signer;
use crate::record::event::code;
use crate::record::{Category, EventRow, Recorder, SeenEvent, Severity, StoreSecret};
use crate::web::sending::{Untaken, header, later, never, signed, taken, taken_or};

/// Most events that a collector gets at once.
const BATCH_MAX: usize = 64;

/// How often at most it is told that a place does not take what it is sent.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Answers after which OTLP sends again. Source: opentelemetry.io, "OTLP/HTTP", retryable response codes.
const OTLP_LATER: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// Says why events were dropped that never were sent.
const TOO_MANY: &str = "more events came than it took";

/// A place that is told.
pub(super) struct Place {
    to: Addressed,
    recorder: Recorder,
    clock: Clock,
    waits: &'static [Duration],
    counts: Arc<Counts>,
    told_ns: Option<i64>,
    /// Whether the last try failed, and why the last one did that failed.
    is_away: bool,
    cause: Option<String>,
}

impl Place {
    pub(super) fn new(
        to: Addressed,
        (recorder, clock): (Recorder, Clock),
        waits: &'static [Duration],
        counts: Arc<Counts>,
    ) -> Self {
        Self {
            to,
            recorder,
            clock,
            waits,
            counts,
            told_ns: None,
            is_away: false,
            cause: None,
        }
    }

    /// Tells everything that comes, in its order.
    pub(super) async fn run(mut self, mut events: Receiver<Arc<SeenEvent>>) {
        let most = match &self.to.export.to {
            ExportTo::Otlp { .. } => BATCH_MAX,
            ExportTo::Webhook { .. } => 1,
        };
        let mut batch = Vec::with_capacity(most);
        while events.recv_many(&mut batch, most).await > 0 {
            self.send_all(&batch, &events).await;
            let sent = batch.len() as u64;
            self.counts.waiting.fetch_sub(sent, Ordering::Relaxed);
            batch.clear();
            self.tell_dropped().await;
        }
        self.told_ns = None;
        self.tell_dropped().await;
    }

    /// Sends events until they are taken, or never will be. A place that is away is waited for as long as it is told.
    async fn send_all(&mut self, batch: &[Arc<SeenEvent>], events: &Receiver<Arc<SeenEvent>>) {
        let mut waits = self.waits.iter();
        let mut wait = Duration::ZERO;
        loop {
            let untaken = match self.send(batch).await {
                Ok(rejected) => {
                    let rejected = rejected.min(batch.len());
                    Counts::add(&self.counts.sent, batch.len() - rejected);
                    if rejected > 0 {
                        self.counts.drop_events(rejected);
                        self.cause = Some("it rejected them".to_owned());
                    }
                    if std::mem::replace(&mut self.is_away, false) {
                        let (name, kind) = (&self.to.export.name, kind(&self.to.export));
                        tracing::info!(export = name, kind, "events are taken again");
                        self.told_ns = None;
                    }
                    return;
                }
                Err(untaken) => untaken,
            };
            Counts::add(&self.counts.failures, 1);
            if !std::mem::replace(&mut self.is_away, true) {
                let (name, kind) = (&self.to.export.name, kind(&self.to.export));
                tracing::warn!(
                    export = name,
                    kind,
                    cause = untaken.cause,
                    "events were not taken"
                );
            }
            self.cause = Some(untaken.cause);
            let next = waits.next().copied();
            let is_left_out = events.is_closed() && next.is_none();
            let Some(asked) = untaken.later.filter(|_| !is_left_out) else {
                return self.counts.drop_events(batch.len());
            };
            wait = next.unwrap_or(wait);
            self.tell_dropped().await;
            tokio::time::sleep(asked.max(wait)).await;
        }
    }

    /// Sends events once; gives how many of them were not taken and never will be.
    async fn send(&self, batch: &[Arc<SeenEvent>]) -> Result<usize, Untaken> {
        let Addressed {
            export,
            secrets,
            web,
            about,
        } = &self.to;
        match &export.to {
            ExportTo::Otlp { headers } => {
                let mut opened = HeaderMap::new();
                for ((name, _), secret) in headers.iter().zip(secrets) {
                    let name = HeaderName::try_from(name.as_str())
                        .map_err(|_| never("a header's name is none"))?;
                    let mut value = header(&read(secret).await?)?;
                    value.set_sensitive(true);
                    opened.insert(name, value);
                }
                let body = otlp::body(batch, about).to_string();
                let answer = web
                    .post_json(&export.url, opened, "application/json", body)
                    .await?;
                taken_or(&answer, OTLP_LATER.contains(&answer.status))?;
                Ok(otlp::rejected(&answer.body))
            }
            ExportTo::Webhook { .. } => {
                let Some(secret) = secrets.first() else {
                    return Err(never("it has no secret"));
                };
                let signer = Signer::read(&read(secret).await?).map_err(never)?;
                for event in batch {
                    let body = webhook::body(event, about).to_string();
                    let seconds = self.clock.now().timestamp();
                    let signature = signer.sign(&event.record_id, seconds, body.as_bytes());
                    let headers = signed(&event.record_id, seconds, &signature)?;
                    let json = "application/json; charset=utf-8";
                    taken(&web.post_json(&export.url, headers, json, body).await?)?;
                }
                Ok(0)
            }
        }
    }

    /// Records how many events were dropped, now and then.
    async fn tell_dropped(&mut self) {
        let now_ns = self.clock.mono_ns();
        let gap_ns = i64::try_from(TOLD_EVERY.as_nanos()).unwrap_or(i64::MAX);
        if self.told_ns.is_some_and(|told| now_ns - told < gap_ns) {
            return;
        }
        let dropped = self.counts.untold.swap(0, Ordering::Relaxed);
        if dropped == 0 {
            return;
        }
        self.told_ns = Some(now_ns);
        let export = &self.to.export;
        let cause = self.cause.as_deref().unwrap_or(TOO_MANY);
        let event = EventRow {
            event_code: code::EXPORT_DROPPED,
            severity: Severity::Medium,
            category: Category::Admin,
            detail: Some(json!({
                "export": export.name, "kind": kind(export), "dropped": dropped, "cause": cause,
            })),
            ..EventRow::default()
        };
        if let Err(error) = self.recorder.commit(vec![event.into()]).await {
            Counts::add(&self.counts.untold, usize::try_from(dropped).unwrap_or(0));
            tracing::error!(%error, dropped, "that events were not exported could not be recorded");
        }
    }
}

/// Reads a secret, as it is now; it is read by way of a network too, which may work later.
async fn read(secret: &StoreSecret) -> Result<String, Untaken> {
    let bytes = secret.read().await;
    let bytes = bytes.map_err(|cause| later(cause, Duration::ZERO))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| never("its secret is no text"))?;
    Ok(text.trim_ascii().to_owned())
}
