//! The mailbox as people see it: requests that a pinned installation signed, and what came of them.

use bytes::Bytes;
use chrono::NaiveDate;

use super::days::{self, Folders};
use super::documents::{
    DECISION_MAX_BYTES, DECISIONS_MAX, Folder, OTHER_MAX_BYTES, Part, REQUEST_MAX_BYTES, root,
};
use super::error::MailboxError;
use super::look::{decision, genesis_of, in_turn, outcome};
use crate::approval::{Decision, FORMAT_VERSION, Outcome, Request};
use crate::record::chain::documents::Genesis;
use crate::record::chain::enrolment::enrolment_key;
use crate::record::chain::envelope::{self, Sealed, key_id};
use crate::record::chain::keys::public_key;
use crate::record::encryption::{Identity, is_sealed, open_by};
use crate::record::{Store, StoreAt, hex, sha256};
use crate::verify::Trust;

/// A store's mailbox, read by whom to believe. Its calls block, and must not be made inside a runtime.
pub struct Inbox {
    store: Store,
    trust: Trust,
    identities: Vec<Identity>,
}

/// A request as it lies in the mailbox.
#[derive(Debug)]
pub enum Item {
    /// A pinned installation signed it.
    Believed(Box<Asked>),
    /// It is not believed, and cannot be decided.
    Odd {
        /// Its folder.
        folder: String,
        /// Why.
        why: String,
    },
}

/// A request that is believed.
#[derive(Debug)]
pub struct Asked {
    folder: Folder,
    /// The request.
    pub request: Request,
    /// Its digest, in hexadecimal.
    pub digest: String,
    /// The name by which the installation is pinned.
    pub installation: String,
    /// How it ended, in the words of the installation that asked.
    pub outcome: Option<Outcome>,
    /// Decisions beside it by the SHA-256 of their bytes; nobody has checked them here.
    pub decisions: Vec<(String, Decision)>,
}

impl Asked {
    /// Names its folder.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.folder.as_str()
    }
}

