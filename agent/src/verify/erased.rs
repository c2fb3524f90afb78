//! Erasures: signed documents that explain why content is gone or cannot be opened.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::layout::{Chain, Layout};
use super::objects::Objects;
use super::report::Finding;
use super::trust::Trust;
use crate::record::RecordError;
use crate::record::chain::envelope::{self, Signed, key_id};
use crate::record::chain::keys::public_key;
use crate::record::chain::problem::Code;
use crate::record::chain::read::read as read_chain;

/// What an erasure says that matters here.
#[derive(Debug, Deserialize, Serialize)]
struct Erasure {
    org: String,
    by: By,
    keys: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct By {
    key: Option<String>,
}

impl Signed for Erasure {
    const TYPE: &'static str = "application/vnd.icecore.erasure.v1+json";
}

/// Keys that were destroyed, as whoever may say so has signed.
#[derive(Debug, Default)]
pub(super) struct Erased {
    pub(super) keys: BTreeSet<String>,
    /// Erasures that are not believed.
    pub(super) findings: Vec<Finding>,
}

/// Reads which keys of an organisation's chains were destroyed.
///
/// A chain's keys are erased by the installation that began it, or by a pinned eraser: a host that was taken over explains
/// nothing away of another's.
pub(super) fn read(
    objects: &dyn Objects,
    (org, layout): (&str, &Layout),
    trust: Option<&Trust>,
) -> Result<Erased, RecordError> {
    let mut erased = Erased::default();
    let mut installations = BTreeMap::new();
    for document in layout.beside.get("erasures").into_iter().flatten() {
        let (signer, keys) = match signed(&objects.get(&document.key)?, org) {
            Ok(signed) => signed,
            Err(found) => {
                let expected = "an erasure that is signed by the key it names";
                let place = ("", &*document.key);
                (erased.findings).push(Finding::new(Code::E44, place, expected, found));
                continue;
            }
        };
        let is_eraser = trust.is_some_and(|trust| trust.is_eraser(org, &signer));
        let mut by_chain: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in keys {
            let chain = key.split('/').next().unwrap_or_default().to_owned();
            by_chain.entry(chain).or_default().push(key);
        }
        for (chain, keys) in by_chain {
            // Of a chain that is not there nothing needs an explanation.
            let Some(files) = layout.chains.get(&chain) else {
                continue;
            };
            let began = match installations.get(&chain) {
                Some(began) => *began,
                None => {
                    let began = installation(objects, (org, &chain), files)?;
                    *installations.entry(chain.clone()).or_insert(began)
                }
            };
            let is_pinned = trust.is_none_or(|trust| trust.installation(org, &signer).is_some());
            if is_eraser || (is_pinned && began == Some(signer)) {
                erased.keys.extend(keys);
                continue;
            }
            let expected = "a signature of the installation that began the chain, or of an eraser";
            let found = format!("one of key {}", key_id(&signer));
            let place = (&*chain, &*document.key);
            (erased.findings).push(Finding::new(Code::E44, place, expected, found));
        }
    }
    Ok(erased)
}

/// Reads who signed an erasure, and of which keys.
fn signed(bytes: &[u8], org: &str) -> Result<([u8; 32], Vec<String>), String> {
    let sealed = envelope::open::<Erasure>(bytes).map_err(|error| error.to_string())?;
    let named = sealed.claimed().by.key.as_deref().and_then(public_key);
    let key = named.ok_or("one that names no key")?;
    let erasure = sealed.verify(&key).map_err(|error| error.to_string())?;
    match erasure.org == org {
        true => Ok((key, erasure.keys)),
        false => Err(format!("one of organisation `{}`", erasure.org)),
    }
}

/// Finds the installation that began a chain; none where its genesis cannot be believed.
fn installation(
    objects: &dyn Objects,
    (org, chain): (&str, &str),
    files: &Chain,
) -> Result<Option<[u8; 32]>, RecordError> {
    let Some(genesis) = &files.genesis else {
        return Ok(None);
    };
    let bytes = objects.get(&genesis.key)?;
    let no_manifests: [(String, &[u8]); 0] = [];
    let genesis = read_chain(org, chain, Some(&bytes), &no_manifests).genesis;
    Ok(genesis.and_then(|genesis| public_key(&genesis.installation)))
}
