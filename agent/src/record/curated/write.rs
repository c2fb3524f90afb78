//! Files of the compacted layer: large, sorted, with filters for what people look up.

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::merge::Merge;
use super::sort::{ORDER, Sorted};
use super::{CuratedError, columns_of};
use crate::record::encoded::encoded;
use crate::record::object::{ROW_GROUP_MAX_ROWS, said};
use crate::record::schema::{FORMAT_VERSION, Table};

/// A file ends when it has so many bytes: with the row group that is written then it stays below 256 MiB.
const FILE_BYTES: usize = 160 << 20;

/// Most bytes of a row group, for tables of long texts.
const ROW_GROUP_MAX_BYTES: usize = 64 << 20;

/// How often a filter may say yes where the value is not there.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// What a file says of itself beside its rows.
#[derive(Clone, Debug)]
pub(crate) struct About<'a> {
    pub(crate) org: &'a str,
    pub(crate) build: &'a str,
    /// SHA-256 of the list of the objects whose rows are written, of all tables.
    pub(crate) inputs_sha256: &'a str,
}

/// A file that was made.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: u64,
}

/// Writes rows in order, and hands on each file when it is whole.
pub(crate) fn write(
    sorted: &Sorted,
    about: &About<'_>,
    put: impl FnMut(File) -> Result<(), CuratedError>,
) -> Result<(), CuratedError> {
    write_bounded(sorted, about, FILE_BYTES, put)
}

pub(super) fn write_bounded(
    sorted: &Sorted,
    about: &About<'_>,
    file_bytes: usize,
    mut put: impl FnMut(File) -> Result<(), CuratedError>,
) -> Result<(), CuratedError> {
    let table = sorted.table;
    let mut merge: Merge = sorted.merge()?;
    let mut written = 0;
    let mut open: Option<(ArrowWriter<Vec<u8>>, u64)> = None;
    let finish = |(writer, rows): (ArrowWriter<Vec<u8>>, u64)| -> Result<File, ParquetError> {
        let bytes = writer.into_inner()?;
        Ok(File { bytes, rows })
    };
    while let Some(piece) = merge.piece()? {
        let (mut writer, mut rows) = match open.take() {
            Some(open) => open,
            None => (begin(table, about, sorted.rows)?, 0),
        };
        writer.write(&piece)?;
        rows += piece.num_rows() as u64;
        written += piece.num_rows() as u64;
        if writer.bytes_written() + writer.in_progress_size() >= file_bytes {
            put(finish((writer, rows))?)?;
        } else {
            open = Some((writer, rows));
        }
    }
    if let Some(last) = open {
        put(finish(last)?)?;
    }
    if written != sorted.rows {
        return Err(CuratedError::Count {
            table: table.name,
            expected: sorted.rows,
            found: written,
        });
    }
    Ok(())
}

fn begin(
    table: &'static Table,
    about: &About<'_>,
    rows: u64,
) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties(table, about, rows)?)
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(Vec::new(), columns_of(table), options)
}

fn properties(
    table: &'static Table,
    about: &About<'_>,
    rows: u64,
) -> Result<WriterProperties, ParquetError> {
    let sorted_by = ORDER.iter().take(2).filter_map(|name| {
        let column_idx = i32::try_from(table.position(name)?).ok()?;
        Some(SortingColumn {
            column_idx,
            descending: false,
            nulls_first: true,
        })
    });
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(6)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_MAX_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_MAX_BYTES))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(format!("icecore {}", about.build))
        .set_sorting_columns(Some(sorted_by.collect()))
        .set_key_value_metadata(Some(vec![
            said("schema_version", FORMAT_VERSION.to_string()),
            said("org_id", about.org.to_owned()),
            said("table", table.name.to_owned()),
            said("writer_build", about.build.to_owned()),
            said("inputs_sha256", about.inputs_sha256.to_owned()),
        ]));
    let mut properties = encoded(table, properties);
    // The writer folds a filter to what its values need; it cannot have more than a row group's.
    let values_max = rows.clamp(1, ROW_GROUP_MAX_ROWS as u64);
    for column in table.columns().filter(|column| column.bloom) {
        let path = ColumnPath::from(column.name);
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(path, values_max);
    }
    Ok(properties.build())
}
