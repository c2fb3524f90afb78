//! From a file of frames to the objects that the store will hold.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use super::cbor::{self, CborError, Reader};
use super::chain::documents::{Before, BeforeManifest, Listed, Manifest};
use super::chain::envelope;
use super::chain::tree::{self, Hash};
use super::chain::{ChainWriter, Content};
use super::columns;
use super::digest::{hex, sha256};
use super::disk;
use super::encryption::{Keys, key_named_in};
use super::error::RecordError;
use super::evidence::Evidence;
use super::fault::{self, Step};
use super::filing::Filing;
use super::frame::Kind;
use super::leaves;
use super::object::Finished;
use super::recover::{Contents, is_asked, is_end, stored_rows};
use super::rows::RowsKey;
use super::schema::{Table, Tier};
use super::spool::{Segment, Spool};
use super::wal;
use super::witnessing::Witnessing;
use crate::clock::Clock;

/// What sealing needs beside the segment.
pub(super) struct Sealing<'a> {
    /// The chain; none of a segment that was sealed by an earlier process.
    pub(super) writer: &'a mut ChainWriter,
    /// What encrypts content.
    pub(super) keys: &'a Keys,
    /// Documents that came to be used.
    pub(super) evidence: &'a Evidence,
    /// Who is told of what is signed.
    pub(super) witnessing: Option<&'a mut Witnessing>,
    /// Counts the bytes that wait in the spool.
    pub(super) used_bytes: &'a AtomicU64,
    pub(super) clock: Clock,
}

/// Makes a segment's objects and their manifest beside its frames, all or none, and counts their bytes.
///
/// Objects that are there already are left as they are: they may be stored under their hash.
pub(super) fn seal(segment: &Segment, with: &mut Sealing<'_>) -> Result<(), RecordError> {
    if segment.sealed().is_dir() {
        return finish(segment, with);
    }
    if segment.chain != with.writer.chain() || segment.number != with.writer.next_n() {
        return Err(RecordError::Unsigned {
            cause: format!(
                "segment {} of chain {} is not the next of chain {}",
                segment.number,
                segment.chain,
                with.writer.chain()
            ),
        });
    }
    let path = segment.wal();
    let bytes = wal::read(&path).map_err(disk::failed("read", &path))?;
    let contents = Contents::read(segment, &bytes)?;
    let sealing = segment.sealing();
    disk::remove_dir_if_there(&sealing).map_err(disk::failed("remove", &sealing))?;
    disk::create_private_dirs(&sealing).map_err(disk::failed("create", &sealing))?;
    let made = match contents {
        Some(contents) => made(contents, &path, with.keys)?,
        None => Made::default(),
    };
    write(segment, &made, with)?;
    finish(segment, with)
}

/// Writes what was made, signs it, and gives it its name.
fn write(segment: &Segment, made: &Made, with: &mut Sealing<'_>) -> Result<(), RecordError> {
    let (sealing, sealed) = (segment.sealing(), segment.sealed());
    fault::at(Step::SealBeforeObjects);
    let mut sealed_bytes = 0;
    let mut put = |key: &str, bytes: &[u8]| {
        let file = sealing.join(key);
        sealed_bytes += bytes.len() as u64;
        write_durably(&file, bytes).map_err(disk::failed("write", &file))
    };
    let mut content = Content {
        is_end: made.is_end,
        spool_backlog: with.used_bytes.load(Ordering::Relaxed),
        leaves: &made.leaves,
        ..Content::default()
    };
    for object in &made.objects {
        let key = &object.key;
        put(&key.to_string(), &object.bytes)?;
        let tier = Table::by_name(&key.table).map(|table| table.tier);
        let tier = tier.unwrap_or(Tier::Metadata);
        let data_key = with.keys.of_object(tier, key.day, &key.chain)?;
        let key_id = data_key.map(|key| key.name().to_string());
        content.objects.push(listed(object, key_id));
        fault::at(Step::SealBetweenObjects);
    }
    if let Some((key, entry, bytes)) = leaves::object(with.writer.about(), segment.number, made) {
        put(&key, &bytes)?;
        content.objects.push(entry);
    }
    let genesis = segment.genesis();
    if segment.number == 0 {
        let bytes = fs::read(&genesis).map_err(disk::failed("read", &genesis))?;
        put(&with.writer.genesis_key(), &bytes)?;
    }
    for (key, sha256) in &made.rows {
        let file = sealing.join(key.to_string());
        let from = segment.folder.join(key.spooled());
        if link_durably(&from, &file).map_err(disk::failed("link", &file))? {
            let size = fs::metadata(&file).map_err(disk::failed("look at", &file))?;
            let opened = fs::File::open(&file).map_err(disk::failed("open", &file))?;
            let key_id = key_named_in(&opened);
            let key_id = key_id.map(|name| name.to_string());
            content
                .objects
                .push(rows_listed(key, sha256, size.len(), key_id));
        }
    }
    for (sha256, from) in with.evidence.waiting()? {
        let file = sealing.join(with.writer.evidence_key(&sha256));
        if link_durably(&from, &file).map_err(disk::failed("link", &file))? {
            content.evidence.push(sha256);
        }
    }
    fault::at(Step::SealBeforeManifest);
    let drafted = with.writer.draft(content, with.clock.now())?;
    put(&drafted.key, &drafted.bytes)?;
    fault::at(Step::SealBeforeRename);
    fs::rename(&sealing, &sealed).map_err(disk::failed("rename", &sealing))?;
    Spool::count(with.used_bytes, sealed_bytes, 0);
    if let Some(witnessing) = &mut with.witnessing {
        witnessing.take(drafted.n, &made.leaves, &drafted.note);
    }
    with.writer.accept(drafted);
    fault::at(Step::SealAfterRename);
    Ok(())
}

