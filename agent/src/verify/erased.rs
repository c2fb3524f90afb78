//! Erasures: signed documents that explain why content is gone or cannot be opened.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::objects::{Named, Objects};
use super::trust::Trust;
use crate::record::RecordError;
use crate::record::chain::envelope::{self, Signed};
use crate::record::chain::keys::public_key;

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

/// Reads which keys were destroyed; an erasure counts if it is signed, and by a pinned installation where some are.
pub(super) fn keys(
    objects: &dyn Objects,
    org: &str,
    documents: &[Named],
    trust: Option<&Trust>,
) -> Result<BTreeSet<String>, RecordError> {
    let mut keys = BTreeSet::new();
    for document in documents {
        let bytes = objects.get(&document.key)?;
        keys.extend(read(&bytes, org, trust).unwrap_or_default());
    }
    Ok(keys)
}

fn read(bytes: &[u8], org: &str, trust: Option<&Trust>) -> Option<Vec<String>> {
    let sealed = envelope::open::<Erasure>(bytes).ok()?;
    let key = public_key(sealed.claimed().by.key.as_ref()?)?;
    let is_believed = trust.is_none_or(|trust| trust.installation(&key).is_some());
    let erasure = sealed.verify(&key).ok()?;
    (is_believed && erasure.org == org).then_some(erasure.keys)
}
