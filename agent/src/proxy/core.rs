//! What all cores share, and what each has for itself.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::logins::Logins;
use super::sessions::{Session, Sessions};
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
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) destinations: Destinations,
    pub(super) resolver: Arc<Resolver>,
    pub(super) tls: Arc<ServerConfig>,
    /// Turns true when the proxy stops taking connections.
    pub(super) stopping: watch::Sender<bool>,
}

/// One core: the shared part and its own connections upstream.
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) upstream: Upstream,
}

impl Shared {
    /// Finds a governed account by its canonical host name.
    pub(super) fn account(&self, host: &str) -> Option<Arc<Account>> {
        self.accounts
            .iter()
            .find(|account| account.host == host)
            .cloned()
    }

    /// Records an event; a session that has had its share is only counted.
    pub(super) async fn event(
        &self,
        session: Option<&Session>,
        event_code: &'static str,
        severity: Severity,
        category: Category,
        detail: serde_json::Value,
    ) {
        if session.is_some_and(|session| !session.count_event()) {
            return;
        }
        let row = EventRow {
            session_id: Some(session.map_or_else(no_session, Session::id)),
            event_code,
            severity,
            category,
            detail: Some(detail),
            ..EventRow::default()
        };
        if let Err(error) = self.stages.recorder.commit(vec![Row::from(row)]).await {
            tracing::error!(event_code, %error, "event could not be recorded");
        }
    }
}
