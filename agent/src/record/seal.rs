//! From a file of frames to the objects that the store will hold.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate};
use parquet::errors::ParquetError;
use tracing::warn;

use super::disk;
use super::entry::Entry;
use super::error::RecordError;
use super::frame::Kind;
use super::object::{Key, Object};
use super::recover::{Contents, stored_rows};
use super::rows::RowsKey;
use super::schema::Table;
use super::spool::Segment;
use super::wal;

/// Makes a segment's objects beside its frames, all or none, and tells how many bytes they have.
///
/// Objects that are there already are left as they are: they may be stored under their hash.
pub(super) fn seal(segment: &Segment) -> Result<u64, RecordError> {
    let sealed = segment.sealed();
    if sealed.is_dir() {
        return Ok(0);
    }
    let path = segment.wal();
    let bytes = wal::read(&path).map_err(disk::failed("read", &path))?;
    let contents = Contents::read(segment, &bytes)?;
    let sealing = segment.sealing();
    disk::remove_dir_if_there(&sealing).map_err(disk::failed("remove", &sealing))?;
    disk::create_private_dirs(&sealing).map_err(disk::failed("create", &sealing))?;
    let mut sealed_bytes = 0;
    let mut rows = Vec::new();
    if let Some(contents) = contents {
        for (key, bytes) in made(contents, &path, &mut rows)? {
            let file = sealing.join(key.to_string());
            write_durably(&file, &bytes).map_err(disk::failed("write", &file))?;
            sealed_bytes += bytes.len() as u64;
        }
    }
    for key in &rows {
        let file = sealing.join(key.to_string());
        link_durably(&segment.folder.join(key.spooled()), &file)
            .map_err(disk::failed("link", &file))?;
    }
    fs::rename(&sealing, &sealed)
        .and_then(|()| disk::sync_dir(&segment.folder))
        .map_err(disk::failed("rename", &sealing))?;
    for key in &rows {
        // One that stays is removed at the next start: what is sealed tells of it.
        drop(fs::remove_file(segment.folder.join(key.spooled())));
    }
    Ok(sealed_bytes)
}

/// Lists a sealed segment's objects: each file, and its key in the store.
pub(super) fn objects(segment: &Segment) -> Result<Vec<(PathBuf, String)>, RecordError> {
    let sealed = segment.sealed();
    let mut files = Vec::new();
    walk(&sealed, &mut files).map_err(disk::failed("list", &sealed))?;
    // Rows of results before what tells of them: `t2` before `t0`.
    files.sort_unstable_by(|one, other| other.cmp(one));
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
    for folder in [&sealed, &sealing] {
        disk::remove_dir_if_there(folder).map_err(disk::failed("remove", folder))?;
    }
    // Fails as long as the chain has other files.
    drop(fs::remove_dir(&segment.folder));
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

/// Makes an object of each table and day, and lists where rows of results are that are told of. Rows become columns a piece at a time: as rows they are ten times larger.
fn made(
    mut contents: Contents<'_>,
    path: &Path,
    rows: &mut Vec<RowsKey>,
) -> Result<Vec<(Key, Vec<u8>)>, RecordError> {
    let failed = |error: ParquetError| RecordError::Unreadable {
        path: path.to_owned(),
        cause: error.to_string(),
    };
    let mut objects = BTreeMap::new();
    while let Some((kind, entry)) = contents.next_row()? {
        if kind != Kind::Row {
            continue;
        }
        rows.extend(stored_rows(&entry));
        let object = match objects.entry((entry.table.id, day(entry.table, &entry))) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => {
                let (_, day) = *slot.key();
                slot.insert(Object::begin(entry.table, day, &contents.header).map_err(failed)?)
            }
        };
        object.add(entry).map_err(failed)?;
    }
    objects
        .into_values()
        .map(|object| object.finish(&contents.header).map_err(failed))
        .collect()
}

/// Gives the UTC day that a row is filed under: that of its table's time, or of its `ts`.
fn day(table: &Table, entry: &Entry) -> NaiveDate {
    let date = |column| {
        let time = DateTime::from_timestamp_micros(entry.int(column)?)?;
        Some(time.date_naive())
    };
    table
        .day_of
        .and_then(date)
        .or_else(|| date("ts"))
        .unwrap_or_default()
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        disk::create_private_dirs(parent)?;
    }
    disk::write_new(path, bytes)?;
    disk::sync_parent(path)
}

/// Puts a file of rows among what is sealed. One that is gone is told of by the record, which stands all the same.
fn link_durably(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        disk::create_private_dirs(parent)?;
    }
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            warn!(path = %from.display(), "rows that the record tells of are gone");
            Ok(())
        }
        linked => linked.and_then(|()| disk::sync_parent(to)),
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
