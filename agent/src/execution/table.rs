//! One session's requests and queries, each in one place from its start until the session ends.
//!
//! A request id moves from an execution to what is spent, a query id from an execution to what is remembered; neither is
//! ever forgotten, since a forgotten request id could be used again and a forgotten withholding undone.

use std::collections::HashMap;
use std::sync::Arc;

use super::query::{Conclusion, Detached, Known, Sent, Standing};
use super::request::{RequestKey, UpstreamId};
use super::{Execution, Joined};
use crate::id::LoginId;
use crate::mask::Child;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::upstream::Earlier;

/// Most statements that one session may send, those of a batch each for itself. One takes about 0.4 KB until the session
/// ends.
pub(super) const STATEMENTS_MAX: usize = 200_000;

#[derive(Debug)]
pub(super) struct Table {
    requests: HashMap<RequestKey, Request>,
    queries: HashMap<QueryId, Place>,
    statements: usize,
    max: usize,
}

#[derive(Debug)]
enum Request {
    /// It is on its way, or its reply is kept.
    Held(Arc<Execution>),
    /// Its reply has been let go: nothing else may come under its id.
    Spent(UpstreamId, Option<QueryId>),
}

#[derive(Debug)]
enum Place {
    /// Another name of a query: the one that was made for it before Snowflake gave its own.
    SameAs(QueryId),
    Query(Box<Query>),
}

