//! One object of the store: a Parquet file, and the key that says what is in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use bytes::Bytes;
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::columns;
use super::digest::{hex, sha256};
use super::encoded::encoded;
use super::encryption::{Closed, DataKey, KeyName, KeyRing, Opener};
use super::entry::Entry;
use super::schema::{FORMAT_VERSION, Table, Tier};
use super::wal::Header;

/// Most rows of a row group; DuckDB reads row groups in parallel and its own have this many rows.
pub(super) const ROW_GROUP_MAX_ROWS: usize = 122_880;

/// Most bytes of a row group.
const ROW_GROUP_MAX_BYTES: usize = 32 << 20;

/// What an object's key says.
///
/// `<org>/v1/<tier>/<chain>/<table>/dt=<day>/<chain>-<seqmin>-<seqmax>-<first 16 hex digits of its SHA-256>.parquet`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) org: String,
    pub(crate) tier: String,
    pub(crate) chain: String,
    pub(crate) table: String,
    pub(crate) day: NaiveDate,
    pub(crate) seq_min: i64,
    pub(crate) seq_max: i64,
    pub(crate) hash: String,
}

impl Key {
    /// Reads a key; none where the text is not one, or names a table or tier that does not go together.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let [org, "v1", tier, chain, table, day, name] = *text.split('/').collect::<Vec<_>>()
        else {
            return None;
        };
        let stem = name.strip_suffix(".parquet")?;
        let [seq_min, seq_max, hash] = *stem
            .strip_prefix(chain)?
            .strip_prefix('-')?
            .split('-')
            .collect::<Vec<_>>()
        else {
            return None;
        };
        let key = Self {
            org: org.to_owned(),
            tier: tier.to_owned(),
            chain: uuid::Uuid::try_parse(chain).ok()?.to_string(),
            table: table.to_owned(),
            day: day.strip_prefix("dt=")?.parse().ok()?,
            seq_min: seq_min.parse().ok()?,
            seq_max: seq_max.parse().ok()?,
            hash: hash.to_owned(),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let tier_fits = Table::by_name(table).is_some_and(|table| table.tier.as_str() == tier);
        // Written back it must be the same text: one object has one key.
        (tier_fits && org.bytes().all(plain) && hash.len() == 16 && key.to_string() == text)
            .then_some(key)
    }

    /// Tells whether bytes are those that the key was made for.
    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        hex(&sha256(bytes)).get(..16) == Some(self.hash.as_str())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            org,
            tier,
            chain,
            table,
            day,
            seq_min,
            seq_max,
            hash,
        } = self;
        let day = day.format("%Y-%m-%d");
        write!(
            f,
            "{org}/v1/{tier}/{chain}/{table}/dt={day}/{chain}-{seq_min:012}-{seq_max:012}-{hash}.parquet"
        )
    }
}

/// An object of one table and day on its way.
pub(super) struct Object {
    table: &'static Table,
    day: NaiveDate,
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    seqs: Option<(i64, i64)>,
    sessions: Option<(String, String)>,
}

/// An object that is ready to be stored.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) key: Key,
    pub(super) rows: u64,
    /// The least and the greatest session that its rows are about; the nil one twice where all are about the host.
    pub(super) sessions: (String, String),
    pub(super) bytes: Vec<u8>,
}

impl Object {
    /// Begins an object of what a file with this header holds; with a key all of it is encrypted.
    pub(super) fn begin(
        table: &'static Table,
        day: NaiveDate,
        header: &Header,
        key: Option<&DataKey>,
    ) -> Result<Self, ParquetError> {
        let options = ArrowWriterOptions::new()
            .with_properties(properties(table, header, key)?)
            // The Arrow schema would be greater than a small segment's data, and says nothing that the columns do not.
            .with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(Vec::new(), columns::schema(table), options)?;
        Ok(Self {
            table,
            day,
            writer,
            rows: 0,
            seqs: None,
            sessions: None,
        })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        let seqs = rows.column_by_name("seq");
        let seqs = seqs.and_then(|column| column.as_primitive_opt::<Int64Type>());
        for seq in seqs.into_iter().flat_map(|seqs| seqs.values()) {
            let (least, greatest) = self.seqs.unwrap_or((*seq, *seq));
            self.seqs = Some((least.min(*seq), greatest.max(*seq)));
        }
        self.rows += rows.num_rows() as u64;
        self.note_sessions(rows);
        self.writer.write(rows)
    }

