//! Of any genesis and manifests none is believed without its signatures, and no bytes of theirs make it panic.

#![no_main]

use icecore::record::chain::read::{manifest_name, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let Some((genesis, manifests)) = pieces.split_first() else {
        return;
    };
    let files: Vec<(String, &[u8])> = (0..)
        .zip(manifests)
        .map(|(n, bytes)| (named(n, bytes), bytes.as_slice()))
        .collect();
    let chain = read("acme", "c", Some(genesis), &files);
    // Nobody signs by chance.
    assert!(chain.genesis.is_none() && chain.manifests.is_empty());
    assert!(!chain.problems.is_empty());
});

/// The name that a file of these bytes must have, so that what is in it is looked at.
fn named(n: u64, bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hash: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("m-{n:08}-{hash}.json");
    assert_eq!(manifest_name(&name), Some((n, hash.as_str())));
    name
}
