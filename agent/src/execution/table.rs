//! One session's requests, and its queries by realm, from their start until the session ends.
//!
//! A request id moves from an execution to what is spent, a query id from an execution to what is remembered; neither is
//! ever forgotten, since a forgotten request id could be used again and a forgotten withholding undone.

use std::collections::HashMap;
use std::sync::Arc;

use super::queries::Queries;
use super::query::{Followed, Realm};
use super::request::{RequestKey, UpstreamId};
use super::{Execution, Joined};
use crate::id::StatementId;
use crate::snowflake::route::QueryId;

/// Most statements that one session may send, those of a batch each for itself. One takes about 0.4 KB until the session
/// ends.
pub(super) const STATEMENTS_MAX: usize = 200_000;

#[derive(Debug)]
pub(super) struct Table {
    requests: HashMap<RequestKey, Request>,
    open: HashMap<StatementId, Arc<Execution>>,
    queries: HashMap<Realm, Queries>,
    max: usize,
}

#[derive(Debug)]
enum Request {
    /// It is on its way, or its reply is kept.
    Held(Arc<Execution>),
    /// Its reply has been let go: nothing else may come under its id.
    Spent(UpstreamId, Option<QueryId>),
}

impl Default for Table {
    fn default() -> Self {
        Self::of_size(STATEMENTS_MAX)
    }
}

impl Table {
    pub(super) fn of_size(max: usize) -> Self {
        Self {
            requests: HashMap::new(),
            open: HashMap::new(),
            queries: HashMap::new(),
            max,
        }
    }

    /// Starts an execution or joins the one that has its request id.
    pub(super) fn start_or_join(&mut self, execution: Execution) -> Joined {
        let key = execution.request_key();
        match self.requests.get(&key) {
            Some(Request::Held(held)) if held.upstream_id() == execution.upstream_id() => {
                return Joined::Replay(Arc::clone(held));
            }
            Some(Request::Spent(spent, query_id)) if *spent == execution.upstream_id() => {
                return Joined::Spent(*query_id);
            }
            Some(Request::Held(_) | Request::Spent(..)) => return Joined::Differs,
            None if self.statements() >= self.max => return Joined::Full,
            None => {}
        }
        let execution = Arc::new(execution);
        let realm = execution.realm().clone();
        self.of(realm).start(&execution);
        self.open.insert(execution.id(), Arc::clone(&execution));
        self.requests
            .insert(key, Request::Held(Arc::clone(&execution)));
        Joined::New(execution)
    }

    fn statements(&self) -> usize {
        let parts: usize = self.queries.values().map(Queries::parts).sum();
        self.requests.len() + parts
    }

    /// Gives the queries of a realm.
    pub(super) fn at(&self, realm: &Realm) -> Option<&Queries> {
        self.queries.get(realm)
    }

    /// Gives the queries of a realm, to change them.
    pub(super) fn at_mut(&mut self, realm: &Realm) -> Option<&mut Queries> {
        self.queries.get_mut(realm)
    }

    /// Gives the queries of a realm, which may be new.
    pub(super) fn of(&mut self, realm: Realm) -> &mut Queries {
        self.queries.entry(realm).or_default()
    }

    /// Finds the execution of a request.
    pub(super) fn find_request(&self, key: RequestKey) -> Option<Arc<Execution>> {
        match self.requests.get(&key)? {
            Request::Held(execution) => Some(Arc::clone(execution)),
            Request::Spent(..) => None,
        }
    }

    /// Notes that an execution has its reply.
    pub(super) fn settle(&mut self, execution: &Execution) {
        self.open.remove(&execution.id());
    }

    /// Lets go of an execution and its reply; its query id still leads to Snowflake, its request id stays spent.
    pub(super) fn forget(&mut self, execution: &Execution) {
        self.settle(execution);
        let queries = self.queries.get_mut(execution.realm());
        let named = queries.and_then(|queries| queries.forget(execution));
        let spent = Request::Spent(execution.upstream_id(), named);
        self.requests.insert(execution.request_key(), spent);
    }

    /// Lists the executions that have no reply yet.
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<Execution>> {
        let open = self.open.values();
        open.filter(|held| held.state().reply().is_none())
    }

    /// Lists the queries that Snowflake goes on with after their reply.
    pub(super) fn detached(&self) -> Vec<Followed> {
        let of_realm = |(realm, queries): (&Realm, &Queries)| {
            let followed = queries.detached().map(|(query_id, detached)| Followed {
                realm: realm.clone(),
                query_id,
                detached: Arc::clone(detached),
            });
            followed.collect::<Vec<_>>()
        };
        self.queries.iter().flat_map(of_realm).collect()
    }
}
