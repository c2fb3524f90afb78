//! A time in which nothing was governed, told in the record by the first proxy after it.

use std::fs;
use std::io;
use std::path::Path;

use crate::control::detached::{DETACHED, Detached};
use crate::record::event::{code, no_session};
use crate::record::{Category, EventRow, RecordError, Recorder, Row, Severity};

/// Records that everything was detached, if it was, and lets go of the note of it once that is durable.
pub(super) fn tell(recorder: &Recorder, state_dir: &Path) -> Result<(), RecordError> {
    let path = state_dir.join(DETACHED);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(failure) if failure.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(failure) => {
            tracing::error!(file = %path.display(), %failure, "a note of a detach cannot be read");
            return Ok(());
        }
    };
    let detail = match serde_json::from_slice::<Detached>(&text) {
        Ok(noted) => serde_json::json!({ "since": noted.at, "killed": noted.killed }),
        // That it was detached is known all the same.
        Err(failure) => serde_json::json!({ "unread": failure.to_string() }),
    };
    tracing::warn!(%detail, "everything was detached before this start");
    let _receipt = recorder.commit_blocking(vec![Row::from(EventRow {
        session_id: Some(no_session()),
        event_code: code::DETACHED,
        severity: Severity::High,
        category: Category::Admin,
        detail: Some(detail),
        ..EventRow::default()
    })])?;
    if let Err(failure) = fs::remove_file(&path) {
        tracing::error!(file = %path.display(), %failure, "a note of a detach stays, and is told again");
    }
    Ok(())
}
