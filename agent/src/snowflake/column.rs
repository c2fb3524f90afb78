//! Types of result columns, as an answer's `rowtype` tells them.
//!
//! Source: protocol reference sections 5.2 to 5.4.

use serde::{Deserialize, Serialize};

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnType {
    /// A decimal number; cells of Arrow are whole numbers of 10^-scale.
    Fixed {
        /// Digits.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A number of 64 bits with a floating point.
    Real,
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// True or false.
    Boolean,
    /// Days since 1970.
    Date,
    /// An instant; local or without a zone.
    Timestamp {
        /// Digits of a second's fraction.
        scale: u8,
    },
    /// An instant and the zone's offset.
    TimestampTz {
        /// Digits of a second's fraction.
        scale: u8,
    },
    /// A value of any shape, as JSON.
    Variant,
    /// An object, as JSON, if its members have no types of their own.
    Object,
    /// A list, as JSON, if its members have no type of their own.
    Array,
    /// Any other; nothing but `null` is made of its values.
    Other,
}

impl ColumnType {
    /// Reads a type's name with its precision and scale; names are lower case in JSON and upper case in Arrow's metadata.
    #[must_use]
    pub fn read(name: &str, precision: Option<i64>, scale: Option<i64>, has_fields: bool) -> Self {
        let scale = scale.and_then(|scale| u8::try_from(scale).ok());
        match (name.to_ascii_lowercase().as_str(), scale) {
            ("fixed", Some(scale)) if scale <= 37 => {
                match precision.and_then(|precision| u8::try_from(precision).ok()) {
                    Some(precision) if precision <= 38 => Self::Fixed { precision, scale },
                    Some(_) | None => Self::Other,
                }
            }
            ("real", _) => Self::Real,
            ("text", _) => Self::Text,
            ("binary", _) => Self::Binary,
            ("boolean", _) => Self::Boolean,
            ("date", _) => Self::Date,
            ("timestamp_ntz" | "timestamp_ltz", Some(scale)) if scale <= 9 => {
                Self::Timestamp { scale }
            }
            ("timestamp_tz", Some(scale)) if scale <= 9 => Self::TimestampTz { scale },
            ("variant", _) => Self::Variant,
            ("object", _) if !has_fields => Self::Object,
            ("array", _) if !has_fields => Self::Array,
            (_, _) => Self::Other,
        }
    }

    /// Tells whether its values are days, or instants of days.
    #[must_use]
    pub fn is_of_days(self) -> bool {
        matches!(
            self,
            Self::Date | Self::Timestamp { .. } | Self::TimestampTz { .. }
        )
    }

    /// Tells whether its values are JSON texts.
    #[must_use]
    pub fn is_json(self) -> bool {
        matches!(self, Self::Variant | Self::Object | Self::Array)
    }
}
