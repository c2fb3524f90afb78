//! What an earlier process left in the spool: read, cut where it is torn, and told apart.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use tracing::warn;

use super::body::{Body, RECOVERED};
use super::cbor;
use super::chain::documents::{Before, Genesis};
use super::chain::envelope::{self, Sealed};
use super::disk;
use super::entry::Entry;
use super::error::RecordError;
use super::event::code;
use super::frame::{Frames, Kind};
use super::rows::RowsKey;
use super::schema::Table;
use super::seal;
use super::spool::{Segment, Spool};
use super::tables::{events, results};
use super::value::Value;
use super::wal::{self, Header};
use crate::config::RecordMode;

/// Most chains that are passed over on the way to one that reached the store; so many begin without a seal only where something
/// is broken for long.
const STEPS_MAX: usize = 1000;

/// What earlier chains left.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Segments that are sealed and that the store has not acknowledged, oldest first.
    pub(super) sealed: Vec<Segment>,
    /// Files that were not sealed, oldest first: who could have signed them is gone.
    pub(super) unsealed: Vec<Segment>,
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
    let (sealed, unsealed) = segments
        .into_iter()
        .partition(|segment| segment.sealed().is_dir());
    Ok(Recovered {
        sealed,
        unsealed,
        unclosed: unclosed.collect(),
        open: scan.open.into_values().collect(),
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

    /// Gives the next row's kind of frame and canonical bytes, and says so if a frame does not hold.
    pub(super) fn next_frame(&mut self) -> Result<Option<(Kind, &'a [u8])>, RecordError> {
        match self.frames.next() {
            Some(frame) => Ok(Some((frame.kind, frame.payload))),
            None if self.frames.torn_bytes() == 0 => Ok(None),
            None => Err(unreadable(self.segment, "a frame does not hold")),
        }
    }

    /// Gives the next row, and says so if one cannot be read.
    fn next_row(&mut self) -> Result<Option<(Kind, Entry)>, RecordError> {
        let Some((kind, payload)) = self.next_frame()? else {
            return Ok(None);
        };
        let entry = cbor::decode(payload).map_err(|error| unreadable(self.segment, error))?;
        Ok(Some((kind, entry)))
    }
}

fn unreadable(segment: &Segment, cause: impl ToString) -> RecordError {
    RecordError::Unreadable {
        path: segment.wal(),
        cause: cause.to_string(),
    }
}

/// Tells whether rows of a table are asked what they say when they are sealed: by `is_end`, by `stored_rows`.
pub(super) fn is_asked(table: &Table) -> bool {
    [events::TABLE.name, results::TABLE.name].contains(&table.name)
}

/// Tells whether a row ends its chain; one that was taken over tells of the chain before.
pub(super) fn is_end(entry: &Entry) -> bool {
    entry.table.name == events::TABLE.name
        && entry.text("event_code") == Some(code::CLOSE)
        && entry.int("integrity_flags").unwrap_or(0) & i64::from(RECOVERED) == 0
}

/// Gives where the rows are of which a row of `results` tells, and the SHA-256 of their file.
pub(super) fn stored_rows(entry: &Entry) -> Option<(RowsKey, Vec<u8>)> {
    if entry.table.name != results::TABLE.name {
        return None;
    }
    let key = RowsKey::parse(entry.text("object_key")?)?;
    let Value::Bytes(sha256) = entry.get("object_sha256") else {
        return None;
    };
    Some((key, sha256.clone()))
}

/// Gives the rows of a file that was not sealed, to be put into another chain: the same rows at new places.
///
/// Rows of results come along. A row that is in `seen` was in a file before: a recovery that broke off had put it there.
pub(super) fn rows_again(
    segment: &Segment,
    into: &Path,
    chain: &str,
    seen: &mut HashSet<String>,
) -> Result<Vec<Body>, RecordError> {
    let path = segment.wal();
    let bytes = match wal::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk::failed("read", &path)(error)),
    };
    let mut rows = Vec::new();
    let Some(mut contents) = Contents::read(segment, &bytes)? else {
        return Ok(rows);
    };
    while let Some((kind, mut entry)) = contents.next_row()? {
        let id = entry.text("record_id").unwrap_or_default().to_owned();
        if kind != Kind::Row || !seen.insert(id) {
            continue;
        }
        if let Some((mut key, _)) = stored_rows(&entry) {
            link_rows(
                &segment.folder.join(key.spooled()),
                &into.join(key.spooled()),
            )?;
            key.chain = chain.to_owned();
            entry.set("object_key", key.to_string());
        }
        rows.push(Body::again(entry)?);
    }
    Ok(rows)
}

fn link_rows(from: &Path, to: &Path) -> Result<(), RecordError> {
    match fs::hard_link(from, to) {
        Ok(()) => disk::sync_parent(to).map_err(disk::failed("sync", to)),
        // It is there from a recovery that broke off, or is gone, which the seal tells.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(disk::failed("link", to)(error)),
    }
}

/// Removes a file whose rows are in another chain, durably.
pub(super) fn remove(segment: &Segment) -> Result<(), RecordError> {
    let (wal, sealing) = (segment.wal(), segment.sealing());
    disk::remove_if_there(&wal)
        .and_then(|()| disk::remove_dir_if_there(&sealing))
        .and_then(|()| disk::sync_dir(&segment.folder))
        .map_err(disk::failed("remove", &wal))
}

/// Tells which chain reached the store last, and how far: what was remembered of it, or a later manifest that waits there.
///
/// A chain that ended before its first manifest is never seen in a store, and its rows come into the next chain: the next one
/// follows the one before it, which readers would else find without an end. Who took a proxy over can have written a genesis
/// that names itself: then the chain that was begun last counts, as if nothing were known of those before it.
pub(super) fn before(spool: &Spool, recovered: &Recovered) -> Option<Before> {
    let last = spool.last_chain()?;
    let mut remembered = last.clone();
    let mut passed = HashSet::from([last.chain.clone()]);
    let sealed = |chain: &str| {
        recovered
            .sealed
            .iter()
            .rfind(|segment| segment.chain == chain)
    };
    while remembered.manifest.is_none()
        && sealed(&remembered.chain).is_none()
        && let Some(earlier) = unseen(spool, &remembered.chain)
    {
        if passed.len() > STEPS_MAX || !passed.insert(earlier.chain.clone()) {
            warn!(
                chain = last.chain,
                passed = passed.len(),
                "the geneses in the spool lead to no chain that reached the store"
            );
            remembered = last;
            break;
        }
        remembered = earlier;
    }
    let reached =
        sealed(&remembered.chain).and_then(|segment| seal::reached(segment).ok().flatten());
    let n = |before: &Before| before.manifest.as_ref().map(|manifest| manifest.n);
    Some(match reached {
        Some(reached) if n(&reached) > n(&remembered) => reached,
        Some(_) | None => remembered,
    })
}

/// Gives the chain before one of which nothing was sealed, if nothing else of it is in the store either: in `strict_remote`
/// its genesis and frames are.
fn unseen(spool: &Spool, chain: &str) -> Option<Before> {
    // No other name leads to a folder of the spool.
    uuid::Uuid::try_parse(chain).ok()?;
    let genesis = fs::read(spool.genesis_of(chain)).ok()?;
    let genesis: Sealed<Genesis> = envelope::open(&genesis).ok()?;
    // The spool is the installation's own; what is said of an earlier chain is compared with it by readers.
    let genesis = genesis.claimed();
    (genesis.recording_mode != RecordMode::StrictRemote.as_str())
        .then(|| genesis.previous.clone())
        .flatten()
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
                end.closed = is_end(&entry);
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
