//! Finds executions: by (session, login, request id), then by query id. Shared by all cores.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kept::Kept;
use super::{Execution, Known};
use crate::id::{LoginId, SessionId};
use crate::mask::{Child, Outcome};
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::upstream::Earlier;

/// All executions that a client may still ask for.
#[derive(Debug, Default)]
pub struct Registry {
    tables: Mutex<Tables>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Tables {
    by_request: HashMap<(SessionId, LoginId, String), Arc<Execution>>,
    by_query: HashMap<(SessionId, QueryId), Arc<Execution>>,
    known: HashMap<(SessionId, QueryId), Known>,
    spent: HashMap<(SessionId, LoginId, String), Spent>,
    withheld: HashSet<(SessionId, QueryId)>,
    compared: HashSet<(SessionId, QueryId)>,
}

/// A request id whose reply has been let go: nothing else may come under it.
#[derive(Debug)]
struct Spent {
    digest: [u8; 32],
    known: Option<Known>,
}

/// What a request with some request id is.
#[derive(Debug)]
pub enum Joined {
    /// The first of its kind: run it.
    New(Arc<Execution>),
    /// The same request again: wait for the first.
    Replay(Arc<Execution>),
    /// The same request again, after its reply was let go: Snowflake has the result, if it was ever asked.
    Spent(Option<Known>),
    /// Another statement under a request id that was used: refuse it.
    Differs,
}

/// A statement that a query id leads to.
#[derive(Debug)]
pub enum Sent {
    /// It is on its way, or its reply is still held.
    Held(Arc<Execution>),
    /// Its reply was delivered; the result is at Snowflake.
    Known(Known),
}

impl Sent {
    /// Gives the form of the door that the statement came through.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self::Held(execution) => execution.form(),
            Self::Known(known) => known.form,
        }
    }
}

impl Registry {
    /// Starts an execution or joins the one that has its request id.
    pub fn start_or_join(&self, execution: Execution) -> Joined {
        let mut tables = self.tables();
        let key = (
            execution.session(),
            execution.login(),
            execution.request_id().to_owned(),
        );
        if let Some(held) = tables.by_request.get(&key) {
            return if held.is_replay(&execution.digest) {
                Joined::Replay(Arc::clone(held))
            } else {
                Joined::Differs
            };
        }
        if let Some(spent) = tables.spent.get(&key) {
            return if execution.is_replay(&spent.digest) {
                Joined::Spent(spent.known.clone())
            } else {
                Joined::Differs
            };
        }
        let execution = Arc::new(execution);
        tables.by_query.insert(
            (execution.session(), execution.own_query_id()),
            Arc::clone(&execution),
        );
        tables.by_request.insert(key, Arc::clone(&execution));
        Joined::New(execution)
    }

    /// Notes the id that Snowflake gave a statement.
    pub fn name(&self, execution: &Arc<Execution>, query_id: QueryId, known: Known) {
        execution.name(query_id);
        let mut tables = self.tables();
        tables
            .by_query
            .insert((execution.session(), query_id), Arc::clone(execution));
        if execution.given_query_id() == Some(query_id) {
            // A client may hold the id that was made for it; it leads to the same query.
            let own = (execution.session(), execution.own_query_id());
            tables.known.insert(own, known.clone());
        }
        tables.known.insert((execution.session(), query_id), known);
    }

    /// Notes the ids that Snowflake gave to statements that one execution sent together: each leads to its own result.
    pub fn name_parts(&self, session: SessionId, login: LoginId, form: Form, children: &[Child]) {
        let mut tables = self.tables();
        for child in children {
            let known = Known {
                login,
                earlier: Earlier {
                    statement: child.part.statement,
                    kind: child.part.kind,
                    parts: Arc::from([]),
                },
                query_id: child.query_id,
                form,
            };
            tables.known.insert((session, child.query_id), known);
        }
    }

