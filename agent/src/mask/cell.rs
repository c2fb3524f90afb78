//! Cells of JSON results: each is text or null, whatever the column's type.
//!
//! Source of the encodings: protocol reference section 5.3.

use super::transform::{
    bucket_of, bucket_of_real, days_at_start, hide_leaves, mask_places, partial, seconds_at_start,
};
use super::treatment::Treatment;
use crate::policy::Transform;
use crate::snowflake::column::ColumnType;

/// Minutes that are added to the offset of a zone, so that it is never negative.
pub(super) const OFFSET_BASE_MIN: i64 = 1440;

impl Treatment {
    /// Masks a cell; an error says what was expected of it.
    pub(super) fn cell(&self, text: &str) -> Result<Option<String>, &'static str> {
        let keyed = self.keyed();
        match (self.transform(), self.kind()) {
            (Transform::Null, _) => Ok(None),
            (Transform::Fixed(fixed), _) => Ok(Some(fixed.clone())),
            (Transform::Partial { front, back }, _) => Ok(Some(partial(text, *front, *back))),
            (Transform::Hash(scope), ColumnType::Fixed { scale: 0, .. }) => {
                let value = unscaled(text, 0).ok_or("a whole number")?;
                Ok(Some(keyed.number(*scope, value).to_string()))
            }
            (Transform::Hash(scope), ColumnType::Binary) => {
                let value = from_hex(text).ok_or("hexadecimal digits")?;
                Ok(Some(to_hex(&keyed.bytes(*scope, &value))))
            }
            (Transform::Hash(scope), _) => Ok(Some(keyed.text(*scope, text))),
            (Transform::Bucket(width), ColumnType::Fixed { scale, .. }) => {
                let value =
                    unscaled(text, scale).ok_or("a decimal number of the column's scale")?;
                Ok(Some(scaled(bucket_of(value, *width, scale), scale)))
            }
            (Transform::Bucket(width), _) => {
                let value: f64 = text.parse().map_err(|_| "a number")?;
                Ok(bucket_of_real(value, *width).map(real))
            }
            (Transform::Start(unit), ColumnType::Date) => {
                let days: i64 = text.parse().map_err(|_| "days since 1970")?;
                Ok(days_at_start(days, *unit).map(|days| days.to_string()))
            }
            (Transform::Start(unit), ColumnType::TimestampTz { scale }) => {
                const EXPECTED: &str = "seconds since 1970 and an offset";
                let (seconds, offset) = text.split_once(' ').ok_or(EXPECTED)?;
                let seconds = whole_seconds(seconds).ok_or(EXPECTED)?;
                let minutes: i64 = offset.parse().map_err(|_| EXPECTED)?;
                let offset_s = minutes
                    .checked_sub(OFFSET_BASE_MIN)
                    .and_then(|minutes| minutes.checked_mul(60))
                    .ok_or(EXPECTED)?;
                let start = seconds_at_start(seconds, *unit, offset_s);
                Ok(start.map(|start| format!("{} {minutes}", instant(start, scale))))
            }
            (Transform::Start(unit), ColumnType::Timestamp { scale }) => {
                let seconds = whole_seconds(text).ok_or("seconds since 1970")?;
                let start = seconds_at_start(seconds, *unit, 0);
                Ok(start.map(|start| instant(start, scale)))
            }
            // No other type takes it: `Transform::on` made it null.
            (Transform::Start(_), _) => Ok(None),
            (Transform::Json(places), _) => Ok(mask_places(places, text, keyed)),
            (Transform::Detect(detectors), kind) if kind.is_json() => {
                Ok(hide_leaves(text, detectors, self.tally()))
            }
            (Transform::Detect(detectors), ColumnType::Text) => Ok(Some(
                detectors
                    .hide_and_count(text, self.tally())
                    .unwrap_or_else(|| text.to_owned()),
            )),
            // A number of which a part is hidden is none.
            (Transform::Detect(detectors), _) => match detectors.hide_and_count(text, self.tally())
            {
                Some(_) => Ok(None),
                None => Ok(Some(text.to_owned())),
            },
        }
    }
}

/// Reads a decimal number as a whole number of 10^-scale.
fn unscaled(text: &str, scale: u8) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (front, back) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let padding = usize::from(scale).checked_sub(back.len())?;
    if front.is_empty() || !is_digits(front) || !is_digits(back) {
        return None;
    }
    let sign = if digits.len() < text.len() { "-" } else { "" };
    format!("{sign}{front}{back}{}", "0".repeat(padding))
        .parse()
        .ok()
}

/// Writes a whole number of 10^-scale as a decimal number.
pub(super) fn scaled(value: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    if scale == 0 {
        return value.to_string();
    }
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (front, back) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{front}.{back}")
}

