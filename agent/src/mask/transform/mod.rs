//! What transforms make of values. Pure.
//!
//! A transform is settled against the type of the column that it meets: what it cannot do to that type it does as `null`.
//! JSON cells and Arrow arrays go through the same functions on values, so that both forms of a result say the same.

mod json;
mod number;
mod text;
mod time;

use crate::policy::Transform;
use crate::snowflake::column::ColumnType;

pub(super) use json::{hide_leaves, mask_places};
pub(super) use number::{bucket_of, bucket_of_real};
pub use text::Keyed;
pub(super) use text::partial;
pub(super) use time::{days_at_start, seconds_at_start};

/// Signs of a hashed text: 128 bits in hexadecimal.
pub(super) const HASH_SIGNS: u32 = 32;

/// Digits of a hashed number: as many as a number of 64 bits with a floating point holds, which some clients make of it.
pub(super) const HASH_DIGITS: u32 = 15;

impl Transform {
    /// Gives what it is for values of a type: itself, or `null`.
    #[must_use]
    pub fn on(&self, kind: ColumnType) -> Self {
        let fits = match self {
            Self::Null => true,
            Self::Fixed(_) | Self::Partial { .. } => kind == ColumnType::Text,
            Self::Hash(_) => matches!(
                kind,
                ColumnType::Text | ColumnType::Binary | ColumnType::Fixed { scale: 0, .. }
            ),
            Self::Bucket(_) => matches!(kind, ColumnType::Fixed { .. } | ColumnType::Real),
            Self::Start(_) => kind.is_of_days(),
            Self::Json(_) => kind.is_json(),
            Self::Detect(_) => {
                kind.is_json()
                    || matches!(kind, ColumnType::Text | ColumnType::Fixed { scale: 0, .. })
            }
        };
        if fits { self.clone() } else { Self::Null }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{HashScope, Unit};

    #[test]
    fn what_a_type_does_not_take_is_null() {
        let hash = Transform::Hash(HashScope::Session);
        assert_eq!(hash.on(ColumnType::Text), hash);
        let number = |scale| ColumnType::Fixed {
            precision: 10,
            scale,
        };
        assert_eq!(hash.on(number(0)), hash);
        for kind in [
            number(2),
            ColumnType::Boolean,
            ColumnType::Date,
            ColumnType::Real,
            ColumnType::Variant,
            ColumnType::Other,
        ] {
            assert_eq!(hash.on(kind), Transform::Null, "{kind:?}");
        }
        let month = Transform::Start(Unit::Month);
        assert_eq!(month.on(ColumnType::Date), month);
        assert_eq!(month.on(ColumnType::Text), Transform::Null);
    }
}
