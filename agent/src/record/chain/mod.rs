//! The chain: what makes a record provable. A tree over the rows, and documents that are signed and linked by hash.

pub mod acknowledged;
pub mod compaction;
pub mod disclosed;
pub mod documents;
pub mod enrolment;
pub mod envelope;
pub mod frames;
pub mod keys;
pub mod note;
pub mod problem;
pub mod range;
pub mod reach;
pub mod read;
pub mod tree;
pub mod witness;

mod writer;

pub(super) use writer::{About, Beginning, ChainWriter, Content};
