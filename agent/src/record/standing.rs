//! How the record stands, for those who watch over it.

use std::time::Duration;

pub use super::outage::Told as ProgressTold;

/// How the record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The chain that is written.
    pub chain: String,
    /// How many manifests of it are signed; the last one's number is one less.
    pub manifests: u64,
    /// How far sealing, storing and witnessing came.
    pub progress: ProgressTold,
    /// Most bytes that the spool may hold.
    pub spool_max_bytes: u64,
    /// Bytes in the spool that the store does not have.
    pub unacked_bytes: u64,
    /// For how long the oldest row has waited for the store.
    pub oldest_unacked: Option<Duration>,
    /// Whether commits are being refused, or lost in `best_effort`.
    pub is_refusing: bool,
}
