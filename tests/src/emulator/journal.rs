//! What the gate saw and gave, as JSON lines for tests to assert on.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::time;

/// Longest body that is written into the journal, in bytes.
const BODY_MAX_BYTES: usize = 256 * 1024;

/// Two append-only files of JSON lines: events and secrets.
#[derive(Debug)]
pub(super) struct Journal {
    events: Mutex<File>,
    canaries: Mutex<File>,
}

impl Journal {
    /// Creates both files, empty.
    pub(super) fn create(events: &Path, canaries: &Path) -> Result<Self> {
        let create = |path: &Path| {
            File::create(path)
                .with_context(|| format!("create `{}`", path.display()))
                .map(Mutex::new)
        };
        Ok(Self {
            events: create(events)?,
            canaries: create(canaries)?,
        })
    }

    /// Writes one event with its time.
    pub(super) fn event(&self, name: &str, mut facts: Value) {
        if let Some(object) = facts.as_object_mut() {
            object.insert("event".into(), name.into());
            object.insert("at".into(), json!(time::since_epoch().as_secs_f64()));
        }
        append(&self.events, &facts);
    }

    /// Notes a secret that must never be found where an agent, a log or a record could hold it.
    pub(super) fn canary(&self, name: &str, value: &str) {
        append(&self.canaries, &json!({"name": name, "value": value}));
    }
}

/// Gives the text of a body as the journal holds it: cut, and with bytes that are no UTF-8 replaced.
#[must_use]
pub(super) fn body_text(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..BODY_MAX_BYTES).unwrap_or(body)).into_owned()
}

fn append(file: &Mutex<File>, line: &Value) {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    // One write a line, so that a reader never sees half of one. A full disk shows as a missing line in the test.
    if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
        tracing::error!(%error, "journal line lost");
    }
}
