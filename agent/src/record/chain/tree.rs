//! The hash tree over a chain's rows: RFC 6962 section 2.1, with SHA-256. Pure.
//!
//! A leaf is `SHA-256(0x00 || frame payload)`, an inner node `SHA-256(0x01 || left || right)`; a row's `seq` is its leaf's
//! place. The writer keeps only the roots of the whole subtrees, at most 64 hashes.

use super::super::digest::sha256_of;

/// A hash of the tree.
pub type Hash = [u8; 32];

/// Gives the hash of a row's canonical bytes.
#[must_use]
pub fn leaf(payload: &[u8]) -> Hash {
    sha256_of([&[0], payload])
}

pub(super) fn node(left: &Hash, right: &Hash) -> Hash {
    sha256_of([&[1], left.as_slice(), right.as_slice()])
}

/// A tree that grows at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    // INVARIANT: one root for each bit that is set in `size`, the greatest subtree first.
    roots: Vec<Hash>,
}

impl Tree {
    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        let mut size = self.size;
        while size & 1 == 1 {
            let Some(left) = self.roots.pop() else { break };
            root = node(&left, &root);
            size >>= 1;
        }
        self.roots.push(root);
        self.size += 1;
    }

    /// Counts the leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gives the roots of the whole subtrees, the greatest first.
    pub(super) fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Gives the root; that of no leaves is the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else {
            return sha256_of([]);
        };
        roots.fold(*last, |right, left| node(left, &right))
    }
}

impl Extend<Hash> for Tree {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        for leaf in leaves {
            self.push(leaf);
        }
    }
}

/// Gives the root of leaves.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    tree.extend(leaves.iter().copied());
    tree.root()
}

/// Gives the hashes that lead from a leaf to the root (RFC 6962 section 2.1.1), lowest first; none for no such leaf.
#[must_use]
pub fn inclusion(leaves: &[Hash], place: u64) -> Option<Vec<Hash>> {
    inclusions(leaves, &[place])?.pop()
}

/// Gives the paths of leaves at ascending places, each leaf hashed once; none where one is not there.
#[must_use]
pub fn inclusions(leaves: &[Hash], places: &[u64]) -> Option<Vec<Vec<Hash>>> {
    let is_there = places.last().is_none_or(|last| *last < leaves.len() as u64);
    let mut paths = vec![Vec::new(); places.len()];
    (is_there && places.is_sorted_by(|one, next| one < next)).then(|| {
        walk(leaves, 0, places, &mut paths);
        paths
    })
}

/// Gives the root of leaves that begin at a place, and adds to each path what it needs of them.
fn walk(leaves: &[Hash], first: u64, places: &[u64], paths: &mut [Vec<Hash>]) -> Hash {
    if places.is_empty() || leaves.len() < 2 {
        return root(leaves);
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let middle = first + left.len() as u64;
    let at = places.partition_point(|place| *place < middle);
    let (places_left, places_right) = places.split_at(at);
    let (paths_left, paths_right) = paths.split_at_mut(at);
    let left = walk(left, first, places_left, paths_left);
    let right = walk(right, middle, places_right, paths_right);
    paths_left.iter_mut().for_each(|path| path.push(right));
    paths_right.iter_mut().for_each(|path| path.push(left));
    node(&left, &right)
}

/// Tells whether a path leads from a leaf at a place to the root of a tree of a size (RFC 9162 section 2.1.3.2).
#[must_use]
pub fn includes(leaf: &Hash, place: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if place >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (place, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Gives the hashes that show that a tree of all leaves goes on from that of its first ones (RFC 6962 section 2.1.2).
#[must_use]
pub fn consistency(leaves: &[Hash], old_size: u64) -> Option<Vec<Hash>> {
    let old = usize::try_from(old_size)
        .ok()
        .filter(|old| *old <= leaves.len())?;
    let mut proof = Vec::new();
    if old == 0 || old == leaves.len() {
        return Some(proof);
    }
    let (mut rest, mut old, mut is_whole) = (leaves, old, true);
    while old < rest.len() {
        let (left, right) = rest.split_at(split(rest.len()));
        if old <= left.len() {
            proof.push(root(right));
            rest = left;
        } else {
            proof.push(root(left));
            old -= left.len();
            rest = right;
            is_whole = false;
        }
    }
    if !is_whole {
        proof.push(root(rest));
    }
    proof.reverse();
    Some(proof)
}

/// Tells whether a proof shows that the tree of `new_size` goes on from that of `old_size` (RFC 9162 section 2.1.4.2).
#[must_use]
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return false;
    }
    if old_size == new_size || old_size == 0 {
        return proof.is_empty() && (old_size == 0 || old_root == new_root);
    }
    let mut hashes = proof.iter();
    let first = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        hashes.next()
    };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut before, mut now) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            before = node(hash, &before);
            now = node(hash, &now);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            now = node(&now, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && before == *old_root && now == *new_root
}

