//! Words of the wire, shared by the stages. Pure.
//!
//! Requests are read strictly (invariant 10): what we do not know is refused, and what is sent on is serialised from
//! what was judged. Answers are edited faithfully: members that we do not touch keep their bytes.

pub mod answer;
pub mod binds;
pub mod chunks;
pub mod column;
pub mod column_told;
pub mod count;
pub mod current;
pub mod form;
mod granted;
pub mod gzip;
pub mod json;
pub mod kept_chunks;
pub mod login;
pub mod mcp;
pub mod parameters;
pub mod query;
pub mod route;
pub mod secret;
pub mod stage;
pub mod tag;
pub mod v2;
