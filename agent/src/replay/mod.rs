//! Reads what `record` wrote: for people, for programs, and for DuckDB.

mod again;
mod archive;
mod asker;
mod beside;
mod escape;
mod evidence;
mod json;
mod page;
pub mod reconcile;
mod pull;
mod render;
mod rows;
mod steps;
mod summary;
mod views;

#[cfg(test)]
mod tests;

pub use again::{Again, Records, Untold, Wanted, was_allowed};
pub use archive::{Archive, ReadError, Readers};
pub use escape::{
    csv, html_attribute, html_text, json as json_escaped, markdown, terminal, workflow_data,
    workflow_property,
};
pub use evidence::{Packed, evidence};
pub(crate) use json::time;
pub use page::page;
pub use pull::{Days, Pulled, pull};
pub use render::{Paint, Told};
pub use rows::{ShownRows, StoredRows};
pub use steps::{Session, session};
pub use summary::{Summary, summaries};
pub use views::{reach, reference, views};
