//! The SQL API on the same executions: submitted, asked for, cancelled.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::body::Plain;
use super::door::{Door, Received};
use super::logins::OpenLogin;
use crate::snowflake::answer::{Body, code};
use crate::snowflake::form::status_url;
use crate::snowflake::route::QueryId;
use crate::snowflake::v2;
use crate::upstream::{self, Account};

/// How long a cancel waits for Snowflake's name of a statement that was sent: the API answers a submit within 45 s, and
/// cancels by that name alone.
pub(super) const NAMED_WITHIN: Duration = Duration::from_secs(30);

impl Door {
    /// Takes a statement of the SQL API.
    pub(super) async fn submit_v2(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: &Received,
        plain: Plain,
    ) -> Body {
        let limit = self.core.shared.current().config.limits.statement_max_bytes;
        let query = received.query.as_deref();
        let read = v2::read(&plain, query, limit, pinned(&login.account));
        drop(plain);
        match read {
            Ok(request) => self.submit(login, request, received).await,
            Err(error) => self.refuse_unread(received, &error).await,
        }
    }

    /// Tells how a statement of the SQL API stands, or gives a partition of its result.
    pub(super) async fn status_v2(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: &Received,
        handle: QueryId,
    ) -> Body {
        match v2::partition(received.query.as_deref()) {
            Ok(partition) => self.result(login, received, handle, partition).await,
            Err(error) => self.refuse_query(received, &error.to_string()).await,
        }
    }

    /// Cancels a statement of the SQL API, wherever it stands.
    pub(super) async fn cancel_v2(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        handle: QueryId,
    ) -> Body {
        let named = match self.sent(login, received, handle).await {
            Ok(sent) => match &sent.held {
                Some(execution) if execution.withdraw() => return cancelled(handle),
                Some(execution) => execution.named(NAMED_WITHIN).await,
                None => sent.named(),
            },
            Err(refusal) => return refusal,
        };
        let Some(named) = named else {
            let text = "Identified SQL statement is not currently executing.";
            return received.form.error("000605", "02000", handle, text);
        };
        let headers = received.headers();
        let asked = upstream::cancel(&self.core.upstream, &login.login, &headers, named).await;
        let told = asked
            .map_err(|error| error.to_string())
            .and_then(|answered| {
                let (answer, _, _) = answered.into_parts();
                answer.write(named).map_err(|error| error.to_string())
            });
        told.unwrap_or_else(|error| {
            let text = format!("Icecore could not get an answer: {error}");
            received.form.error(code::FAILED, "08006", handle, &text)
        })
    }
}

/// Gives what the config says that requests of an account get.
pub(super) fn pinned(account: &Account) -> v2::Pinned<'_> {
    v2::Pinned {
        role: &account.role,
        warehouse: account.warehouse.as_deref(),
        database: account.database.as_deref(),
        schema: account.schema.as_deref(),
    }
}

/// Tells that a statement was cancelled before it was sent.
fn cancelled(handle: QueryId) -> Body {
    let body = json!({
        "code": code::CANCELLED,
        "sqlState": "57014",
        "message": "SQL execution canceled",
        "statementHandle": handle.to_string(),
        "statementStatusUrl": status_url(handle),
    });
    Body::ok(body.to_string().into())
}
