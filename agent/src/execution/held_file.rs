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
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::context::changes_login;
use super::effect::Effect;
use super::{Execution, State};
use crate::approval::Request;
use crate::id::{LoginId, SessionId, StatementId};
use crate::record;
use crate::seal::{Purpose, SealError, SealKey};
use crate::snowflake::route::QueryId;
use crate::statement::{Kind, Path};

/// Names a statement, behind its login.
type Sent = (LoginId, StatementId);

/// Form of the files; another one is not read.
pub(super) const VERSION: u32 = 2;

/// Statements that wait, as the next proxy of this host finds them.
#[derive(Debug)]
pub struct Holds {
    folder: PathBuf,
    host: hmac::Key,
    kept: Mutex<HashMap<StatementId, (SessionId, LoginId)>>,
    /// Whether all that waits is left to the next proxy.
    left: watch::Sender<bool>,
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
    /// What its address says, if it came through the SQL API.
    pub address: Option<String>,
    /// What of its headers goes upstream.
    pub headers: Vec<(String, String)>,
    /// The process that sent it.
    pub sender: Sender,
    /// When it came.
    pub started_at: DateTime<Utc>,
    /// Names under which its login had objects that nobody else sees; none if that was not known.
    pub own: Option<BTreeSet<Path>>,
    /// Whether Snowflake might still be at work on what changes its login.
    pub is_left_open: bool,
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
pub(crate) enum NotKept {
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
            left: watch::Sender::new(false),
        }
    }

    /// Leaves all that waits to the next proxy: whatever people say, none of it goes on here.
    pub fn leave(&self) {
        self.left.send_replace(true);
    }

    /// Takes it back.
    pub fn stay(&self) {
        self.left.send_replace(false);
    }

    /// Lets a statement go on that people had their say about; for ever later if it was left to the next proxy.
    pub(super) async fn go_on(&self, execution: &Execution) {
        let mut left = self.left.subscribe();
        loop {
            let mut goes_on = false;
            // In one step, so that whoever leaves sees all that went on before.
            self.left.send_if_modified(|left| {
                goes_on = !*left;
                if goes_on {
                    execution.advance(State::Judged);
                }
                false
            });
            if goes_on {
                return;
            }
            if left.wait_for(|left| !*left).await.is_err() {
                // Nobody is left who could take it back.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Gives the folder in which all is kept.
    pub(super) fn folder(&self) -> &FilePath {
        &self.folder
    }

    /// Says that a statement is about to be kept: from here on what its login sends is noted for it. Blocks.
    ///
    /// What the login is like must be read after this, or what changes it in between would be in neither.
    pub(crate) fn expect(
        &self,
        session: SessionId,
        (login, statement): Sent,
    ) -> Result<(), NotKept> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.of(session))?;
        self.kept().insert(statement, (session, login));
        Ok(())
    }

    /// Keeps a statement, which was expected, for the next proxy. Blocks.
    pub(super) fn keep(&self, session: SessionId, hold: &KeptHold) -> Result<(), NotKept> {
        let statement = hold.statement;
        let text = Zeroizing::new(serde_json::to_vec(hold)?);
        let key = SealKey::of(&self.host, Purpose::Held, session)?;
        let sealed = key.seal(statement.as_bytes(), text)?;
        // A folder that is gone since is not made again: its session is over, or something could not be noted.
        record::replace(&self.of(session).join(statement.to_string()), &sealed)?;
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

    /// Notes what a statement may do to the login of others that wait, before it is sent: the next proxy cannot tell which
    /// objects it made, nor whether Snowflake is done with it.
    pub(crate) fn begin(&self, (login, statement): Sent, effect: &Effect, kind: Kind) {
        let makes = !effect.temporary.is_empty() || effect.makes_unnamed;
        let changes = changes_login(kind) || effect.moves;
        if !makes && !changes {
            return;
        }
        let Some(session) = self.waiting_in(login) else {
            return;
        };
        let mut marked = Ok(());
        if makes {
            marked = record::replace(&self.of(session).join(own_marker(login)), b"");
        }
        if changes {
            let open = self.of(session).join(open_marker(login, statement));
            marked = marked.and_then(|()| record::replace(&open, b""));
        }
        if let Err(error) = marked {
            // What waits is then not taken up, rather than by names that may lead elsewhere.
            tracing::warn!(%login, %error, "what waits for people is not kept any more");
            drop(fs::remove_dir_all(self.of(session)));
        }
    }

    /// Notes that Snowflake is done with a statement that was sent.
    pub(crate) fn end(&self, (login, statement): Sent) {
        if let Some(session) = self.waiting_in(login) {
            // What stays says that it may go on.
            drop(fs::remove_file(
                self.of(session).join(open_marker(login, statement)),
            ));
        }
    }

    /// Gives the session of a login in which statements wait.
    fn waiting_in(&self, login: LoginId) -> Option<SessionId> {
        let kept = self.kept();
        let mut waiting = kept.values();
        waiting
            .find(|(_, of)| *of == login)
            .map(|(session, _)| *session)
    }

    /// Takes over the statements of a login that waited in another proxy. Blocks.
    #[must_use]
    pub fn take(&self, session: SessionId, login: LoginId) -> Vec<KeptHold> {
        let Ok(entries) = fs::read_dir(self.of(session)) else {
            return Vec::new();
        };
        let paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        let is_marked = |marker: &str| {
            let mut names = paths.iter().filter_map(|path| path.file_name()?.to_str());
            names.any(|name| name.starts_with(marker))
        };
        let makes_own = is_marked(&own_marker(login));
        let is_left_open = is_marked(&open_markers(login));
        let mut taken = Vec::new();
        for path in paths {
            match self.read(session, &path) {
                Ok(Some(mut hold)) if hold.login == login => {
                    hold.own = hold.own.filter(|_| !makes_own);
                    hold.is_left_open |= is_left_open;
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

    fn kept(&self) -> MutexGuard<'_, HashMap<StatementId, (SessionId, LoginId)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the file that says that a login has made objects of its own while something waited in it.
fn own_marker(login: LoginId) -> String {
    format!("own-{login}")
}

/// Names the file that says that a login has sent a statement with which Snowflake may not be done.
fn open_marker(login: LoginId, statement: StatementId) -> String {
    format!("{}{statement}", open_markers(login))
}

/// Gives what names of such files begin with.
fn open_markers(login: LoginId) -> String {
    format!("open-{login}-")
}

#[cfg(test)]
#[path = "held_file_tests.rs"]
mod tests;
