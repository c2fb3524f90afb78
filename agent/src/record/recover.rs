//! What an earlier process left in the spool: read, cut where it is torn, and told apart.

use std::collections::{BTreeMap, HashSet};
use std::io;

use tracing::warn;

use super::cbor;
use super::disk;
use super::entry::Entry;
use super::error::RecordError;
use super::event::code;
use super::frame::{Frames, Kind};
use super::spool::{Segment, Spool};
use super::wal::{self, Header};

/// What earlier chains left.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Files that the store has not acknowledged, oldest first.
    pub(super) segments: Vec<Segment>,
    /// Chains that were not closed.
    pub(super) unclosed: Vec<ChainEnd>,
    /// Intents whose end nobody wrote.
    pub(super) open: Vec<Entry>,
}

/// Where a chain ends that was not closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChainEnd {
    pub(super) chain: String,
    pub(super) last_seq: i64,
    pub(super) torn_bytes: usize,
}

/// Reads all that earlier processes left and cuts torn tails.
pub(super) fn recover(spool: &Spool) -> Result<Recovered, RecordError> {
    let mut scan = Scan::default();
    let segments = spool.leftovers()?;
    for segment in &segments {
        scan.segment(segment)?;
    }
    let unclosed = scan
        .ends
        .into_values()
        .filter(|end| !end.closed)
        .map(|end| end.at);
    Ok(Recovered {
        segments,
        unclosed: unclosed.collect(),
        open: scan.open.into_values().collect(),
    })
}

/// What a file of frames holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// None where the file was created and never written to.
    pub(super) header: Option<Header>,
    pub(super) rows: Vec<(Kind, Entry)>,
}

/// Reads the rows of a file that was cut to whole frames.
pub(super) fn rows(segment: &Segment, bytes: &[u8]) -> Result<Contents, RecordError> {
    let path = segment.wal();
    let unreadable = |cause: String| RecordError::Unreadable {
        path: path.clone(),
        cause,
    };
    let mut frames = Frames::new(bytes);
    let Some(first) = frames.next() else {
        return Ok(Contents::default());
    };
    if first.kind != Kind::Header {
        return Err(unreadable("expected a header first".to_owned()));
    }
    let header = Header::decode(first.payload).map_err(|error| unreadable(error.to_string()))?;
    if header.chain != segment.chain || header.number != segment.number {
        return Err(unreadable("the header names another file".to_owned()));
    }
    let mut rows = Vec::new();
    for frame in frames.by_ref() {
        let entry = cbor::decode(frame.payload).map_err(|error| unreadable(error.to_string()))?;
        rows.push((frame.kind, entry));
    }
    if frames.torn_bytes() > 0 {
        return Err(unreadable("a frame does not hold".to_owned()));
    }
    Ok(Contents {
        header: Some(header),
        rows,
    })
}

#[derive(Debug, Default)]
struct Scan {
    ends: BTreeMap<String, End>,
    open: BTreeMap<String, Entry>,
    ended: HashSet<String>,
}

#[derive(Debug)]
struct End {
    at: ChainEnd,
    closed: bool,
}

impl Scan {
    fn segment(&mut self, segment: &Segment) -> Result<(), RecordError> {
        let path = segment.wal();
        let mut bytes = match wal::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(disk::failed("read", &path)(error)),
        };
        let torn_bytes =
            wal::cut_torn_tail(&path, &mut bytes).map_err(disk::failed("truncate", &path))?;
        if torn_bytes > 0 {
            warn!(path = %path.display(), torn_bytes, "cut a torn tail that no commit had returned for");
        }
        let Contents { header, rows } = rows(segment, &bytes)?;
        let first_seq = header.map_or(0, |header| header.first_seq);
        let end = self
            .ends
            .entry(segment.chain.clone())
            .or_insert_with(|| End {
                at: ChainEnd {
                    chain: segment.chain.clone(),
                    last_seq: first_seq - 1,
                    torn_bytes: 0,
                },
                closed: false,
            });
        end.at.torn_bytes += torn_bytes;
        for (kind, entry) in rows {
            if kind == Kind::Row {
                end.at.last_seq = entry.int("seq").unwrap_or(end.at.last_seq);
                end.closed = entry.text("event_code") == Some(code::CLOSE);
            }
            if entry.table.name == "statements" {
                let statement = entry.text("statement_id").unwrap_or_default().to_owned();
                if entry.is("is_final") {
                    self.open.remove(&statement);
                    self.ended.insert(statement);
                } else if !self.ended.contains(&statement) {
                    self.open.insert(statement, entry);
                }
            }
        }
        Ok(())
    }
}