    /// Notes what an answer came to: of a result that was withheld nothing leaves by another way either, and what ran
    /// as it was judged is not compared again.
    pub fn note_compared(&self, session: SessionId, own_id: QueryId, outcome: &Outcome) {
        let mut tables = self.tables();
        if outcome.withheld.is_some() {
            let ids = outcome.query_ids().chain([own_id]);
            tables.withheld.extend(ids.map(|id| (session, id)));
        } else {
            let compared = outcome.compared.map(|id| (session, id));
            tables.compared.extend(compared);
        }
    }

    /// Tells whether the answer to a query was withheld.
    #[must_use]
    pub fn is_withheld(&self, session: SessionId, query_id: QueryId) -> bool {
        self.tables().withheld.contains(&(session, query_id))
    }

    /// Tells whether what Snowflake ran was compared with what was judged, where its answers do not tell it themselves.
    #[must_use]
    pub fn is_compared(&self, session: SessionId, query_id: QueryId) -> bool {
        self.tables().compared.contains(&(session, query_id))
    }

    /// Finds the execution of a request.
    #[must_use]
    pub fn find_request(
        &self,
        session: SessionId,
        login: LoginId,
        request_id: &str,
    ) -> Option<Arc<Execution>> {
        self.tables()
            .by_request
            .get(&(session, login, request_id.to_owned()))
            .cloned()
    }

    /// Finds the statement of a query id; ids of other sessions lead nowhere.
    #[must_use]
    pub fn find_query(&self, session: SessionId, query_id: QueryId) -> Option<Sent> {
        let tables = self.tables();
        let key = (session, query_id);
        tables
            .by_query
            .get(&key)
            .cloned()
            .map(Sent::Held)
            .or_else(|| tables.known.get(&key).cloned().map(Sent::Known))
    }

    /// Finds what is remembered of a statement that Snowflake has named.
    #[must_use]
    pub fn find_known(&self, session: SessionId, query_id: QueryId) -> Option<Known> {
        self.tables().known.get(&(session, query_id)).cloned()
    }

    /// Keeps an execution that has its reply for replays and polls, as long as its time and the room for all allow.
    pub fn keep(&self, execution: Arc<Execution>, now_ns: i64) {
        self.kept().push(execution, now_ns);
        self.sweep(now_ns);
    }

    /// Lets go of executions that were kept long enough.
    pub fn sweep(&self, now_ns: i64) {
        loop {
            let due = self.kept().pop(now_ns);
            let Some(execution) = due else {
                return;
            };
            self.forget(&execution);
        }
    }

    /// Lets go of an execution and its reply; its query id still leads to Snowflake, its request id stays spent.
    fn forget(&self, execution: &Execution) {
        let mut tables = self.tables();
        let session = execution.session();
        let key = (
            session,
            execution.login(),
            execution.request_id().to_owned(),
        );
        if tables.by_request.remove(&key).is_some() {
            let given = execution.given_query_id();
            let known = given.and_then(|id| tables.known.get(&(session, id)).cloned());
            let digest = execution.digest;
            tables.spent.insert(key, Spent { digest, known });
        }
        for query_id in execution.query_ids() {
            tables.by_query.remove(&(session, query_id));
        }
    }

    /// Gives a session's executions that have no reply yet.
    #[must_use]
    pub fn open_of(&self, session: SessionId) -> Vec<Arc<Execution>> {
        let tables = self.tables();
        let of_session = tables
            .by_request
            .iter()
            .filter(|((held, _, _), _)| *held == session);
        of_session
            .map(|(_, held)| Arc::clone(held))
            .filter(|held| held.state().reply().is_none())
            .collect()
    }

    /// Counts the executions of all sessions that have no reply yet.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.tables()
            .by_request
            .values()
            .filter(|held| held.state().reply().is_none())
            .count()
    }

    /// Lets go of all that a session asked.
    pub fn forget_session(&self, session: SessionId) {
        self.kept().forget_session(session);
        let mut tables = self.tables();
        tables.by_request.retain(|(held, _, _), _| *held != session);
        tables.by_query.retain(|(held, _), _| *held != session);
        tables.known.retain(|(held, _), _| *held != session);
        tables.spent.retain(|(held, _, _), _| *held != session);
        tables.withheld.retain(|(held, _)| *held != session);
        tables.compared.retain(|(held, _)| *held != session);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
