//! How people decided about statements of the same shape before, as far as this installation asked: what it reads in its
//! mailbox when it starts, and what ends while it runs. Nothing rests on it: people are shown it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::documents::{CHAINS_MAX, Folder, OTHER_MAX_BYTES, Part, REQUEST_MAX_BYTES, day, parse};
use super::error::MailboxError;
use super::look::{genesis_of, outcome};
use crate::approval::{Alike, Earlier, Meaning, Outcome, Request, State};
use crate::record::chain::documents::Genesis;
use crate::record::chain::envelope::{self, Sealed};
use crate::record::chain::keys::public_key;
use crate::record::encryption::is_sealed;
use crate::record::{Store, hex};

/// Days of the mailbox that are read: as long as a request may wait.
const DAYS: i64 = 7;

/// Most requests that are read, the latest first.
const REQUESTS_MAX: usize = 500;

/// Most decisions that a request shows.
const SHOWN_MAX: usize = 5;

/// Most shapes that are remembered.
const SHAPES_MAX: usize = 10_000;

/// Longest wait of a request for what is being read.
const WITHIN: Duration = Duration::from_millis(1500);

/// What is known of earlier requests.
pub(super) struct History {
    known: Mutex<BTreeMap<Alike, Vec<Earlier>>>,
    read: watch::Sender<Reading>,
}

/// How far the mailbox was read.
#[derive(Clone, Debug)]
enum Reading {
    Underway,
    /// Why something was not read, if so.
    Done(Option<String>),
}

impl History {
    /// Begins with what lies in a mailbox, which a thread of its own reads.
    pub(super) fn begin(
        store: Arc<Store>,
        (org, installation): (String, [u8; 32]),
        now: DateTime<Utc>,
    ) -> Arc<Self> {
        let history = Arc::new(Self {
            known: Mutex::default(),
            read: watch::Sender::new(Reading::Underway),
        });
        let all = Arc::clone(&history);
        let read = move || {
            let unread = all.read_days(&store, &org, &installation, now);
            all.read.send_replace(Reading::Done(unread));
        };
        let name = "approvals-past".to_owned();
        if let Err(error) = thread::Builder::new().name(name).spawn(read) {
            let why = format!("no thread: {error}");
            history.read.send_replace(Reading::Done(Some(why)));
        }
        history
    }

    /// Tells how statements like one were decided, the latest first, and why that may not be all.
    pub(super) async fn of(&self, meaning: &Meaning) -> (Vec<Earlier>, Option<String>) {
        let Some(alike) = meaning.alike() else {
            let why = "this text has no form to be compared by";
            return (Vec::new(), Some(why.to_owned()));
        };
        let mut read = self.read.subscribe();
        let done = read.wait_for(|reading| matches!(reading, Reading::Done(_)));
        let unread = match tokio::time::timeout(WITHIN, done).await {
            Ok(Ok(reading)) => match &*reading {
                Reading::Done(unread) => unread.clone(),
                Reading::Underway => None,
            },
            Ok(Err(_)) | Err(_) => {
                let ms = WITHIN.as_millis();
                Some(format!("the mailbox was not read within {ms} ms"))
            }
        };
        let found = self.known().get(&alike).cloned().unwrap_or_default();
        (found, unread)
    }

    /// Notes how a request ended.
    pub(super) fn note(&self, request: &Request, state: State, by: Vec<String>, at: DateTime<Utc>) {
        let Some(alike) = request.meaning.alike() else {
            return;
        };
        let one = Earlier {
            id: request.id,
            state: state.as_str().to_owned(),
            by,
            at,
        };
        let mut known = self.known();
        if known.len() >= SHAPES_MAX && !known.contains_key(&alike) {
            known.pop_first();
        }
        let decided = known.entry(alike).or_default();
        decided.retain(|held| held.id != one.id);
        decided.push(one);
        decided.sort_by_key(|held| std::cmp::Reverse(held.at));
        decided.truncate(SHOWN_MAX);
    }

