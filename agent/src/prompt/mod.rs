//! Where a statement comes from: the prompts and the uses of tools that models asked for, as seen on the wire, and the links
//! between them and the statements. Pure; evidence for the record, and no verdict hangs on it alone.

pub mod candidate;
pub mod echo;
pub mod evidence;
pub mod grade;
mod judge;
pub mod ladder;
pub mod link;
pub mod matching;
pub mod open;
mod pattern;
mod shingles;

pub use judge::Arrived;

#[cfg(test)]
#[path = "corpus/tests/mod.rs"]
mod corpus;
