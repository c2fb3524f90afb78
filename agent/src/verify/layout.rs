//! What a store holds, sorted by organisation and chain. Pure.

use std::collections::BTreeMap;

use super::objects::Named;
use crate::record::schema::is_tier;

/// Folders beside the record, whose objects nobody's manifest lists.
const BESIDE: [&str; 8] = [
    "access",
    "approvals",
    "c",
    "compactions",
    "enrolments",
    "erasures",
    "holds",
    "keys",
];

/// Longest document that is read, in bytes: more than a manifest of 100,000 objects takes. What somebody else put into a store
/// may be as long as they like, and documents are read whole before they can be believed.
const DOCUMENT_MAX_BYTES: u64 = 64 << 20;

/// What one organisation's record holds.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) chains: BTreeMap<String, Chain>,
    /// Documents by their SHA-256.
    pub(super) evidence: BTreeMap<String, Named>,
    /// Objects in folders beside the record, by folder.
    pub(super) beside: BTreeMap<String, Vec<Named>>,
}

/// What lies in a chain's folders.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) genesis: Option<Named>,
    /// Files whose names begin as manifests' do.
    pub(super) manifests: Vec<Named>,
    /// Checkpoints with signatures of witnesses.
    pub(super) notes: Vec<Named>,
    /// Frames that a strict recorder stored before their segment was sealed.
    pub(super) frames: Vec<Named>,
    /// What manifests must list, by key.
    pub(super) listed: BTreeMap<String, u64>,
}

/// Sorts what a listing names; gives what is of no layout too.
pub(super) fn sort(named: Vec<Named>) -> (BTreeMap<String, Layout>, Vec<Named>) {
    let mut layouts: BTreeMap<String, Layout> = BTreeMap::new();
    let mut strays = Vec::new();
    for object in named {
        // Claims of tokens, probes of a store and what a copy says of itself are beside all records.
        let beside = ["identity/", "probes/", "pulled/"];
        if beside.iter().any(|folder| object.key.starts_with(folder)) {
            continue;
        }
        let parts: Vec<&str> = object.key.split('/').collect();
        let (org, rest) = match parts.as_slice() {
            [org, "v1", rest @ ..] => ((*org).to_owned(), rest),
            _ => {
                strays.push(object);
                continue;
            }
        };
        if object.size > DOCUMENT_MAX_BYTES && is_document(rest) {
            strays.push(object);
            continue;
        }
        let chain =
            |layouts: &mut BTreeMap<String, Layout>, chain: &str, object: Named, name: &str| {
                let layout = layouts.entry(org.clone()).or_default();
                let chain = layout.chains.entry(chain.to_owned()).or_default();
                chain.take(object, name);
            };
        match rest {
            ["chains", of, name] => {
                let (of, name) = ((*of).to_owned(), (*name).to_owned());
                chain(&mut layouts, &of, object, &name);
            }
            [tier, of, ..] if is_tier(tier) => {
                let of = (*of).to_owned();
                chain(&mut layouts, &of, object, "");
            }
            ["evidence", name] => {
                let name = (*name).to_owned();
                let layout = layouts.entry(org).or_default();
                layout.evidence.insert(name, object);
            }
            [folder, ..] if BESIDE.contains(folder) => {
                let folder = (*folder).to_owned();
                let layout = layouts.entry(org).or_default();
                layout.beside.entry(folder).or_default().push(object);
            }
            _ => strays.push(object),
        }
    }
    (layouts, strays)
}

/// Tells whether an object's place is that of a document, which no manifest gives a size.
fn is_document(place: &[&str]) -> bool {
    match place {
        ["chains", _, name] => name.ends_with(".json") || name.ends_with(".note"),
        ["compactions", .., name] => name.ends_with(".json"),
        [folder, ..] => matches!(*folder, "enrolments" | "erasures" | "evidence"),
        [] => false,
    }
}

impl Chain {
    fn take(&mut self, object: Named, name: &str) {
        let is = |begin: &str, end: &str| name.starts_with(begin) && name.ends_with(end);
        if name == "genesis.json" {
            self.genesis = Some(object);
        } else if is("m-", ".json") {
            self.manifests.push(object);
        } else if is("c-", ".note") {
            self.notes.push(object);
        } else if is("w-", ".frames") {
            self.frames.push(object);
        } else {
            self.listed.insert(object.key, object.size);
        }
    }
}

/// Gives the last part of a key.
pub(super) fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_comes_to_its_place_and_a_stray_one_to_none() {
        let keys = [
            "o/v1/chains/c/genesis.json",
            "o/v1/chains/c/m-00000000-0123456789abcdef.json",
            "o/v1/chains/c/c-00000000-0123456789abcdef.note",
            "o/v1/chains/c/l-00000000-0123456789abcdef.leaves",
            "o/v1/chains/c/notes.txt",
            "o/v1/t0/c/events/dt=2026-01-02/x.parquet",
            "o/v1/evidence/00",
            "o/v1/erasures/1.json",
            "o/v1/t4/c/x",
            "o/readme",
            "identity/claims/1",
        ];
        let named = keys.map(|key| Named {
            key: key.to_owned(),
            size: 1,
        });
        let (layouts, strays) = sort(named.to_vec());
        let chain = &layouts["o"].chains["c"];
        assert!(chain.genesis.is_some());
        assert_eq!((chain.manifests.len(), chain.notes.len()), (1, 1));
        assert_eq!(chain.listed.len(), 3);
        assert_eq!(layouts["o"].evidence.len(), 1);
        assert_eq!(layouts["o"].beside["erasures"].len(), 1);
        let strays: Vec<&str> = strays.iter().map(|stray| &*stray.key).collect();
        assert_eq!(strays, ["o/v1/t4/c/x", "o/readme"]);
    }
}
