//! One result masked by its plan: what the answer itself holds, and what its later parts are masked by.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::detect::{Finds, may_hold_minted};
use super::kept::KeptMasking;
use super::plan::{Settled, shape};
use super::rows::{Treatments, mask_list};
use super::stream::mask_stream;
use super::transform::Keyed;
use super::treatment::{Treatment, Uncertain, for_delivery};
use crate::policy::{Detectors, Plan, Transform};
use crate::snowflake::column::ColumnType;
use crate::snowflake::json::Object;

/// Members of `data` by which rows leave.
const ROWS: [&str; 3] = ["rowset", "rowsetBase64", "chunks"];

/// How the chunks of a result are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChunkForm {
    /// Rows of JSON joined by commas.
    Json,
    /// A stream of Arrow batches.
    Arrow,
}

/// What the chunks of one result are masked by.
#[derive(Clone, Debug)]
pub struct Masking {
    pub(super) columns: Arc<Treatments>,
    /// What the treatments were made from.
    pub(super) kept: KeptMasking,
}

/// What was made of an answer's own rows.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The types of the result's columns, if any is masked.
    pub(super) types: Option<Arc<[ColumnType]>>,
    /// What its chunks are masked by.
    pub(super) masking: Option<Masking>,
    /// Cells that were changed.
    pub(super) cells: u64,
    /// What detectors found in them.
    pub(super) found: Finds,
}

/// Masks the `data` of a driver's answer.
///
/// # Errors
/// Nobody can tell that each masked column is masked.
pub(super) fn mask_data(
    data: &mut Object,
    plan: &Plan,
    keys: impl FnOnce() -> Arc<Keyed>,
) -> Result<Made, Uncertain> {
    let stream = arrow(data);
    let holds_minted =
        may_hold_minted(raw(data, "rowset")) || stream.as_deref().is_some_and(may_hold_minted);
    if plan.is_open() && !holds_minted {
        return Ok(Made::default());
    }
    let keyed = &keys();
    let Some(mut rowtype) = data.read_as::<Vec<Object>>("rowtype") else {
        return if ROWS.iter().any(|member| data.has_content(member)) {
            Err(shape("the answer has rows and no `rowtype`"))
        } else {
            Ok(Made::default())
        };
    };
    let Settled { mut columns, types } = plan.settle(&mut rowtype, keyed)?;
    if holds_minted {
        columns = without_minted(&columns, &types, keyed);
    }
    if columns.iter().all(Option::is_none) {
        return Ok(Made::default());
    }
    set(data, "rowtype", &rowtype)?;
    let (here, tally) = for_delivery(&columns);
    let mut cells = 0;
    if let Some(rowset) = data.raw("rowset").filter(|rows| rows.get() != "null") {
        let (masked, changed) = mask_list(rowset, &here)?;
        set(data, "rowset", &masked)?;
        cells += changed;
    }
    if data.has_content("rowsetBase64") {
        let stream = stream.ok_or_else(|| shape("`rowsetBase64` is not base64"))?;
        let (masked, _, changed) = mask_stream(stream.into(), &here)?;
        set(data, "rowsetBase64", &STANDARD.encode(masked))?;
        cells += changed;
    }
    let masking = if data.has_content("chunks") {
        let form = match data.read_as::<String>("queryResultFormat").as_deref() {
            Some("arrow") => ChunkForm::Arrow,
            Some("json") => ChunkForm::Json,
            Some(_) | None => return Err(shape("`queryResultFormat` is neither json nor arrow")),
        };
        if form == ChunkForm::Json {
            announce(data, &columns)?;
        }
        Some(Masking {
            columns: Arc::clone(&columns),
            kept: KeptMasking {
                plan: plan.clone(),
                types: Arc::clone(&types),
                form,
                hides_minted: holds_minted,
            },
        })
    } else {
        None
    };
    Ok(Made {
        types: Some(types),
        masking,
        cells,
        found: tally.finds(),
    })
}

