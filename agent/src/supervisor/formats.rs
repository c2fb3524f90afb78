//! The formats in which a daemon leaves its state, written beside it: an earlier version refuses what it cannot read
//! before it changes anything.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::foreign;
use super::owned;
use crate::config::Owner;
use crate::record;

/// Longest such file that is read.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// Name of the file in `run_dir` and in `state_dir`.
pub(super) const FILE: &str = "formats.json";

/// What is in `run_dir`: its list of sessions. Raise the number with a change that an earlier version would misread.
pub(super) const OF_RUN_DIR: Known = &[("sessions", 1)];

/// What is in `state_dir`: the spool.
pub(super) const OF_STATE_DIR: Known = &[("spool", 1)];

/// Formats that this version reads, each up to its number.
pub(super) type Known = &'static [(&'static str, u32)];

/// Why a state is left alone.
#[derive(Debug, Error)]
pub enum LaterState {
    /// A later version wrote it.
    #[error("`{}`: expected {expected}, found {found}, written by icecore {version}", path.display())]
    Later {
        /// The file that says so.
        path: PathBuf,
        /// The formats that this version reads.
        expected: String,
        /// The one that it does not.
        found: String,
        /// Who wrote it.
        version: String,
    },
    /// Nobody can tell who wrote it.
    #[error("`{}`: expected the formats of what is beside it", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    version: String,
    formats: BTreeMap<String, u32>,
}

/// Looks whether this version reads what is in a folder; a folder that says nothing is of a version before this file.
pub(super) fn look(folder: &Path, known: Known) -> Result<(), LaterState> {
    let path = folder.join(FILE);
    let unread = |source| LaterState::Unread {
        path: path.clone(),
        source,
    };
    let text = match foreign::read(folder, FILE, FILE_MAX_BYTES) {
        Err(failure) if failure.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(unread)?,
    };
    let written: Written = serde_json::from_slice(&text).map_err(|error| unread(error.into()))?;
    let is_known = |name: &str, number: u32| {
        (known.iter()).any(|(known, most)| *known == name && number <= *most)
    };
    let mut formats = written.formats.iter();
    match formats.find(|(name, number)| !is_known(name, **number)) {
        None => Ok(()),
        Some((name, number)) => Err(LaterState::Later {
            path,
            expected: told(known),
            found: format!("{name} {number}"),
            version: written.version,
        }),
    }
}

/// Looks so in a folder that may be the proxy's user's, as that user.
pub(super) fn look_as(owner: Owner, folder: &Path, known: Known) -> Result<(), LaterState> {
    let unread = |source| LaterState::Unread {
        path: folder.join(FILE),
        source,
    };
    owned::as_owner(owner, folder, || look(folder, known)).map_err(unread)?
}

/// Writes so into a folder that may be the proxy's user's, as that user.
pub(super) fn write_as(owner: Owner, folder: &Path, known: Known) -> io::Result<()> {
    owned::as_owner(owner, folder, || write(folder, known))?
}

/// Writes down what this version leaves in a folder, where the same formats do not stand there already.
pub(super) fn write(folder: &Path, known: Known) -> io::Result<()> {
    let formats = known.iter();
    let written = Written {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        formats: formats
            .map(|(name, number)| ((*name).to_owned(), *number))
            .collect(),
    };
    let path = folder.join(FILE);
    let found = foreign::read(folder, FILE, FILE_MAX_BYTES).ok();
    let found: Option<Written> = found.and_then(|text| serde_json::from_slice(&text).ok());
    if found.is_some_and(|found| found.formats == written.formats) {
        return Ok(());
    }
    record::replace(&path, &serde_json::to_vec(&written)?)
}

fn told(known: Known) -> String {
    let all: Vec<String> = known
        .iter()
        .map(|(name, most)| format!("{name} up to {most}"))
        .collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::TempDir;

    use super::*;

    #[track_caller]
    fn check(text: Option<&str>, expected: Result<(), &str>) {
        let folder = TempDir::new().unwrap();
        if let Some(text) = text {
            fs::write(folder.path().join(FILE), text).unwrap();
        }
        let looked = look(folder.path(), &[("sessions", 2)]).map_err(|error| error.to_string());
        match (looked, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (looked, _) => panic!("{looked:?}"),
        }
    }

    #[test]
    fn earlier_states_are_read_and_later_ones_are_not() {
        check(None, Ok(()));
        check(Some(r#"{"version":"1","formats":{"sessions":1}}"#), Ok(()));
        check(
            Some(r#"{"version":"9","formats":{"sessions":3}}"#),
            Err("expected sessions up to 2, found sessions 3, written by icecore 9"),
        );
        check(
            Some(r#"{"version":"9","formats":{"sessions":2,"more":1}}"#),
            Err("found more 1"),
        );
        check(Some("{"), Err("expected the formats"));
    }

    /// With plain reads this test does not end.
    #[test]
    fn a_pipe_in_the_files_place_is_refused_at_once() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(FILE);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let refused = look(folder.path(), OF_STATE_DIR).unwrap_err();
        assert!(matches!(refused, LaterState::Unread { .. }), "{refused}");
        write(folder.path(), OF_STATE_DIR).unwrap();
        look(folder.path(), OF_STATE_DIR).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = TempDir::new().unwrap();
        write(folder.path(), OF_RUN_DIR).unwrap();
        look(folder.path(), OF_RUN_DIR).unwrap();
        assert!(look(folder.path(), OF_STATE_DIR).is_err());
    }
}
