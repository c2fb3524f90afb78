//! What rows and a genesis say of more than themselves: documents that they name, and how the host's clock stood. Pure.

use super::chain::Checked;
use super::layout::Layout;
use super::report::Finding;
use crate::record::chain::problem::Code;
use crate::record::hex;

/// How far a host's clock may be off before it is told, in milliseconds.
const CLOCK_OFF_MS: u64 = 5_000;

/// Tells of chains whose host had a wrong clock: all their times are by it.
pub(super) fn clocks(chains: &[Checked]) -> Vec<Finding> {
    let told = |chain: &Checked| {
        let (seq, ms) = chain.cross.clock?;
        let way = if ms < 0 { "behind" } else { "ahead of" };
        let found = format!("one at least {} ms {way} Snowflake's", ms.unsigned_abs());
        let expected = format!("a clock that is at most {CLOCK_OFF_MS} ms off");
        let finding = Finding::new(Code::W72, (&chain.chain, "logins"), expected, found);
        (ms.unsigned_abs() > CLOCK_OFF_MS).then(|| finding.at(seq))
    };
    chains.iter().filter_map(told).collect()
}

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