/// Gives the greatest power of two below a count of at least two.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::digest::hex;

    /// The leaves and roots of RFC 6962's reference implementation (google/certificate-transparency,
    /// `merkletree/merkle_tree_test.cc`).
    const LEAVES: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let mut tree = Tree::default();
        assert_eq!(hex(&tree.root()), ROOTS[0]);
        for (bytes, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            tree.push(leaf(bytes));
            assert_eq!(hex(&tree.root()), *root);
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count)
            .map(|number| leaf(&number.to_be_bytes()))
            .collect()
    }

    proptest! {
        #[test]
        fn each_leaf_is_shown_to_be_at_its_place_alone(count in 1_usize..70, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let leaves = leaves(count);
            let (at, other) = (at.index(count), other.index(count));
            let (root, size) = (root(&leaves), count as u64);
            let path = inclusion(&leaves, at as u64).unwrap();
            prop_assert!(includes(&leaves[at], at as u64, size, &path, &root));
            prop_assert_eq!(includes(&leaves[other], at as u64, size, &path, &root), at == other);
            prop_assert_eq!(includes(&leaves[at], other as u64, size, &path, &root), at == other);
            let mut longer = path.clone();
            longer.push(root);
            prop_assert!(!includes(&leaves[at], at as u64, size, &longer, &root));
        }

        #[test]
        fn paths_that_are_made_at_once_are_those_that_are_made_alone(count in 1_usize..70, wanted in prop::collection::btree_set(0_u64..70, 0..20)) {
            let leaves = leaves(count);
            let places: Vec<u64> = wanted.into_iter().collect();
            let alone: Option<Vec<_>> = places.iter().map(|place| inclusion(&leaves, *place)).collect();
            let at_once = inclusions(&leaves, &places);
            prop_assert_eq!(&at_once, &alone);
            for (place, path) in places.iter().zip(at_once.iter().flatten()) {
                let at = usize::try_from(*place).unwrap();
                prop_assert!(includes(&leaves[at], *place, count as u64, path, &root(&leaves)));
            }
            let twice: Vec<u64> = places.iter().flat_map(|place| [*place; 2]).collect();
            prop_assert_eq!(inclusions(&leaves, &twice).is_none(), !twice.is_empty());
        }

        #[test]
        fn a_tree_is_shown_to_go_on_from_an_earlier_one_and_from_no_other(count in 1_usize..70, old in any::<prop::sample::Index>(), forged in any::<prop::sample::Index>()) {
            let mut leaves = leaves(count);
            let old = old.index(count) + 1;
            let new_root = root(&leaves);
            let proof = consistency(&leaves, old as u64).unwrap();
            let old_root = root(&leaves[..old]);
            prop_assert!(is_consistent((old as u64, &old_root), (count as u64, &new_root), &proof));
            leaves[forged.index(old)][0] ^= 1;
            let other_root = root(&leaves[..old]);
            prop_assert!(!is_consistent((old as u64, &other_root), (count as u64, &new_root), &proof));
        }
    }
}
