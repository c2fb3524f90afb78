//! How a session's connections to model APIs stand: which hosts cannot be read, and what was told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::json;

use super::copies::OfSession;
use super::pace::Pace;
use super::telemetry::Share;
use super::unkept::Unkept;
use crate::execution::SharedProvenance;
use crate::id::SessionId;
use crate::prompt::History;
use crate::prompt::provenance::Provenance;
use crate::prompt::wire::Memory;
use crate::record::event::code;
use crate::record::{Category, EventRow, Severity};

/// Most hosts that are remembered of a session; a client may invent names below a domain.
const HOSTS_MAX: usize = 256;

/// Most bytes that reading all connections of a session may hold; of those of all sessions it gets no more than is left free.
const MEMORY_MAX_BYTES: usize = 96 << 20;

/// Most connections of a session that are read at once. Agents have one or two.
const CONNECTIONS_MAX: usize = 16;

/// Most connections of a session that have a row of their own though they are not read.
const UNREAD_ROWS_MAX: u64 = 256;

/// Connections in a row that a process leaves without having asked anything, until it is taken not to trust the CA: Node looks
/// at a certificate after the handshake, and sends no alert. One alone may have been given up for another reason, such as a
/// second connect that was faster.
const SILENT_MAX: u32 = 3;

/// Most processes of a session whose connections to a host are counted so.
const PROCESSES_MAX: usize = 64;

/// How one host stands.
#[derive(Debug, Default)]
struct Host {
    /// By process, how many of its connections in a row asked nothing.
    silent: BTreeMap<u32, u32>,
    is_unread: bool,
    told: BTreeSet<&'static str>,
}

/// How a session's connections to model APIs stand, by host.
#[derive(Default)]
pub(in crate::proxy) struct Standing {
    hosts: Mutex<BTreeMap<String, Host>>,
    provenance: OnceLock<Arc<SharedProvenance>>,
    history: OnceLock<Arc<Mutex<History>>>,
    /// Connections that are read now.
    reading: Arc<AtomicUsize>,
    /// Connections that were told as not read.
    unread: AtomicU64,
    telemetry: Share,
    waiting: Arc<OfSession>,
    pace: Arc<Pace>,
    unkept: Arc<Mutex<Unkept>>,
    memory: OnceLock<Memory>,
}

