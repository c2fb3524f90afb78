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
use crate::execution::{Detached, Look, Recipient, Way};
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
        let to = self.recipient(login, form, query_id);
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
        stages.abandon(detached).await;
    }
}

/// Looks once more at what a login sent and Snowflake goes on with, before the login is closed.
pub(super) async fn end_of_login(core: &Core, login: &OpenLogin) {
    let registry = &core.shared.stages.registry;
    let waiting = registry.detached(login.session, Some(login.id));
    let ended = waiting
        .iter()
        .map(|(query_id, detached)| last_look(core, login, *query_id, detached));
    join_all(ended).await;
}

/// Looks once more at what a session's logins sent and Snowflake goes on with, before they are closed.
pub(super) async fn end_all(core: &Core, session: SessionId, logins: &[Arc<OpenLogin>]) {
    join_all(logins.iter().map(|login| end_of_login(core, login))).await;
    let stages = &core.shared.stages;
    for (_, detached) in stages.registry.detached(session, None) {
        stages.abandon(&detached).await;
    }
}

async fn last_look(core: &Core, login: &OpenLogin, query_id: QueryId, detached: &Detached) {
    let stages = &core.shared.stages;
    let Some(sent) = stages.registry.find(login.session, query_id) else {
        return;
    };
    let headers = Headers::own();
    let way = Way {
        upstream: &core.upstream,
        login: &login.login,
        headers: &headers,
    };
    let to = Recipient {
        session: login.session,
        login: login.id,
        account: &login.account.name,
        host: &login.account.host,
        query_id,
        form: sent.form,
    };
    if let Err(error) = stages.look_within(way, &to, LAST_LOOK_WITHIN).await {
        tracing::error!(query = %query_id, %error, "a statement's end could not be recorded");
    }
    stages.abandon(detached).await;
}
