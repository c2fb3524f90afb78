//! What is known of accounts' tables and views: asked for by name, kept for a time, forgotten when a login changes it.
//!
//! What is not known stays unknown, whatever the reason; what that means is for policies to say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::effect::Effect;
use crate::clock::Clock;
use crate::statement::{Path, RelationFacts};
use crate::tasks;
use crate::upstream::{Account, Describer, Gap, Upstream};

/// Longest wait of a statement for what its names are.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// How long an account is not asked again that could not be asked at all.
const REST: Duration = Duration::from_secs(5);

/// Most relations that are kept of one account as one user and role see it.
const RELATIONS_MAX: usize = 4096;

/// Most relations that one question names.
const ASKED_MAX: usize = 64;

/// Longest name that Snowflake has, in characters. Source: its reference, "Identifier requirements".
const NAME_MAX: usize = 255;

/// Catalogues of accounts, each as one user and role see it.
pub struct Catalogues {
    ttl: Duration,
    clock: Clock,
    roles: Mutex<HashMap<[u8; 32], Arc<OfRole>>>,
    /// How often accounts were asked and answered, and how often they did not.
    answered: AtomicU64,
    failed: AtomicU64,
}

/// An account's catalogue as one user and role see it.
struct OfRole {
    account: String,
    // Whoever holds it asks; others wait, and find what was asked for in `held`.
    asking: tokio::sync::Mutex<Describer>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    relations: HashMap<Path, Known>,
    gap: Option<Gap>,
    rests_until_ns: i64,
    /// Counts what was forgotten, so that an answer from before is not kept.
    forgotten: u64,
}

#[derive(Clone)]
struct Known {
    /// `None` if the account shows no such thing.
    facts: Option<RelationFacts>,
    /// Whether tags were asked for too.
    tags: Tags,
    until_ns: i64,
}

/// Whether tags are asked for: policies that do not look at them need none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tags {
    Unwanted,
    Wanted,
}

/// What was found of some names.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) relations: BTreeMap<Path, RelationFacts>,
    /// Of these nobody knows whether they are there.
    pub(super) unseen: BTreeSet<Path>,
    pub(super) gap: Option<Gap>,
}

impl Catalogues {
    /// Makes them empty; what is found counts for `ttl`.
    #[must_use]
    pub fn new(ttl: Duration, clock: Clock) -> Self {
        Self {
            ttl,
            clock,
            roles: Mutex::default(),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Tells how often accounts were asked and answered, and how often they did not.
    pub fn asked(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.answered), count(&self.failed))
    }

    /// Looks relations of whole paths up, where they are kept, else at the account, for a time.
    pub(super) async fn look_up(
        self: &Arc<Self>,
        upstream: &Upstream,
        account: &Arc<Account>,
        paths: &BTreeSet<Path>,
        tags: Tags,
    ) -> Found {
        let role = self.role(account);
        if self.missing(&role, paths, tags).is_empty() {
            return found(&role, paths);
        }
        let (done, told) = oneshot::channel();
        let (all, upstream, account) = (Arc::clone(self), upstream.clone(), Arc::clone(account));
        let (asked, wanted) = (Arc::clone(&role), paths.clone());
        // It goes on when nobody waits any more: a login that is being opened would be left open at Snowflake.
        drop(tasks::spawn("catalogue", async move {
            all.ask(&asked, &upstream, &account, &wanted, tags).await;
            // Whoever waited may have gone.
            let _gone = done.send(());
        }));
        if tokio::time::timeout(KNOWN_WITHIN, told).await.is_err() {
            tracing::warn!(
                account = role.account,
                "the account's catalogue did not answer in time"
            );
            return Found {
                gap: Some(Gap::Unread),
                ..found(&role, paths)
            };
        }
        found(&role, paths)
    }

    /// Forgets what a statement defines anew, however it is seen.
    pub fn forget(&self, account: &str, effect: &Effect) {
        if effect.defines.is_empty() && !effect.makes_unnamed {
            return;
        }
        let is_defined = |path: &Path| {
            let mut defined = effect.defines.iter();
            effect.makes_unnamed || defined.any(|outer| path.names().starts_with(outer.names()))
        };
        let roles: Vec<Arc<OfRole>> = self.roles().values().map(Arc::clone).collect();
        for role in roles.iter().filter(|role| role.account == account) {
            let mut held = role.held();
            held.forgotten += 1;
            held.relations.retain(|path, _| !is_defined(path));
        }
    }

