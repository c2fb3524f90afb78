//! Why a row could not be recorded, said so that a person knows what to do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::encryption::HpkeError;

/// Why the recorder did not open, or did not take a row.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    /// The spool's folder cannot be used.
    #[error("spool `{}`: expected a folder that only this user can write to, found {found}", path.display())]
    Spool {
        /// The folder, or what stands in its place.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// Another process records into the spool.
    #[error("spool `{}`: another process records into it", path.display())]
    InUse {
        /// The spool's lock file.
        path: PathBuf,
    },
    /// The digest key cannot be used.
    #[error("digest key `{}`: expected 32 bytes that only this user can read, found {found}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// A data key could not be made.
    #[error("data key `{purpose}` of the record could not be wrapped for its readers")]
    Wrap {
        /// What the key is for.
        purpose: String,
        /// Why.
        source: HpkeError,
    },
    /// A document beside the record cannot be read or written.
    #[error("`{key}` beside the record: {cause}")]
    Beside {
        /// Where it is.
        key: String,
        /// What is wrong.
        cause: String,
    },
    /// A setting cannot be used.
    #[error("record setting `{setting}`: expected {expected}, found `{found}`")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// What would do.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// The system refused an operation on a file.
    #[error("could not {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A row lacks a column that each row must have.
    #[error("row of table `{table}`: expected a value for `{column}`, found none")]
    Missing {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A sync failed, so what was written may or may not be there; only a restart can tell.
    #[error("spool `{}` failed and takes no more records until icecore restarts: {cause}", path.display())]
    Degraded {
        /// The file whose sync failed.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The disk or the spool's share of it is full.
    #[error("spool `{}` is full: {cause}", path.display())]
    Full {
        /// The spool's folder.
        path: PathBuf,
        /// The limit that was met.
        cause: String,
    },
    /// A session has used what one session may.
    #[error("this session has {found}, and one session may have {limit}")]
    Share {
        /// What it has.
        found: String,
        /// What it may have.
        limit: String,
    },
    /// The store has not had the oldest rows for too long.
    #[error("the store has been without the oldest record for {} s, and may be for {} s", age.as_secs(), max.as_secs())]
    Unacked {
        /// How long the oldest row has waited.
        age: Duration,
        /// How long it may.
        max: Duration,
    },
    /// More rows wait to be written than the recorder may hold.
    #[error("{queued_bytes} bytes wait to be recorded, which is the limit")]
    Busy {
        /// Bytes in the queue.
        queued_bytes: usize,
    },
    /// The recorder was closed.
    #[error("the recorder is closed")]
    Closed,
    /// The store did not take what was sealed; it is kept in the spool.
    #[error("store `{store}` did not take the record, which stays in the spool: {cause}")]
    Store {
        /// The store's URL.
        store: String,
        /// What it said.
        cause: String,
    },
    /// A document of the chain could not be signed.
    #[error("could not sign the record: {cause}")]
    Unsigned {
        /// What was in the way.
        cause: String,
    },
    /// The store did not say within its time that it has rows that it must have before a statement goes on.
    #[error("store `{store}` did not acknowledge the record in time: {cause}")]
    Unacknowledged {
        /// The store's URL.
        store: String,
        /// What it said.
        cause: String,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// A row has no canonical form.
    #[error("row of table `{table}`: {cause}")]
    Encoding {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Rows of a result could not be kept.
    #[error("rows of the result could not be kept: {cause}")]
    Rows {
        /// What was in the way; holds nothing of the rows.
        cause: String,
    },
    /// The store cannot be read.
    #[error("store `{store}` cannot be read: {cause}")]
    Unreachable {
        /// The store's URL.
        store: String,
        /// What is in the way.
        cause: String,
    },
    /// The store lists a key that nothing of ours can have, and with it nothing beside it.
    #[error("store `{store}` lists a key that cannot be read: {cause}")]
    OddKey {
        /// The store's URL.
        store: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Bytes in the spool are not a record.
    #[error("`{}`: not a record: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}

impl RecordError {
    /// Says what a person can do about it, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Spool { .. } => {
                Some("create it, or let `daemon.state_dir` name a writable folder on a local disk")
            }
            Self::InUse { .. } => {
                Some("stop the other icecore, or give this one its own `daemon.state_dir`")
            }
            Self::Key { .. } => Some(
                "restore the key, or move it away to have another made; MACs under the old one can then no longer be compared",
            ),
            Self::Full { .. } => {
                Some("free space, raise `record.spool_max`, or let the store be reached")
            }
            Self::Rows { .. } => Some(
                "free space, raise `record.spool_max`, or have fewer rows kept by `@rows` and `record.result_rows`",
            ),
            Self::Share { .. } => Some(
                "wait for the store to take its record, or raise `record.session_spool_max` or `record.session_rows_per_second`",
            ),
            Self::Unacked { .. } => Some(
                "check that `record.store` can be reached and written, or raise `record.max_unacked_age`",
            ),
            Self::Degraded { .. } => Some("check the disk, then restart icecore"),
            Self::Unacknowledged { .. } | Self::Store { .. } => Some(
                "check that `record.store` can be reached and written; icecore retries by itself",
            ),
            Self::Unreachable { .. } => {
                Some("`--store` names the store; a host's own is made when its first session ends")
            }
            Self::OddKey { .. } => Some("whoever may write there put it: remove it"),
            Self::Setting { .. }
            | Self::Io { .. }
            | Self::Missing { .. }
            | Self::Busy { .. }
            | Self::Random
            | Self::Unsigned { .. }
            | Self::Wrap { .. }
            | Self::Beside { .. }
            | Self::Encoding { .. }
            | Self::Closed => None,
            Self::Unreadable { .. } => Some(
                "a later icecore may have written it: start that one, run `icecore flush`, then come back",
            ),
        }
    }
}
