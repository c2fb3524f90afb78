//! What is said of a column of a result that is delivered.

use serde::{Deserialize, Serialize};

/// One column of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnTold {
    /// Its name.
    pub name: String,
    /// Its type, as Snowflake calls it: `fixed`, `text`, `timestamp_ntz`.
    pub kind: String,
    /// Digits after the point, of numbers, or of a second.
    pub scale: Option<u32>,
    /// Whether it may be null, if that is told.
    pub nullable: Option<bool>,
    /// Whether its values are masked.
    pub masked: bool,
}
