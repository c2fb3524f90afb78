//! One session's queries in one realm, each in one place until the session ends.
//!
//! Snowflake's ids are an account's own: one of another account leads nowhere here.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::Execution;
use super::query::{Conclusion, Detached, Known, Sent, Standing};
use crate::mask::Child;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::upstream::Earlier;

#[derive(Debug, Default)]
pub(super) struct Queries {
    places: HashMap<QueryId, Place>,
    /// Those that Snowflake goes on with after their reply, by the id under which they are queries above.
    detached: HashMap<QueryId, Arc<Detached>>,
    /// Statements that came in batches: of those to be compared as they were judged, else as Snowflake named them.
    parts: usize,
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
    turn: Weak<Mutex<()>>,
}

impl Query {
    fn new(held: Option<Arc<Execution>>, form: Form, standing: Standing) -> Self {
        Self {
            held,
            form,
            standing,
            turn: Weak::new(),
        }
    }

    /// Counts the parts of a batch that are remembered to compare it with.
    fn parts(&self) -> usize {
        match &self.standing {
            Standing::Uncompared(known) => known.earlier.parts.len(),
            Standing::Unnamed | Standing::Compared(_) | Standing::Withheld => 0,
        }
    }
}

impl Queries {
    /// Counts the statements that are remembered beside those of requests.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// Takes in the query of an execution that starts.
    pub(super) fn start(&mut self, execution: &Arc<Execution>) {
        let held = Some(Arc::clone(execution));
        let query = Query::new(held, execution.form(), Standing::Unnamed);
        self.put(execution.own_query_id(), query);
    }

    /// Notes the id that Snowflake gave a query, under which it is found from now on; the first one stands.
    pub(super) fn name(&mut self, own_id: QueryId, query_id: QueryId, earlier: Earlier) {
        let unnamed = self
            .query(own_id)
            .filter(|query| matches!(query.standing, Standing::Unnamed));
        let Some((form, execution)) =
            unnamed.and_then(|query| Some((query.form, query.held.clone()?)))
        else {
            return;
        };
        execution.name(query_id);
        let standing = Standing::Uncompared(Known { earlier, query_id });
        let named = Query::new(Some(execution), form, standing);
        match self.query(query_id) {
            // An id that was withheld stays so, whatever else Snowflake gives it to.
            Some(known) if matches!(known.standing, Standing::Withheld) => {}
            Some(_) | None => self.put(query_id, named),
        }
        if query_id != own_id {
            self.places.insert(own_id, Place::SameAs(query_id));
        }
    }

    /// Notes that Snowflake goes on with a query after its reply.
    pub(super) fn detach(&mut self, id: QueryId, detached: &Arc<Detached>) {
        if let Some(id) = self.id_of(id) {
            self.detached.insert(id, Arc::clone(detached));
        }
    }

    /// Lets go of what waits for a query's end.
    pub(super) fn let_go(&mut self, id: QueryId) {
        if let Some(id) = self.id_of(id) {
            self.detached.remove(&id);
        }
    }

    /// Notes what an answer says of a query and of those that it held. What is withheld stays so.
    pub(super) fn conclude(&mut self, id: QueryId, conclusion: &Conclusion) {
        if let (Some(query_id), Some(earlier)) = (conclusion.query_id, &conclusion.earlier) {
            self.name(id, query_id, earlier.clone());
        }
        if conclusion.is_end() {
            self.let_go(id);
        }
        if conclusion.is_withheld() {
            let children = conclusion.children.iter().map(|child| child.query_id);
            for id in children.chain(conclusion.query_id).chain([id]) {
                self.stand(id, |_| Standing::Withheld);
            }
        } else if conclusion.is_compared() {
            let earlier = conclusion.earlier.as_ref();
            let types = earlier.and_then(|earlier| earlier.types.clone());
            self.stand(id, |standing| standing.compared(types));
            if let Some(query) = self.query(id)
                && matches!(query.standing, Standing::Compared(_))
            {
                let form = query.form;
                for child in &conclusion.children {
                    self.take_part(child, form);
                }
            }
        } else if conclusion.is_end() {
            self.stand(id, Standing::without_parts);
        }
    }