    /// Closes the logins by which accounts are asked.
    pub async fn close(&self, upstream: &Upstream) {
        let roles: Vec<Arc<OfRole>> = self.roles().drain().map(|(_, role)| role).collect();
        for role in roles {
            if let Err(error) = role.asking.lock().await.close(upstream).await {
                tracing::warn!(account = role.account, %error, "login for the catalogue could not be closed at Snowflake; it ends by its own life");
            }
        }
    }

    /// Asks the account for what is still missing once it is this one's turn.
    async fn ask(
        &self,
        role: &OfRole,
        upstream: &Upstream,
        account: &Account,
        wanted: &BTreeSet<Path>,
        tags: Tags,
    ) {
        let mut describer = role.asking.lock().await;
        let missing = self.missing(role, wanted, tags);
        let forgotten = {
            let held = role.held();
            if missing.is_empty() || self.clock.mono_ns() < held.rests_until_ns {
                return;
            }
            held.forgotten
        };
        let now = self.clock.now();
        let with_tags = tags == Tags::Wanted;
        let answered = describer.describe(upstream, account, &missing, with_tags, now);
        let answered = answered.await;
        let asked = if answered.is_ok() {
            &self.answered
        } else {
            &self.failed
        };
        asked.fetch_add(1, Ordering::Relaxed);
        let mut held = role.held();
        let described = match answered {
            Ok(described) => described,
            Err(error) => {
                tracing::warn!(account = role.account, %error, "the account's catalogue could not be asked");
                held.gap = Some(Gap::Unread);
                held.rests_until_ns = self.after(REST);
                return;
            }
        };
        held.gap = described.gap;
        if held.forgotten != forgotten {
            return;
        }
        if held.relations.len() + missing.len() > RELATIONS_MAX {
            held.relations.clear();
        }
        let (until_ns, mut relations) = (self.after(self.ttl), described.relations);
        for path in missing {
            let facts = relations.remove(&path);
            // What could not be asked for is no more known to be absent than to be there.
            if facts.is_some() || described.gap != Some(Gap::Unread) {
                let known = Known {
                    facts,
                    tags,
                    until_ns,
                };
                held.relations.insert(path, known);
            }
        }
    }

    /// Lists what is not known well enough and can be asked for.
    fn missing(&self, role: &OfRole, paths: &BTreeSet<Path>, tags: Tags) -> Vec<Path> {
        let now_ns = self.clock.mono_ns();
        let mut held = role.held();
        held.relations.retain(|_, known| known.until_ns > now_ns);
        let can_be = |path: &&Path| {
            let names = path.names();
            names.len() == 3 && names.iter().all(|name| name.chars().count() <= NAME_MAX)
        };
        let missing = paths.iter().filter(can_be).filter(|path| {
            let known = held.relations.get(*path);
            known.is_none_or(|known| known.tags < tags)
        });
        missing.take(ASKED_MAX).cloned().collect()
    }

    fn after(&self, time: Duration) -> i64 {
        let time_ns = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        self.clock.mono_ns().saturating_add(time_ns)
    }

    fn role(&self, account: &Account) -> Arc<OfRole> {
        let mut roles = self.roles();
        let role = roles.entry(account.config_sha256).or_insert_with(|| {
            Arc::new(OfRole {
                account: account.name.clone(),
                asking: tokio::sync::Mutex::default(),
                held: Mutex::default(),
            })
        });
        Arc::clone(role)
    }

    fn roles(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<OfRole>>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfRole {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives what is kept of some names.
fn found(role: &OfRole, paths: &BTreeSet<Path>) -> Found {
    let held = role.held();
    let unseen = paths
        .iter()
        .filter(|path| !held.relations.contains_key(*path));
    let unseen = unseen.cloned().collect();
    let known = paths.iter().filter_map(|path| {
        let known = held.relations.get(path)?;
        Some((path.clone(), known.facts.clone()?))
    });
    let relations: BTreeMap<Path, RelationFacts> = known.collect();
    let mut columns = relations.values().flat_map(|facts| &facts.columns);
    let is_whole = relations.len() == paths.len() && columns.all(|column| column.tags.is_some());
    Found {
        gap: held.gap.filter(|_| !is_whole),
        relations,
        unseen,
    }
}

#[cfg(test)]
#[path = "catalogues_tests.rs"]
mod tests;
