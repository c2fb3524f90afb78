//! What is said of a column of a result that is delivered.

/// One column of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
