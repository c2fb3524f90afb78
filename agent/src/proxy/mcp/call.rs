//! A tool's call as a statement: asked in the SQL API's form, through the login that stands for the client's credential.
//!
//! What runs is the text that was judged, by the role and warehouse of the config and without secondary roles. Snowflake's
//! endpoint would choose all of these itself: it takes a credential's default role, and says nothing of the text that it ran.

use std::sync::Arc;

use uuid::Uuid;

use super::super::door::{Door, Received};
use super::super::logins::OpenLogin;
use super::super::v2::{NAMED_WITHIN, pinned};
use crate::execution::{ANSWER_WITHIN, Answer, Execution};
use crate::record::{hex, sha256};
use crate::snowflake::answer::Body;
use crate::snowflake::json::Object;
use crate::snowflake::mcp::{self, CallId, McpServer, rpc};
use crate::snowflake::query::QueryRequest;
use crate::snowflake::v2;
use crate::tasks;
use crate::upstream::{self, Account};

/// Letters of the digest that tells a call's server and id in its request id.
const CALL_DIGITS: usize = 8;

impl Door {
    /// Runs a SQL tool's statement, and tells its end.
    pub(super) async fn call_tool(
        self: &Arc<Self>,
        login: &Arc<OpenLogin>,
        received: &Received,
        id: &CallId,
        server: &McpServer,
        (name, arguments): (&str, &Object),
    ) -> Body {
        let tools = upstream::mcp_tools(&self.core.upstream, &login.login, server).await;
        let refused = match &tools {
            Ok(tools) => tools.sql_tool(name).err(),
            Err(error) => return self.refuse_unknown(received, id, error).await,
        };
        if let Some(error) = refused {
            let (number, text) = (rpc::REFUSED, error.to_string());
            return self.refuse_call(received, Some(id), number, &text).await;
        }
        let sql = match mcp::statement(arguments) {
            Ok(sql) => sql,
            Err(error) => {
                let number = rpc::INVALID_PARAMS;
                return self
                    .refuse_call(received, Some(id), number, &error.to_string())
                    .await;
            }
        };
        let request = match self.request(login, server, &sql) {
            Ok(request) => request,
            Err(error) => {
                let refusal = self.refuse_unread(received, &error).await;
                return mcp::refused(id, &refusal);
            }
        };
        let request_id = format!("{}{}", self.call_name(received, id), Uuid::new_v4());
        match self.begin(login, request, received, request_id).await {
            Ok(execution) => mcp::told(id, &self.ended(&execution).await),
            Err(refusal) => mcp::refused(id, &refusal),
        }
    }

    /// Puts a tool's statement into the form of the SQL API, where it begins in the server's own database and schema.
    fn request(
        &self,
        login: &OpenLogin,
        server: &McpServer,
        sql: &str,
    ) -> Result<QueryRequest, crate::snowflake::query::QueryError> {
        let limit = self.core.shared.current().config.limits.statement_max_bytes;
        let mut body = Object::default();
        body.set("statement", sql)?;
        body.set("database", server.database())?;
        body.set("schema", server.schema())?;
        v2::read(&body.write()?, None, limit, pinned(&login.account))
    }

    /// Waits for a statement's end, however long people or Snowflake take: its client cannot ask for it again. Where the
    /// proxy lets nothing more in it is told what can.
    async fn ended(&self, execution: &Execution) -> Body {
        let settled = async {
            loop {
                if let Answer::Settled(reply) = execution.wait(ANSWER_WITHIN).await {
                    return reply.body().clone();
                }
            }
        };
        let leaving = async {
            self.core.shared.intake.paused().await;
            drop(tokio::time::timeout(ANSWER_WITHIN, execution.held()).await);
        };
        tokio::select! {
            biased;
            body = settled => body,
            () = leaving => {
                let named = execution.given_query_id().unwrap_or(execution.own_query_id());
                let text = format!(
                    "Icecore is about to be replaced and keeps no call open; this statement goes on: ask for its result by \
                     `GET /api/v2/statements/{named}`, with the credential of this call"
                );
                execution.form().error("000605", "08006", named, &text)
            }
        }
    }

    /// Cancels the statement of a call for which its client waits no longer: withdrawn if it was not sent, else by asking
    /// Snowflake, for which nobody waits.
    pub(super) async fn cancel_call(
        self: &Arc<Self>,
        account: &Arc<Account>,
        received: &Received,
        of: &CallId,
    ) {
        let Ok(login) = self.bearer_login(account, received).await else {
            return;
        };
        let name = self.call_name(received, of);
        let open = self.core.shared.stages.registry.open_of(self.session.id());
        let of_call = |execution: &Arc<Execution>| {
            execution.login() == login.id && execution.request_id().starts_with(&name)
        };
        for execution in open.into_iter().filter(of_call) {
            if execution.withdraw() {
                continue;
            }
            let (door, login, headers) = (Arc::clone(self), Arc::clone(&login), received.headers());
            drop(tasks::spawn("cancel", async move {
                let Some(named) = execution.named(NAMED_WITHIN).await else {
                    return;
                };
                let upstream = &door.core.upstream;
                if let Err(error) = upstream::cancel(upstream, &login.login, &headers, named).await
                {
                    tracing::warn!(statement = %execution.id(), %error, "statement of a call that was cancelled goes on");
                }
            }));
        }
    }

    /// Names a call of one process: two clients of a session may give calls the same ids. The record has it as the beginning
    /// of the request id.
    fn call_name(&self, received: &Received, id: &CallId) -> String {
        let of = format!("{} {}", received.path, id.raw());
        let mut digest = hex(&sha256(of.as_bytes()));
        digest.truncate(CALL_DIGITS);
        format!("mcp-{}-{digest}-", self.peer.pid)
    }
}
