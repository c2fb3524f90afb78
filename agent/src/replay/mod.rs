//! Reads what `record` wrote: for people, for programs, and for DuckDB.

mod archive;
mod escape;
mod json;
mod render;
mod steps;
mod summary;
mod views;

#[cfg(test)]
mod tests;

pub use archive::{Archive, ReadError};
pub use escape::{json as json_escaped, terminal};
pub use render::replay;
pub use steps::{Session, session};
pub use summary::{Summary, summaries};
pub use views::views;
