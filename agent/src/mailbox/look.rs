//! What lies beside a request: read, bounded, and told of where it is none of its documents.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::asked::{Asking, Found};
use super::documents::{
    CHAINS_MAX, DECISION_MAX_BYTES, DECISIONS_MAX, OTHER_MAX_BYTES, Part, SEEN_MAX, unhex,
};
use super::listing::Lying;
use crate::approval::{Decision, Given, Outcome, Request};
use crate::record::chain::documents::Genesis;
use crate::record::chain::envelope::{self, Sealed};
use crate::record::chain::keys::public_key;
use crate::record::{RecordError, Store, hex, sha256};

/// How long an object that could not be read is left alone.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Most objects of a request that are read again.
const AGAIN_MAX: usize = 1000;

/// Most decisions of a request whose proofs cannot be checked yet.
pub(super) const UNCHECKED_MAX: usize = 32;

/// What one look found that is new.
#[derive(Default)]
pub(super) struct News {
    /// Decisions that can be read.
    pub(super) found: Vec<Found>,
    /// An outcome that this installation signed.
    pub(super) outcome: Option<Outcome>,
    /// What is none of the request's documents, one line each.
    pub(super) rubbish: Vec<String>,
}

/// What a look reads with.
pub(super) struct Looking<'a> {
    pub(super) store: &'a Store,
    pub(super) installation: &'a [u8; 32],
    /// Most decisions of one request that it reads, so that each has its turn.
    pub(super) share: usize,
    pub(super) now: DateTime<Utc>,
    pub(super) now_ns: i64,
}

impl Looking<'_> {
    /// Reads what is new beside a request; what cannot be read counts for nothing, and is tried again.
    pub(super) fn read(&self, asking: &mut Asking, lying: &[Lying]) -> News {
        let mut news = News::default();
        let room = UNCHECKED_MAX.saturating_sub(asking.unchecked.len());
        let mut left = self.share.min(room);
        for object in lying {
            let again_ns = asking.again_ns.get(&object.key);
            if again_ns.is_some_and(|again_ns| self.now_ns < *again_ns) {
                continue;
            }
            let shown = object.key.rsplit('/').next().unwrap_or_default();
            let shown: String = shown.chars().take(80).collect();
            match &object.part {
                Part::Request => {}
                Part::Genesis if asking.geneses.contains(&object.key) => {}
                Part::Genesis if asking.geneses.len() >= CHAINS_MAX => {
                    news.rubbish.push(format!("more than {CHAINS_MAX} geneses"));
                }
                Part::Genesis => {
                    asking.geneses.insert(object.key.clone());
                    if self.own_genesis(&object.key).is_none() {
                        let what = "a genesis that this installation did not sign";
                        news.rubbish.push(what.to_owned());
                    }
                }
                Part::Outcome => {
                    news.outcome = self.own_outcome(asking, lying);
                    // It is written once: another is not looked at.
                    asking.again_ns.insert(object.key.clone(), i64::MAX);
                    if news.outcome.is_none() {
                        let what = "an outcome that this installation did not sign";
                        news.rubbish.push(what.to_owned());
                    }
                }
                Part::Rubbish => news.rubbish.push(format!("`{shown}`")),
                Part::Decision(_) if left == 0 => {}
                Part::Decision(_) if asking.seen.len() >= SEEN_MAX => {
                    news.rubbish.push(format!("more than {SEEN_MAX} decisions"));
                }
                Part::Decision(_) if asking.heard.len() >= DECISIONS_MAX => {
                    let what = format!("more than {DECISIONS_MAX} decisions that may count");
                    news.rubbish.push(what);
                }
                Part::Decision(hash) => {
                    left -= 1;
                    match self.decision(object, hash) {
                        Ok(found) => {
                            asking.seen.extend(unhex(hash));
                            asking.again_ns.remove(&object.key);
                            match found {
                                Ok(found) => news.found.push(found),
                                Err(what) => news.rubbish.push(format!("`{shown}`{what}")),
                            }
                        }
                        Err(error) => {
                            self.leave(asking, object, hash);
                            tracing::warn!(approval = %asking.request.id, %error, "object beside a request could not be read");
                            let what = format!("`{shown}`, which cannot be read");
                            news.rubbish.push(what);
                        }
                    }
                }
            }
        }
        news
    }

    /// Reads a decision, or says what its object is instead.
    fn decision(&self, object: &Lying, hash: &str) -> Result<Result<Found, String>, RecordError> {
        let size = object.size_bytes;
        if size > DECISION_MAX_BYTES {
            return Ok(Err(format!(" of {size} bytes, which is too long")));
        }
        let none = || Err(", which is no decision".to_owned());
        if size == 0 {
            return Ok(none());
        }
        // What a listing told may be another object's by this time.
        let bytes = self.store.get_at_most(&object.key, DECISION_MAX_BYTES)?;
        let Some((given, text)) = bytes.and_then(|bytes| decision(hash, &bytes)) else {
            return Ok(none());
        };
        Ok(Ok(Found {
            given,
            text,
            seen_at: object.modified_at.max(self.now),
        }))
    }

    /// Leaves an object alone for a while; for good where there are too many.
    fn leave(&self, asking: &mut Asking, object: &Lying, hash: &str) {
        let after_ns = i64::try_from(AGAIN_AFTER.as_nanos()).unwrap_or(i64::MAX);
        if asking.again_ns.len() < AGAIN_MAX {
            let again_ns = self.now_ns.saturating_add(after_ns);
            asking.again_ns.insert(object.key.clone(), again_ns);
        } else {
            asking.seen.extend(unhex(hash));
        }
    }

    /// Reads the outcome, if this installation signed it.
    fn own_outcome(&self, asking: &Asking, lying: &[Lying]) -> Option<Outcome> {
        let of_chain = asking.folder.genesis(&asking.request.chain);
        let genesis = lying.iter().filter(|object| object.part == Part::Genesis);
        let keys = in_turn(Some(&of_chain), genesis.map(|object| object.key.as_str()));
        let own: Vec<Genesis> = keys.filter_map(|key| self.own_genesis(key)).collect();
        let bytes = self.other(&asking.folder.outcome())?;
        outcome(&asking.request, &asking.digest_text, &own, &bytes)
    }

    /// Reads a genesis, if this installation signed it.
    fn own_genesis(&self, key: &str) -> Option<Genesis> {
        let genesis = genesis_of(&self.other(key)?)?;
        let installation = public_key(&genesis.installation)?;
        (installation == *self.installation).then_some(genesis)
    }

    fn other(&self, key: &str) -> Option<Bytes> {
        self.store.get_at_most(key, OTHER_MAX_BYTES).ok()?
    }
}

