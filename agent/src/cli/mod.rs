//! The command line: one file a command.

pub mod duckdb;
mod reading;
pub mod replay;
pub mod sessions;
