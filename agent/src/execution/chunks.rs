//! Finds the chunk that an agent asks for, in the session whose answer named it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Meter;
use super::chunk_file::{ChunkFile, KeptBy};
use super::writer::Writer;
use crate::id::{SessionId, StatementId};
use crate::mask::Masking;
use crate::snowflake::chunks::{CHUNKS_MAX, Chunk, ChunkId, NamedChunk};

/// Longest wait of an answer until its chunks are kept for the next proxy; then it leaves all the same.
const KEPT_WITHIN: Duration = Duration::from_secs(2);

/// The SHA-256 digest of a chunk's name: a look-up's time says nothing of the name itself.
pub(super) type Name = [u8; 32];

/// The chunks that one answer named.
pub(super) type Named = Vec<(Name, Arc<Handle>)>;

/// A chunk that a session may fetch, as often as its address is good at storage.
#[derive(Debug)]
pub struct Handle {
    /// The statement whose result it is of.
    pub statement: StatementId,
    /// The account whose answer named it.
    pub account: String,
    /// What counts the use of whom it was named to.
    pub meter: Meter,
    /// What fetches it.
    pub chunk: Chunk,
    /// What it is masked by, if anything is made of it.
    pub masking: Option<Masking>,
}

/// What a chunk's name leads to.
#[derive(Debug)]
pub enum Sought {
    /// A chunk of the session that asks.
    Handle(Arc<Handle>),
    /// A chunk of another session: the name was carried over.
    Foreign,
    /// Nothing: no answer named it, or its session's later results have pushed it out.
    Unknown,
}

/// The chunks of all sessions. A session holds those of its newest results, `CHUNKS_MAX` at most.
#[derive(Debug, Default)]
pub struct Chunks {
    tables: Mutex<Tables>,
    files: Mutex<HashMap<SessionId, Arc<Mutex<ChunkFile>>>>,
    writer: Writer,
}

#[derive(Debug, Default)]
struct Tables {
    by_name: HashMap<Name, (SessionId, Arc<Handle>)>,
    of_session: HashMap<SessionId, VecDeque<Name>>,
}

impl Tables {
    /// Takes in what an answer named; the oldest of the session make room.
    fn take_in(&mut self, session: SessionId, named: &[(Name, Arc<Handle>)]) {
        let names = self.of_session.entry(session).or_default();
        for (name, handle) in named {
            self.by_name.insert(*name, (session, Arc::clone(handle)));
            names.push_back(*name);
            if names.len() > CHUNKS_MAX
                && let Some(oldest) = names.pop_front()
            {
                self.by_name.remove(&oldest);
            }
        }
    }
}

impl Chunks {
    /// Takes in what an answer named, and keeps it for the next proxy; the oldest of the session make room.
    ///
    /// Chunks that cannot be kept are as good as any until this proxy ends, so no answer is refused for that.
    pub async fn keep(
        &self,
        meter: &Meter,
        session: SessionId,
        statement: Option<StatementId>,
        account: &str,
        (named, masking): (Vec<NamedChunk>, Option<Masking>),
    ) {
        let Some(statement) = statement.filter(|_| !named.is_empty()) else {
            return;
        };
        let handle = |NamedChunk { id, chunk }| {
            let handle = Handle {
                statement,
                account: account.to_owned(),
                meter: meter.clone(),
                chunk,
                masking: masking.clone(),
            };
            (digest(&id), Arc::new(handle))
        };
        let named: Named = named.into_iter().map(handle).collect();
        self.tables().take_in(session, &named);
        let Some(file) = self.files().get(&session).map(Arc::clone) else {
            return;
        };
        let (done, told) = oneshot::channel();
        // It is told below, without holding up a core.
        let _told = self.writer.put(move || {
            locked(&file).add(&named);
            // Whoever waited may have given up.
            let _given_up = done.send(());
        });
        if timeout(KEPT_WITHIN, told).await.is_err() {
            tracing::warn!(%session, %statement, "chunks are not kept yet; a restart of the proxy would lose them");
        }
    }

