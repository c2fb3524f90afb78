//! One chunk as storage has it: 40,000 rows of thirteen columns, as Arrow or JSON, made of a fixed series of numbers.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Field, Schema};
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use icecore::snowflake::column::ColumnType;
use serde_json::{Value, json};

const ROWS: usize = 40_000;
/// Rows of an Arrow batch.
const BATCH_ROWS: usize = 4096;

/// How a chunk is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Arrow,
    Json,
}

/// A chunk and what its result says of its columns.
pub(crate) struct Chunk {
    pub(crate) form: Form,
    pub(crate) columns: Vec<(&'static str, ColumnType)>,
    pub(crate) rows: u64,
    pub(crate) plain_bytes: usize,
    pub(crate) gzip: Bytes,
}

/// A column: its name, its type and its values in both forms.
struct Column {
    name: &'static str,
    kind: ColumnType,
    array: ArrayRef,
    cells: Vec<String>,
}

impl Chunk {
    pub(crate) fn make(form: Form) -> Result<Self> {
        let columns = columns();
        let plain = match form {
            Form::Arrow => stream(&columns)?,
            Form::Json => rows(&columns)?,
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain)?;
        Ok(Self {
            form,
            columns: columns
                .iter()
                .map(|column| (column.name, column.kind))
                .collect(),
            rows: ROWS.try_into()?,
            plain_bytes: plain.len(),
            gzip: encoder.finish()?.into(),
        })
    }
}

fn columns() -> Vec<Column> {
    // Knuth's MMIX generator: what is measured shall be the same on every machine.
    let mut state = 7_u64;
    let mut draw = move |top: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 20) % top
    };
    let words: Vec<String> = (0..997)
        .map(|_| {
            let signs = (0..24).map(|_| char::from(b'a' + u8::try_from(draw(26)).unwrap_or(0)));
            signs.collect()
        })
        .collect();
    let number = |scale| ColumnType::Fixed {
        precision: 18,
        scale,
    };
    let mut word = || {
        let place = usize::try_from(draw(997)).unwrap_or(0);
        words.get(place).cloned().unwrap_or_default()
    };
    let mut text = |name| texts(name, ColumnType::Text, (0..ROWS).map(|_| word()).collect());
    let columns = [text("NAME"), text("SECRET"), text("T1"), text("T2")];
    let mails = (0..ROWS).map(|row| format!("user{}@example.com", row % 9973));
    let documents =
        (0..ROWS).map(|row| format!(r#"{{"a": {{"b": {row}}}, "c": "{}"}}"#, row % 997));
    let mut whole = |name, kind, top: u64, scale: u32| {
        let values = (0..ROWS).map(|_| i64::try_from(draw(top)).unwrap_or(0));
        numbers(name, kind, values.collect(), scale)
    };
    let mut all = vec![
        whole("ID", number(0), 1 << 40, 0),
        whole("AMOUNT", number(2), 1_000_000_000, 2),
        whole(
            "SEEN",
            ColumnType::Timestamp { scale: 3 },
            2_000_000_000_000,
            3,
        ),
        whole("N1", number(0), 1_000_000_000_000, 0),
        texts("MAIL", ColumnType::Text, mails.collect()),
        texts("DOC", ColumnType::Variant, documents.collect()),
    ];
    all.extend(columns);
    let days: Vec<i32> = (0..ROWS)
        .map(|row| i32::try_from(row % 20_000).unwrap_or(0))
        .collect();
    all.push(Column {
        name: "D",
        kind: ColumnType::Date,
        cells: days.iter().map(ToString::to_string).collect(),
        array: Arc::new(Int32Array::from(days).reinterpret_cast::<arrow::datatypes::Date32Type>()),
    });
    let reals: Vec<f64> = (0..ROWS)
        .map(|row| f64::from(u32::try_from(row).unwrap_or(0)) / 7.0)
        .collect();
    all.push(Column {
        name: "R",
        kind: ColumnType::Real,
        cells: reals.iter().map(ToString::to_string).collect(),
        array: Arc::new(Float64Array::from(reals)),
    });
    let truths: Vec<bool> = (0..ROWS).map(|row| row % 3 == 0).collect();
    all.push(Column {
        name: "B",
        kind: ColumnType::Boolean,
        cells: truths
            .iter()
            .map(|truth| u8::from(*truth).to_string())
            .collect(),
        array: Arc::new(BooleanArray::from(truths)),
    });
    all
}

fn texts(name: &'static str, kind: ColumnType, cells: Vec<String>) -> Column {
    Column {
        name,
        kind,
        array: Arc::new(StringArray::from(cells.clone())),
        cells,
    }
}

fn numbers(name: &'static str, kind: ColumnType, values: Vec<i64>, scale: u32) -> Column {
    let step = 10_i64.pow(scale);
    let width = usize::try_from(scale).unwrap_or(0);
    let written = |value: &i64| match scale {
        0 => value.to_string(),
        _ => format!("{}.{:0width$}", value / step, value % step),
    };
    Column {
        name,
        kind,
        cells: values.iter().map(written).collect(),
        array: Arc::new(Int64Array::from(values)),
    }
}

fn stream(columns: &[Column]) -> Result<Vec<u8>> {
    let fields = columns
        .iter()
        .map(|column| Field::new(column.name, column.array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.iter().map(|column| Arc::clone(&column.array));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect())?;
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, &schema)?;
    for start in (0..ROWS).step_by(BATCH_ROWS) {
        writer.write(&batch.slice(start, BATCH_ROWS.min(ROWS - start)))?;
    }
    writer.finish()?;
    drop(writer);
    Ok(out)
}

fn rows(columns: &[Column]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for row in 0..ROWS {
        if row > 0 {
            out.push(b',');
        }
        let cells: Vec<Value> = columns
            .iter()
            .map(|column| json!(column.cells.get(row)))
            .collect();
        serde_json::to_writer(&mut out, &cells)?;
    }
    Ok(out)
}
