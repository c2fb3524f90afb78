//! What an earlier process left in the spool: read, cut where it is torn, and told apart.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;

use tracing::warn;

use super::cbor;
use super::disk;
use super::entry::Entry;
use super::error::RecordError;
use super::event::code;
use super::frame::{Frames, Kind};
use super::rows::RowsKey;
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
    /// Names of the files of rows that are told of and not sealed yet.
    pub(super) rows: BTreeSet<String>,
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
        rows: scan.rows,
    })
}

/// What a file of frames holds: its header, then its rows, read one by one.
pub(super) struct Contents<'a> {
    pub(super) header: Header,
    segment: &'a Segment,
    frames: Frames<'a>,
}

impl<'a> Contents<'a> {
    /// Begins to read a file that was cut to whole frames; none where it was created and never written to.
    pub(super) fn read(segment: &'a Segment, bytes: &'a [u8]) -> Result<Option<Self>, RecordError> {
        let mut frames = Frames::new(bytes);
        let Some(first) = frames.next() else {
            return Ok(None);
        };
        if first.kind != Kind::Header {
            return Err(unreadable(segment, "expected a header first"));
        }
        let header = Header::decode(first.payload).map_err(|error| unreadable(segment, error))?;
        if header.chain != segment.chain || header.number != segment.number {
            return Err(unreadable(segment, "the header names another file"));
        }
        Ok(Some(Self {
            header,
            segment,
            frames,
        }))
    }

    /// Gives the next row, and says so if one cannot be read.
    pub(super) fn next_row(&mut self) -> Result<Option<(Kind, Entry)>, RecordError> {
        let Some(frame) = self.frames.next() else {
            return match self.frames.torn_bytes() {
                0 => Ok(None),
                _ => Err(unreadable(self.segment, "a frame does not hold")),
            };
        };
        let entry = cbor::decode(frame.payload).map_err(|error| unreadable(self.segment, error))?;
        Ok(Some((frame.kind, entry)))
    }
}

fn unreadable(segment: &Segment, cause: impl ToString) -> RecordError {
    RecordError::Unreadable {
        path: segment.wal(),
        cause: cause.to_string(),
    }
}

/// Gives where the rows are of which a row of `results` tells.
pub(super) fn stored_rows(entry: &Entry) -> Option<RowsKey> {
    let is_result = entry.table.name == "results";
    RowsKey::parse(entry.text("object_key").filter(|_| is_result)?)
}

#[derive(Debug, Default)]
struct Scan {
    ends: BTreeMap<String, End>,
    open: BTreeMap<String, Entry>,
    ended: HashSet<String>,
    rows: BTreeSet<String>,
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
        let mut contents = Contents::read(segment, &bytes)?;
        let first_seq = contents.as_ref().map_or(0, |read| read.header.first_seq);
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
        while let Some(contents) = &mut contents
            && let Some((kind, entry)) = contents.next_row()?
        {
            if kind == Kind::Row {
                end.at.last_seq = entry.int("seq").unwrap_or(end.at.last_seq);
                end.closed = entry.text("event_code") == Some(code::CLOSE);
            }
            let rows = stored_rows(&entry).filter(|_| !segment.sealed().is_dir());
            self.rows.extend(rows.map(|key| key.spooled()));
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
