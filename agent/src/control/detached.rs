//! What `icecore detach` leaves for the next daemon to put into the record.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Name of the file in `state_dir`.
pub const DETACHED: &str = "detached.json";

/// Since when nothing was governed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// When everything was taken away.
    pub at: DateTime<Utc>,
    /// How many sessions were killed for it.
    pub killed: usize,
}
