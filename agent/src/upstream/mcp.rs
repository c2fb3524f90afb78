//! What Snowflake says of a managed MCP server: asked through the login that a tool's statement would run by.
//!
//! Snowflake answers only a role that may use the server, so that its own grants say who calls a tool.

use std::sync::Arc;

use super::standing::ask;
use super::{Login, Upstream, UpstreamError};
use crate::snowflake::mcp::{McpServer, Tools, ToolsError};

/// What leads the text; a server's whole name follows. Source: Snowflake's reference, "DESCRIBE MCP SERVER".
const DESCRIBE: &str = "/* icecore mcp */ describe mcp server ";

/// Why the tools of a server are not known.
#[derive(Debug, thiserror::Error)]
pub enum McpUnread {
    /// No usable answer, also where the login may not use the server.
    #[error("the MCP server's specification could not be read: {0}")]
    Unasked(#[from] UpstreamError),
    /// The answer is of another form.
    #[error("the MCP server's specification could not be read: {0}")]
    Unlike(#[from] ToolsError),
}

/// Asks which tools a server has, and of which type each is.
///
/// # Errors
/// No usable answer; no tool of the server is then known.
pub async fn mcp_tools(
    upstream: &Upstream,
    login: &Arc<Login>,
    server: &McpServer,
) -> Result<Tools, McpUnread> {
    let text = format!("{DESCRIBE}{}", server.quoted());
    let answered = ask(upstream, login, &text).await?;
    Ok(Tools::read(answered.answer(), server)?)
}

/// Gives the question about some server, for whoever tells Icecore's own statements from others.
pub(super) fn sample() -> String {
    format!("{DESCRIBE}\"D\".\"S\".\"N\"")
}