/// Masks a result set or a partition of the SQL API; `types` are those that an earlier part of the result told.
///
/// # Errors
/// As `mask_data`.
pub(super) fn mask_set(
    body: &mut Object,
    plan: &Plan,
    types: Option<&Arc<[ColumnType]>>,
    keys: impl FnOnce() -> Arc<Keyed>,
) -> Result<Made, Uncertain> {
    let holds_minted = may_hold_minted(raw(body, "data"));
    if plan.is_open() && !holds_minted {
        return Ok(Made::default());
    }
    let keyed = &keys();
    let metadata = body.read_as::<Object>("resultSetMetaData");
    let settled = match (metadata, types) {
        (Some(mut metadata), _) if metadata.has_content("rowType") => {
            let mut rowtype: Vec<Object> = metadata
                .read_as("rowType")
                .ok_or_else(|| shape("`rowType` is no list of columns"))?;
            let settled = plan.settle(&mut rowtype, keyed)?;
            if settled.columns.iter().any(Option::is_some) {
                set(&mut metadata, "rowType", &rowtype)?;
                set(body, "resultSetMetaData", &metadata)?;
            }
            settled
        }
        (_, Some(types)) => plan.treat(types, keyed)?,
        (_, None) if plan.masks_nothing() && !holds_minted => return Ok(Made::default()),
        (_, None) if body.has_content("data") => {
            return Err(shape("the answer has rows and no `rowType`"));
        }
        (_, None) => return Ok(Made::default()),
    };
    let mut columns = settled.columns;
    if holds_minted {
        columns = without_minted(&columns, &settled.types, keyed);
    }
    if columns.iter().all(Option::is_none) {
        return Ok(Made::default());
    }
    let (here, tally) = for_delivery(&columns);
    let mut cells = 0;
    if let Some(rows) = body.raw("data").filter(|rows| rows.get() != "null") {
        let (masked, changed) = mask_list(rows, &here)?;
        set(body, "data", &masked)?;
        cells = changed;
    }
    Ok(Made {
        types: Some(settled.types),
        masking: None,
        cells,
        found: tally.finds(),
    })
}

/// Adds to what is made of columns that credentials are hidden where they may stand.
pub(super) fn without_minted(
    columns: &Treatments,
    types: &[ColumnType],
    keyed: &Arc<Keyed>,
) -> Arc<Treatments> {
    let hide = Transform::Detect(Detectors::minted());
    let may_hold = |of: ColumnType| of == ColumnType::Text || of.is_json();
    let columns = columns.iter().zip(types);
    let treat = |(own, of): (&Option<Treatment>, &ColumnType)| {
        let added = || may_hold(*of).then(|| Treatment::new(&hide, *of, Arc::clone(keyed)));
        own.clone().or_else(added)
    };
    columns.map(treat).collect()
}

fn raw<'d>(data: &'d Object, member: &str) -> &'d [u8] {
    let raw = data.raw(member).map(RawValue::get);
    raw.unwrap_or_default().as_bytes()
}

/// Gives the Arrow stream that stands in an answer as text.
fn arrow(data: &Object) -> Option<Vec<u8>> {
    let text: String = data.read_as("rowsetBase64")?;
    STANDARD.decode(text).ok()
}

/// Announces chunks as large as they may be once masked: JDBC takes room for their cells by that, and fails where it does
/// not suffice (protocol reference 5.5).
fn announce(data: &mut Object, columns: &Treatments) -> Result<(), Uncertain> {
    let mut chunks: Vec<Object> = data
        .read_as("chunks")
        .ok_or_else(|| shape("`chunks` is no list of objects"))?;
    let (mut a_row, mut times) = (0_u64, 1_u64);
    for growth in columns.iter().flatten().map(Treatment::growth) {
        a_row = a_row.saturating_add(growth.a_cell);
        times = times.max(growth.times);
    }
    for chunk in &mut chunks {
        let told = chunk.read_as::<u64>("uncompressedSize");
        let rows = chunk.read_as::<u64>("rowCount");
        if let (Some(size), Some(rows)) = (told, rows) {
            let most = size
                .saturating_mul(times)
                .saturating_add(rows.saturating_mul(a_row));
            // Drivers hold it in 32 bits.
            set(chunk, "uncompressedSize", &most.min(i32::MAX as u64))?;
        }
    }
    set(data, "chunks", &chunks)
}

fn set<T: Serialize + ?Sized>(
    object: &mut Object,
    member: &str,
    value: &T,
) -> Result<(), Uncertain> {
    let written = object.set(member, value);
    written.map_err(|_| shape("what is masked cannot be written as JSON"))
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
