//! No path of hashes shows a leaf that is not in a tree, and no proof shows a tree that does not go on from another.

#![no_main]

use icecore::record::chain::tree::{Hash, Tree, includes, is_consistent, leaf};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, u64, u64, Vec<[u8; 32]>)| {
    let (size, old, place, told, proof) = input;
    let leaves: Vec<Hash> = (0..size).map(|number| leaf(&[number])).collect();
    let tree = |count: usize| {
        let mut tree = Tree::default();
        tree.extend(leaves.iter().take(count).copied());
        tree
    };
    let whole = tree(leaves.len());
    let stranger = leaf(b"not in the tree");
    for size in [u64::from(size), told] {
        assert!(!includes(&stranger, place, size, &proof, &whole.root()));
    }
    let old = usize::from(old).min(leaves.len());
    let mut other = tree(old.saturating_sub(1));
    other.push(stranger);
    let (other_root, root) = (other.root(), whole.root());
    assert!(!is_consistent((other.size(), &other_root), (whole.size(), &root), &proof));
});
