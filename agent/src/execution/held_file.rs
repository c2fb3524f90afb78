//! Statements that wait for people, on disk for the next proxy: each sealed whole, with its binds and parameters.
//!
//! A folder of root's own for each session, which goes with it. What of it cannot be read, the next proxy does not know: its
//! driver is told so, and people who say yes to it have nothing run.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use ring::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::effect::Effect;
use crate::approval::Request;
use crate::id::{LoginId, SessionId, StatementId};
use crate::record;
use crate::seal::{Purpose, SealError, SealKey};
use crate::snowflake::route::QueryId;
use crate::statement::Path;

/// Form of the files; another one is not read.
pub(super) const VERSION: u32 = 1;

/// Statements that wait, as the next proxy of this host finds them.
#[derive(Debug)]
pub struct Holds {
    folder: PathBuf,
    host: hmac::Key,
    kept: Mutex<HashMap<StatementId, (SessionId, LoginId)>>,
}

/// A statement that waits, as one proxy leaves it to the next.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptHold {
    /// Its form.
    pub version: u32,
    /// Names it.
    pub statement: StatementId,
    /// Its login.
    pub login: LoginId,
    /// The client's name for its request.
    pub request_id: String,
    /// What tells its request from another.
    pub meaning: [u8; 32],
    /// The id under which its driver polls.
    pub own_query_id: QueryId,
    /// The host name under which it came.
    pub host: String,
    /// Its request, as it was read.
    pub body: String,
    /// What of its headers goes upstream.
    pub headers: Vec<(String, String)>,
    /// The process that sent it.
    pub sender: Sender,
    /// When it came.
    pub started_at: DateTime<Utc>,
    /// Names under which its login had objects that nobody else sees; none if that was not known.
    pub own: Option<BTreeSet<Path>>,
    /// What people were asked.
    pub request: Request,
}

/// The process that sent a statement.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Its process id.
    pub pid: u32,
    /// Its user id.
    pub uid: u32,
    /// Its start, in nanoseconds since boot.
    pub start_ns: Option<i64>,
    /// Its program.
    pub exe: Option<String>,
    /// Programs of its ancestors, the oldest first, itself last.
    pub ancestors: Vec<String>,
}

/// Why a statement could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Seal(#[from] SealError),
    #[error("{0}")]
    Form(#[from] serde_json::Error),
}

impl Holds {
    /// Keeps what waits in a folder, under keys derived from the host's.
    #[must_use]
    pub fn new(folder: PathBuf, host: hmac::Key) -> Self {
        Self {
            folder,
            host,
            kept: Mutex::default(),
        }
    }

    /// Keeps a statement for the next proxy. Blocks.
    pub(super) fn keep(&self, session: SessionId, hold: &KeptHold) -> Result<(), NotKept> {
        let (statement, login) = (hold.statement, hold.login);
        let folder = self.of(session);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let text = Zeroizing::new(serde_json::to_vec(hold)?);
        let key = SealKey::of(&self.host, Purpose::Held, session)?;
        let sealed = key.seal(statement.as_bytes(), text)?;
        record::replace(&folder.join(statement.to_string()), &sealed)?;
        self.kept().insert(statement, (session, login));
        Ok(())
    }

    /// Lets go of a statement that waits no longer.
    pub fn forget(&self, statement: StatementId) {
        let kept = self.kept().remove(&statement);
        if let Some((session, _)) = kept {
            // What stays is a statement that never ran: it would be asked for again.
            drop(fs::remove_file(
                self.of(session).join(statement.to_string()),
            ));
        }
    }

    /// Lets go of a statement that is about to run, durably. Blocks.
    ///
    /// # Errors
    /// It may still be there for the next proxy.
    pub(super) fn give_up(&self, statement: StatementId) -> io::Result<()> {
        let Some((session, _)) = self.kept().remove(&statement) else {
            return Ok(());
        };
        let folder = self.of(session);
        match fs::remove_file(folder.join(statement.to_string())) {
            Ok(()) => File::open(&folder)?.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets go of a session's.
    pub fn forget_session(&self, session: SessionId) {
        self.kept().retain(|_, (of, _)| *of != session);
        drop(fs::remove_dir_all(self.of(session)));
    }

    /// Notes that a login in which statements wait is about to make objects of its own: the next proxy cannot tell which.
    pub(crate) fn note(&self, login: LoginId, effect: &Effect) {
        if effect.temporary.is_empty() && !effect.makes_unnamed {
            return;
        }
        let session = self
            .kept()
            .values()
            .find(|(_, of)| *of == login)
            .map(|(session, _)| *session);
        if let Some(session) = session
            && let Err(error) = record::replace(&self.marker(session, login), b"")
        {
            // What waits is then not taken up, rather than by names that may lead elsewhere.
            tracing::warn!(%login, %error, "what waits for people is not kept any more");
            drop(fs::remove_dir_all(self.of(session)));
        }
    }

    /// Takes over the statements of a login that waited in another proxy. Blocks.
    #[must_use]
    pub fn take(&self, session: SessionId, login: LoginId) -> Vec<KeptHold> {
        let Ok(entries) = fs::read_dir(self.of(session)) else {
            return Vec::new();
        };
        let is_moved = self.marker(session, login).exists();
        let mut taken = Vec::new();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            match self.read(session, &path) {
                Ok(Some(mut hold)) if hold.login == login => {
                    hold.own = hold.own.filter(|_| !is_moved);
                    self.kept().insert(hold.statement, (session, login));
                    taken.push(hold);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%session, %error, "a statement that waited for people cannot be read");
                    drop(fs::remove_file(&path));
                }
            }
        }
        taken
    }

    /// Reads a file; none if it is a marker.
    fn read(&self, session: SessionId, path: &FilePath) -> Result<Option<KeptHold>, NotKept> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(statement) = name.and_then(|name| name.parse::<StatementId>().ok()) else {
            return Ok(None);
        };
        let key = SealKey::of(&self.host, Purpose::Held, session)?;
        let text = key.unseal(statement.as_bytes(), &fs::read(path)?)?;
        let hold: KeptHold = serde_json::from_slice(&text)?;
        let is_ours = hold.version == VERSION && hold.statement == statement;
        if is_ours {
            Ok(Some(hold))
        } else {
            Err(SealError::Form.into())
        }
    }

    fn of(&self, session: SessionId) -> PathBuf {
        self.folder.join(session.to_string())
    }

    fn marker(&self, session: SessionId, login: LoginId) -> PathBuf {
        self.of(session).join(format!("own-{login}"))
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<StatementId, (SessionId, LoginId)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "held_file_tests.rs"]
mod tests;
