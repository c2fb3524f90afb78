//! Reads what `record` wrote: for people, for programs, and for DuckDB.

mod acknowledged;
mod again;
mod approved;
mod archive;
mod asker;
mod beside;
mod erasing;
mod chains;
mod counted;
mod curated;
mod escape;
mod evidence;
mod job;
mod json;
mod keys;
mod linked;
mod listing;
mod origin;
mod page;
mod pinned;
pub mod reconcile;
mod pull;
mod render;
mod rows;
mod scans;
mod scope;
mod session_scope;
mod steps;
mod summary;
mod taking;
mod transcript;
mod views;

#[cfg(test)]
mod tests;

pub use again::{Again, Records, Untold, Wanted, was_allowed};
pub use archive::{Archive, Depth, ReadError, Readers};
pub use chains::Chains;
pub use counted::counted;
pub use erasing::{Erased, keys_to_erase};
pub(crate) use escape::is_hidden;
pub use escape::{
    csv, html_attribute, html_text, json as json_escaped, markdown, push_card, push_slack,
    terminal, workflow_data, workflow_property,
};
pub use evidence::{Packed, evidence};
pub use job::job_summary;
pub(crate) use json::{object as row_as_json, time};
pub use keys::{FetchedKey, duckdb_name, fetch, is_of_days};
pub use origin::{Origin, origin};
pub(crate) use page::Markup;
pub use page::page;
pub use pull::{Pulled, pull};
pub use render::{Paint, Told};
pub use rows::{ShownRows, StoredRows};
pub use scope::{Days, Scope};
pub use steps::{Session, session};
pub use summary::{Summary, summaries};
pub use transcript::{Sought, Stands, Transcript};
pub use views::{reach, reference, views};
