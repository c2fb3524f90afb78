//! Statements that Snowflake goes on with after their reply are followed to their end, whether somebody asks or not.
//!
//! Each keeps its place among the statements that its session may have under way. It is followed until it has ended, its
//! login or session has, or Snowflake does not tell of it any more; what was not seen to end is recorded as abandoned.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::core::Core;
use super::door::Door;
use super::logins::OpenLogin;
use crate::execution::{Detached, Followed, Look, QueryRef, Recipient, Way};
use crate::id::SessionId;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::upstream::Headers;

/// First and longest wait before a statement is looked at again; Snowflake itself holds a driver's request up to 45 s.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Most looks in a row that Snowflake does not answer, before a statement is given up.
const UNTOLD_MAX: u32 = 8;

/// How long the end of a login or session waits for a last look at its statements.
const LAST_LOOK_WITHIN: Duration = Duration::from_secs(5);

impl Door {
    /// Looks at a statement until its end is recorded.
    pub(super) async fn watch_detached(
        &self,
        login: &OpenLogin,
        form: Form,
        query_id: QueryId,
        detached: &Detached,
    ) {
        let stages = &self.core.shared.stages;
        let headers = Headers::own();
        let way = Way {
            upstream: &self.core.upstream,
            login: &login.login,
            headers: &headers,
        };
        let meter = self.meter(login);
        let to = self.recipient(login, form, query_id, &meter);
        let mut wait = LOOK_AGAIN.0;
        let mut untold = 0;
        while untold < UNTOLD_MAX {
            tokio::select! {
                () = detached.over() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if self.session.is_over() || !self.core.shared.logins.holds(login.id) {
                // Whoever ends them takes the last look, unless this statement came too late for it.
                if timeout(LAST_LOOK_WITHIN * 2, detached.over()).await.is_ok() {
                    return;
                }
                break;
            }
            match stages.look(way, &to).await {
                Ok(Look::Over) => break,
                Ok(Look::Running) => untold = 0,
                Ok(Look::Untold) => untold += 1,
                Err(error) => {
                    tracing::error!(query = %query_id, %error, "a statement's end could not be recorded");
                    untold += 1;
                }
            }
            wait = (wait * 2).min(LOOK_AGAIN.1);
        }
        let query = QueryRef {
            session: to.session,
            realm: to.realm,
            query_id,
        };
        stages.abandon(query, detached).await;
    }
}

/// Looks once more at what logins of a session sent and Snowflake goes on with, before they are closed.
pub(super) async fn end_of_logins(core: &Core, session: SessionId, logins: &[Arc<OpenLogin>]) {
    let ended = core.shared.stages.registry.detached(session);
    let ended = ended.iter().filter_map(|followed| {
        let login = logins
            .iter()
            .find(|login| login.id == followed.detached.login())?;
        Some(last_look(core, login, followed))
    });
    join_all(ended).await;
}

/// Notes that nobody will see how a session's statements end that Snowflake goes on with.
pub(super) async fn abandon_all(core: &Core, session: SessionId) {
    let stages = &core.shared.stages;
    for followed in stages.registry.detached(session) {
        let query = query_of(session, &followed);
        stages.abandon(query, &followed.detached).await;
    }
}

async fn last_look(core: &Core, login: &OpenLogin, followed: &Followed) {
    let stages = &core.shared.stages;
    let query = query_of(login.session, followed);
    let Some(sent) = stages.registry.find(query) else {
        return;
    };
    let Some(ended) = core.shared.sessions.get(login.session) else {
        return;
    };
    let meter = (stages.usages).meter(login.session, &login.principal(&ended));
    let headers = Headers::own();
    let way = Way {
        upstream: &core.upstream,
        login: &login.login,
        headers: &headers,
    };
    let to = Recipient {
        session: login.session,
        login: login.id,
        realm: &followed.realm,
        host: &login.account.host,
        query_id: query.query_id,
        form: sent.form,
        meter: &meter,
    };
    if let Err(error) = stages.look_within(way, &to, LAST_LOOK_WITHIN).await {
        tracing::error!(query = %query.query_id, %error, "a statement's end could not be recorded");
    }
    stages.abandon(query, &followed.detached).await;
}

fn query_of(session: SessionId, followed: &Followed) -> QueryRef<'_> {
    QueryRef {
        session,
        realm: &followed.realm,
        query_id: followed.query_id,
    }
}
