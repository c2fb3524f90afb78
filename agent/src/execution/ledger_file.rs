//! A session's results on disk, for the next proxy: which were compared, where their rows come from, what is withheld.
//!
//! A file of lines, in a folder of root's own, which goes with its session. What cannot be kept is unknown to the next
//! proxy; what would make it believe too much has the whole file go.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, StatementId};
use crate::identity::Party;
use crate::policy::Plan;
use crate::snowflake::route::QueryId;
use crate::statement::{Kind, Origins, Path};

/// Most bytes of one session's file: some 10,000 results.
const MAX_BYTES: usize = 8 << 20;

/// One fact; each holds from its place in the file on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Line {
    /// What ran is what was judged.
    Compared {
        account: String,
        party: Option<Party>,
        query_id: QueryId,
        statement: StatementId,
        kind: Kind,
        plan: Plan,
        origins: Option<Arc<Origins>>,
    },
    /// Nothing of it leaves by any way.
    Withheld {
        account: String,
        party: Option<Party>,
        query_id: QueryId,
    },
    /// An object, and all that is in it, was defined anew.
    Defined { account: String, path: Path },
}

/// The file of a live session.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    /// None once the file is gone.
    file: Option<File>,
    bytes: usize,
    /// Queries that the file says were compared.
    compared: HashSet<QueryId>,
}

impl LedgerFile {
    /// Opens the file of a session, and gives what an earlier proxy wrote into it.
    ///
    /// # Errors
    /// The file or its folder cannot be made, read or written.
    pub(super) fn open(folder: &FilePath, session: SessionId) -> io::Result<(Self, Vec<Line>)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let path = folder.join(session.to_string());
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let (lines, bytes) = read(&text).unwrap_or_default();
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(&path)?;
        // What a proxy was killed over is cut off.
        file.set_len(bytes as u64)?;
        let compared = lines.iter().filter_map(|line| match line {
            Line::Compared { query_id, .. } => Some(*query_id),
            Line::Withheld { .. } | Line::Defined { .. } => None,
        });
        let opened = Self {
            path,
            file: Some(file),
            bytes,
            compared: compared.collect(),
        };
        Ok((opened, lines))
    }

    /// Adds a fact.
    pub(super) fn add(&mut self, line: &Line) {
        let is_needed = match line {
            Line::Compared { query_id, .. } => {
                self.bytes < MAX_BYTES && self.compared.insert(*query_id)
            }
            Line::Withheld { query_id, .. } => self.compared.contains(query_id),
            Line::Defined { .. } => !self.compared.is_empty(),
        };
        let Some(file) = self.file.as_mut().filter(|_| is_needed) else {
            return;
        };
        let written = serde_json::to_vec(line)
            .map_err(io::Error::from)
            .and_then(|mut text| {
                text.push(b'\n');
                self.bytes += text.len();
                file.write_all(&text)
            });
        let is_over = self.bytes > 2 * MAX_BYTES;
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), %error, "results are not kept for the next proxy");
            self.remove();
        } else if is_over {
            tracing::warn!(path = %self.path.display(), "too much to keep of a session's results for the next proxy");
            self.remove();
        }
    }

    /// Removes the file: nothing is kept.
    pub(super) fn remove(&mut self) {
        self.file = None;
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(path = %self.path.display(), %error, "a session's results could not be removed");
        }
    }
}

/// Reads whole lines, and how many bytes they take; nothing if one that is not the last cannot be read.
fn read(text: &[u8]) -> Option<(Vec<Line>, usize)> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else {
            break;
        };
        lines.push(serde_json::from_slice(whole).ok()?);
        bytes += line.len();
    }
    Some((lines, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::policy::{Planned, Transform};

    fn compared(query_id: QueryId) -> Line {
        Line::Compared {
            account: "ACME".to_owned(),
            party: None,
            query_id,
            statement: StatementId::new(),
            kind: Kind::Query,
            plan: Plan::new(vec![Planned {
                name: Some("EMAIL".to_owned()),
                origins: [Path::new(vec!["DB".to_owned()])].into(),
                mask: Some(Transform::read("partial:1:2").unwrap()),
            }]),
            origins: None,
        }
    }

    fn withheld(query_id: QueryId) -> Line {
        Line::Withheld {
            account: "ACME".to_owned(),
            party: None,
            query_id,
        }
    }

    #[test]
    fn what_was_added_is_there_for_the_next_and_what_was_cut_is_not() {
        let folder = TempDir::new().unwrap();
        let (session, id) = (SessionId::new(), QueryId::mint());
        let (mut file, none) = LedgerFile::open(folder.path(), session).unwrap();
        assert_eq!(none, []);
        let first = compared(id);
        // What nobody believes need not be taken back; what is there stands once.
        for line in [&withheld(QueryId::mint()), &first, &first, &withheld(id)] {
            file.add(line);
        }
        file.file.as_mut().unwrap().write_all(b"{\"compar").unwrap();
        let (mut next, lines) = LedgerFile::open(folder.path(), session).unwrap();
        assert_eq!(lines, [first.clone(), withheld(id)]);
        let other = compared(QueryId::mint());
        next.add(&other);
        let (mut last, lines) = LedgerFile::open(folder.path(), session).unwrap();
        assert_eq!(lines, [first, withheld(id), other]);
        last.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_with_a_line_that_cannot_be_read_is_believed_in_nothing() {
        let folder = TempDir::new().unwrap();
        let session = SessionId::new();
        let line = serde_json::to_string(&compared(QueryId::mint())).unwrap();
        let path = folder.path().join(session.to_string());
        fs::write(&path, format!("{line}\nother\n{line}\n")).unwrap();
        let (_file, lines) = LedgerFile::open(folder.path(), session).unwrap();
        assert_eq!(lines, []);
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read = read(&text);
        }
    }
}
