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

/// Gives rows of one table and day as an object.
pub(super) fn write(
    table: &'static Table,
    day: NaiveDate,
    rows: &[Entry],
    header: &Header,
) -> Result<(Key, Vec<u8>), ParquetError> {
    let seqs = || rows.iter().filter_map(|row| row.int("seq"));
    let (seq_min, seq_max) = (seqs().min().unwrap_or(0), seqs().max().unwrap_or(0));
    let options = ArrowWriterOptions::new()
        .with_properties(properties(table, header, seq_min, seq_max)?)
        // The Arrow schema would be greater than a small segment's data, and says nothing that the columns do not.
        .with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), columns::schema(table), options)?;
    writer.write(&columns::batch(table, rows)?)?;
    let bytes = writer.into_inner()?;
    let key = Key {
        org: header.org.clone(),
        tier: table.tier.as_str().to_owned(),
        chain: header.chain.clone(),
        table: table.name.to_owned(),
        day,
        seq_min,
        seq_max,
        hash: hex(&sha256(&bytes)).chars().take(16).collect(),
    };
    Ok((key, bytes))
}

fn properties(
    table: &Table,
    header: &Header,
    seq_min: i64,
    seq_max: i64,
) -> Result<WriterProperties, ParquetError> {
    let said = |key: &str, value: String| KeyValue::new(format!("audit.{key}"), value);
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
            said("seq_min", seq_min.to_string()),
            said("seq_max", seq_max.to_string()),
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
