//! The rows of a store, taken only from objects that are what their names say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::record::entry::Entry;
use crate::record::schema::TABLES;
use crate::record::{self, Content, Found, RecordError, Store};

/// Why a reader gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] RecordError),
    /// No session has this id.
    #[error("no session begins with `{0}` in this store")]
    Unknown(String),
    /// More than one session has this beginning.
    #[error("{count} sessions begin with `{prefix}`: {some}")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// How many there are.
        count: usize,
        /// A few of them.
        some: String,
    },
    /// The session has no step of this number.
    #[error("expected a step from 1 to {all}, found {step}")]
    Step {
        /// What was asked for.
        step: usize,
        /// How many there are.
        all: usize,
    },
    /// A file that was to be written is there.
    #[error("`{0}` is there already and was left as it is")]
    There(String),
    /// A file cannot be read or written.
    #[error("file `{path}`")]
    File {
        /// Where it is.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The answer could not be written.
    #[error("could not write the answer")]
    Write(#[from] std::io::Error),
}

/// All rows of a store that can be believed.
#[derive(Debug, Default)]
pub struct Archive {
    rows: BTreeMap<&'static str, Vec<Entry>>,
    files: Vec<Found>,
    rows_files: BTreeMap<String, PathBuf>,
    refused: Vec<String>,
}

impl Archive {
    /// Reads a store.
    ///
    /// An object counts if its name is of the record's layout, its bytes have the hash of its name, and its rows are of
    /// the table, organisation, chain and range that its name says. One that does not is left out and told.
    pub fn read(url: &str) -> Result<Self, ReadError> {
        let listing = Store::open(url)?.list()?;
        let mut archive = Self {
            refused: listing.refused,
            rows_files: (listing.rows.into_iter())
                .map(|(key, path)| (key.to_string(), path))
                .collect(),
            ..Self::default()
        };
        for found in listing.found {
            match record::read(&found.key, found.bytes.clone()) {
                Ok(Content { rows, unknown }) => {
                    if !unknown.is_empty() {
                        archive.refused.push(format!(
                            "{}: of its columns those that this version does not know: {}",
                            found.key,
                            unknown.join(", ")
                        ));
                    }
                    let known = TABLES
                        .into_iter()
                        .find(|table| table.name == found.key.table);
                    let Some(table) = known else { continue };
                    archive.rows.entry(table.name).or_default().extend(rows);
                    archive.files.push(found);
                }
                Err(error) => archive.refused.push(format!("{}: {error}", found.key)),
            }
        }
        for rows in archive.rows.values_mut() {
            rows.sort_by(|one, other| place(one).cmp(&place(other)));
        }
        Ok(archive)
    }

    /// Gives a table's rows, by chain and place.
    #[must_use]
    pub fn table(&self, name: &str) -> &[Entry] {
        self.rows.get(name).map_or(&[], Vec::as_slice)
    }

    /// Tells whether any row is of a session whose id begins so.
    #[must_use]
    pub fn has_session(&self, begin: &str) -> bool {
        let mut rows = self.rows.values().flatten();
        rows.any(|row| {
            row.text("session_id")
                .is_some_and(|id| id.starts_with(begin))
        })
    }

    /// Lists the objects that were read.
    pub(super) fn files(&self) -> &[Found] {
        &self.files
    }

    /// Finds an object of rows of a result; nobody has looked at its bytes.
    pub(super) fn rows_file(&self, key: &str) -> Option<&Path> {
        self.rows_files.get(key).map(PathBuf::as_path)
    }

    /// Lists what was left out, and why, one line each.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.refused
    }
}

fn place(entry: &Entry) -> (&str, Option<i64>) {
    (entry.text("chain_id").unwrap_or_default(), entry.int("seq"))
}
