//! One query of a session, from its statement's first byte until the session ends.

use std::mem;
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

use super::Execution;
use crate::id::{LoginId, SessionId};
use crate::identity::{Party, Principal};
use crate::mask::{Child, Masked};
use crate::record::Undone;
use crate::snowflake::answer::Form;
use crate::snowflake::column::ColumnType;
use crate::snowflake::route::QueryId;
use crate::upstream::Earlier;

/// Where query ids of a session mean something: at one account, for those logins that act for one party.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Realm {
    /// The account's name.
    pub account: Arc<str>,
    party: Option<Arc<Party>>,
}

impl Realm {
    /// Names what logins have at an account that were shown to act for a principal, or of which nothing was shown.
    #[must_use]
    pub fn new(account: &str, shown: Option<&Principal>) -> Self {
        Self {
            account: Arc::from(account),
            party: shown.map(|shown| Arc::new(shown.party())),
        }
    }

    /// Names it by what is written down of it.
    pub(super) fn of(account: &str, party: Option<Party>) -> Self {
        Self {
            account: Arc::from(account),
            party: party.map(Arc::new),
        }
    }

    /// Gives the party that its logins act for, if one was shown.
    pub(super) fn party(&self) -> Option<&Party> {
        self.party.as_deref()
    }
}

/// Names a query: its id means something in one session and one realm alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryRef<'a> {
    /// The session.
    pub session: SessionId,
    /// Where in it.
    pub realm: &'a Realm,
    /// The query, by any of its names.
    pub query_id: QueryId,
}

/// Where a query id leads.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The execution, while it is on its way or its reply is kept.
    pub held: Option<Arc<Execution>>,
    /// The form of the door it came through; it is asked for and answered in that form alone.
    pub form: Form,
    /// What may be asked of Snowflake about it.
    pub standing: Standing,
    /// What waits for its end, if Snowflake went on with it after its reply.
    pub detached: Option<Arc<Detached>>,
}

/// How far a query is known; each state allows what it says and nothing else.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Snowflake has not named it: there is nothing to ask for.
    Unnamed,
    /// Nobody has compared what it ran with what was judged: whoever asks for its result compares first.
    Uncompared(Known),
    /// What it ran is what was judged: its result may be asked for by every way.
    Compared(Known),
    /// Its answer was withheld: nothing of its result leaves by any way.
    Withheld,
}

impl Standing {
    /// Notes that what ran is what was judged, and of which types its columns are, if an answer told.
    pub(super) fn compared(self, types: Option<Arc<[ColumnType]>>) -> Self {
        match self {
            Self::Uncompared(mut known) | Self::Compared(mut known) => {
                known.earlier.types = types.or(known.earlier.types);
                Self::Compared(known)
            }
            Self::Unnamed | Self::Withheld => self,
        }
    }

    /// Lets go of the parts of a batch that failed: it has no results that could be compared with them, and one that had
    /// would be withheld.
    pub(super) fn without_parts(self) -> Self {
        match self {
            Self::Uncompared(mut known) => {
                drop(mem::take(&mut known.earlier.parts));
                Self::Uncompared(known)
            }
            Self::Unnamed | Self::Compared(_) | Self::Withheld => self,
        }
    }
}

/// What is remembered of a query until its session ends; kept small, since nothing of it is forgotten before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The statement as it was judged.
    pub earlier: Earlier,
    /// Snowflake's name of the query.
    pub query_id: QueryId,
}

impl Sent {
    /// Gives Snowflake's name of the query; `None` if it has none.
    #[must_use]
    pub fn named(&self) -> Option<QueryId> {
        match &self.standing {
            Standing::Unnamed | Standing::Withheld => self.held.as_ref()?.given_query_id(),
            Standing::Uncompared(known) | Standing::Compared(known) => Some(known.query_id),
        }
    }
}

/// What an answer says of its query, apart from its rows.
#[derive(Debug)]
pub struct Conclusion {
    pub(super) query_id: Option<QueryId>,
    pub(super) earlier: Option<Earlier>,
    pub(super) children: Vec<Child>,
    is_withheld: bool,
    is_compared: bool,
    is_end: bool,
}

impl Conclusion {
    /// Reads it from an answer to a query.
    #[must_use]
    pub fn of(masked: &Masked, query_id: QueryId) -> Self {
        let outcome = masked.outcome();
        Self {
            query_id: outcome.query_id,
            earlier: masked.earlier(),
            children: outcome.children.clone(),
            is_withheld: outcome.withheld.is_some() && !outcome.is_untold,
            is_compared: outcome.is_compared(),
            is_end: outcome.is_end_of(query_id),
        }
    }

    /// Tells whether the answer was withheld, and all else of its query is from here on.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.is_withheld
    }

    /// Tells whether what ran was compared with what was judged, and is that.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        self.is_compared
    }

    /// Tells whether the statement is over.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.is_end
    }
}

/// A query that Snowflake goes on with after its reply.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Where it is known.
    pub realm: Realm,
    /// Snowflake's name of the query.
    pub query_id: QueryId,
    /// What waits for its end.
    pub detached: Arc<Detached>,
}

/// A statement that Snowflake goes on with after its reply, until its end is recorded.
#[derive(Debug)]
pub struct Detached {
    login: LoginId,
    undone: Mutex<Option<Undone>>,
    over: Notify,
}

impl Detached {
    /// Takes the rows that its end completes.
    #[must_use]
    pub fn new(login: LoginId, undone: Undone) -> Self {
        Self {
            login,
            undone: Mutex::new(Some(undone)),
            over: Notify::new(),
        }
    }

    /// Names the login that sent it.
    #[must_use]
    pub fn login(&self) -> LoginId {
        self.login
    }

    /// Gives the rows that its end completes, to one at a time; none once that was recorded.
    pub async fn undone(&self) -> tokio::sync::MutexGuard<'_, Option<Undone>> {
        self.undone.lock().await
    }

    /// Notes that its end is recorded.
    pub fn end(&self, mut undone: tokio::sync::MutexGuard<'_, Option<Undone>>) {
        *undone = None;
        self.over.notify_one();
    }

    /// Waits until its end is recorded; one may wait.
    pub async fn over(&self) {
        self.over.notified().await;
    }
}
