//! One Parquet file of rows in the spool: written as rows pass, whole and named when it is over, gone if it is not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use ring::digest::{Context, SHA256};
use uuid::Uuid;

use super::decode::{ADDED, Unfit};
use super::key::{DRAFT, RowsKey};
use crate::id::{SessionId, StatementId};
use crate::record::RecordError;
use crate::record::digest::hex;
use crate::record::disk;
use crate::record::encryption::{Keys, Purpose};
use crate::record::fault::{self, Step};
use crate::record::quota::Quotas;
use crate::record::spool::Spool;

/// Most bytes that a file's writer holds: a row group is written when it has as many.
const HELD_MAX_BYTES: usize = 4 << 20;

/// Most rows of a row group, as DuckDB's own have.
const ROW_GROUP_MAX_ROWS: usize = 122_880;

/// Where files of rows are written, and how much room they may take.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) org: String,
    pub(super) chain: Arc<str>,
    /// Bytes that wait for the store, of all kinds.
    pub(super) used_bytes: Arc<AtomicU64>,
    /// How many there may be before no rows are taken any more.
    pub(super) max_bytes: u64,
    /// How much of it one session may take.
    pub(super) quotas: Arc<Quotas>,
    /// Whether files are on disk before they are told of.
    pub(super) is_synced: bool,
    /// What encrypts them.
    pub(super) keys: Arc<Keys>,
}

/// A file that is being written; it goes when it is dropped unfinished.
pub(super) struct RowsFile {
    folder: Arc<Folder>,
    name: Uuid,
    schema: SchemaRef,
    statement: StatementId,
    place: i32,
    rows: i64,
    writer: Option<ArrowWriter<Measured>>,
    draft: Draft,
}

/// A file that is whole. It goes when it is dropped, unless the record tells of it.
#[derive(Debug)]
pub(crate) struct StoredRows {
    pub(crate) key: RowsKey,
    pub(crate) sha256: [u8; 32],
    file: Draft,
}

impl StoredRows {
    /// Leaves the file to those who ship what the record tells of.
    pub(crate) fn keep(mut self) {
        self.file.is_kept = true;
    }
}

/// A file of ours, with what it takes of the spool's room.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    used_bytes: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
    is_kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // What stays in spite of that goes at the next start.
            drop(fs::remove_file(&self.path));
            let bytes = self.bytes.load(Ordering::Relaxed);
            Spool::count(&self.used_bytes, 0, bytes);
        }
    }
}

impl RowsFile {
    /// Begins a file of rows of a part of a statement's result.
    pub(super) fn begin(
        folder: &Arc<Folder>,
        (session, statement, place): (SessionId, StatementId, i32),
        own: &SchemaRef,
    ) -> Result<Self, RecordError> {
        let key = folder.keys.of(&folder.chain, Purpose::Rows(session))?;
        let name = Uuid::now_v7();
        let path = folder.path.join(format!("{}{DRAFT}", name.simple()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(disk::failed("create", &path))?;
        let bytes = Arc::<AtomicU64>::default();
        let draft = Draft {
            path,
            used_bytes: Arc::clone(&folder.used_bytes),
            bytes: Arc::clone(&bytes),
            is_kept: false,
        };
        let measured = Measured {
            file,
            digest: Context::new(&SHA256),
            used_bytes: Arc::clone(&folder.used_bytes),
            max_bytes: folder.max_bytes,
            quotas: Arc::clone(&folder.quotas),
            session,
            bytes,
        };
        let schema = with_added(own);
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(failed)?))
            .set_max_row_group_row_count(Some(ROW_GROUP_MAX_ROWS))
            .set_max_row_group_bytes(Some(HELD_MAX_BYTES))
            // Least and greatest values stand in the file like any other.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by(format!("icecore {}", env!("CARGO_PKG_VERSION")));
        if let Some(key) = key {
            let encryption = key.properties().map_err(failed)?;
            properties = properties.with_file_encryption_properties(encryption);
        }
        let properties = Some(properties.build());
        let writer = ArrowWriter::try_new(measured, Arc::clone(&schema), properties);
        Ok(Self {
            folder: Arc::clone(folder),
            name,
            schema,
            statement,
            place,
            rows: 0,
            writer: Some(writer.map_err(failed)?),
            draft,
        })
    }