/// Writes a number with a floating point; very large and very small ones with an exponent.
fn real(value: f64) -> String {
    if value == 0.0 || (1e-5..1e16).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Reads seconds with a fraction, which is cut off downwards.
fn whole_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let is_down = text.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    if is_down {
        seconds.checked_sub(1)
    } else {
        Some(seconds)
    }
}

/// Writes whole seconds with as many digits behind the point as the type has.
fn instant(seconds: i64, scale: u8) -> String {
    match usize::from(scale) {
        0 => seconds.to_string(),
        scale => format!("{seconds}.{}", "0".repeat(scale)),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let half = |byte: u8| char::from(byte).to_digit(16);
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(half(*high)? << 4 | half(*low)?).ok())
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::mask::transform::Keyed;

    fn masked(mask: &str, kind: ColumnType, text: &str) -> Result<Option<String>, &'static str> {
        let transform = Transform::read(mask).unwrap();
        Treatment::new(&transform, kind, Arc::new(Keyed::new(&[1; 32], b"s"))).cell(text)
    }

    fn some(text: &str) -> Result<Option<String>, &'static str> {
        Ok(Some(text.to_owned()))
    }

    #[test]
    fn a_cell_stays_of_its_type() {
        let number = ColumnType::Fixed {
            precision: 10,
            scale: 2,
        };
        assert_eq!(masked("bucket:100", number, "12345.67"), some("12300.00"));
        assert_eq!(masked("bucket:100", number, "-99.5"), some("0.00"));
        assert_eq!(masked("bucket:10", ColumnType::Real, "123.9"), some("120"));
        assert_eq!(
            masked("bucket:10", ColumnType::Real, "1.5e300"),
            some("1.5e300")
        );
        assert_eq!(masked("bucket:10", ColumnType::Real, "NaN"), Ok(None));
        assert_eq!(masked("month", ColumnType::Date, "20000"), some("19997"));
        let instant = ColumnType::Timestamp { scale: 3 };
        assert_eq!(masked("year", instant, "-0.001"), some("-31536000.000"));
        assert_eq!(masked("year", instant, "1.5"), some("0.000"));
        let zoned = ColumnType::TimestampTz { scale: 0 };
        assert_eq!(masked("year", zoned, "0 1500"), some("-3600 1500"));
        assert_eq!(masked("fixed:x", ColumnType::Text, "canary"), some("x"));
        assert_eq!(masked("fixed:x", ColumnType::Real, "1.5"), Ok(None));
        let hashed = masked("hash", ColumnType::Binary, "CAFE").unwrap().unwrap();
        assert_eq!(hashed.len(), 32);
        assert_eq!(
            masked("hash", ColumnType::Binary, "cafe").unwrap().unwrap(),
            hashed
        );
    }

    #[test]
    fn a_cell_of_another_type_is_an_error() {
        let number = ColumnType::Fixed {
            precision: 10,
            scale: 0,
        };
        for (mask, kind, text) in [
            ("hash", number, "1.5"),
            ("hash", number, ""),
            ("hash", number, "canary"),
            ("bucket:1", number, "1e5"),
            ("bucket:1", ColumnType::Real, "canary"),
            ("hash", ColumnType::Binary, "CAF"),
            ("hash", ColumnType::Binary, "+A"),
            ("month", ColumnType::Date, "2026-01-01"),
            ("month", ColumnType::Timestamp { scale: 0 }, "1.x"),
            ("month", ColumnType::TimestampTz { scale: 0 }, "1"),
        ] {
            assert!(masked(mask, kind, text).is_err(), "{mask} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_written_as_it_is_read(value in any::<i64>(), scale in 0_u8..12) {
            let value = i128::from(value);
            prop_assert_eq!(unscaled(&scaled(value, scale), scale), Some(value));
        }

        #[test]
        fn no_cell_breaks_a_mask(
            text in ".{0,30}",
            mask in prop::sample::select(vec!["null", "fixed:-", "partial:1:1", "hash", "bucket:7", "month", "year", "json:a=null", "detect:email+card"]),
            kind in prop::sample::select(vec![
                ColumnType::Text, ColumnType::Real, ColumnType::Binary, ColumnType::Boolean, ColumnType::Date, ColumnType::Variant, ColumnType::Other,
                ColumnType::Fixed { precision: 38, scale: 0 }, ColumnType::Fixed { precision: 38, scale: 37 },
                ColumnType::Timestamp { scale: 9 }, ColumnType::TimestampTz { scale: 9 },
            ]),
        ) {
            drop(masked(mask, kind, &text));
        }
    }
}
