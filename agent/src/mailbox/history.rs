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
use super::listing::DAY_MAX;
use super::look::{genesis_of, in_turn, outcome};
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

    /// Notes how people decided a request. An end that is nobody's word is not noted: whoever asks makes as many as they
    /// like, by asking and cancelling, and would push a no out of sight.
    pub(super) fn note(&self, request: &Request, state: State, by: Vec<String>, at: DateTime<Utc>) {
        if by.is_empty() {
            return;
        }
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

/// What lies in a request's folder that can be read.
#[derive(Default)]
struct Lying {
    is_asked: bool,
    is_over: bool,
    /// Keys of geneses.
    geneses: BTreeSet<String>,
}

/// Lists the requests of a day that have ended.
fn ended(store: &Store, folder: &str) -> Result<BTreeMap<Folder, Lying>, MailboxError> {
    let mut folders: BTreeMap<Folder, Lying> = BTreeMap::new();
    for (count, listed) in store.list(folder, None)?.enumerate() {
        if count >= DAY_MAX {
            return Err(MailboxError::Form {
                expected: "a day's folder that is not crowded",
                found: format!("more than {DAY_MAX} objects in `{folder}`"),
            });
        }
        let listed = listed?;
        let Some((of, _, part)) = parse(&listed.key) else {
            continue;
        };
        let is_within = |max_bytes| (1..=max_bytes).contains(&listed.size_bytes);
        let lying = folders.entry(of).or_default();
        match part {
            Part::Request => lying.is_asked = is_within(REQUEST_MAX_BYTES),
            Part::Outcome => lying.is_over = is_within(OTHER_MAX_BYTES),
            Part::Genesis if is_within(OTHER_MAX_BYTES) => drop(lying.geneses.insert(listed.key)),
            Part::Decision(_) | Part::Genesis | Part::Rubbish => {}
        }
    }
    folders.retain(|_, lying| lying.is_asked && lying.is_over);
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
    let Some(asked) = store.get_at_most(&folder.request(), REQUEST_MAX_BYTES)? else {
        return Ok(Found::Others);
    };
    let sealed = is_sealed(&asked);
    let chain = envelope::open(&asked).map(|asked: Sealed<Request>| asked.claimed().chain.clone());
    let first = chain.ok().map(|chain| folder.genesis(&chain));
    let mut geneses: Vec<Genesis> = Vec::new();
    for key in in_turn(first.as_deref(), lying.geneses.iter().map(String::as_str)) {
        let genesis = store.get_at_most(key, OTHER_MAX_BYTES)?;
        let genesis = genesis.and_then(|bytes| genesis_of(&bytes));
        let is_own = |one: &Genesis| public_key(&one.installation).as_ref() == Some(installation);
        geneses.extend(genesis.filter(is_own));
    }
    let is_crowded = lying.geneses.len() > CHAINS_MAX;
    if sealed && (is_crowded || !geneses.is_empty()) {
        // Which chain asked is sealed too: where there are too many to read, it may be an own one.
        return Ok(Found::Sealed);
    }
    if geneses.is_empty() {
        return Ok(Found::Others);
    }
    let Some(ended) = store.get_at_most(&folder.outcome(), OTHER_MAX_BYTES)? else {
        return Ok(Found::Others);
    };
    Ok(
        own(folder, (&asked, &ended), &geneses).map_or(Found::Others, |(request, outcome)| {
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
