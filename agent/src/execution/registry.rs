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
mod tests {
    use super::*;
    use crate::id::StatementId;
    use crate::statement::Kind;

    fn execution(session: SessionId, login: LoginId, request_id: &str, digest: u8) -> Execution {
        Execution::new(
            session,
            login,
            request_id.to_owned(),
            [digest; 32],
            Form::V1,
        )
    }

    fn known(login: LoginId, query_id: QueryId) -> Known {
        Known {
            login,
            earlier: Earlier {
                statement: StatementId::new(),
                kind: Kind::Query,
                parts: Arc::from([]),
            },
            query_id,
            form: Form::V1,
        }
    }

    #[test]
    fn a_withheld_answer_stays_withheld_until_its_session_ends() {
        let registry = Registry::default();
        let (session, id) = (SessionId::new(), QueryId::mint());
        let outcome = Outcome {
            withheld: Some("reason".to_owned()),
            compared: Some(id),
            ..Outcome::default()
        };
        assert!(!registry.is_withheld(session, id));
        registry.note_compared(session, id, &outcome);
        assert!(registry.is_withheld(session, id) && !registry.is_compared(session, id));
        assert!(!registry.is_withheld(SessionId::new(), id));
        registry.forget_session(session);
        assert!(!registry.is_withheld(session, id));
    }

    #[test]
    fn what_was_compared_is_known_in_its_session_until_that_ends() {
        let registry = Registry::default();
        let (session, id) = (SessionId::new(), QueryId::mint());
        let outcome = Outcome {
            compared: Some(id),
            ..Outcome::default()
        };
        registry.note_compared(session, QueryId::mint(), &Outcome::default());
        assert!(!registry.is_compared(session, id));
        registry.note_compared(session, id, &outcome);
        assert!(registry.is_compared(session, id) && !registry.is_withheld(session, id));
        assert!(!registry.is_compared(SessionId::new(), id));
        registry.forget_session(session);
        assert!(!registry.is_compared(session, id));
    }

    #[test]
    fn a_replay_joins_and_another_text_differs() {
        let registry = Registry::default();
        let (session, login) = (SessionId::new(), LoginId::new());
        let Joined::New(first) = registry.start_or_join(execution(session, login, "r", 1)) else {
            panic!()
        };
        let Joined::Replay(second) = registry.start_or_join(execution(session, login, "r", 1))
        else {
            panic!()
        };
        assert_eq!(first.id(), second.id());
        assert!(matches!(
            registry.start_or_join(execution(session, login, "r", 2)),
            Joined::Differs
        ));
        assert!(matches!(
            registry.start_or_join(execution(session, LoginId::new(), "r", 2)),
            Joined::New(_)
        ));
    }

    #[test]
    fn a_query_id_leads_nowhere_from_another_session() {
        let registry = Registry::default();
        let (session, login) = (SessionId::new(), LoginId::new());
        let Joined::New(first) = registry.start_or_join(execution(session, login, "r", 1)) else {
            panic!()
        };
        let query_id = QueryId::mint();
        let known = known(login, query_id);
        registry.name(&first, query_id, known.clone());
        assert!(matches!(
            registry.find_query(session, query_id),
            Some(Sent::Held(_))
        ));
        assert!(registry.find_query(SessionId::new(), query_id).is_none());
        assert!(
            registry
                .find_query(SessionId::new(), first.own_query_id())
                .is_none()
        );
        registry.forget(&first);
        assert!(
            matches!(registry.find_query(session, query_id), Some(Sent::Known(held)) if held == known)
        );
        assert!(
            matches!(registry.find_query(session, first.own_query_id()), Some(Sent::Known(held)) if held == known)
        );
        registry.forget_session(session);
        assert!(registry.find_query(session, query_id).is_none());
    }

    #[test]
    fn a_request_id_stays_spent_after_its_reply_is_let_go() {
        let registry = Registry::default();
        let (session, login) = (SessionId::new(), LoginId::new());
        let start = |request_id: &str, digest| {
            registry.start_or_join(execution(session, login, request_id, digest))
        };
        let (Joined::New(sent), Joined::New(refused)) = (start("sent", 1), start("refused", 1))
        else {
            panic!()
        };
        let known = known(login, QueryId::mint());
        registry.name(&sent, known.query_id, known.clone());
        registry.forget(&sent);
        registry.forget(&refused);
        assert!(matches!(start("sent", 1), Joined::Spent(Some(held)) if held == known));
        assert!(matches!(start("refused", 1), Joined::Spent(None)));
        assert!(matches!(start("sent", 2), Joined::Differs));
        assert!(matches!(start("refused", 2), Joined::Differs));
        registry.forget_session(session);
        assert!(matches!(start("sent", 2), Joined::New(_)));
    }

    #[test]
    fn a_withdrawn_statement_may_not_be_sent() {
        let execution = execution(SessionId::new(), LoginId::new(), "r", 1);
        assert!(execution.withdraw());
        assert!(!execution.submit());
    }

    #[test]
    fn a_reply_is_kept_for_two_minutes_and_its_request_id_stays_spent() {
        let registry = Registry::default();
        let (session, login) = (SessionId::new(), LoginId::new());
        let started = || registry.start_or_join(execution(session, login, "r", 1));
        let Joined::New(first) = started() else {
            panic!()
        };
        registry.keep(first, 0);
        registry.sweep(119_000_000_000);
        assert!(matches!(started(), Joined::Replay(_)));
        registry.sweep(120_000_000_000);
        assert!(matches!(started(), Joined::Spent(None)));
    }

    #[test]
    fn what_does_not_fit_goes_before_its_time_the_oldest_first() {
        let registry = Registry::default();
        let (session, login) = (SessionId::new(), LoginId::new());
        let started = |id: &str| registry.start_or_join(execution(session, login, id, 1));
        let count = 150_000;
        for number in 0..count {
            let Joined::New(one) = started(&number.to_string()) else {
                panic!()
            };
            registry.keep(one, 0);
        }
        assert!(matches!(started("0"), Joined::Spent(None)));
        assert!(matches!(
            started(&(count - 1).to_string()),
            Joined::Replay(_)
        ));
        let held = registry.tables().by_request.len();
        assert!(held < count && held > 100_000, "{held}");
    }
}
