//! Finds the chunk that an agent asks for, in the session whose answer named it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Meter;
use crate::id::{SessionId, StatementId};
use crate::mask::Masking;
use crate::snowflake::chunks::{CHUNKS_MAX, Chunk, ChunkId, NamedChunk};

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
}

#[derive(Debug, Default)]
struct Tables {
    /// Names are kept as digests, so that a look-up's time says nothing of them.
    by_name: HashMap<[u8; 32], (SessionId, Arc<Handle>)>,
    of_session: HashMap<SessionId, VecDeque<[u8; 32]>>,
}

impl Chunks {
    /// Takes in what an answer named; the oldest of the session make room.
    pub fn keep(
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
        let mut tables = self.tables();
        let Tables {
            by_name,
            of_session,
        } = &mut *tables;
        let names = of_session.entry(session).or_default();
        for NamedChunk { id, chunk } in named {
            let name = digest(&id);
            let handle = Handle {
                statement,
                account: account.to_owned(),
                meter: meter.clone(),
                chunk,
                masking: masking.clone(),
            };
            by_name.insert(name, (session, Arc::new(handle)));
            names.push_back(name);
            if names.len() > CHUNKS_MAX
                && let Some(oldest) = names.pop_front()
            {
                by_name.remove(&oldest);
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

    /// Lets go of all chunks of a session.
    pub fn forget_session(&self, session: SessionId) {
        let mut tables = self.tables();
        for name in tables.of_session.remove(&session).unwrap_or_default() {
            tables.by_name.remove(&name);
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(id: &ChunkId) -> [u8; 32] {
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

    #[test]
    fn a_name_is_good_in_its_session_and_as_long_as_that() {
        let (chunks, named) = (Chunks::default(), named(2));
        let (session, statement) = (SessionId::new(), StatementId::new());
        let id = named[1].id;
        let meter = meter(session);
        chunks.keep(&meter, session, Some(statement), "ACME", (named, None));
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

    #[test]
    fn the_oldest_make_room() {
        let (chunks, session) = (Chunks::default(), SessionId::new());
        let statement = Some(StatementId::new());
        let first = named(2);
        let (oldest, next) = (first[0].id, first[1].id);
        let meter = meter(session);
        chunks.keep(&meter, session, statement, "ACME", (first, None));
        chunks.keep(
            &meter,
            session,
            statement,
            "ACME",
            (named(CHUNKS_MAX - 1), None),
        );
        assert!(matches!(chunks.find(session, &oldest), Sought::Unknown));
        assert!(matches!(chunks.find(session, &next), Sought::Handle(_)));
    }
}