/// Makes what is sealed durable, and lets go of what came into it. Done again where it broke off.
fn finish(segment: &Segment, with: &Sealing<'_>) -> Result<(), RecordError> {
    disk::sync_dir(&segment.folder).map_err(disk::failed("sync", &segment.folder))?;
    if segment.chain != with.writer.chain() {
        // Its rows and documents were tidied up when this process began, and it is not the chain that is remembered.
        return Ok(());
    }
    fault::at(Step::SealBeforeRemember);
    if let Some(reached) = reached(segment)? {
        segment.remember(&reached)?;
    }
    fault::at(Step::SealAfterRemember);
    for (_, key) in objects(segment)? {
        if let Some(rows) = RowsKey::parse(&key) {
            // One that stays is removed at the next start: what is sealed tells of it.
            drop(fs::remove_file(segment.folder.join(rows.spooled())));
        } else if let Some((_, sha256)) = key.split_once("/v1/evidence/") {
            with.evidence.sealed(sha256);
        }
    }
    Ok(())
}

/// Tells how far the chain has come with a sealed segment, by its manifest.
pub(super) fn reached(segment: &Segment) -> Result<Option<Before>, RecordError> {
    for (file, key) in objects(segment)? {
        if !(key.contains("/m-") && key.ends_with(".json")) {
            continue;
        }
        let bytes = fs::read(&file).map_err(disk::failed("read", &file))?;
        let opened = envelope::open::<Manifest>(&bytes);
        let sealed = opened.map_err(|error| RecordError::Unreadable {
            path: file.clone(),
            cause: error.to_string(),
        })?;
        let manifest = sealed.claimed();
        return Ok(Some(Before {
            chain: segment.chain.clone(),
            manifest: Some(BeforeManifest {
                n: manifest.n,
                sha256: hex(&sha256(&bytes)),
                tree_size: manifest.tree_size,
                root: manifest.root.clone(),
            }),
        }));
    }
    Ok(None)
}

fn listed(object: &Finished, key_id: Option<String>) -> Listed {
    let key = &object.key;
    let table = Table::by_name(&key.table);
    Listed {
        key: key.to_string(),
        sha256: hex(&sha256(&object.bytes)),
        size: object.bytes.len() as u64,
        table: key.table.clone(),
        tier: key.tier.clone(),
        seq_min: u64::try_from(key.seq_min).ok(),
        seq_max: u64::try_from(key.seq_max).ok(),
        rows: Some(object.rows),
        key_id,
        sessions: Some(object.sessions.clone()),
        columns: table.map(|table| columns::told_apart(&columns::schema(table))),
    }
}

fn rows_listed(key: &RowsKey, sha256: &[u8], size: u64, key_id: Option<String>) -> Listed {
    Listed {
        key: key.to_string(),
        sha256: hex(sha256),
        size,
        table: "result_rows".to_owned(),
        tier: "t2".to_owned(),
        seq_min: None,
        seq_max: None,
        rows: None,
        key_id,
        sessions: None,
        columns: None,
    }
}