#[derive(Debug)]
struct Query {
    held: Option<Arc<Execution>>,
    form: Form,
    standing: Standing,
    detached: Option<Arc<Detached>>,
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
            queries: HashMap::new(),
            statements: 0,
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
            None if self.statements >= self.max => return Joined::Full,
            None => {}
        }
        self.statements += 1;
        let execution = Arc::new(execution);
        let query = Query {
            held: Some(Arc::clone(&execution)),
            form: execution.form(),
            standing: Standing::Unnamed,
            detached: None,
        };
        let own_id = execution.own_query_id();
        self.queries.insert(own_id, Place::Query(Box::new(query)));
        self.requests
            .insert(key, Request::Held(Arc::clone(&execution)));
        Joined::New(execution)
    }

    /// Notes the id that Snowflake gave a query, under which it is found from now on; the first one stands.
    pub(super) fn name(&mut self, own_id: QueryId, query_id: QueryId, earlier: Earlier) {
        let unnamed = self
            .query(own_id)
            .filter(|query| matches!(query.standing, Standing::Unnamed) && query.held.is_some());
        let Some(query) = unnamed else { return };
        let named = Query {
            held: query.held.clone(),
            form: query.form,
            standing: Standing::Uncompared(Known { earlier, query_id }),
            detached: None,
        };
        if let Some(execution) = &named.held {
            execution.name(query_id);
        }
        match self.query_mut(query_id) {
            // An id that was withheld stays so, whatever else Snowflake gives it to.
            Some(known) if matches!(known.standing, Standing::Withheld) => {}
            Some(_) | None => {
                let named = Place::Query(Box::new(named));
                self.queries.insert(query_id, named);
            }
        }
        if query_id != own_id {
            self.queries.insert(own_id, Place::SameAs(query_id));
        }
    }

    /// Notes that Snowflake goes on with a query after its reply.
    pub(super) fn detach(&mut self, id: QueryId, detached: &Arc<Detached>) {
        if let Some(query) = self.query_mut(id) {
            query.detached = Some(Arc::clone(detached));
        }
    }

    /// Notes what an answer says of a query and of those that it held. What is withheld stays so.
    pub(super) fn conclude(&mut self, id: QueryId, conclusion: &Conclusion) {
        if let (Some(query_id), Some(earlier)) = (conclusion.query_id, &conclusion.earlier) {
            self.name(id, query_id, earlier.clone());
        }
        if conclusion.is_withheld() {
            let children = conclusion.children.iter().map(|child| child.query_id);
            for id in children.chain(conclusion.query_id).chain([id]) {
                if let Some(query) = self.query_mut(id) {
                    query.standing = Standing::Withheld;
                }
            }
        }
        if conclusion.is_end()
            && let Some(query) = self.query_mut(id)
        {
            query.detached = None;
        }
        if conclusion.is_compared()
            && let Some(query) = self.query_mut(id)
            && let Standing::Uncompared(known) | Standing::Compared(known) = &query.standing
        {
            query.standing = Standing::Compared(known.clone());
            let form = query.form;
            for child in &conclusion.children {
                self.take_part(child, form);
            }
        }
    }

    /// Takes in a query that another one held, unless it is known.
    fn take_part(&mut self, child: &Child, form: Form) {
        if self.queries.contains_key(&child.query_id) {
            return;
        }
        let known = Known {
            earlier: Earlier {
                statement: child.part.statement,
                kind: child.part.kind,
                parts: Arc::default(),
            },
            query_id: child.query_id,
        };
        let query = Query {
            held: None,
            form,
            standing: Standing::Compared(known),
            detached: None,
        };
        self.statements += 1;
        self.queries
            .insert(child.query_id, Place::Query(Box::new(query)));
    }

    /// Finds the query that an id leads to.
    pub(super) fn find(&self, id: QueryId) -> Option<Sent> {
        let query = self.query(id)?;
        Some(Sent {
            held: query.held.clone(),
            form: query.form,
            standing: query.standing.clone(),
            detached: query.detached.clone(),
        })
    }

    /// Finds the execution of a request.
    pub(super) fn find_request(&self, key: RequestKey) -> Option<Arc<Execution>> {
        match self.requests.get(&key)? {
            Request::Held(execution) => Some(Arc::clone(execution)),
            Request::Spent(..) => None,
        }
    }

    /// Lets go of an execution and its reply; its query id still leads to Snowflake, its request id stays spent.
    pub(super) fn forget(&mut self, execution: &Execution) {
        let own_id = execution.own_query_id();
        let mut named = None;
        let is_this = |held: &Arc<Execution>| held.id() == execution.id();
        if let Some(query) = self.query_mut(own_id)
            && query.held.as_ref().is_none_or(is_this)
        {
            query.held = None;
            match &query.standing {
                Standing::Unnamed => drop(self.queries.remove(&own_id)),
                Standing::Uncompared(known) | Standing::Compared(known) => {
                    named = Some(known.query_id);
                }
                Standing::Withheld => named = Some(own_id),
            }
        }
        let spent = Request::Spent(execution.upstream_id(), named);
        self.requests.insert(execution.request_key(), spent);
    }

    /// Lists the executions that have no reply yet.
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<Execution>> {
        self.requests.values().filter_map(|request| match request {
            Request::Held(held) => Some(held).filter(|held| held.state().reply().is_none()),
            Request::Spent(..) => None,
        })
    }

    /// Lists the queries that Snowflake goes on with after their reply, of one login or of all.
    pub(super) fn detached(&self, login: Option<LoginId>) -> Vec<(QueryId, Arc<Detached>)> {
        let waiting = |(id, place): (&QueryId, &Place)| match place {
            Place::Query(query) => Some((*id, Arc::clone(query.detached.as_ref()?))),
            Place::SameAs(_) => None,
        };
        let of_login = |(_, detached): &(QueryId, Arc<Detached>)| {
            login.is_none_or(|login| login == detached.login())
        };
        self.queries
            .iter()
            .filter_map(waiting)
            .filter(of_login)
            .collect()
    }

    fn query(&self, id: QueryId) -> Option<&Query> {
        match self.queries.get(&id)? {
            Place::Query(query) => Some(query),
            Place::SameAs(other) => match self.queries.get(other)? {
                Place::Query(query) => Some(query),
                Place::SameAs(_) => None,
            },
        }
    }

    fn query_mut(&mut self, id: QueryId) -> Option<&mut Query> {
        let id = match self.queries.get(&id)? {
            Place::Query(_) => id,
            Place::SameAs(other) => *other,
        };
        match self.queries.get_mut(&id)? {
            Place::Query(query) => Some(query),
            Place::SameAs(_) => None,
        }
    }
}
