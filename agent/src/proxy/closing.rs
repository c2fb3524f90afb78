//! What the end of a login or session does at Snowflake: open statements are cancelled, others looked at once more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::core::Core;
use super::detached;
use super::login::closed;
use super::logins::OpenLogin;
use crate::execution::Execution;
use crate::id::SessionId;
use crate::record::Row;
use crate::snowflake::answer::Form;
use crate::tasks;
use crate::upstream::{self, Headers, UpstreamError};

/// How long an end waits for Snowflake to close logins and cancel statements.
const CLOSING_WITHIN: Duration = Duration::from_secs(5);

/// Cancels a session's open statements, closes its logins at Snowflake, and waits for their records.
pub(super) async fn close_all(core: &Arc<Core>, session: SessionId) -> Vec<Arc<OpenLogin>> {
    let shared = &core.shared;
    let logins = shared.logins.revoke_session(session);
    shared.implicit.forget_session(session);
    let open = shared.stages.registry.open_of(session);
    end_statements(core, session, &open, &logins).await;
    detached::abandon_all(core, session).await;
    join_all(logins.iter().map(|login| close(core, login))).await;
    logins
}

/// Ends a login, here at once and at Snowflake as well as it can be reached; whoever comes first records it. Its open
/// statements are cancelled before, so that their ends can still be heard.
pub(super) async fn end(core: &Arc<Core>, login: &Arc<OpenLogin>, reason: &str) {
    let shared = &core.shared;
    if !shared.logins.revoke(login.id) {
        return;
    }
    // First of all: the next proxy must not take up what its client has closed.
    shared.keeping.update(login).await;
    close_one(core, login).await;
    let row = closed(login, shared.stages.clock.now(), reason);
    if let Err(error) = shared.stages.recorder.commit(vec![Row::from(row)]).await {
        tracing::error!(login = %login.id, %error, "login's end could not be recorded");
    }
}

/// Cancels the open statements of a login that was revoked, and closes it at Snowflake.
pub(super) async fn close_one(core: &Arc<Core>, login: &Arc<OpenLogin>) {
    let session = login.session;
    let mut open = core.shared.stages.registry.open_of(session);
    open.retain(|execution| execution.login() == login.id);
    end_statements(core, session, &open, std::slice::from_ref(login)).await;
    close(core, login).await;
}

/// Cancels statements as far as their logins are there, and sees to the record of their ends while Snowflake tells them.
async fn end_statements(
    core: &Arc<Core>,
    session: SessionId,
    open: &[Arc<Execution>],
    logins: &[Arc<OpenLogin>],
) {
    for execution in open {
        if execution.withdraw() {
            continue;
        }
        if let Some(login) = logins.iter().find(|login| login.id == execution.login()) {
            let (core, login, execution) =
                (Arc::clone(core), Arc::clone(login), Arc::clone(execution));
            drop(tasks::spawn("abort", async move {
                if let Err(error) = abort(&core, &login, &execution).await {
                    tracing::warn!(statement = %execution.id(), %error, "statement could not be cancelled");
                }
            }));
        }
    }
    let settled = join_all(open.iter().map(|execution| execution.wait(CLOSING_WITHIN)));
    drop(settled.await);
    detached::end_of_logins(core, session, logins).await;
}

/// Closes a login at Snowflake, as well as it can be reached within a time.
async fn close(core: &Core, login: &OpenLogin) {
    let closed = tokio::time::timeout(CLOSING_WITHIN, login.login.close(&core.upstream)).await;
    if !matches!(closed, Ok(Ok(_))) {
        tracing::warn!(login = %login.id, "login could not be closed at Snowflake; it ends by its own life");
    }
}

/// Asks Snowflake to cancel a statement that was sent. The SQL API does so by the name that it gave alone.
async fn abort(core: &Core, login: &OpenLogin, execution: &Execution) -> Result<(), UpstreamError> {
    let (upstream, login, headers) = (&core.upstream, &login.login, Headers::own());
    match execution.form() {
        Form::V1 => {
            let name = execution.upstream_id().to_string();
            upstream::abort(upstream, login, &headers, Err(&name)).await?;
        }
        Form::V2 { .. } => {
            if let Some(query_id) = execution.named(CLOSING_WITHIN).await {
                upstream::cancel(upstream, login, &headers, query_id).await?;
            }
        }
    }
    Ok(())
}