/// Lists a sealed segment's objects: each file, and its key in the store.
pub(super) fn objects(segment: &Segment) -> Result<Vec<(PathBuf, String)>, RecordError> {
    let sealed = segment.sealed();
    let mut files = Vec::new();
    walk(&sealed, &mut files).map_err(disk::failed("list", &sealed))?;
    // What tells of others comes after them: a manifest last, rows of results before rows that name them.
    files.sort_unstable_by_key(|file| {
        let name = file.file_name().and_then(|name| name.to_str());
        let is = |begin: &str| name.is_some_and(|name| name.starts_with(begin));
        let is_document = file.extension().is_some_and(|end| end == "json");
        (is_document && is("m-"), Reverse(file.clone()))
    });
    let key = |file: &PathBuf| Some(file.strip_prefix(&sealed).ok()?.to_str()?.to_owned());
    Ok(files
        .into_iter()
        .filter_map(|file| key(&file).map(|key| (file, key)))
        .collect())
}

/// Removes a segment whose objects the store holds, frames first, and tells how many bytes that freed.
pub(super) fn remove(segment: &Segment) -> Result<u64, RecordError> {
    let freed = size(segment)?;
    let (wal, sealed, sealing) = (segment.wal(), segment.sealed(), segment.sealing());
    disk::remove_if_there(&wal)
        .and_then(|()| disk::sync_dir(&segment.folder))
        .map_err(disk::failed("remove", &wal))?;
    fault::at(Step::ShipBetweenRemoves);
    for folder in [&sealed, &sealing] {
        disk::remove_dir_if_there(folder).map_err(disk::failed("remove", folder))?;
    }
    Ok(freed)
}

/// Tells how many bytes of frames and objects a segment has.
pub(super) fn size(segment: &Segment) -> Result<u64, RecordError> {
    let frames = fs::metadata(segment.wal()).map_or(0, |file| file.len());
    let mut sealed_bytes = 0;
    if segment.sealed().is_dir() {
        for (file, _) in objects(segment)? {
            sealed_bytes += fs::metadata(&file)
                .map_err(disk::failed("look at", &file))?
                .len();
        }
    }
    Ok(frames + sealed_bytes)
}

/// What a file of frames became.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Objects of tables.
    pub(super) objects: Vec<Finished>,
    /// Where rows of results are that are told of, and their SHA-256.
    pub(super) rows: Vec<(RowsKey, Vec<u8>)>,
    /// The leaves of all rows, in their order.
    pub(super) leaves: Vec<Hash>,
    /// Places, among them, of rows of content tiers.
    pub(super) content_rows: Vec<u32>,
    /// Place of the first row in the chain.
    pub(super) first_seq: i64,
    /// Whether the chain ends in it.
    pub(super) is_end: bool,
}

/// Makes an object of each table and day.
fn made(mut contents: Contents<'_>, path: &Path, keys: &Keys) -> Result<Made, RecordError> {
    let unreadable = |error: CborError| RecordError::Unreadable {
        path: path.to_owned(),
        cause: error.to_string(),
    };
    let header = contents.header.clone();
    let mut made = Made {
        first_seq: header.first_seq,
        ..Made::default()
    };
    let mut tables: BTreeMap<u16, Filing<'_>> = BTreeMap::new();
    while let Some((kind, payload)) = contents.next_frame()? {
        if kind != Kind::Row {
            continue;
        }
        let row = Reader::begin(payload).map_err(unreadable)?;
        if row.table.tier != Tier::Metadata {
            let place = u32::try_from(made.leaves.len()).unwrap_or(u32::MAX);
            made.content_rows.push(place);
        }
        made.leaves.push(tree::leaf(payload));
        made.is_end = false;
        if is_asked(row.table) {
            let entry = cbor::decode(payload).map_err(unreadable)?;
            made.is_end = is_end(&entry);
            made.rows.extend(stored_rows(&entry));
        }
        tables
            .entry(row.table.id)
            .or_insert_with(|| Filing::new(row.table, &header, keys, path))
            .add(row)?;
    }
    for table in tables.into_values() {
        made.objects.extend(table.finish()?);
    }
    Ok(made)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        disk::create_private_dirs(parent)?;
    }
    disk::write_new(path, bytes)?;
    disk::sync_parent(path)
}

/// Puts a file of rows among what is sealed. One that is gone is told of by the record, which stands all the same.
fn link_durably(from: &Path, to: &Path) -> io::Result<bool> {
    if let Some(parent) = to.parent() {
        disk::create_private_dirs(parent)?;
    }
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            warn!(path = %from.display(), "what the record tells of is gone");
            Ok(false)
        }
        linked => linked.and_then(|()| disk::sync_parent(to)).map(|()| true),
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
