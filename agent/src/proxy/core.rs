//! What all cores share, and what each has for itself.

use std::sync::Arc;

use rustls::ServerConfig;

use super::arrivals::Looks;
use super::claiming::Claimant;
use super::current::Latest;
use super::host_events::HostEvents;
use super::implicit::Implicit;
use super::intake::Intake;
use super::kept::Keeping;
use super::lent_sockets::LentSockets;
use super::live::Sessions;
use super::logins::Logins;
use super::metrics::Operations;
use super::policies::Reloads;
use super::sessions::Session;
use super::strangers::Strangers;
use super::tap::Tap;
use crate::connection::redirect::Destinations;
use crate::record::event::no_session;
use crate::record::{Category, EventRow, Row, Severity};
use crate::session::Stages;
use crate::upstream::{Account, Resolver, Upstream};

/// What all cores share.
pub(super) struct Shared {
    pub(super) stages: Stages,
    pub(super) sessions: Sessions,
    pub(super) logins: Logins,
    /// Has logins outlive this proxy.
    pub(super) keeping: Keeping,
    /// Logins that Icecore opened for clients that bring none.
    pub(super) implicit: Implicit,
    /// The config in force, and what was made of it.
    pub(super) current: Latest,
    /// What only those who run Icecore look at.
    pub(super) operations: Operations,
    pub(super) destinations: Destinations,
    /// Cookie of the network namespace that the proxy is in; none where the kernel has no others for it.
    pub(super) host_network: Option<u64>,
    /// Has the supervisor look processes up.
    pub(super) looks: Looks,
    /// Has it make sockets in containers' networks.
    pub(super) sockets: LentSockets,
    pub(super) resolver: Arc<Resolver>,
    /// Names this host in claims of tokens.
    pub(super) claimant: Claimant,
    /// Seals principals and logins for the next proxy.
    pub(super) seal_key: ring::hmac::Key,
    pub(super) tls: Arc<ServerConfig>,
    /// Reads connections to model APIs.
    pub(super) tap: Tap,
    /// What events that belong to no session may still go into the record.
    pub(super) host_events: HostEvents,
    /// Connections at the door that are of no open session.
    pub(super) strangers: Strangers,
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
        self.current().account(host)
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
