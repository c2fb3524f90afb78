//! Snowflake's managed MCP servers: calls read strictly, the server's own specification, answers in its form. Pure.
//!
//! Sources: Snowflake's reference, "Snowflake-managed MCP server" and "DESCRIBE MCP SERVER"; Model Context Protocol,
//! revisions 2024-11-05 to 2025-11-25, "Lifecycle", "Transports" and "Tools"; JSON-RPC 2.0. The form of a SQL tool's
//! answer is documented nowhere; it was seen in recorded answers of 2026: one `text` part that holds
//! `{"query_id","result_set"}`, the latter a result set of the SQL API.

mod answer;
mod request;
mod server;
mod tools;

pub use answer::{error, listed, pong, refused, started, told};
pub use request::{Call, CallError, CallId, Method, read, statement};
pub use server::McpServer;
pub use tools::{Tool, Tools, ToolsError};

/// Codes of errors. Source: JSON-RPC 2.0 section 5.1.
pub mod rpc {
    /// The body is no request.
    pub const INVALID_REQUEST: i32 = -32_600;
    /// No such method here.
    pub const METHOD_NOT_FOUND: i32 = -32_601;
    /// The parameters are not what the method takes.
    pub const INVALID_PARAMS: i32 = -32_602;
    /// First of the numbers that are free for a server's own errors: Icecore refuses or cannot carry it out.
    pub const REFUSED: i32 = -32_000;
}

/// Revisions of the protocol that are spoken here, the newest last.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Tells whether a revision that a client names is spoken here.
#[must_use]
pub fn is_revision(name: &str) -> bool {
    REVISIONS.contains(&name)
}