    fn note_sessions(&mut self, rows: &RecordBatch) {
        let nil = uuid::Uuid::nil().to_string();
        let named = rows.column_by_name("session_id");
        let named = named.and_then(|column| column.as_string_opt::<i32>());
        for session in named.into_iter().flatten().flatten() {
            if session == nil {
                continue;
            }
            match &mut self.sessions {
                None => self.sessions = Some((session.to_owned(), session.to_owned())),
                Some((least, _)) if session < least.as_str() => session.clone_into(least),
                Some((_, greatest)) if session > greatest.as_str() => {
                    session.clone_into(greatest);
                }
                Some(_) => {}
            }
        }
    }

    /// Ends the object.
    pub(super) fn finish(mut self, header: &Header) -> Result<Finished, ParquetError> {
        let (seq_min, seq_max) = self.seqs.unwrap_or_default();
        for (name, seq) in [("seq_min", seq_min), ("seq_max", seq_max)] {
            self.writer
                .append_key_value_metadata(said(name, seq.to_string()));
        }
        let bytes = self.writer.into_inner()?;
        let key = Key {
            org: header.org.clone(),
            tier: self.table.tier.as_str().to_owned(),
            chain: header.chain.clone(),
            table: self.table.name.to_owned(),
            day: self.day,
            seq_min,
            seq_max,
            hash: hex(&sha256(&bytes)).chars().take(16).collect(),
        };
        let nil = || uuid::Uuid::nil().to_string();
        Ok(Finished {
            key,
            rows: self.rows,
            sessions: self.sessions.unwrap_or_else(|| (nil(), nil())),
            bytes,
        })
    }
}

pub(super) fn said(key: &str, value: String) -> KeyValue {
    KeyValue::new(format!("audit.{key}"), value)
}

/// Where a footer says by which definition the rows were written.
const VERSION_KEY: &str = "audit.schema_version";

fn properties(
    table: &Table,
    header: &Header,
    key: Option<&DataKey>,
) -> Result<WriterProperties, ParquetError> {
    let seq = table
        .position("seq")
        .and_then(|position| i32::try_from(position).ok());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level(table.tier))?))
        .set_max_row_group_row_count(Some(ROW_GROUP_MAX_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_MAX_BYTES))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(format!("icecore {}", header.writer_build))
        .set_sorting_columns(seq.map(|column_idx| {
            vec![SortingColumn {
                column_idx,
                descending: false,
                nulls_first: false,
            }]
        }))
        .set_key_value_metadata(Some(vec![
            said("schema_version", FORMAT_VERSION.to_string()),
            said("org_id", header.org.clone()),
            said("table", table.name.to_owned()),
            said("chain_id", header.chain.clone()),
            said("writer_build", header.writer_build.clone()),
            said("policy_bundle_sha256", hex(&header.policy_bundle_sha256)),
        ]));
    let mut properties = encoded(table, properties);
    if let Some(key) = key {
        properties = properties.with_file_encryption_properties(key.properties()?);
    }
    Ok(properties.build())
}

/// Says by which level of zstd a tier is compressed: what of metadata is not random is short, and greater levels find no
/// more of it (BENCHMARKS.md, "Record").
fn level(tier: Tier) -> i32 {
    match tier {
        Tier::Metadata => 1,
        Tier::Content | Tier::Rows | Tier::Prompts => 3,
    }
}

/// Why an object was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// It is encrypted, and no key opens it.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// It is no Parquet file, or not of the rows that its key says.
    #[error(transparent)]
    Differs(#[from] ParquetError),
}

/// What is given of an object's rows, which are checked in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All of them.
    Given,
    /// None.
    Checked,
}

/// The columns by which a row is checked.
const CHECKED: [&str; 4] = ["schema_version", "org_id", "chain_id", "seq"];

/// What an object holds.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// None where they are only checked.
    pub(crate) rows: Vec<Entry>,
    /// Columns that this version does not know: a later one wrote them, and they are not in the rows.
    pub(crate) unknown: Vec<String>,
    /// By which key it is encrypted; none where it is not.
    pub(crate) key: Option<KeyName>,
    /// What tells its columns from others.
    pub(crate) columns: String,
}

