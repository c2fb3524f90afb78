//! Rows of results, kept as they were delivered where policies ask for it.
//!
//! A part of a result (the reply's own rows, a chunk, a partition) is one Parquet file: written into the spool while the
//! part is delivered, on disk before the part's row of `results` tells of it, and shipped with the segment of that row.
//! What no row tells of is removed at the next start. Only bytes that are delivered come here: nothing of before the mask.

mod column;
mod decode;
mod file;
mod kept_file;
mod key;
mod part;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};

use super::encryption::Keys;
use super::error::RecordError;
use super::quota::Quotas;
use super::settings::{ResultRows, Settings};
use crate::id::{SessionId, StatementId};

pub(crate) use decode::RowsForm;
pub(crate) use file::StoredRows;
pub(super) use file::{is_rows, remove_orphans};
pub(crate) use key::RowsKey;
pub(crate) use part::PartRows;

use file::Folder;
use kept_file::{KeptFiles, KeptLine};

/// Folder in the spool of what the next process must know.
const KEPT_FILES: &str = "kept-rows";

/// Share of the spool that rows may fill, in quarters: the rest is for what must be recorded.
const QUARTERS: u64 = 3;

/// What is kept of the rows of one statement's result.
#[derive(Debug)]
pub(crate) struct Kept {
    session: SessionId,
    statement: StatementId,
    wanted: ResultRows,
    /// Rows that are kept yet.
    left: AtomicU64,
    day: NaiveDate,
    /// How its chunks and partitions come, once its first answer told.
    form: OnceLock<RowsForm>,
    /// Whether what cannot be kept is not delivered.
    is_strict: bool,
}

impl Kept {
    /// Gives how many rows are kept.
    pub(crate) fn wanted(&self) -> ResultRows {
        self.wanted
    }

    /// Tells whether rows that cannot be kept are not delivered.
    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Tells how the rows come.
    pub(crate) fn form(&self) -> Option<&RowsForm> {
        self.form.get()
    }

    /// Names what a file of it is about.
    fn names(&self, place: i32) -> (SessionId, StatementId, i32) {
        (self.session, self.statement, place)
    }

    /// Takes rows of those that are kept yet; gives how many there were.
    fn take(&self, rows: u64) -> u64 {
        let mut taken = 0;
        let less = |left: u64| {
            taken = left.min(rows);
            Some(left - taken)
        };
        let order = Ordering::Relaxed;
        match self.left.fetch_update(order, order, less) {
            Ok(_) => taken,
            Err(_) => 0,
        }
    }
}

/// Which statements' rows are kept, and where.
pub(crate) struct Keeper {
    default: ResultRows,
    is_strict: bool,
    folder: Arc<Folder>,
    files: KeptFiles,
    kept: Mutex<HashMap<StatementId, Arc<Kept>>>,
}

impl Keeper {
    /// Begins to keep rows in the spool's folder of a chain, and knows what earlier processes kept rows of.
    pub(super) fn open(
        settings: &Settings,
        (spool, chain): (&Path, Arc<str>),
        (used_bytes, quotas): (Arc<AtomicU64>, Arc<Quotas>),
        keys: Arc<Keys>,
    ) -> Result<Self, RecordError> {
        let is_strict = settings.mode.is_strict();
        let keeper = Self {
            default: settings.result_rows,
            is_strict,
            folder: Arc::new(Folder {
                path: spool.join(&*chain),
                org: settings.org.clone(),
                chain,
                used_bytes,
                max_bytes: settings.spool_max_bytes / 4 * QUARTERS,
                quotas,
                is_synced: is_strict,
                keys,
            }),
            files: KeptFiles::open(spool.join(KEPT_FILES))?,
            kept: Mutex::default(),
        };
        for (session, line) in keeper.files.read()? {
            keeper.know(session, line);
        }
        Ok(keeper)
    }

    /// Notes how many rows of a statement's result are kept: as the policies say, else as the config does.
    pub(super) fn keep(
        &self,
        session: SessionId,
        (statement, started_at): (StatementId, DateTime<Utc>),
        wanted: Option<ResultRows>,
    ) {
        let line = KeptLine {
            statement,
            wanted: wanted.unwrap_or(self.default),
            day: started_at.date_naive(),
            form: None,
        };
        if line.wanted == ResultRows::None {
            return;
        }
        self.tell_next(session, &line);
        self.know(session, line);
    }

    /// Notes how the rows of a statement come; the next process is told where more of them may be asked for.
    pub(super) fn comes_as(&self, kept: &Kept, form: RowsForm, has_more: bool) {
        // The first answer tells it; those that are asked for later tell the same or nothing.
        let is_first = kept.form.set(form.clone()).is_ok();
        if is_first && has_more {
            let line = KeptLine {
                statement: kept.statement,
                wanted: kept.wanted,
                day: kept.day,
                form: Some(form),
            };
            self.tell_next(kept.session, &line);
        }
    }

    fn tell_next(&self, session: SessionId, line: &KeptLine) {
        if let Err(error) = self.files.add(session, line) {
            let statement = line.statement;
            tracing::warn!(%statement, %error, "the next process will not know to keep rows of a statement");
        }
    }

    fn know(&self, session: SessionId, line: KeptLine) {
        let KeptLine {
            statement,
            wanted,
            day,
            form,
        } = line;
        let kept = Kept {
            session,
            statement,
            wanted,
            left: AtomicU64::new(match wanted {
                ResultRows::None => 0,
                ResultRows::Sample(rows) => rows,
                ResultRows::Full => u64::MAX,
            }),
            day,
            form: form.map_or_else(OnceLock::new, OnceLock::from),
            is_strict: self.is_strict && wanted == ResultRows::Full,
        };
        self.all().insert(statement, Arc::new(kept));
    }

    /// Gives what is kept of a statement's rows, if anything is.
    pub(super) fn of(&self, statement: StatementId) -> Option<Arc<Kept>> {
        self.all().get(&statement).cloned()
    }

    /// Begins to keep the rows of a part; none where enough are kept.
    pub(super) fn begin(&self, kept: &Arc<Kept>, place: i32, form: &RowsForm) -> Option<PartRows> {
        let is_over = kept.left.load(Ordering::Relaxed) == 0;
        (!is_over).then(|| PartRows::begin(&self.folder, kept, place, form))
    }

    /// Forgets a session's statements.
    pub(super) fn forget(&self, session: SessionId) {
        self.files.forget(session);
        self.folder.keys.forget(session);
        self.all().retain(|_, kept| kept.session != session);
    }

    /// Makes room be used up by what is not there, for tests.
    #[cfg(test)]
    pub(super) fn use_up_for_tests(&self, bytes: u64) {
        super::spool::Spool::count(&self.folder.used_bytes, bytes, 0);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<StatementId, Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}