    /// Moves a query to another standing.
    fn stand(&mut self, id: QueryId, next: impl FnOnce(Standing) -> Standing) {
        let place = self.id_of(id).and_then(|id| self.places.get_mut(&id));
        if let Some(Place::Query(query)) = place {
            let before = query.parts();
            query.standing = next(std::mem::replace(&mut query.standing, Standing::Withheld));
            self.parts = self.parts + query.parts() - before;
        }
    }

    /// Takes in a query that another one held, unless it is known.
    fn take_part(&mut self, child: &Child, form: Form) {
        if self.places.contains_key(&child.query_id) {
            return;
        }
        let known = Known {
            earlier: Earlier {
                statement: child.part.statement,
                kind: child.part.kind,
                plan: child.part.plan.clone(),
                types: None,
                parts: Arc::default(),
            },
            query_id: child.query_id,
        };
        self.put(
            child.query_id,
            Query::new(None, form, Standing::Compared(known)),
        );
        self.parts += 1;
    }

    /// Takes in a query that an earlier proxy compared.
    pub(super) fn restore(&mut self, known: Known) {
        let query = Query::new(None, Form::V1, Standing::Compared(known.clone()));
        self.put(known.query_id, query);
    }

    /// Takes back a query that an earlier proxy withheld.
    pub(super) fn withhold(&mut self, id: QueryId) {
        self.stand(id, |_| Standing::Withheld);
    }

    /// Puts a query in its place, and counts the parts that it is to be compared with.
    fn put(&mut self, id: QueryId, query: Query) {
        self.parts += query.parts();
        if let Some(Place::Query(before)) = self.places.insert(id, Place::Query(Box::new(query))) {
            self.parts -= before.parts();
        }
    }

    /// Finds the query that an id leads to.
    pub(super) fn find(&self, id: QueryId) -> Option<Sent> {
        let id = self.id_of(id)?;
        let query = self.query(id)?;
        Some(Sent {
            held: query.held.clone(),
            form: query.form,
            standing: query.standing.clone(),
            detached: self.detached.get(&id).cloned(),
        })
    }

    /// Gives the turn to compare a query, which one has at a time.
    pub(super) fn turn(&mut self, id: QueryId) -> Option<Arc<Mutex<()>>> {
        let id = self.id_of(id)?;
        let Place::Query(query) = self.places.get_mut(&id)? else {
            return None;
        };
        Some(query.turn.upgrade().unwrap_or_else(|| {
            let turn = Arc::default();
            query.turn = Arc::downgrade(&turn);
            turn
        }))
    }

    /// Lets go of an execution; its query id still leads to Snowflake. Gives that.
    pub(super) fn forget(&mut self, execution: &Execution) -> Option<QueryId> {
        let own_id = execution.own_query_id();
        let id = self.id_of(own_id)?;
        let Some(Place::Query(query)) = self.places.get_mut(&id) else {
            return None;
        };
        let is_this = |held: &Arc<Execution>| held.id() == execution.id();
        if !query.held.as_ref().is_none_or(is_this) {
            return None;
        }
        query.held = None;
        match &query.standing {
            Standing::Unnamed => {
                self.places.remove(&id);
                None
            }
            Standing::Uncompared(known) | Standing::Compared(known) => Some(known.query_id),
            Standing::Withheld => Some(own_id),
        }
    }

    /// Lists the queries that Snowflake goes on with after their reply.
    pub(super) fn detached(&self) -> impl Iterator<Item = (QueryId, &Arc<Detached>)> {
        self.detached.iter().map(|(id, detached)| (*id, detached))
    }

    /// Gives the id under which a query is found, of which the given one may be another name.
    fn id_of(&self, id: QueryId) -> Option<QueryId> {
        match self.places.get(&id)? {
            Place::Query(_) => Some(id),
            Place::SameAs(other) => Some(*other),
        }
    }

    fn query(&self, id: QueryId) -> Option<&Query> {
        match self.places.get(&self.id_of(id)?)? {
            Place::Query(query) => Some(query),
            Place::SameAs(_) => None,
        }
    }
}