impl Inbox {
    /// Opens the mailbox of a store that is there.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn open(
        at: &StoreAt,
        trust: Trust,
        identities: Vec<Identity>,
    ) -> Result<Self, MailboxError> {
        Ok(Self {
            store: Store::open(at)?,
            trust,
            identities,
        })
    }

    /// Tells whether no organisation of the store has a day of requests or a part of a record. What an approver may not
    /// list counts as there.
    ///
    /// # Errors
    /// The store, or a mailbox in it, cannot be read.
    pub fn is_bare(&self) -> Result<bool, MailboxError> {
        for org in self.store.folders("")? {
            let root = root(&org);
            if !self.store.folders(&root)?.is_empty() {
                return Ok(false);
            }
            // An approver has no rights but to the mailbox.
            let version = root.rsplit_once('/').map_or(&*root, |(version, _)| version);
            let record = self.store.folders(version);
            if record.is_err() || record.is_ok_and(|parts| !parts.is_empty()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lists requests from a day on, the latest last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self, from: NaiveDate) -> Result<Vec<Item>, MailboxError> {
        self.list_but(from, |_| false)
    }

    /// Lists requests from a day on, but for those whose folders are known: one that has ended changes no more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list_but(
        &self,
        from: NaiveDate,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<Vec<Item>, MailboxError> {
        let mut items = Vec::new();
        for org in self.store.folders("")? {
            let root = root(&org);
            let Folders { lying, odd } = days::from(&self.store, &root, from)?;
            items.extend(
                odd.into_iter()
                    .map(|(folder, why)| Item::Odd { folder, why }),
            );
            for (folder, lying) in lying {
                if is_known(&folder) {
                    continue;
                }
                items.push(self.item(&org, folder, &lying)?);
            }
        }
        Ok(items)
    }

    /// Puts a decision beside a request, and names it by the SHA-256 of its bytes.
    ///
    /// # Errors
    /// The request is over, the decision too long, or the store does not take it.
    pub fn decide(&self, asked: &Asked, decision: &Decision) -> Result<String, MailboxError> {
        if let Some(outcome) = &asked.outcome {
            return Err(MailboxError::Ended(outcome.state));
        }
        let bytes = serde_json::to_vec(decision)?;
        if bytes.len() as u64 > DECISION_MAX_BYTES {
            return Err(MailboxError::Form {
                expected: "a decision of at most 65536 bytes",
                found: format!("{} bytes", bytes.len()),
            });
        }
        let sha256 = hex(&sha256(&bytes));
        self.store.put(&asked.folder.decision(&sha256), bytes)?;
        Ok(sha256)
    }

    /// Looks again at a request that was listed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn again(&self, asked: &Asked) -> Result<Item, MailboxError> {
        let folder = asked.folder.as_str();
        let lying = days::of_request(&self.store, folder)?;
        self.item(&asked.request.org, folder.to_owned(), &lying)
    }

    fn item(
        &self,
        org: &str,
        folder: String,
        lying: &[(String, u64, Part)],
    ) -> Result<Item, MailboxError> {
        let found = self.request(lying).and_then(|sealed| {
            let first = format!("{folder}/genesis-{}.json", sealed.claimed().chain);
            let geneses = self.geneses(org, (&first, lying));
            Ok((believed(&folder, sealed, &geneses)?, geneses))
        });
        match found {
            Err(why) => Ok(Item::Odd { folder, why }),
            Ok(((folder, request, installation), geneses)) => {
                let digest = hex(&request.digest()?);
                Ok(Item::Believed(Box::new(Asked {
                    outcome: self.outcome(&request, &digest, lying, &geneses),
                    decisions: self.decisions(lying),
                    folder,
                    request,
                    digest,
                    installation,
                })))
            }
        }
    }

    /// Reads the geneses that pinned installations signed, one before others, each with its installation's name.
    fn geneses(
        &self,
        org: &str,
        (first, lying): (&str, &[(String, u64, Part)]),
    ) -> Vec<(Genesis, String)> {
        let mut geneses = Vec::new();
        let all = lying.iter().filter(|(_, _, part)| *part == Part::Genesis);
        for key in in_turn(Some(first), all.map(|(key, _, _)| key.as_str())) {
            let bytes = self.read(key, OTHER_MAX_BYTES);
            let Some(genesis) = bytes.and_then(|bytes| genesis_of(&bytes)) else {
                continue;
            };
            if genesis.org == org
                && let Some(name) = self.installation(org, &genesis)
            {
                geneses.push((genesis, name));
            }
        }
        geneses
    }

    /// Names the pinned installation of a genesis, or one that a pinned operator enrolled.
    fn installation(&self, org: &str, genesis: &Genesis) -> Option<String> {
        if let Ok(name) = self.trust.vouches(genesis) {
            return Some(name.to_owned());
        }
        let id = key_id(&public_key(&genesis.installation)?);
        let enrolled = self.store.get_if_there(&enrolment_key(org, &id)).ok()??;
        let mut trust = self.trust.clone();
        trust.enrol(org, &id, &enrolled).ok()?;
        trust.vouches(genesis).ok().map(str::to_owned)
    }

    /// Reads the request, which is not believed yet; else says why not.
    fn request(&self, lying: &[(String, u64, Part)]) -> Result<Sealed<Request>, String> {
        let found = lying.iter().find(|(_, _, part)| *part == Part::Request);
        let (key, size, _) = found.ok_or("expected `request.json`, found none")?;
        let read = self.store.get_at_most(key, REQUEST_MAX_BYTES);
        let read = read.map_err(|error| error.to_string())?;
        let mut bytes = read
            .map(|bytes| bytes.to_vec())
            .ok_or_else(|| format!("expected 1 to {REQUEST_MAX_BYTES} bytes, found {size}"))?;
        if is_sealed(&bytes) {
            let opened = open_by(&self.identities, key, &bytes);
            bytes = opened.map_err(|error| error.to_string())?.to_vec();
        }
        envelope::open(&bytes).map_err(|error| error.to_string())
    }

    fn outcome(
        &self,
        request: &Request,
        digest: &str,
        lying: &[(String, u64, Part)],
        geneses: &[(Genesis, String)],
    ) -> Option<Outcome> {
        let found = lying.iter().find(|(_, _, part)| *part == Part::Outcome);
        let (key, _, _) = found?;
        let asked_by = geneses
            .iter()
            .find(|(genesis, _)| genesis.chain == request.chain);
        // After a restart another chain of the same installation ends it.
        let same = geneses.iter().filter(|(genesis, _)| {
            asked_by.is_some_and(|(asked, _)| asked.installation == genesis.installation)
        });
        let same: Vec<Genesis> = same.map(|(genesis, _)| genesis.clone()).collect();
        let bytes = self.read(key, OTHER_MAX_BYTES)?;
        outcome(request, digest, &same, &bytes)
    }

    /// Reads what others put beside a request; what cannot be read counts for nothing.
    fn read(&self, key: &str, max_bytes: u64) -> Option<Bytes> {
        match self.store.get_at_most(key, max_bytes) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(key, %error, "object beside a request could not be read");
                None
            }
        }
    }

    fn decisions(&self, lying: &[(String, u64, Part)]) -> Vec<(String, Decision)> {
        let mut decisions = Vec::new();
        for (key, size, part) in lying {
            let Part::Decision(hash) = part else { continue };
            if *size > DECISION_MAX_BYTES || decisions.len() >= DECISIONS_MAX {
                continue;
            }
            if let Some((given, _)) = self
                .read(key, DECISION_MAX_BYTES)
                .and_then(|bytes| decision(hash, &bytes))
            {
                decisions.push((given.sha256, given.decision));
            }
        }
        decisions
    }
}

/// Believes a request that the chain which it names signed by the key that its genesis names.
fn believed(
    folder: &str,
    sealed: Sealed<Request>,
    geneses: &[(Genesis, String)],
) -> Result<(Folder, Request, String), String> {
    let chain = sealed.claimed().chain.clone();
    let (genesis, name) = geneses
        .iter()
        .find(|(genesis, _)| genesis.chain == chain)
        .ok_or("expected a request of a host whose installation is pinned, found another's (`--trust`)")?;
    let key = genesis.approvals_key.as_deref().and_then(public_key);
    let key = key.ok_or("expected a genesis with a key for approvals, found one without")?;
    let request = sealed.verify(&key).map_err(|error| error.to_string())?;
    if request.format_version != FORMAT_VERSION {
        let found = request.format_version;
        return Err(format!(
            "expected a request of format {FORMAT_VERSION}, found {found}"
        ));
    }
    let own = Folder::of(&request);
    if own.as_str() != folder || genesis.org != request.org || genesis.host_id != request.host_id {
        return Err(format!(
            "expected it in the folder `{}`, found it in another",
            own.as_str()
        ));
    }
    Ok((own, request, name.clone()))
}
