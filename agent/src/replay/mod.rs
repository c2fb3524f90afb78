//! Reads what `record` wrote: for people, for programs, and for DuckDB.

mod again;
mod archive;
mod asker;
mod escape;
mod json;
mod render;
mod rows;
mod steps;
mod summary;
mod views;

#[cfg(test)]
mod tests;

pub use again::{Again, Records, Untold, Wanted, was_allowed};
pub use archive::{Archive, ReadError};
pub use escape::{json as json_escaped, terminal};
pub(crate) use json::time;
pub use render::replay;
pub use rows::{ShownRows, StoredRows};
pub use steps::{Session, session};
pub use summary::{Summary, summaries};
pub use views::{reference, views};
