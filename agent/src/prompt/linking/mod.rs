//! Joins statements with the uses of tools that models asked for: a graded link for each statement, and another where more is
//! known later. Pure; evidence for the record, and no verdict hangs on it alone.

pub mod candidate;
mod compared;
pub mod echo;
pub mod evidence;
pub mod grade;
mod judge;
pub mod ladder;
pub mod link;
pub mod matching;
pub mod open;
mod pattern;
mod purpose;
mod shingles;

pub use echo::Delivered;
pub use judge::Arrived;
pub use ladder::Sql;
pub use link::Link;
pub use matching::{Matching, Returned};
pub use open::{Opened, Prepared};

#[cfg(test)]
#[path = "corpus/tests/mod.rs"]
mod corpus;
