//! The life of one statement, and the registry that finds it again.
//!
//! A statement outlives the HTTP request that brought it: a replay joins it, a poll waits for it, an abort from
//! another connection withdraws it.

mod behind;
mod catalogues;
mod chunk_file;
mod chunks;
mod context;
mod delivery;
mod effect;
mod held_file;
mod holding;
mod judging;
mod kept;
mod ledger;
mod ledger_file;
mod origin;
mod shared_provenance;
mod queries;
mod query;
mod question;
mod reading;
mod recalled;
mod registry;
mod request;
mod scan;
mod stages;
mod stamp;
mod table;
mod tag;
mod untold;
mod usage_file;
mod usages;
mod whole;
mod writer;

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::watch;

use crate::id::{LoginId, SessionId, StatementId};
use crate::record::Reply;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;

pub use behind::{Behind, IsRead};
pub use catalogues::Catalogues;
pub use chunk_file::KeptBy;
pub use chunks::{Chunks, Handle, Sought};
pub use context::{AtRest, Context, Turn};
pub use delivery::{Delivered, Fetched, Look, Recipient, Way};
pub use effect::Effect;
pub use held_file::{Holds, KeptHold, Sender};
pub use holding::Settled;
pub use judging::{Asker, Basis, Judged};
pub(crate) use origin::Linked;
pub use origin::{InForce, Lent, Origin};
pub use query::{Conclusion, Detached, Followed, Known, QueryRef, Realm, Sent, Standing};
pub use reading::{Asking, Reading};
pub use registry::{Joined, Registry};
pub use request::UpstreamId;
pub use shared_provenance::SharedProvenance;
pub use stages::{OpenStages, StageHandle};
pub(crate) use stamp::{note, stamp};
pub use tag::Tag;
pub use usages::{Meter, Usages};

use request::RequestKey;

/// Longest wait of one HTTP request. Drivers give up at 60 s at the earliest (protocol reference 4.3).
pub const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// Where a statement stands.
#[derive(Clone, Debug)]
pub enum State {
    /// It was read and is being judged and recorded.
    Judged,
    /// It waits for people.
    Held,
    /// It was sent to Snowflake.
    Submitted,
    /// Snowflake has named it and works on it.
    Running(QueryId),
    /// It has its reply.
    Ready(Reply),
    /// Policy, the record or a mask refused it.
    Refused(Reply),
    /// It was cancelled before it was sent.
    Withdrawn(Reply),
}

impl State {
    /// Gives the reply of a state that is an end.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Judged | Self::Held | Self::Submitted | Self::Running(_) => None,
            Self::Ready(reply) | Self::Refused(reply) | Self::Withdrawn(reply) => Some(reply),
        }
    }
}

/// What a waiting HTTP request is told.
#[derive(Debug)]
pub enum Answer {
    /// The statement's reply.
    Settled(Reply),
    /// Poll under this id.
    Running(QueryId),
    /// Ask for it later under this id: its client wanted no more than that.
    Later(QueryId),
}

/// How long a client's request waits for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until it is there.
    Whole,
    /// Until the statement waits for people: its client comes back for the result.
    UntilHeld,
}

/// One statement on its way.
#[derive(Debug)]
pub struct Execution {
    id: StatementId,
    session: SessionId,
    login: LoginId,
    realm: Realm,
    request_id: String,
    upstream_id: UpstreamId,
    meaning: [u8; 32],
    form: Form,
    own_query_id: QueryId,
    given_query_id: OnceLock<QueryId>,
    state: watch::Sender<State>,
    withdrawn: watch::Sender<bool>,
}

impl Execution {
    /// Begins an execution; `meaning` tells a replay from another statement under the same request id, `form` is that of
    /// the door it came through.
    #[must_use]
    pub fn new(
        session: SessionId,
        login: LoginId,
        realm: Realm,
        request_id: String,
        meaning: [u8; 32],
        form: Form,
    ) -> Self {
        Self {
            id: StatementId::new(),
            session,
            login,
            realm,
            upstream_id: UpstreamId::new(login, &request_id, &meaning),
            request_id,
            meaning,
            form,
            own_query_id: QueryId::mint(),
            given_query_id: OnceLock::new(),
            state: watch::Sender::new(State::Judged),
            withdrawn: watch::Sender::new(false),
        }
    }

