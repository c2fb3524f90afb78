//! Leaves that came since, as few hashes as show that a tree goes on from an earlier one. Pure.

use super::tree::{Hash, Tree, node};

/// Leaves that follow on another tree's, by the roots of their greatest whole subtrees: at most 128 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    // How many leaves the tree has with these.
    end: u64,
    // INVARIANT: in order, and no two beside each other are halves of one subtree.
    subtrees: Vec<Subtree>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subtree {
    size: u64,
    root: Hash,
}

impl Range {
    /// Begins with no leaves behind a tree of a size.
    #[must_use]
    pub fn after(size: u64) -> Self {
        Self {
            end: size,
            subtrees: Vec::new(),
        }
    }

    /// Adds leaves that come next.
    pub fn extend(&mut self, leaves: &[Hash]) {
        for leaf in leaves {
            self.push(Subtree {
                size: 1,
                root: *leaf,
            });
        }
    }

    /// Adds the range that comes next.
    pub fn append(&mut self, next: &Self) {
        for subtree in &next.subtrees {
            self.push(*subtree);
        }
    }

    fn push(&mut self, mut last: Subtree) {
        self.end += last.size;
        while let Some(left) = self.subtrees.last()
            && left.size == last.size
            && self.end.is_multiple_of(2 * last.size)
        {
            last = Subtree {
                size: 2 * last.size,
                root: node(&left.root, &last.root),
            };
            self.subtrees.pop();
        }
        self.subtrees.push(last);
    }

    /// Gives the hashes that show that the tree with these leaves goes on from the one before them (RFC 6962 section
    /// 2.1.2).
    #[must_use]
    pub fn consistency(&self, old: &Tree) -> Vec<Hash> {
        let mut proof = Vec::new();
        let (mut old_size, mut size) = (old.size(), self.end);
        if old_size == 0 || self.subtrees.is_empty() {
            return proof;
        }
        // INVARIANT: of the tree's part of `size` leaves, the first `old_size` have the roots `roots`, the rest `since`.
        let (mut roots, mut since) = (old.roots(), self.subtrees.as_slice());
        let mut is_whole = true;
        while old_size < size {
            let half = size.next_power_of_two() / 2;
            if old_size <= half {
                // All of the right half came since, and no subtree reaches across.
                let Some(right) = take_last(&mut since, size - half) else {
                    break;
                };
                proof.push(right);
                size = half;
            } else if let Some((left, others)) = roots.split_first() {
                proof.push(*left);
                roots = others;
                (old_size, size) = (old_size - half, size - half);
                is_whole = false;
            } else {
                break;
            }
        }
        if let (false, Some((last, before))) = (is_whole, roots.split_last()) {
            proof.push(joined(*last, before.iter()));
        }
        proof.reverse();
        proof
    }
}

/// Takes subtrees of so many leaves from the end, and gives their root.
fn take_last(since: &mut &[Subtree], leaves: u64) -> Option<Hash> {
    let mut left = leaves;
    let mut root = None;
    while left > 0 {
        let (last, before) = since.split_last()?;
        root = Some(root.map_or(last.root, |right| node(&last.root, &right)));
        *since = before;
        left = left.checked_sub(last.size)?;
    }
    root
}

/// Gives the root of a tree by the roots of its whole subtrees.
fn joined<'a>(last: Hash, before: impl DoubleEndedIterator<Item = &'a Hash>) -> Hash {
    before.rev().fold(last, |right, left| node(left, &right))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tree::{consistency, leaf};
    use super::*;

    proptest! {
        #[test]
        fn a_proof_by_subtrees_is_that_by_leaves_and_takes_few_hashes(
            known in 0_usize..150,
            pieces in prop::collection::vec(0_usize..150, 0..6),
        ) {
            let count = known + pieces.iter().sum::<usize>();
            let leaves: Vec<Hash> = (0..count).map(|number| leaf(&number.to_be_bytes())).collect();
            let mut tree = Tree::default();
            tree.extend(leaves[..known].iter().copied());
            let mut since = Range::after(known as u64);
            let mut at = known;
            for piece in pieces {
                let mut range = Range::after(at as u64);
                range.extend(&leaves[at..at + piece]);
                since.append(&range);
                at += piece;
            }
            prop_assert_eq!(since.consistency(&tree), consistency(&leaves, known as u64).unwrap());
            prop_assert!(since.subtrees.len() <= 2 * count.max(1).ilog2() as usize + 2);
            let mut whole = Range::after(known as u64);
            whole.extend(&leaves[known..]);
            prop_assert_eq!(since, whole);
        }
    }
}
