//! Finds executions: by (session, login, request id), then by query id. Shared by all cores.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kept::Kept;
use super::queries::Queries;
use super::query::{Conclusion, Detached, Followed, QueryRef, Realm, Sent};
use super::recalled::Recalled;
use super::request::RequestKey;
use super::table::Table;
use super::{Execution, State};
use crate::id::{LoginId, SessionId};
use crate::snowflake::route::QueryId;
use crate::upstream::Earlier;

/// All executions that a client may still ask for, and all that is remembered of those before.
#[derive(Debug, Default)]
pub struct Registry {
    tables: Mutex<HashMap<SessionId, Table>>,
    kept: Mutex<Kept>,
    recalled: Recalled,
}

/// What a request with some request id is.
#[derive(Debug)]
pub enum Joined {
    /// The first of its kind: run it.
    New(Arc<Execution>),
    /// The same request again: wait for the first.
    Replay(Arc<Execution>),
    /// The same request again, after its reply was let go: Snowflake has the result, if it was ever asked.
    Spent(Option<QueryId>),
    /// Another statement under a request id that was used: refuse it.
    Differs,
    /// The session has sent as many statements as are remembered of one: refuse it.
    Full,
}

impl Registry {
    /// Starts an execution or joins the one that has its request id.
    pub fn start_or_join(&self, execution: Execution) -> Joined {
        let session = execution.session();
        let mut tables = self.tables();
        tables.entry(session).or_default().start_or_join(execution)
    }

    /// Notes the id that Snowflake gave a statement.
    pub fn name(&self, execution: &Execution, query_id: QueryId, earlier: Earlier) {
        let query = QueryRef {
            session: execution.session(),
            realm: execution.realm(),
            query_id: execution.own_query_id(),
        };
        self.at(query, |queries| {
            queries.name(query.query_id, query_id, earlier)
        });
    }

    /// Notes that Snowflake goes on with a query after its reply.
    pub fn detach(&self, query: QueryRef<'_>, detached: &Arc<Detached>) {
        self.at(query, |queries| queries.detach(query.query_id, detached));
    }

    /// Lets go of what waits for a query's end.
    pub fn let_go(&self, query: QueryRef<'_>) {
        self.at(query, |queries| queries.let_go(query.query_id));
    }

    /// Notes what an answer says of a query and of those that it held.
    pub fn conclude(&self, query: QueryRef<'_>, conclusion: &Conclusion) {
        self.at(query, |queries| {
            queries.conclude(query.query_id, conclusion)
        });
        self.keep_conclusion(query, conclusion);
    }

    /// Finds the query of an id; ids of other sessions and realms lead nowhere.
    #[must_use]
    pub fn find(&self, query: QueryRef<'_>) -> Option<Sent> {
        let tables = self.tables();
        tables
            .get(&query.session)?
            .at(query.realm)?
            .find(query.query_id)
    }

    /// Gives the turn to compare a query, which one has at a time.
    pub(super) fn turn(&self, query: QueryRef<'_>) -> Option<Arc<tokio::sync::Mutex<()>>> {
        self.at(query, |queries| queries.turn(query.query_id))?
    }

    /// Gives where results come from.
    pub(super) fn recalled(&self) -> &Recalled {
        &self.recalled
    }

    /// Changes the queries of a realm, which may be new.
    pub(super) fn in_realm(
        &self,
        session: SessionId,
        realm: Realm,
        change: impl FnOnce(&mut Queries),
    ) {
        change(self.tables().entry(session).or_default().of(realm));
    }

    fn at<T>(&self, query: QueryRef<'_>, change: impl FnOnce(&mut Queries) -> T) -> Option<T> {
        let mut tables = self.tables();
        let queries = tables.get_mut(&query.session)?.at_mut(query.realm)?;
        Some(change(queries))
    }

    /// Finds the execution of a request.
    #[must_use]
    pub fn find_request(
        &self,
        session: SessionId,
        login: LoginId,
        request_id: &str,
    ) -> Option<Arc<Execution>> {
        let key = RequestKey::new(login, request_id);
        self.tables().get(&session)?.find_request(key)
    }

    /// Lists a session's queries that Snowflake goes on with after their reply.
    #[must_use]
    pub fn detached(&self, session: SessionId) -> Vec<Followed> {
        let tables = self.tables();
        tables.get(&session).map_or_else(Vec::new, Table::detached)
    }

    /// Keeps an execution that has its reply for replays and polls, as long as its time and the room for all allow.
    pub fn keep(&self, execution: Arc<Execution>, now_ns: i64) {
        if let Some(table) = self.tables().get_mut(&execution.session()) {
            table.settle(&execution);
        }
        let surplus = self.kept().push(execution, now_ns);
        self.forget(surplus);
    }

    /// Lets go of executions that were kept long enough.
    pub fn sweep(&self, now_ns: i64) {
        let due = self.kept().take_due(now_ns);
        self.forget(due);
    }

    fn forget(&self, executions: Vec<Arc<Execution>>) {
        for execution in executions {
            if let Some(table) = self.tables().get_mut(&execution.session()) {
                table.forget(&execution);
            }
        }
    }

    /// Gives a session's executions that have no reply yet.
    #[must_use]
    pub fn open_of(&self, session: SessionId) -> Vec<Arc<Execution>> {
        let tables = self.tables();
        let table = tables.get(&session);
        table.map_or_else(Vec::new, |table| table.open().cloned().collect())
    }

    /// Counts the executions of all sessions that have no reply yet.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.tables()
            .values()
            .map(|table| table.open().count())
            .sum()
    }

    /// Counts the executions of all sessions that wait for people.
    #[must_use]
    pub fn held_count(&self) -> usize {
        let tables = self.tables();
        let open = tables.values().flat_map(Table::open);
        open.filter(|one| matches!(one.state(), State::Held))
            .count()
    }

    /// Names what would be lost if this process ended: statements without a reply, but for those that wait for people and
    /// are kept for the next proxy, and those that Snowflake goes on with after their reply.
    #[must_use]
    pub fn under_way(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for table in self.tables().values() {
            let open = table.open();
            let open = open.filter(|execution| !matches!(execution.state(), State::Held));
            names.extend(open.map(|execution| execution.id().to_string()));
            let followed = table.detached();
            names.extend(followed.iter().map(|query| query.query_id.to_string()));
        }
        names
    }

    /// Lets go of all that a session asked.
    pub fn forget_session(&self, session: SessionId) {
        self.kept().forget_session(session);
        self.tables().remove(&session);
        self.recalled.forget_session(session);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> MutexGuard<'_, HashMap<SessionId, Table>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
