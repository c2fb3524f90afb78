//! Which statements' rows are kept, for the next process: a file a session, which goes with it.
//!
//! It is not synced: where the machine stops, so do its sessions.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::decode::RowsForm;
use crate::id::{SessionId, StatementId};
use crate::record::RecordError;
use crate::record::disk;
use crate::record::settings::ResultRows;
use crate::snowflake::column_told::ColumnTold;

/// One statement whose rows are kept.
#[derive(Clone, Debug)]
pub(super) struct KeptLine {
    pub(super) statement: StatementId,
    pub(super) wanted: ResultRows,
    pub(super) day: NaiveDate,
    /// How its chunks and partitions come, once that is known.
    pub(super) form: Option<RowsForm>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    statement: StatementId,
    rows: String,
    day: String,
    form: Option<WrittenForm>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum WrittenForm {
    Json(Vec<ColumnTold>),
    Arrow,
}

/// The files of all sessions.
#[derive(Debug)]
pub(super) struct KeptFiles(PathBuf);

impl KeptFiles {
    /// Opens the folder of the files, making it where there is none.
    pub(super) fn open(folder: PathBuf) -> Result<Self, RecordError> {
        disk::create_private_dirs(&folder).map_err(disk::failed("create", &folder))?;
        Ok(Self(folder))
    }

    /// Reads what earlier processes wrote; a line that broke off counts for nothing.
    pub(super) fn read(&self) -> Result<Vec<(SessionId, KeptLine)>, RecordError> {
        let failed = |error| disk::failed("read", &self.0)(error);
        let mut lines = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(Ok(session)) = name.map(str::parse) {
                let text = fs::read_to_string(&path).map_err(disk::failed("read", &path))?;
                lines.extend(text.lines().filter_map(read).map(|line| (session, line)));
            }
        }
        Ok(lines)
    }

    /// Adds a statement of a session.
    pub(super) fn add(&self, session: SessionId, line: &KeptLine) -> io::Result<()> {
        let written = Written {
            statement: line.statement,
            rows: line.wanted.to_string(),
            day: line.day.to_string(),
            form: line.form.as_ref().map(|form| match form {
                RowsForm::Json(columns) => WrittenForm::Json(columns.to_vec()),
                RowsForm::Arrow => WrittenForm::Arrow,
            }),
        };
        let mut text = serde_json::to_string(&written)?;
        text.push('\n');
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600);
        file.open(self.of(session))?.write_all(text.as_bytes())
    }

    /// Removes what was written of a session.
    pub(super) fn forget(&self, session: SessionId) {
        // One that stays is a few bytes, and is of a session that is over.
        drop(disk::remove_if_there(&self.of(session)));
    }

    fn of(&self, session: SessionId) -> PathBuf {
        self.0.join(Path::new(&session.to_string()))
    }
}

fn read(line: &str) -> Option<KeptLine> {
    let written: Written = serde_json::from_str(line).ok()?;
    Some(KeptLine {
        statement: written.statement,
        wanted: ResultRows::read(&written.rows)?,
        day: written.day.parse().ok()?,
        form: written.form.map(|form| match form {
            WrittenForm::Json(columns) => RowsForm::Json(columns.into()),
            WrittenForm::Arrow => RowsForm::Arrow,
        }),
    })
}
