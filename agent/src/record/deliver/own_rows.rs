//! The rows that a reply itself holds, taken out of the very bytes that are delivered, and kept if policies ask for it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::id::StatementId;
use crate::mask::Outcome;
use crate::record::rows::{Kept, RowsForm, StoredRows};
use crate::record::{RecordError, Recorder};
use crate::snowflake::answer::Body;
use crate::snowflake::json::Object;

/// Keeps the rows of a reply. None where none are asked for, or enough are kept.
///
/// # Errors
/// They could not be kept.
pub(super) async fn keep(
    recorder: &Recorder,
    statement: StatementId,
    body: &Body,
    outcome: &Outcome,
) -> Result<Option<StoredRows>, NotKept> {
    let is_result = outcome.is_delivered() && outcome.children.is_empty();
    let Some(kept) = recorder.keeper().of(statement).filter(|_| is_result) else {
        return Ok(None);
    };
    let stored = store(recorder, &kept, body, outcome).await;
    stored.map_err(|error| NotKept {
        error,
        is_strict: kept.is_strict(),
    })
}

/// Why rows were not kept, and whether they may be delivered all the same.
#[derive(Debug)]
pub(super) struct NotKept {
    pub(super) error: RecordError,
    pub(super) is_strict: bool,
}

async fn store(
    recorder: &Recorder,
    kept: &Arc<Kept>,
    body: &Body,
    outcome: &Outcome,
) -> Result<Option<StoredRows>, RecordError> {
    let Some(rows) = read(body, outcome, kept)? else {
        return Ok(None);
    };
    let has_more = outcome.chunks > 0 || outcome.place >= 0;
    let keeper = recorder.keeper();
    keeper.comes_as(kept, rows.form.clone(), has_more);
    let is_empty = rows.text.is_empty() && outcome.chunks > 0;
    let part = keeper.begin(kept, outcome.place, &rows.form);
    let Some(mut part) = part.filter(|_| !is_empty) else {
        return Ok(None);
    };
    part.push(rows.text).await;
    part.finish(true).await
}

/// A reply's own rows.
#[derive(Debug)]
struct OwnRows {
    form: RowsForm,
    /// JSON rows joined by commas, or an Arrow stream; nothing where there are none.
    text: Bytes,
}

/// Finds the rows in a reply; none in one that has no place for them.
fn read(body: &Body, outcome: &Outcome, kept: &Kept) -> Result<Option<OwnRows>, RecordError> {
    let unread = |cause: &str| RecordError::Rows {
        cause: cause.to_owned(),
    };
    let whole = Object::read(body.text()).map_err(|_| unread("the reply cannot be read"))?;
    let data: Option<Object> = whole.read_as("data");
    let is_arrow = outcome.result_format.as_deref() == Some("arrow");
    if let Some(data) = data.as_ref().filter(|_| is_arrow) {
        let text: String = data.read_as("rowsetBase64").unwrap_or_default();
        let stream = STANDARD.decode(text);
        let stream = stream.map_err(|_| unread("its Arrow rows are not base64"))?;
        let is_here = !stream.is_empty() || outcome.chunks > 0;
        return Ok(is_here.then_some(OwnRows {
            form: RowsForm::Arrow,
            text: stream.into(),
        }));
    }
    let list = match &data {
        Some(data) => data.raw("rowset"),
        // The SQL API has its rows at the top.
        None => whole.raw("data"),
    };
    let Some(inner) = list.and_then(inner) else {
        return Ok(None);
    };
    let form = match kept.form() {
        Some(known) if outcome.columns.is_empty() => known.clone(),
        Some(_) | None => RowsForm::Json(outcome.columns.as_slice().into()),
    };
    Ok(Some(OwnRows {
        form,
        text: Bytes::copy_from_slice(inner.as_bytes()),
    }))
}

/// Gives what stands between the brackets of a list.
fn inner(list: &RawValue) -> Option<&str> {
    let text = list.get().trim_ascii();
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.trim_ascii())
}