    /// Reads the last days; says why something was not read, if so.
    fn read_days(
        &self,
        store: &Store,
        org: &str,
        installation: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Option<String> {
        let (mut seen, mut sealed) = (0_usize, 0_usize);
        for back in 0..DAYS {
            let mut folders = match ended(store, &day(org, now - TimeDelta::days(back))) {
                Ok(folders) => folders,
                Err(error) => return Some(error.to_string()),
            };
            // Ids ascend with the time at which they were made.
            while let Some((folder, lying)) = folders.pop_last() {
                if seen >= REQUESTS_MAX {
                    return Some(format!("more than {REQUESTS_MAX} requests since then"));
                }
                seen += 1;
                match read(store, &folder, &lying, installation) {
                    Ok(Found::Own(request, outcome)) => {
                        let Outcome { state, by, at, .. } = *outcome;
                        self.note(&request, state, by, at);
                    }
                    Ok(Found::Sealed) => sealed += 1,
                    Ok(Found::Others) => {}
                    Err(error) => return Some(error.to_string()),
                }
            }
        }
        (sealed > 0).then(|| {
            format!("{sealed} requests of before this process are encrypted to their readers")
        })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Alike, Vec<Earlier>>> {
        // Each change is whole before the lock is let go.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys in a request's folder, with their sizes.
type Lying = BTreeSet<(String, u64)>;

/// Lists the requests of a day that have ended.
fn ended(store: &Store, folder: &str) -> Result<BTreeMap<Folder, Lying>, MailboxError> {
    let mut folders: BTreeMap<Folder, Lying> = BTreeMap::new();
    let mut over = BTreeSet::new();
    for listed in store.list(folder, None)? {
        let listed = listed?;
        let Some((of, _, part)) = parse(&listed.key) else {
            continue;
        };
        match part {
            Part::Outcome if listed.size_bytes <= OTHER_MAX_BYTES => drop(over.insert(of)),
            Part::Genesis if listed.size_bytes <= OTHER_MAX_BYTES => {
                let lying = folders.entry(of).or_default();
                lying.insert((listed.key, listed.size_bytes));
            }
            Part::Request | Part::Outcome | Part::Decision(_) | Part::Genesis | Part::Rubbish => {}
        }
    }
    folders.retain(|of, _| over.contains(of));
    Ok(folders)
}

/// What lies in a folder.
enum Found {
    /// A request of this installation, and how it ended.
    Own(Box<Request>, Box<Outcome>),
    /// A request that this host cannot read.
    Sealed,
    /// A request of others, or none.
    Others,
}

fn read(
    store: &Store,
    folder: &Folder,
    lying: &Lying,
    installation: &[u8; 32],
) -> Result<Found, MailboxError> {
    let mut geneses: Vec<Genesis> = Vec::new();
    for (key, _) in lying.iter().take(CHAINS_MAX) {
        let genesis = genesis_of(&store.get(key)?);
        let is_own = |one: &Genesis| public_key(&one.installation).as_ref() == Some(installation);
        geneses.extend(genesis.filter(is_own));
    }
    if geneses.is_empty() {
        return Ok(Found::Others);
    }
    let Some(bytes) = store.get_if_there(&folder.request())? else {
        return Ok(Found::Others);
    };
    if is_sealed(&bytes) {
        return Ok(Found::Sealed);
    }
    if bytes.len() as u64 > REQUEST_MAX_BYTES {
        return Ok(Found::Others);
    }
    let ended = store.get(&folder.outcome())?;
    Ok(
        own(folder, (&bytes, &ended), &geneses).map_or(Found::Others, |(request, outcome)| {
            Found::Own(Box::new(request), Box::new(outcome))
        }),
    )
}

/// Believes a request that a chain of this installation signed, and its end.
fn own(
    folder: &Folder,
    (asked, ended): (&[u8], &[u8]),
    geneses: &[Genesis],
) -> Option<(Request, Outcome)> {
    let sealed: Sealed<Request> = envelope::open(asked).ok()?;
    let mut geneses_of = geneses.iter();
    let genesis = geneses_of.find(|genesis| genesis.chain == sealed.claimed().chain)?;
    let key = public_key(genesis.approvals_key.as_deref()?)?;
    let request = sealed.verify(&key).ok()?;
    let digest = hex(&request.digest().ok()?);
    let outcome = outcome(&request, &digest, geneses, ended)?;
    (Folder::of(&request) == *folder).then_some((request, outcome))
}
