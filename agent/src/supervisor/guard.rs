//! Keeps the kernel told where governed hosts are: looks them up again and again, each for itself.
//!
//! Looking up a name may take as long as it likes: it is done on threads that nobody waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use tracing::{debug, error, warn};

use super::shared::Shared;
use crate::config::Config;
use crate::connection::redirect::Guarded;

/// How often a host is looked up. Snowflake's names answer with some of their addresses at a time, for about a minute.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// First wait after a look-up that failed; doubled each time up to [`LOOK_UP_EVERY`].
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long an address is guarded after a host was last found there.
const GUARDED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How often addresses that are not seen any more are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(10 * 60);

/// How long the thread sleeps at most before it looks whether the daemon stops.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Most names that are looked up at once; those that take long keep no other from being looked up, up to so many.
const AT_ONCE_MAX: usize = 32;

/// Port of Snowflake's hosts; a look-up asks for one, and it decides nothing.
const HTTPS: u16 = 443;

/// What a look-up gave.
type Answer = (String, io::Result<Vec<IpAddr>>);

/// Where each governed host stands.
struct Hosts {
    /// Those that are to be looked up, with the time that each is due next.
    due_ns: BTreeMap<String, i64>,
    /// Those whose look-up is under way.
    busy: BTreeSet<String>,
    /// How long each waits after its next failure.
    retry: BTreeMap<String, Duration>,
}

impl Shared {
    /// Guards what the config names, then keeps looking, until the supervisor stops.
    pub(super) fn keep_guarded(&self) {
        let (answer, answers) = mpsc::channel();
        let mut hosts = Hosts::of(&self.config, self.clock.mono_ns());
        let mut forget_ns = self.clock.mono_ns() + nanos(FORGET_EVERY);
        self.guard(&fixed(&self.config));
        while !self.is_stopping() {
            hosts.look_up(self.clock.mono_ns(), &answer);
            if let Some(places) = hosts.take(&answers, || self.clock.mono_ns()) {
                self.guard(&places);
            }
            if forget_ns <= self.clock.mono_ns() {
                forget_ns = self.clock.mono_ns() + nanos(FORGET_EVERY);
                // What the config names stays however long ago it was named.
                self.guard(&fixed(&self.config));
                self.forget_guarded();
            }
        }
    }

    fn guard(&self, places: &[Guarded]) {
        match self.with_kernel(|kernel| kernel.guard(places)) {
            Ok(0) => {}
            Ok(new) => debug!(new, ?places, "governed addresses are guarded"),
            Err(failure) => {
                let failure = format!("{:#}", anyhow::Error::from(failure));
                error!(failure, ?places, "governed addresses are not all guarded");
            }
        }
    }

    fn forget_guarded(&self) {
        match self.with_kernel(|kernel| kernel.forget_guarded(GUARDED_FOR)) {
            Ok(0) => {}
            Ok(places) => debug!(places, "addresses without a governed host are free again"),
            Err(failure) => error!(%failure, "addresses without a governed host are still guarded"),
        }
    }
}

impl Hosts {
    /// Takes the accounts' names, but those that the config gives an address: nobody asks for their real one.
    fn of(config: &Config, now_ns: i64) -> Self {
        let names = config.accounts.iter().flat_map(|account| account.hosts());
        Self {
            due_ns: names
                .filter(|name| !config.upstream.resolve.contains_key(*name))
                .map(|name| (name.to_owned(), now_ns))
                .collect(),
            busy: BTreeSet::new(),
            retry: BTreeMap::new(),
        }
    }

    /// Begins to look up the names that are due.
    fn look_up(&mut self, now_ns: i64, answer: &Sender<Answer>) {
        let due: Vec<String> = self
            .due_ns
            .iter()
            .filter(|(name, due_ns)| **due_ns <= now_ns && !self.busy.contains(*name))
            .map(|(name, _)| name.clone())
            .take(AT_ONCE_MAX.saturating_sub(self.busy.len()))
            .collect();
        for name in due {
            let (asked, answer) = (name.clone(), answer.clone());
            let started = thread::Builder::new()
                .name("look-up".to_owned())
                .spawn(move || {
                    let found = addresses(&asked);
                    // Nobody hears it only once the supervisor has stopped.
                    drop(answer.send((asked, found)));
                });
            match started {
                // Nobody waits for it: its answer comes, or never does.
                Ok(_thread) => {
                    self.busy.insert(name);
                }
                Err(failure) => {
                    error!(name, %failure, "governed host is not looked up");
                    self.failed(name, now_ns);
                }
            }
        }
    }

