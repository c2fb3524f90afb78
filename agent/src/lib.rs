//! Icecore: a host agent that makes an AI agent's use of Snowflake visible and governed.
//!
//! The stages stand here in the order in which a query flows; `session` is the way of one execution through them.

pub mod connection;
pub mod identity;
pub mod statement;
pub mod policy;
pub mod approval;
pub mod record;
pub mod upstream;
pub mod mask;

pub mod session;
pub mod execution;
pub mod prompt;

pub mod mailbox;
pub mod notices;
pub mod export;
pub mod metrics;

pub mod snowflake;
pub mod web;
pub mod id;
pub mod clock;
pub mod tasks;
pub mod seal;

pub mod config;
pub mod control;
pub mod supervisor;
pub mod proxy;
pub mod replay;
pub mod inbox;
pub mod verify;
pub mod compact;
pub mod witness;
pub mod cli;
pub mod log;
