//! The SQL API, `/api/v2/statements`: requests read strictly and pinned to the account, answers edited faithfully.
//!
//! Source: protocol reference section 6, and the API's own reference.

mod answer;
mod link;
mod request;

pub use answer::Answer;
pub use request::{Pinned, partition, read};