    /// Waits a while for an answer; gives the places that it names.
    fn take(
        &mut self,
        answers: &Receiver<Answer>,
        now_ns: impl Fn() -> i64,
    ) -> Option<Vec<Guarded>> {
        let (name, found) = answers.recv_timeout(LOOK_INTERVAL).ok()?;
        self.busy.remove(&name);
        match found {
            Ok(found) => {
                self.retry.remove(&name);
                let places: Vec<Guarded> = found
                    .iter()
                    .filter_map(|address| Guarded::of_address(*address))
                    .collect();
                if places.len() < found.len() {
                    warn!(
                        name,
                        ?found,
                        "governed host has addresses that are not guarded: loopback, link-local, multicast or metadata"
                    );
                }
                self.due_ns.insert(name, now_ns() + nanos(LOOK_UP_EVERY));
                Some(places)
            }
            Err(failure) => {
                if !self.retry.contains_key(&name) {
                    warn!(name, %failure, "governed host could not be looked up; addresses that are known stay guarded");
                }
                self.failed(name, now_ns());
                None
            }
        }
    }

    fn failed(&mut self, name: String, now_ns: i64) {
        let wait = self.retry.get(&name).copied().unwrap_or(RETRY_AFTER);
        self.due_ns.insert(name.clone(), now_ns + nanos(wait));
        self.retry.insert(name, (wait * 2).min(LOOK_UP_EVERY));
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system has no more threads.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("guard".to_owned())
        .spawn(move || shared.keep_guarded())
        .map(|_| ())
}

/// Names what the config gives addresses for.
fn fixed(config: &Config) -> Vec<Guarded> {
    let named = config.upstream.resolve.values();
    named.filter_map(|at| Guarded::of_fixed(*at)).collect()
}

fn addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, HTTPS).to_socket_addrs()?;
    Ok(found.map(|at: SocketAddr| at.ip()).collect())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;

    fn hosts(names: &[&str]) -> Hosts {
        Hosts {
            due_ns: names.iter().map(|name| ((*name).to_owned(), 0)).collect(),
            busy: BTreeSet::new(),
            retry: BTreeMap::new(),
        }
    }

    #[test]
    fn a_name_that_fails_is_asked_again_soon_and_then_less_often() {
        let (answer, answers) = mpsc::channel();
        let mut hosts = hosts(&["a"]);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let refused = io::Error::from(io::ErrorKind::TimedOut);
            answer.send(("a".to_owned(), Err(refused))).unwrap();
            assert_eq!(hosts.take(&answers, || 0), None);
            waits.push(hosts.due_ns["a"] / SECOND_NS);
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30]);
        let found = vec!["192.0.2.7".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        answer.send(("a".to_owned(), Ok(found))).unwrap();
        let places = hosts.take(&answers, || SECOND_NS).unwrap();
        assert_eq!(places, [Guarded::Address("192.0.2.7".parse().unwrap())]);
        assert_eq!(hosts.due_ns["a"], 31 * SECOND_NS);
    }

    #[test]
    fn a_name_that_hangs_is_asked_once_and_keeps_no_other_waiting() {
        let (answer, answers) = mpsc::channel();
        let mut hosts = hosts(&["a", "localhost"]);
        hosts.busy.insert("a".to_owned());
        hosts.look_up(0, &answer);
        hosts.look_up(0, &answer);
        assert_eq!(hosts.busy.len(), 2);
        let (name, found) = answers.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(name, "localhost");
        assert!(found.unwrap().iter().any(IpAddr::is_loopback));
        assert!(answers.try_recv().is_err(), "asked once");
    }
}