/// Reads a decision whose key names the hash of its bytes.
pub(super) fn decision(hash: &str, bytes: &[u8]) -> Option<(Given, String)> {
    if bytes.len() as u64 > DECISION_MAX_BYTES || hex(&sha256(bytes)) != hash {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let decision: Decision = serde_json::from_str(text).ok()?;
    let given = Given {
        sha256: hash.to_owned(),
        decision,
    };
    Some((given, text.to_owned()))
}

/// Names geneses in the order in which they are read, and no more than are: first the one of the chain that asked, so that
/// no number of others hides it.
pub(super) fn in_turn<'k>(
    first: Option<&str>,
    lying: impl Iterator<Item = &'k str>,
) -> impl Iterator<Item = &'k str> {
    let mut keys: Vec<&str> = lying.collect();
    keys.sort_by_key(|key| Some(*key) != first);
    keys.into_iter().take(CHAINS_MAX)
}

/// Reads a genesis that its own installation signed.
pub(super) fn genesis_of(bytes: &[u8]) -> Option<Genesis> {
    let sealed: Sealed<Genesis> = envelope::open(bytes).ok()?;
    let installation = public_key(&sealed.claimed().installation)?;
    sealed.verify(&installation).ok()
}

/// Reads an outcome of a request that a chain among some signed.
pub(super) fn outcome(
    request: &Request,
    digest: &str,
    geneses: &[Genesis],
    bytes: &[u8],
) -> Option<Outcome> {
    if bytes.len() as u64 > OTHER_MAX_BYTES {
        return None;
    }
    geneses.iter().find_map(|genesis| {
        let key = public_key(genesis.approvals_key.as_deref()?)?;
        let sealed: Sealed<Outcome> = envelope::open(bytes).ok()?;
        let outcome = sealed.verify(&key).ok()?;
        let is_of_it = outcome.request == request.id && outcome.digest == digest;
        (is_of_it && genesis.org == request.org).then_some(outcome)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::approval::fixtures::{group, request, rules};

    proptest! {
        /// Whoever may write beside a request chooses these bytes.
        #[test]
        fn any_bytes_beside_a_request_are_a_document_of_it_or_none(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "\\{\"payloadType\":\"[a-z/]{0,9}\",\"payload\":\"[A-Za-z0-9+/=]{0,40}\",\"signatures\":\\[\\]\\}".prop_map(String::into_bytes),
            "\\{\"said\":\\{[a-z\":,0-9]{0,60}\\},\"proof\":null\\}".prop_map(String::into_bytes),
        ]) {
            let hash = hex(&sha256(&bytes));
            prop_assert!(decision(&hash, &bytes).is_none());
            prop_assert!(genesis_of(&bytes).is_none());
            let rules = rules([("owners", group(&["okta:ann"], 1))]);
            let request = request(&rules, "okta:eve", &["owners"]);
            prop_assert!(outcome(&request, &hash, &[], &bytes).is_none());
        }
    }
}
