//! What analysts see: every view and query in both generations of DuckDB, and the same files in other engines.

mod asking;
mod compacted;
mod engines;
mod made;
mod pull;
mod queries;
mod s3;
mod views;
