//! Whether the policies that statements name are there, and have the rules that statements say masked them.

use std::collections::BTreeMap;

use super::chain::Checked;
use super::layout::Layout;
use super::objects::{Named, Objects};
use super::report::Finding;
use crate::identity::Users;
use crate::policy::{Bundle, Names, unpack};
use crate::record::chain::problem::Code;
use crate::record::{RecordError, hex};

/// Looks up the rules of an organisation's masks, and counts those whose policies are not in the store.
pub(super) fn check(
    objects: &dyn Objects,
    org: &str,
    layout: &Layout,
    chains: &[Checked],
    findings: &mut Vec<Finding>,
) -> Result<u64, RecordError> {
    let mut bundles = BTreeMap::new();
    let mut untold = 0;
    for chain in chains.iter().filter(|chain| chain.org == org) {
        for ((sha256, rule), seq) in &chain.cross.rules {
            if !bundles.contains_key(sha256) {
                bundles.insert(*sha256, bundle(objects, &layout.evidence, sha256)?);
            }
            match bundles.get(sha256).and_then(Option::as_ref) {
                Some(bundle) if bundle.has_rule(rule) => {}
                Some(_) => {
                    let what = format!("policies {}", hex(sha256));
                    let expected = format!("the rule `{rule}` that masked a column");
                    let finding = Finding::new(Code::E62, (&chain.chain, &what), expected, "none");
                    findings.push(finding.at(*seq));
                }
                None => untold += 1,
            }
        }
    }
    Ok(untold)
}

/// Reads policies by their digest; none where the store does not have them, or this version cannot load them.
pub(super) fn bundle(
    objects: &dyn Objects,
    evidence: &BTreeMap<String, Named>,
    sha256: &[u8; 32],
) -> Result<Option<Bundle>, RecordError> {
    let Some(named) = evidence.get(&hex(sha256)) else {
        return Ok(None);
    };
    let document = objects.get(&named.key)?;
    let names = Names {
        accounts: None,
        users: &Users::default(),
        issuers: None,
        approvers: None,
    };
    let loaded = unpack(&document).and_then(|sources| Bundle::load(&sources, &names).ok());
    Ok(loaded.filter(|bundle| bundle.sha256() == *sha256))
}
