//! What all cores share, and what each has for itself.

use std::sync::Arc;

use rustls::ServerConfig;

use super::claiming::Claimant;
use super::host_events::HostEvents;
use super::implicit::Implicit;
use super::intake::Intake;
use super::issuers::Issuers;
use super::kept::Keeping;
use super::logins::Logins;
use super::policies::Reloads;
use super::providers::Providers;
use super::sessions::{Session, Sessions};
use super::sign_in::SignIns;
use crate::config::Config;
use crate::connection::redirect::Destinations;
use crate::record::event::no_session;
use crate::record::{Category, EventRow, Row, Severity};
use crate::session::Stages;
use crate::upstream::{Account, Resolver, Upstream};

/// What all cores share.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) stages: Stages,
    pub(super) sessions: Sessions,
    pub(super) logins: Logins,
    /// Has logins outlive this proxy.
    pub(super) keeping: Keeping,
    /// Logins that Icecore opened for clients that bring none.
    pub(super) implicit: Implicit,
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) destinations: Destinations,
    pub(super) resolver: Arc<Resolver>,
    pub(super) issuers: Arc<Issuers>,
    pub(super) providers: Arc<Providers>,
    pub(super) sign_ins: SignIns,
    /// Names this host in claims of tokens.
    pub(super) claimant: Claimant,
    /// Seals principals and logins for the next proxy.
    pub(super) seal_key: ring::hmac::Key,
    pub(super) tls: Arc<ServerConfig>,
    /// What events that belong to no session may still go into the record.
    pub(super) host_events: HostEvents,
    pub(super) reloads: Reloads,
    /// What is let in.
    pub(super) intake: Arc<Intake>,
}

/// One core: the shared part and its own connections upstream.
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) upstream: Upstream,
}

impl Shared {
    /// Finds a governed account by one of its canonical host names.
    pub(super) fn account(&self, host: &str) -> Option<Arc<Account>> {
        self.accounts
            .iter()
            .find(|account| account.answers_to(host))
            .cloned()
    }

    /// Records an event; what there is no room for is counted.
    pub(super) async fn event(
        &self,
        session: Option<&Session>,
        event_code: &'static str,
        severity: Severity,
        category: Category,
        detail: serde_json::Value,
    ) {
        let row = EventRow {
            session_id: Some(session.map_or_else(no_session, Session::id)),
            event_code,
            severity,
            category,
            detail: Some(detail),
            ..EventRow::default()
        };
        let row = match session {
            Some(session) => session.admit(row),
            None => self.host_events.admit(row, self.stages.clock.now()),
        };
        self.record_events(row.into_iter().collect()).await;
    }

    /// Records events, if there are any.
    pub(super) async fn record_events(&self, events: Vec<EventRow>) {
        if events.is_empty() {
            return;
        }
        let count = events.len();
        let rows = events.into_iter().map(Row::from).collect();
        if let Err(error) = self.stages.recorder.commit(rows).await {
            tracing::error!(count, %error, "events could not be recorded");
        }
    }
}