    /// Begins to keep a session's chunks for the next proxy, and takes up what one before kept.
    pub fn keep_for_next(&self, by: KeptBy<'_>, session: SessionId) {
        match ChunkFile::open(by, session) {
            Ok((file, kept)) => {
                for named in kept {
                    self.tables().take_in(session, &named);
                }
                let file = Arc::new(Mutex::new(file));
                self.files().insert(session, file);
            }
            Err(error) => {
                let folder = by.folder.display();
                tracing::warn!(%session, %folder, %error, "chunks are not kept for the next proxy");
            }
        }
    }

    /// Finds a chunk by the name that a session shows.
    #[must_use]
    pub fn find(&self, session: SessionId, id: &ChunkId) -> Sought {
        match self.tables().by_name.get(&digest(id)) {
            Some((held, handle)) if *held == session => Sought::Handle(Arc::clone(handle)),
            Some(_) => Sought::Foreign,
            None => Sought::Unknown,
        }
    }

    /// Lets go of all chunks of a session, on disk too.
    pub fn forget_session(&self, session: SessionId) {
        let mut tables = self.tables();
        for name in tables.of_session.remove(&session).unwrap_or_default() {
            tables.by_name.remove(&name);
        }
        drop(tables);
        let file = self.files().remove(&session);
        if let Some(file) = file {
            locked(&file).remove();
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        locked(&self.tables)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Mutex<ChunkFile>>>> {
        locked(&self.files)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn digest(id: &ChunkId) -> Name {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, id.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::Usages;
    use crate::identity::Principal;
    use crate::snowflake::answer::Answer;

    fn meter(session: SessionId) -> Meter {
        let nowhere = std::path::Path::new("/nonexistent");
        let usages = Usages::open(nowhere, nowhere, chrono::DateTime::UNIX_EPOCH);
        Arc::new(usages).meter(session, &Principal::host_user("ci".to_owned(), 1001))
    }

    fn named(count: usize) -> Vec<NamedChunk> {
        let chunks = vec![r#"{"url":"https://b.s3.amazonaws.com/r?sig=1"}"#; count].join(",");
        let text = format!(r#"{{"data":{{"chunks":[{chunks}]}},"success":true}}"#);
        Answer::read(text.as_bytes())
            .unwrap()
            .write_named("h")
            .unwrap()
            .1
    }

    #[tokio::test]
    async fn a_name_is_good_in_its_session_and_as_long_as_that() {
        let (chunks, named) = (Chunks::default(), named(2));
        let (session, statement) = (SessionId::new(), StatementId::new());
        let id = named[1].id;
        let meter = meter(session);
        let kept = chunks.keep(&meter, session, Some(statement), "ACME", (named, None));
        kept.await;
        for _ in 0..2 {
            let Sought::Handle(found) = chunks.find(session, &id) else {
                panic!()
            };
            assert_eq!((found.statement, found.chunk.index()), (statement, 1));
        }
        assert!(matches!(
            chunks.find(SessionId::new(), &id),
            Sought::Foreign
        ));
        assert!(matches!(
            chunks.find(session, &ChunkId::mint()),
            Sought::Unknown
        ));
        chunks.forget_session(session);
        assert!(matches!(chunks.find(session, &id), Sought::Unknown));
    }

    #[tokio::test]
    async fn the_oldest_make_room() {
        let (chunks, session) = (Chunks::default(), SessionId::new());
        let statement = Some(StatementId::new());
        let first = named(2);
        let (oldest, next) = (first[0].id, first[1].id);
        let meter = meter(session);
        for named in [first, named(CHUNKS_MAX - 1)] {
            let kept = chunks.keep(&meter, session, statement, "ACME", (named, None));
            kept.await;
        }
        assert!(matches!(chunks.find(session, &oldest), Sought::Unknown));
        assert!(matches!(chunks.find(session, &next), Sought::Handle(_)));
    }
}
