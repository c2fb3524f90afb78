//! Documents that a genesis or a row names by their SHA-256: whether the store has them. Pure.

use super::chain::Checked;
use super::layout::Layout;
use super::report::Finding;
use crate::record::chain::problem::Code;
use crate::record::hex;

/// Tells of configs and of issuers' keys that chains of an organisation name and the store lacks.
pub(super) fn missing(org: &str, layout: &Layout, chains: &[Checked]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for chain in chains.iter().filter(|chain| chain.org == org) {
        let mut tell = |sha256: &str, by: &str, seq: Option<u64>| {
            if layout.evidence.contains_key(sha256) {
                return;
            }
            let key = format!("{org}/v1/evidence/{sha256}");
            let expected = format!("the document that {by} names");
            let finding = Finding::new(Code::E40, (&chain.chain, &key), expected, "none");
            findings.push(match seq {
                Some(seq) => finding.at(seq),
                None => finding,
            });
        };
        // A chain's documents are stored with its first segment.
        if let Some(genesis) = chain
            .genesis
            .as_ref()
            .filter(|_| !chain.manifests.is_empty())
        {
            tell(&genesis.config_sha256, "the genesis", None);
        }
        for (sha256, seq) in &chain.cross.documents {
            tell(&hex(sha256), "a row", Some(*seq));
        }
    }
    findings
}
