//! One object of the store: a Parquet file, and the key that says what is in it.

use arrow::error::ArrowError;
use bytes::Bytes;
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::columns;
use super::digest::{hex, sha256};
use super::entry::Entry;
use super::schema::{SCHEMA_VERSION, Table, Type};
use super::wal::Header;

/// Most rows of a row group; DuckDB reads row groups in parallel and its own have this many rows.
const ROW_GROUP_MAX_ROWS: usize = 122_880;

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

/// Rows that are decoded before they become columns: enough for the columns' encoders, few enough for the cache.
const PIECE_ROWS: usize = 1024;

/// An object of one table and day on its way.
pub(super) struct Object {
    table: &'static Table,
    day: NaiveDate,
    writer: ArrowWriter<Vec<u8>>,
    piece: Vec<Entry>,
    seqs: Option<(i64, i64)>,
}

impl Object {
    /// Begins an object of what a file with this header holds.
    pub(super) fn begin(
        table: &'static Table,
        day: NaiveDate,
        header: &Header,
    ) -> Result<Self, ParquetError> {
        let options = ArrowWriterOptions::new()
            .with_properties(properties(table, header)?)
            // The Arrow schema would be greater than a small segment's data, and says nothing that the columns do not.
            .with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(Vec::new(), columns::schema(table), options)?;
        Ok(Self {
            table,
            day,
            writer,
            piece: Vec::new(),
            seqs: None,
        })
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: Entry) -> Result<(), ParquetError> {
        let seq = row.int("seq").unwrap_or_default();
        let (least, greatest) = self.seqs.unwrap_or((seq, seq));
        self.seqs = Some((least.min(seq), greatest.max(seq)));
        self.piece.push(row);
        if self.piece.len() >= PIECE_ROWS {
            self.write_piece()?;
        }
        Ok(())
    }

    /// Gives the object's key and bytes.
    pub(super) fn finish(mut self, header: &Header) -> Result<(Key, Vec<u8>), ParquetError> {
        self.write_piece()?;
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
        Ok((key, bytes))
    }

    fn write_piece(&mut self) -> Result<(), ParquetError> {
        if !self.piece.is_empty() {
            self.writer
                .write(&columns::batch(self.table, &self.piece)?)?;
            self.piece.clear();
        }
        Ok(())
    }
}

fn said(key: &str, value: String) -> KeyValue {
    KeyValue::new(format!("audit.{key}"), value)
}

fn properties(table: &Table, header: &Header) -> Result<WriterProperties, ParquetError> {
    let seq = table
        .position("seq")
        .and_then(|position| i32::try_from(position).ok());
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
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
            said("schema_version", SCHEMA_VERSION.to_string()),
            said("org_id", header.org.clone()),
            said("table", table.name.to_owned()),
            said("chain_id", header.chain.clone()),
            said("writer_build", header.writer_build.clone()),
            said("policy_bundle_sha256", hex(&header.policy_bundle_sha256)),
        ]));
    for column in table.columns().filter(|column| !column.dictionary) {
        let path = ColumnPath::from(column.name);
        let encoding = match column.kind {
            Type::I64 | Type::Time => Some(Encoding::DELTA_BINARY_PACKED),
            Type::Hash | Type::Salt | Type::Json => Some(Encoding::PLAIN),
            Type::Text => Some(Encoding::DELTA_BYTE_ARRAY),
            Type::Bool | Type::I32 | Type::F64 | Type::List(_) | Type::Struct(_) => None,
        };
        if let Some(encoding) = encoding {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding);
        }
    }
    Ok(properties.build())
}

/// Reads an object's rows, and refuses one whose content is not what its key says.
pub(crate) fn read(key: &Key, bytes: Bytes) -> Result<Vec<Entry>, ParquetError> {
    let table = Table::by_name(&key.table).ok_or_else(|| differs("table", &key.table))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    columns::check(table, reader.schema())?;
    let mut rows = Vec::new();
    for batch in reader.build()? {
        rows.extend(columns::entries(
            table,
            &batch.map_err(ParquetError::from)?,
        )?);
    }
    for row in &rows {
        let seq = row.int("seq").unwrap_or(-1);
        if row.text("chain_id") != Some(&key.chain) || row.text("org_id") != Some(&key.org) {
            return Err(differs("chain or org", &key.chain));
        }
        if !(key.seq_min..=key.seq_max).contains(&seq) {
            return Err(differs("range", &seq.to_string()));
        }
    }
    Ok(rows)
}

fn differs(what: &str, found: &str) -> ParquetError {
    ParquetError::from(ArrowError::SchemaError(format!(
        "the key names another {what} than `{found}`"
    )))
}