    /// Goes on with an execution that waited in another proxy, under the names that it had there.
    #[must_use]
    pub fn resumed(session: SessionId, realm: Realm, kept: &KeptHold) -> Self {
        let request_id = kept.request_id.clone();
        let form = match kept.address {
            None => Form::V1,
            Some(_) => Form::V2 {
                created_on: kept.started_at,
            },
        };
        Self {
            id: kept.statement,
            own_query_id: kept.own_query_id,
            ..Self::new(session, kept.login, realm, request_id, kept.meaning, form)
        }
    }

    /// Names the statement.
    #[must_use]
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// Names the session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Names the login.
    #[must_use]
    pub fn login(&self) -> LoginId {
        self.login
    }

    /// Names where its query is known.
    #[must_use]
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Gives the client's name for the request.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Gives the name under which the request goes upstream; a request that has it too is this one again.
    #[must_use]
    pub fn upstream_id(&self) -> UpstreamId {
        self.upstream_id
    }

    /// Gives what tells its request from another.
    fn meaning(&self) -> [u8; 32] {
        self.meaning
    }

    /// Gives the request's name in its session.
    fn request_key(&self) -> RequestKey {
        RequestKey::new(self.login, &self.request_id)
    }

    /// Gives the form in which its clients are answered.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Gives the id under which the statement is polled until Snowflake has named it.
    #[must_use]
    pub fn own_query_id(&self) -> QueryId {
        self.own_query_id
    }

    /// Notes the id that Snowflake gave; the first one stands.
    fn name(&self, query_id: QueryId) {
        self.given_query_id.get_or_init(|| query_id);
    }

    /// Gives the id that Snowflake gave, once it has.
    #[must_use]
    pub fn given_query_id(&self) -> Option<QueryId> {
        self.given_query_id.get().copied()
    }

    /// Moves the statement on; an end is never left again.
    pub fn advance(&self, state: State) {
        self.state.send_if_modified(|held| {
            let open = held.reply().is_none();
            if open {
                *held = state;
            }
            open
        });
    }

    /// Tells where the statement stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Asks that the statement not be sent; tells whether it had not been.
    pub fn withdraw(&self) -> bool {
        self.withdrawn.send_replace(true);
        matches!(*self.state.borrow(), State::Judged | State::Held)
    }

    /// Claims the right to send; false if the statement was withdrawn.
    pub fn submit(&self) -> bool {
        self.advance(State::Submitted);
        !*self.withdrawn.borrow()
    }

    /// Waits until somebody asks that the statement not be sent.
    pub async fn withdrawn(&self) {
        let mut withdrawn = self.withdrawn.subscribe();
        if withdrawn.wait_for(|is| *is).await.is_err() {
            // Nobody is left who could.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until Snowflake has named the statement, at most `limit`; `None` if it has not, or never will.
    pub async fn named(&self, limit: Duration) -> Option<QueryId> {
        let mut states = self.state.subscribe();
        let named = states.wait_for(|state| match state {
            State::Judged | State::Held | State::Submitted => false,
            State::Running(_) | State::Ready(_) | State::Refused(_) | State::Withdrawn(_) => true,
        });
        // What the time is over for may have been named all the same.
        drop(tokio::time::timeout(limit, named).await);
        self.given_query_id()
    }

    /// Waits until the statement waits for people; for ever if it never does.
    pub async fn held(&self) {
        let mut states = self.state.subscribe();
        let held = states.wait_for(|state| matches!(state, State::Held));
        if held.await.is_err() {
            // Nobody is left who could move it on.
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the end, at most `limit`.
    pub async fn wait(&self, limit: Duration) -> Answer {
        self.answer(limit, Patience::Whole).await
    }

    /// Waits for what a client's request is told, at most `limit`.
    pub async fn answer(&self, limit: Duration, patience: Patience) -> Answer {
        let mut states = self.state.subscribe();
        let is_enough = |state: &State| {
            let is_held = matches!(state, State::Held);
            state.reply().is_some() || (is_held && patience == Patience::UntilHeld)
        };
        let settled = tokio::time::timeout(limit, states.wait_for(is_enough)).await;
        if let Ok(Ok(state)) = settled
            && let Some(reply) = state.reply()
        {
            return Answer::Settled(reply.clone());
        }
        match self.state() {
            State::Running(query_id) => Answer::Running(query_id),
            State::Held if patience == Patience::UntilHeld => Answer::Later(self.own_query_id),
            State::Judged | State::Held | State::Submitted => Answer::Running(self.own_query_id),
            State::Ready(reply) | State::Refused(reply) | State::Withdrawn(reply) => {
                Answer::Settled(reply)
            }
        }
    }
}