/// Reads an object's rows, and refuses one whose content is not what its key says, or of a later format.
///
/// Columns that the object lacks have no value, which is what an earlier version leaves.
pub(crate) fn read(
    key: &Key,
    bytes: Bytes,
    ring: &Arc<KeyRing>,
    rows: Rows,
) -> Result<Content, Unread> {
    let opener = Opener::new(ring, &key.org);
    let content = opened(&key.table, bytes, (&opener, rows), |row| {
        let seq = row.int("seq").unwrap_or(-1);
        if row.text("chain_id") != Some(&key.chain) || row.text("org_id") != Some(&key.org) {
            return Err(differs("chain or org", &key.chain));
        }
        if !(key.seq_min..=key.seq_max).contains(&seq) {
            return Err(differs("range", &seq.to_string()));
        }
        Ok(())
    });
    let key = opener.outcome()?;
    Ok(Content { key, ..content? })
}

/// Reads a file of the compacted layer: rows of any chain of an organisation.
pub(crate) fn read_compacted(
    (org, table): (&str, &str),
    bytes: Bytes,
    rows: Rows,
) -> Result<Content, Unread> {
    let opener = Opener::new(&KeyRing::empty(), org);
    Ok(opened(table, bytes, (&opener, rows), |row| {
        let is_own = row.text("org_id") == Some(org);
        is_own.then_some(()).ok_or_else(|| differs("org", org))
    })?)
}

/// Finds the chains of which a file has rows of sessions whose ids begin so.
pub(crate) fn chains_of_session(bytes: Bytes, begin: &str) -> Result<BTreeSet<String>, ArrowError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let wanted = ["session_id", "chain_id"];
    let columns = ProjectionMask::columns(reader.parquet_schema(), wanted);
    let mut chains = BTreeSet::new();
    for batch in reader.with_projection(columns).build()? {
        let batch = batch?;
        let [sessions, of] = wanted.map(|name| {
            batch
                .column_by_name(name)
                .map(|column| column.as_string_opt::<i32>())
        });
        let (Some(Some(sessions)), Some(Some(of))) = (sessions, of) else {
            return Err(ArrowError::SchemaError(
                "expected texts in session_id and chain_id".to_owned(),
            ));
        };
        for (session, chain) in sessions.iter().zip(of) {
            if let (Some(session), Some(chain)) = (session, chain)
                && session.starts_with(begin)
                && !chains.contains(chain)
            {
                chains.insert(chain.to_owned());
            }
        }
    }
    Ok(chains)
}

fn opened(
    table: &str,
    bytes: Bytes,
    (opener, given): (&Opener, Rows),
    belongs: impl Fn(&Entry) -> Result<(), ParquetError>,
) -> Result<Content, ParquetError> {
    let table = Table::by_name(table).ok_or_else(|| differs("table", table))?;
    let options = opener.options(&bytes)?;
    let mut reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)?;
    let said = reader.metadata().file_metadata().key_value_metadata();
    let said = said.into_iter().flatten();
    let version = said
        .filter(|said| said.key == VERSION_KEY)
        .find_map(|said| said.value.as_deref()?.parse().ok());
    check_version(version.unwrap_or(FORMAT_VERSION.into()))?;
    let unknown = columns::unknown(table, reader.schema())?;
    let told_apart = columns::told_apart(reader.schema());
    if given == Rows::Checked {
        let checked = ProjectionMask::columns(reader.parquet_schema(), CHECKED);
        reader = reader.with_projection(checked);
    }
    let mut rows = Vec::new();
    for batch in reader.build()? {
        let batch = columns::entries(table, &batch.map_err(ParquetError::from)?)?;
        for row in &batch {
            // What a footer says is missing from an encrypted file; each row says it too.
            check_version(row.int("schema_version").unwrap_or_default())?;
            belongs(row)?;
        }
        if given == Rows::Given {
            rows.extend(batch);
        }
    }
    Ok(Content {
        rows,
        unknown,
        columns: told_apart,
        key: None,
    })
}

fn check_version(found: i64) -> Result<(), ParquetError> {
    if found > i64::from(FORMAT_VERSION) {
        return Err(ParquetError::from(ArrowError::SchemaError(format!(
            "a later icecore wrote it: expected format version {FORMAT_VERSION} at most, found {found}; read it with that icecore"
        ))));
    }
    Ok(())
}

fn differs(what: &str, found: &str) -> ParquetError {
    ParquetError::from(ArrowError::SchemaError(format!(
        "the key names another {what} than `{found}`"
    )))
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
