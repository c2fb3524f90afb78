//! The object of leaf hashes: so that a tree can be checked where content was erased or cannot be read. Pure.
//!
//! `chains/<chain>/l-<n>-<hash>.leaves` has 36 bytes for each row of a content tier, in the order of the rows: its place
//! after the segment's first (u32, big endian), and its leaf (see `chain::tree`). A leaf hides its row, since each row of
//! content has a random salt.

use super::chain::About;
use super::chain::documents::Listed;
use super::chain::tree::Hash;
use super::digest::{hex, sha256};
use super::seal::Made;

/// How many bytes tell of one row.
pub(crate) const LEAF_BYTES: usize = 36;

/// Makes the object of a segment: its key, what a manifest says of it, its bytes; none without a row of content.
pub(super) fn object(about: &About, n: u64, made: &Made) -> Option<(String, Listed, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(made.content_rows.len() * LEAF_BYTES);
    for place in &made.content_rows {
        let leaf = made.leaves.get(usize::try_from(*place).ok()?)?;
        bytes.extend_from_slice(&place.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    let (first, last) = (made.content_rows.first()?, made.content_rows.last()?);
    let first_seq = u64::try_from(made.first_seq).ok()?;
    let hash = hex(&sha256(&bytes));
    let short: String = hash.chars().take(16).collect();
    let key = format!(
        "{}/v1/chains/{}/l-{n:08}-{short}.leaves",
        about.org, about.chain
    );
    let listed = Listed {
        key: key.clone(),
        sha256: hash,
        size: bytes.len() as u64,
        table: "leaves".to_owned(),
        tier: "t0".to_owned(),
        seq_min: Some(first_seq + u64::from(*first)),
        seq_max: Some(first_seq + u64::from(*last)),
        rows: Some(made.content_rows.len() as u64),
        key_id: None,
        sessions: None,
        columns: None,
    };
    Some((key, listed, bytes))
}

/// Reads leaves: each row's place after the segment's first, and its leaf; none where the bytes are not leaves.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<(u32, Hash)>> {
    let pieces = bytes.chunks_exact(LEAF_BYTES);
    if !pieces.remainder().is_empty() {
        return None;
    }
    pieces
        .map(|piece| {
            let (place, leaf) = piece.split_first_chunk::<4>()?;
            Some((u32::from_be_bytes(*place), leaf.try_into().ok()?))
        })
        .collect()
}
