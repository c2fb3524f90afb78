//! Statements are cancelled here: withdrawn if they were not sent, else by asking Snowflake.

use std::sync::Arc;

use serde_json::json;

use super::body::Plain;
use super::door::{Door, Received};
use super::login::{done, failed, relay};
use super::logins::OpenLogin;
use crate::execution::Execution;
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::json::Object;
use crate::snowflake::route::QueryId;
use crate::upstream;

impl Door {
    /// Cancels a statement by its request id, wherever it stands.
    pub(super) async fn abort_request(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        plain: Plain,
    ) -> Body {
        let request_id: Option<String> = Object::read(&plain)
            .ok()
            .and_then(|body| body.read_as("requestId"));
        drop(plain);
        let Some(request_id) = request_id else {
            let detail = json!({ "path": received.path });
            return self
                .refuse(received.form, "an abort without `requestId`", detail)
                .await;
        };
        let registry = &self.core.shared.stages.registry;
        let found = registry.find_request(self.session.id(), login.id, &request_id);
        match found.filter(|execution| execution.form().is_like(received.form)) {
            Some(execution) => self.abort(login, received, &execution).await,
            None => not_executing(),
        }
    }

    /// Cancels a statement by its query id.
    pub(super) async fn abort_query(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        query_id: QueryId,
    ) -> Body {
        match self.sent(login, received, query_id).await {
            Ok(sent) => match (&sent.held, sent.named()) {
                (Some(execution), _) => self.abort(login, received, execution).await,
                (None, Some(named)) => self.ask(login, received, Ok(named)).await,
                (None, None) => not_executing(),
            },
            Err(refusal) => refusal,
        }
    }

    async fn abort(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        execution: &Arc<Execution>,
    ) -> Body {
        if execution.withdraw() {
            return done();
        }
        let name = execution.upstream_id().to_string();
        self.ask(login, received, Err(&name)).await
    }

    async fn ask(
        &self,
        login: &OpenLogin,
        received: &Received,
        target: Result<QueryId, &str>,
    ) -> Body {
        let headers = received.headers();
        match upstream::abort(&self.core.upstream, &login.login, &headers, target).await {
            Ok(answered) => relay(answered, code::FAILED),
            Err(error) => failed(&error),
        }
    }
}

/// Says that there is nothing to cancel, in the words that drivers take as done (protocol reference section 3).
fn not_executing() -> Body {
    Form::V1.error(
        "000605",
        "02000",
        QueryId::mint(),
        "Identified SQL statement is not currently executing.",
    )
}
