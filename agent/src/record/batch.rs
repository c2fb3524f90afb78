//! Rows that are framed at their places in the chain and not yet written. Pure.

use uuid::{Builder, Uuid};

use super::body::{Body, Place, Turn};
use super::cbor;
use super::error::RecordError;
use super::frame::{self, Kind};
use super::queue::{Answer, Written};
use super::seen::Seen;

/// When a batch was taken, and what its rows' ids are made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// Where the chain's count of ids begins; random.
    pub(super) id_seed: u128,
    pub(super) ts_us: i64,
    pub(super) mono_ns: i64,
    pub(super) flags: i32,
}

/// Rows that are framed and not yet written, with those who wait for them.
pub(super) struct Batch<'a> {
    chain: &'a str,
    org: &'a str,
    stamp: Stamp,
    first_seq: i64,
    rows: i64,
    frames: Vec<u8>,
    turns: Vec<(Turn, Vec<u8>)>,
    seen: Vec<Seen>,
    answers: Vec<(Answer<Written>, Written)>,
}

/// What a batch came to: its bytes, what they change, and who waits.
pub(super) struct Framed {
    pub(super) rows: i64,
    pub(super) frames: Vec<u8>,
    /// Rows that begin or end something; with a beginning, its payload.
    pub(super) turns: Vec<(Turn, Vec<u8>)>,
    /// What watchers are told once all is written.
    pub(super) seen: Vec<Seen>,
    pub(super) answers: Vec<(Answer<Written>, Written)>,
}

impl<'a> Batch<'a> {
    /// Begins a batch of which the first row has a place.
    pub(super) fn new(chain: &'a str, org: &'a str, stamp: Stamp, first_seq: i64) -> Self {
        Self {
            chain,
            org,
            stamp,
            first_seq,
            rows: 0,
            frames: Vec::new(),
            turns: Vec::new(),
            seen: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Frames the rows of one commit; a commit with a row that cannot be framed is refused as a whole.
    pub(super) fn add(&mut self, rows: &[Body], answer: Option<Answer<Written>>) {
        let (frames, turns, first) = (self.frames.len(), self.turns.len(), self.rows);
        let seen = self.seen.len();
        for row in rows {
            if let Err(error) = self.frame(row) {
                self.frames.truncate(frames);
                self.turns.truncate(turns);
                self.seen.truncate(seen);
                self.rows = first;
                if let Some(answer) = answer {
                    // Nobody waits any more where this fails.
                    drop(answer.send(Err(error)));
                }
                return;
            }
        }
        let written = Written {
            first_seq: self.first_seq + first,
            last_seq: self.first_seq + self.rows - 1,
        };
        self.answers.extend(answer.map(|answer| (answer, written)));
    }

    /// Gives what there is to write.
    pub(super) fn finish(self) -> Framed {
        Framed {
            rows: self.rows,
            frames: self.frames,
            turns: self.turns,
            seen: self.seen,
            answers: self.answers,
        }
    }

    /// Gives the next row's id: a UUID version 7 whose random part is a counter with a random beginning (RFC 9562
    /// section 6.2, method 2), which costs no system call and next to no room in a file.
    fn record_id(&self) -> Uuid {
        let seq = u128::from((self.first_seq + self.rows).unsigned_abs());
        let [_, _, _, _, _, _, counter @ ..] = self.stamp.id_seed.wrapping_add(seq).to_be_bytes();
        let millis = u64::try_from(self.stamp.ts_us / 1000).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &counter).into_uuid()
    }

    fn frame(&mut self, row: &Body) -> Result<(), RecordError> {
        let payload = row.encode(Place {
            record_id: self.record_id(),
            chain: self.chain,
            org: self.org,
            seq: self.first_seq + self.rows,
            ts_us: self.stamp.ts_us,
            mono_ns: self.stamp.mono_ns,
            flags: self.stamp.flags,
        })?;
        if !frame::push(&mut self.frames, Kind::Row, &payload) {
            return Err(row.too_long());
        }
        self.rows += 1;
        if row.is_event() {
            // As it was framed: without secrets, and under the id that it has in the record.
            self.seen
                .extend(cbor::decode(&payload).ok().as_ref().map(Seen::event));
        } else {
            self.seen.extend(row.seen().cloned());
        }
        match row.turn() {
            Turn::None => {}
            turn @ Turn::Begins(_) => self.turns.push((turn, payload)),
            turn @ (Turn::Ends(_) | Turn::SessionOver) => self.turns.push((turn, Vec::new())),
        }
        Ok(())
    }
}