    /// Adds rows.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), RecordError> {
        let count = batch.num_rows();
        let rows = i64::try_from(count).unwrap_or(i64::MAX);
        let numbers = self.rows..self.rows.saturating_add(rows);
        let statement = self.statement.to_string();
        let added: [ArrayRef; 3] = [
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                statement, count,
            ))),
            Arc::new(Int32Array::from_value(self.place, count)),
            Arc::new(Int64Array::from_iter_values(numbers)),
        ];
        let columns = batch.columns().iter().cloned().chain(added).collect();
        let whole = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let whole = whole.map_err(ParquetError::from).map_err(failed)?;
        self.rows = self.rows.saturating_add(rows);
        match &mut self.writer {
            Some(writer) => writer.write(&whole).map_err(failed),
            None => Err(RecordError::Closed),
        }
    }

    /// Ends the file: on disk if that is promised, then under its name.
    pub(super) fn finish(mut self, day: chrono::NaiveDate) -> Result<StoredRows, RecordError> {
        let writer = self.writer.take().ok_or(RecordError::Closed)?;
        let Measured { file, digest, .. } = writer.into_inner().map_err(failed)?;
        let folder = &self.folder;
        if folder.is_synced {
            fault::at(Step::RowsBeforeSync);
            fault::sync(&file, || file.sync_all())
                .map_err(disk::failed("sync", &self.draft.path))?;
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest.finish().as_ref());
        let key = RowsKey {
            org: folder.org.clone(),
            chain: folder.chain.to_string(),
            day,
            file: self.name.simple().to_string(),
            hash: hex(&sha256).chars().take(16).collect(),
        };
        let path = folder.path.join(key.spooled());
        fs::rename(&self.draft.path, &path).map_err(disk::failed("rename", &self.draft.path))?;
        self.draft.path = path;
        fault::at(Step::RowsAfterRename);
        if folder.is_synced {
            disk::sync_dir(&folder.path).map_err(disk::failed("sync", &folder.path))?;
        }
        Ok(StoredRows {
            key,
            sha256,
            file: self.draft,
        })
    }
}

fn with_added(own: &Schema) -> SchemaRef {
    let [statement, chunk, row] = ADDED;
    let added = [
        Field::new(statement, DataType::Utf8, false),
        Field::new(chunk, DataType::Int32, false),
        Field::new(row, DataType::Int64, false),
    ];
    let own = own.fields().iter().cloned();
    let fields: Vec<_> = own.chain(added.map(Arc::new)).collect();
    Arc::new(Schema::new(fields))
}

fn failed(error: ParquetError) -> RecordError {
    RecordError::Rows {
        cause: error.to_string(),
    }
}

impl From<Unfit> for RecordError {
    fn from(unfit: Unfit) -> Self {
        Self::Rows {
            cause: unfit.to_string(),
        }
    }
}

/// A file whose bytes are digested and counted as they are written.
struct Measured {
    file: File,
    digest: Context,
    used_bytes: Arc<AtomicU64>,
    max_bytes: u64,
    quotas: Arc<Quotas>,
    session: SessionId,
    bytes: Arc<AtomicU64>,
}

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let used_bytes = self.used_bytes.load(Ordering::Relaxed);
        if used_bytes.saturating_add(bytes.len() as u64) > self.max_bytes {
            let text = format!("rows may fill the spool up to {} bytes", self.max_bytes);
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        if !self.quotas.take_bytes(self.session, bytes.len() as u64) {
            let text = "this session has as many bytes in the spool as one session may";
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        let written = self.file.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        Spool::count(&self.used_bytes, written as u64, 0);
        self.bytes.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Removes files of rows that no row of the record tells of, and tells how many bytes the others have.
pub(in crate::record) fn remove_orphans(
    folder: &Path,
    is_told: impl Fn(&str) -> bool,
) -> io::Result<u64> {
    let mut left_bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !is_rows(&name) {
            continue;
        }
        if is_told(&name) {
            left_bytes += entry.metadata()?.len();
        } else {
            tracing::warn!(path = %entry.path().display(), "removed rows that the record does not tell of");
            disk::remove_if_there(&entry.path())?;
        }
    }
    Ok(left_bytes)
}

/// Tells whether a file of the spool is one of rows, whole or not.
pub(in crate::record) fn is_rows(name: &str) -> bool {
    name.ends_with(super::key::SPOOLED) || name.ends_with(DRAFT)
}
