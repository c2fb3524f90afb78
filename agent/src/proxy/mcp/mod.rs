//! Snowflake's managed MCP servers. Where an account's config has them carried, the door is the server: a tool that runs SQL
//! is a statement like any other, and nothing of a call goes to Snowflake's own endpoint.

mod call;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::body::Plain;
use super::door::{Door, Received, event};
use super::logins::OpenLogin;
use crate::record::{Category, Severity};
use crate::snowflake::answer::Body;
use crate::snowflake::mcp::{self, CallId, McpServer, Method, rpc};
use crate::upstream::{self, Account, McpUnread};

/// What is told where an account's servers are not carried.
const TEXT: &str = "Snowflake's own MCP servers are not carried, unless this host's config says `mcp = true` of the account; \
    ask by SQL, through a driver or `/api/v2/statements`";

/// What is told where a server's tools are not known, whatever the cause.
const UNKNOWN: &str = "the MCP server's tools could not be read: there is none of that name, or this session's role may not use it, or Snowflake \
    did not answer; whoever runs this host finds the cause in event RQ001";

/// The header by which clients name the revision that was agreed on. Source: MCP 2025-11-25, "Transports".
const REVISION: &str = "mcp-protocol-version";

/// Status of a notification that was taken, and of methods of HTTP that are not. Source: the same.
const ACCEPTED: u16 = 202;
const BAD_REQUEST: u16 = 400;
const METHOD_NOT_ALLOWED: u16 = 405;

impl Door {
    /// Takes one call of an MCP server.
    pub(super) async fn mcp(
        self: &Arc<Self>,
        account: &Arc<Account>,
        received: &Received,
        plain: Plain,
    ) -> Body {
        let read = mcp::read(&plain);
        drop(plain);
        if !account.mcp {
            let id = read.map_or_else(|(id, _)| id, |call| call.id);
            return self
                .refuse_call(received, id.as_ref(), rpc::REFUSED, TEXT)
                .await;
        }
        let call = match read {
            Ok(call) => call,
            Err((id, error)) => {
                let (id, number) = (id.as_ref(), rpc::INVALID_REQUEST);
                return self
                    .refuse_call(received, id, number, &error.to_string())
                    .await;
            }
        };
        let server = match self.called(received, call.id.as_ref()).await {
            Ok(server) => server,
            Err(refusal) => return refusal,
        };
        let Some(id) = &call.id else {
            if let Method::Cancelled(of) = &call.method {
                self.cancel_call(account, received, of).await;
            }
            return Body::new(ACCEPTED, Bytes::new());
        };
        match call.method {
            Method::Initialize(revision) => mcp::started(id, &revision, &server),
            Method::Ping => mcp::pong(id),
            Method::ListTools => match self.bearer_login(account, received).await {
                Ok(login) => self.list_tools(&login, received, id, &server).await,
                Err(refusal) => mcp::refused(id, &refusal),
            },
            Method::CallTool { name, arguments } => {
                match self.bearer_login(account, received).await {
                    Ok(login) => {
                        let told = self
                            .call_tool(&login, received, id, &server, (&name, &arguments))
                            .await;
                        self.end_if_distrusted(&login).await;
                        told
                    }
                    Err(refusal) => mcp::refused(id, &refusal),
                }
            }
            Method::Other(name) => {
                let shown: String = name.chars().take(80).collect();
                let text = format!(
                    "`{shown}` is not a method that Icecore carries: expected `initialize`, `ping`, `tools/list` or `tools/call`"
                );
                self.refuse_call(received, Some(id), rpc::METHOD_NOT_FOUND, &text)
                    .await
            }
            // Neither has an id.
            Method::Cancelled(_) | Method::Notification => Body::new(ACCEPTED, Bytes::new()),
        }
    }

    /// Settles which server a call is of, by its path and headers.
    async fn called(&self, received: &Received, id: Option<&CallId>) -> Result<McpServer, Body> {
        let mut revisions = received.headers.get_all(REVISION).iter();
        let is_spoken =
            |value: &hyper::header::HeaderValue| value.to_str().is_ok_and(mcp::is_revision);
        if !revisions.all(is_spoken) {
            let text =
                "`MCP-Protocol-Version` is none that Icecore speaks; begin with `initialize`";
            self.note_refusal(text, json!({ "path": received.path }))
                .await;
            let text = format!("Icecore refused this request: {text}");
            return Err(mcp::error(BAD_REQUEST, id, rpc::INVALID_REQUEST, &text));
        }
        let server = McpServer::of_path(&received.path).filter(|_| received.query.is_none());
        match server {
            Some(server) => Ok(server),
            None => {
                let text =
                    "expected a path of three names, bare or in quotes, and nothing behind `?`";
                Err(self
                    .refuse_call(received, id, rpc::INVALID_REQUEST, text)
                    .await)
            }
        }
    }

    /// Tells the tools that run SQL.
    async fn list_tools(
        &self,
        login: &Arc<OpenLogin>,
        received: &Received,
        id: &CallId,
        server: &McpServer,
    ) -> Body {
        match upstream::mcp_tools(&self.core.upstream, &login.login, server).await {
            Ok(tools) => {
                let names: Vec<&str> = tools.sql_tools().map(|tool| tool.name.as_str()).collect();
                let detail = json!({ "path": received.path, "tools": names, "pid": self.peer.pid });
                let (code, severity) = (event::MCP_TOOLS_TOLD, Severity::Informational);
                self.note(code, severity, Category::Policy, detail).await;
                mcp::listed(id, &tools)
            }
            Err(error) => self.refuse_unknown(received, id, &error).await,
        }
    }

    /// Refuses a call of a server whose tools are not known. Why is for the record: Snowflake's words about what there is were
    /// answered to a question of Icecore's own.
    async fn refuse_unknown(&self, received: &Received, id: &CallId, error: &McpUnread) -> Body {
        self.note_refusal(&error.to_string(), json!({ "path": received.path }))
            .await;
        let text = format!("Icecore refused this request: {UNKNOWN}");
        mcp::error(200, Some(id), rpc::REFUSED, &text)
    }

    /// Refuses another method than POST: there are no streams to open, and no sessions to end.
    pub(super) async fn refuse_mcp_method(&self, received: &Received) -> Body {
        let text = "an MCP server takes POST alone here; it opens no streams and keeps no sessions";
        self.note_refusal(text, json!({ "path": received.path }))
            .await;
        let text = format!("Icecore refused this request: {text}");
        mcp::error(METHOD_NOT_ALLOWED, None, rpc::INVALID_REQUEST, &text)
    }

    /// Refuses a call, and tells it under the call's own id: under status 200, so that clients show it beside the call.
    async fn refuse_call(
        &self,
        received: &Received,
        id: Option<&CallId>,
        number: i32,
        text: &str,
    ) -> Body {
        self.note_refusal(text, json!({ "path": received.path }))
            .await;
        let text = format!("Icecore refused this request: {text}");
        mcp::error(200, id, number, &text)
    }
}
