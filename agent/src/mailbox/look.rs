//! What lies beside a request: read, bounded, and told of where it is none of its documents.

use super::asked::Asking;
use super::documents::{
    CHAINS_MAX, DECISION_MAX_BYTES, DECISIONS_MAX, OTHER_MAX_BYTES, Part, parse,
};
use crate::approval::{Decision, Given, Outcome, Request};
use crate::id::ApprovalId;
use crate::record::chain::documents::Genesis;
use crate::record::chain::envelope::{self, Sealed};
use crate::record::chain::keys::public_key;
use crate::record::{RecordError, Store, hex, sha256};

/// An object of a day's folder.
pub(super) struct Lying {
    pub(super) key: String,
    pub(super) size_bytes: u64,
    pub(super) request: ApprovalId,
    pub(super) part: Part,
}

/// Lists what lies in a day's folder from a request on; ids ascend with the time at which they were made.
pub(super) fn day(
    store: &Store,
    folder: &str,
    from: ApprovalId,
) -> Result<Vec<Lying>, RecordError> {
    let mut lying = Vec::new();
    for listed in store.list(folder, Some(&format!("{folder}/{from}")))? {
        let listed = listed?;
        if let Some((_, request, part)) = parse(&listed.key) {
            lying.push(Lying {
                key: listed.key,
                size_bytes: listed.size_bytes,
                request,
                part,
            });
        }
    }
    Ok(lying)
}

/// What one look found that is new.
#[derive(Default)]
pub(super) struct News {
    /// Whether there is a decision to be judged.
    pub(super) has_decision: bool,
    /// An outcome that this installation signed.
    pub(super) outcome: Option<Outcome>,
    /// What is none of the request's documents, one line each.
    pub(super) rubbish: Vec<String>,
}

/// Reads what is new beside a request.
pub(super) fn read(
    store: &Store,
    asking: &mut Asking,
    lying: &[&Lying],
    installation: &[u8; 32],
) -> Result<News, RecordError> {
    let mut news = News::default();
    for object in lying {
        if asking.seen.contains(&object.key) {
            continue;
        }
        let shown = object.key.rsplit('/').next().unwrap_or_default();
        let shown: String = shown.chars().take(80).collect();
        match &object.part {
            Part::Request | Part::Genesis => {}
            Part::Outcome => {
                news.outcome = own_outcome(store, asking, lying, installation)?;
                if news.outcome.is_none() {
                    news.rubbish
                        .push("an outcome that this installation did not sign".to_owned());
                }
            }
            Part::Rubbish => news.rubbish.push(format!("`{shown}`")),
            Part::Decision(_) if object.size_bytes > DECISION_MAX_BYTES => {
                let size = object.size_bytes;
                news.rubbish
                    .push(format!("`{shown}` of {size} bytes, which is too long"));
            }
            Part::Decision(_) if asking.given.len() >= DECISIONS_MAX => {
                news.rubbish
                    .push(format!("more than {DECISIONS_MAX} decisions"));
            }
            Part::Decision(hash) => {
                let bytes = store.get(&object.key)?;
                match decision(hash, &bytes) {
                    Some((given, text)) => {
                        asking.given.insert(hash.clone(), (given, text));
                        news.has_decision = true;
                    }
                    None => news
                        .rubbish
                        .push(format!("`{shown}`, which is no decision")),
                }
            }
        }
        asking.seen.insert(object.key.clone());
    }
    Ok(news)
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

fn own_outcome(
    store: &Store,
    asking: &Asking,
    lying: &[&Lying],
    installation: &[u8; 32],
) -> Result<Option<Outcome>, RecordError> {
    let genesis = lying.iter().filter(|object| object.part == Part::Genesis);
    let mut geneses = Vec::new();
    for object in genesis
        .take(CHAINS_MAX)
        .filter(|object| object.size_bytes <= OTHER_MAX_BYTES)
    {
        let bytes = store.get(&object.key)?;
        geneses
            .extend(genesis_of(&bytes).filter(|genesis| {
                public_key(&genesis.installation).as_ref() == Some(installation)
            }));
    }
    let bytes = store.get(&asking.folder.outcome())?;
    Ok(outcome(
        &asking.request,
        &hex(&asking.digest),
        &geneses,
        &bytes,
    ))
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
