//! How a session's connections to model APIs stand: which hosts cannot be read, and what was told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most hosts that are remembered of a session; a client may invent names below a domain.
const HOSTS_MAX: usize = 256;

/// Handshakes in a row that end without a word of why, until a client is taken not to trust the CA. One alone may have
/// been given up for another reason, such as a second connect that was faster.
const SILENT_MAX: u32 = 3;

/// How one host stands.
#[derive(Debug, Default)]
struct Host {
    silent: u32,
    is_unread: bool,
    told: BTreeSet<&'static str>,
}

/// How a session's connections to model APIs stand, by host.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Standing(Mutex<BTreeMap<String, Host>>);

impl Standing {
    /// Tells whether the host's connections are carried unread.
    pub(super) fn is_unread(&self, host: &str) -> bool {
        self.hosts().get(host).is_some_and(|host| host.is_unread)
    }

    /// Has the host's connections be carried unread from here on.
    pub(super) fn set_unread(&self, host: &str) {
        self.change(host, |host| host.is_unread = true);
    }

    /// Notes that a client took the host's certificate.
    pub(super) fn note_trusted(&self, host: &str) {
        if let Some(host) = self.hosts().get_mut(host) {
            host.silent = 0;
        }
    }

    /// Notes that a client left a handshake without a word; tells whether it is taken not to trust the CA.
    pub(super) fn note_silent(&self, host: &str) -> bool {
        let noted = self.change(host, |host| {
            host.silent += 1;
            host.silent >= SILENT_MAX
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_is_given_up_once_is_no_distrust() {
        let standing = Standing::default();
        assert!(!standing.note_silent("a") && !standing.note_silent("a"));
        standing.note_trusted("a");
        assert!(!standing.note_silent("a") && !standing.note_silent("a"));
        assert!(standing.note_silent("a"));
        assert!(!standing.note_silent("b"));
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