/// A place among the connections of a session that are read; given back when dropped.
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Standing {
    /// Gives where the session's statements come from, begun where that was not done yet.
    pub(in crate::proxy) fn provenance(
        &self,
        begin: impl FnOnce() -> Provenance,
    ) -> &Arc<SharedProvenance> {
        let begin = || Arc::new(SharedProvenance::new(begin()));
        self.provenance.get_or_init(begin)
    }

    /// Gives the session's conversations.
    pub(super) fn history(&self, session: SessionId) -> &Arc<Mutex<History>> {
        let begin = || Arc::new(Mutex::new(History::new(&session.to_string())));
        self.history.get_or_init(begin)
    }

    /// Gives what its telemetry may take.
    pub(super) fn telemetry(&self) -> &Share {
        &self.telemetry
    }

    /// Counts what waits to be read of all its connections.
    pub(super) fn waiting(&self) -> &Arc<OfSession> {
        &self.waiting
    }

    /// Gives how much of the reader's time it has taken.
    pub(super) fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Counts what of its calls is not recorded.
    pub(super) fn unkept(&self) -> &Arc<Mutex<Unkept>> {
        &self.unkept
    }

    /// Gives the last row that tells what of its calls was not recorded, if anything was not.
    pub(in crate::proxy) fn last_unkept(&self, session: SessionId) -> Option<EventRow> {
        let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
        unkept.at_end(session)
    }

    /// Gives the row that tells what of its calls waits to be read although nobody reads any more, if something does.
    pub(in crate::proxy) fn last_unread(&self, session: SessionId) -> Option<EventRow> {
        let unread_bytes = self.waiting.bytes();
        (unread_bytes > 0).then(|| EventRow {
            session_id: Some(session),
            event_code: code::GAP,
            severity: Severity::Medium,
            category: Category::Record,
            detail: Some(json!({
                "cause": "the proxy stopped before these bytes of model calls were read",
                "unread_bytes": unread_bytes,
            })),
            ..EventRow::default()
        })
    }

    /// Gives what reading all its connections may hold of what all sessions may.
    pub(super) fn memory(&self, all: &Memory) -> &Memory {
        let begin = || Memory::share_of(MEMORY_MAX_BYTES, all);
        self.memory.get_or_init(begin)
    }

    /// Takes a place among the connections that are read, if there is one.
    pub(super) fn take_place(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.reading));
        let before = self.reading.fetch_add(1, Ordering::Relaxed);
        (before < CONNECTIONS_MAX).then_some(place)
    }

    /// Tells whether one more connection that is not read has a row of its own.
    pub(super) fn take_unread(&self) -> bool {
        self.unread.fetch_add(1, Ordering::Relaxed) < UNREAD_ROWS_MAX
    }

    /// Tells whether the host's connections are carried unread.
    pub(super) fn is_unread(&self, host: &str) -> bool {
        self.hosts().get(host).is_some_and(|host| host.is_unread)
    }

    /// Has the host's connections be carried unread from here on.
    pub(super) fn set_unread(&self, host: &str) {
        self.change(host, |host| host.is_unread = true);
    }

    /// Notes that a process asked the host something, so that it took its certificate.
    pub(super) fn note_trusted(&self, host: &str, pid: u32) {
        if let Some(host) = self.hosts().get_mut(host) {
            host.silent.remove(&pid);
        }
    }

    /// Notes that a process left without having asked anything; tells whether it is taken not to trust the CA.
    pub(super) fn note_silent(&self, host: &str, pid: u32) -> bool {
        let noted = self.change(host, |host| {
            if host.silent.len() >= PROCESSES_MAX && !host.silent.contains_key(&pid) {
                return false;
            }
            let silent = host.silent.entry(pid).or_default();
            *silent += 1;
            *silent >= SILENT_MAX
        });
        noted.unwrap_or(false)
    }

    /// Tells whether an event is the first of its code for this host.
    pub(super) fn is_first(&self, host: &str, code: &'static str) -> bool {
        let first = self.change(host, |host| host.told.insert(code));
        first.unwrap_or(false)
    }

    fn change<T>(&self, host: &str, change: impl FnOnce(&mut Host) -> T) -> Option<T> {
        let mut hosts = self.hosts();
        if hosts.len() >= HOSTS_MAX && !hosts.contains_key(host) {
            return None;
        }
        Some(change(hosts.entry(host.to_owned()).or_default()))
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_given_up_once_is_no_distrust() {
        let standing = Standing::default();
        assert!(!standing.note_silent("a", 1) && !standing.note_silent("a", 1));
        standing.note_trusted("a", 1);
        assert!(!standing.note_silent("a", 1) && !standing.note_silent("a", 1));
        // Another process that trusts says nothing of this one.
        standing.note_trusted("a", 2);
        assert!(standing.note_silent("a", 1));
        assert!(!standing.note_silent("b", 1) && !standing.note_silent("a", 2));
    }

    #[test]
    fn so_many_are_read_at_once_and_a_place_is_given_back() {
        let standing = Standing::default();
        let mut places: Vec<Place> = (0..CONNECTIONS_MAX)
            .filter_map(|_| standing.take_place())
            .collect();
        assert_eq!(places.len(), CONNECTIONS_MAX);
        assert!(standing.take_place().is_none() && standing.take_place().is_none());
        places.pop();
        assert!(standing.take_place().is_some());
    }

    #[test]
    fn so_many_unread_connections_have_a_row() {
        let standing = Standing::default();
        let told = (0..2 * UNREAD_ROWS_MAX).filter(|_| standing.take_unread());
        assert_eq!(told.count() as u64, UNREAD_ROWS_MAX);
    }

    #[test]
    fn an_event_is_told_once_a_host_and_hosts_are_bounded() {
        let standing = Standing::default();
        assert!(standing.is_first("a", "x") && standing.is_first("a", "y"));
        assert!(!standing.is_first("a", "x") && standing.is_first("b", "x"));
        for number in 0..HOSTS_MAX {
            standing.set_unread(&number.to_string());
        }
        assert!(!standing.is_first("another", "x") && !standing.is_unread("another"));
        assert!(standing.is_unread("0"));
    }
}
