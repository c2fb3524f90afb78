//! Rows of acknowledged frames: out of their file, unsealed, and each at its place.

use std::sync::Arc;

use parquet::errors::ParquetError;

use super::cbor;
use super::chain::acknowledged::BelievedFrames;
use super::encryption::{Closed, KeyName, KeyRing};
use super::entry::Entry;
use super::frame::{Frames, Kind};
use super::object::Unread;

/// One acknowledged row.
#[derive(Clone, Debug)]
pub(crate) struct AcknowledgedRow {
    /// Its place in the chain.
    pub(crate) seq: u64,
    /// What it says.
    pub(crate) entry: Entry,
    /// Its canonical bytes, of which its leaf is made.
    pub(crate) payload: Vec<u8>,
}

/// Reads the rows of a believed file, and refuses one whose rows are not those that its head says.
pub(crate) fn acknowledged(
    file: &BelievedFrames,
    ring: &Arc<KeyRing>,
) -> Result<Vec<AcknowledgedRow>, Unread> {
    let head = &file.head;
    let plain = match &head.key_id {
        None => file.body.to_vec(),
        Some(id) => {
            let name = KeyName::read(id).ok_or(Closed::Unnamed)?;
            let key = ring.key(&head.org, &name)?;
            let unsealed = key.unseal(&head.about(), &file.body);
            unsealed.map_err(|error| differs(error.to_string()))?
        }
    };
    let mut rows = Vec::new();
    let mut frames = Frames::new(&plain);
    for (frame, seq) in frames.by_ref().zip(head.first_seq..) {
        let entry = cbor::decode(frame.payload).map_err(|error| differs(error.to_string()))?;
        let is_own = frame.kind == Kind::Row
            && entry.int("seq").and_then(|found| u64::try_from(found).ok()) == Some(seq)
            && entry.text("chain_id") == Some(&head.chain)
            && entry.text("org_id") == Some(&head.org);
        if !is_own {
            return Err(differs(format!(
                "expected row {seq} of its chain, found another"
            )));
        }
        rows.push(AcknowledgedRow {
            seq,
            entry,
            payload: frame.payload.to_vec(),
        });
    }
    if frames.offset() != plain.len() || rows.len() as u64 != head.rows {
        let found = rows.len();
        return Err(differs(format!(
            "expected {} whole rows, found {found}",
            head.rows
        )));
    }
    Ok(rows)
}

fn differs(what: String) -> Unread {
    Unread::Differs(ParquetError::General(what))
}
