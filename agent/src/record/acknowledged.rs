//! Rows of acknowledged frames: out of their file, unsealed, and each at its place.

use std::sync::Arc;

use parquet::errors::ParquetError;

use super::cbor;
use super::chain::acknowledged::BelievedFrames;
use super::chain::envelope::EnvelopeError;
use super::chain::frames::Head;
use super::encryption::{Closed, KeyName, KeyRing};
use super::entry::Entry;
use super::frame::{Frames, Kind};
use super::object::Unread;

/// One acknowledged row.
#[derive(Clone, Debug)]
pub struct AcknowledgedRow {
    /// Its place in the chain.
    pub seq: u64,
    /// What it says.
    pub entry: Entry,
    /// Its canonical bytes, of which its leaf is made.
    pub payload: Vec<u8>,
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
    acknowledged_rows(head, &plain).map_err(|error| differs(error.to_string()))
}

/// Reads the rows that lie one after the other in frames as they were before they were sealed.
///
/// # Errors
/// The rows are not those that the head says.
pub fn acknowledged_rows(head: &Head, plain: &[u8]) -> Result<Vec<AcknowledgedRow>, EnvelopeError> {
    let differs = EnvelopeError::Payload;
    let mut rows = Vec::new();
    let mut frames = Frames::new(plain);
    // No place is past the last that can be counted, however many rows the head says; one frame too many is left over.
    for (seq, frame) in (head.first_seq..head.end()).zip(frames.by_ref()) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::push;
    use super::*;

    fn head(first_seq: u64, rows: u64) -> Head {
        Head {
            format_version: 1,
            org: "acme".into(),
            chain: "c".into(),
            n: 0,
            prev_sha256: String::new(),
            first_seq,
            rows,
            key_id: None,
            signed_by: String::new(),
        }
    }

    #[test]
    fn rows_past_the_last_place_and_frames_past_the_last_row_are_refused() {
        let mut one = Vec::new();
        assert!(push(&mut one, Kind::Row, b"x"));
        for (first_seq, rows) in [(u64::MAX, 0), (u64::MAX, 1), (u64::MAX - 1, 2), (0, 0)] {
            let found = acknowledged_rows(&head(first_seq, rows), &one);
            assert!(found.is_err(), "{first_seq} {rows}");
        }
        assert!(acknowledged_rows(&head(0, 0), &[]).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_an_error(
            first_seq: u64,
            rows: u64,
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..4),
            rest in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut body = Vec::new();
            for payload in payloads {
                prop_assert!(push(&mut body, Kind::Row, &payload));
            }
            body.extend(rest);
            drop(acknowledged_rows(&head(first_seq, rows), &body));
        }
    }
}
