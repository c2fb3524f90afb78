//! What may be made of a masked column's values. Pure.
//!
//! A transform is read from a policy's `@remedy("mask:...")` and settled against the type of the column that it meets:
//! what it cannot do to that type it does as `null`. JSON cells and Arrow arrays go through the same functions on values,
//! so that both forms of a result say the same.

mod json;
mod number;
mod text;
mod time;

use std::fmt;

use super::detect::Detectors;
use super::kind::Kind;

pub use json::Places;
pub(super) use json::hide_leaves;
pub(super) use number::{bucket_of, bucket_of_real};
pub(super) use text::{Keyed, partial};
pub(super) use time::{Unit, days_at_start, seconds_at_start};

/// Longest fixed text, and longest remedy that is read.
const TEXT_MAX_BYTES: usize = 256;

/// Most signs that `partial` keeps at either end.
const KEPT_MAX: usize = 64;

/// Signs of a hashed text: 128 bits in hexadecimal.
pub const HASH_SIGNS: u32 = 32;

/// Digits of a hashed number, as many as fit 64 bits.
pub const HASH_DIGITS: u32 = 18;

/// What a rule makes of a column's values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transform {
    /// No value.
    Null,
    /// Always this text.
    Fixed(String),
    /// The first and the last signs, and `*` for each between; `*` alone where nothing would be between.
    Partial {
        /// Signs kept at the front.
        front: usize,
        /// Signs kept at the back.
        back: usize,
    },
    /// The same text or number for the same value, and no way back.
    Hash(Scope),
    /// The multiple of this that is next on the way to zero.
    Bucket(u64),
    /// The first day, or instant, of its month or year.
    Start(Unit),
    /// Other transforms of what stands at these places of a JSON value.
    Json(Places),
    /// `*` over what has one of these forms, and the rest as it is.
    Detect(Detectors),
}

/// How far the same value gives the same hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Within one session.
    Session,
    /// On one host, from one session to the next.
    Host,
}

impl Transform {
    /// Reads what stands behind `mask:`.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() > TEXT_MAX_BYTES {
            return Err("a mask of 256 bytes at most");
        }
        let (name, given) = match text.split_once(':') {
            Some((name, given)) => (name, Some(given)),
            None => (text, None),
        };
        match (name, given) {
            ("null", None) => Ok(Self::Null),
            ("fixed", Some(text)) if !text.chars().any(char::is_control) => {
                Ok(Self::Fixed(text.to_owned()))
            }
            ("partial", Some(kept)) => read_partial(kept),
            ("hash", None | Some("session")) => Ok(Self::Hash(Scope::Session)),
            ("hash", Some("host")) => Ok(Self::Hash(Scope::Host)),
            ("bucket", Some(width)) => match width.parse() {
                Ok(width) if width > 0 => Ok(Self::Bucket(width)),
                Ok(_) | Err(_) => Err("`bucket:WIDTH` with a whole number from 1"),
            },
            ("month", None) => Ok(Self::Start(Unit::Month)),
            ("year", None) => Ok(Self::Start(Unit::Year)),
            ("json", Some(places)) => Places::read(places).map(Self::Json),
            ("detect", Some(names)) => Detectors::read(names).map(Self::Detect),
            (_, _) => Err(
                "`null`, `fixed:TEXT`, `partial:FRONT:BACK`, `hash`, `hash:host`, `bucket:WIDTH`, `month`, `year`, `json:PATH=MASK,...` or `detect:NAME+NAME`",
            ),
        }
    }

    /// Gives what it is for values of a type: itself, or `null`.
    #[must_use]
    pub fn on(&self, kind: Kind) -> Self {
        let fits = match self {
            Self::Null => true,
            Self::Fixed(_) | Self::Partial { .. } => kind == Kind::Text,
            Self::Hash(_) => matches!(
                kind,
                Kind::Text | Kind::Binary | Kind::Fixed { scale: 0, .. }
            ),
            Self::Bucket(_) => matches!(kind, Kind::Fixed { .. } | Kind::Real),
            Self::Start(_) => kind.is_of_days(),
            Self::Json(_) => kind.is_json(),
            Self::Detect(_) => {
                kind.is_json() || matches!(kind, Kind::Text | Kind::Fixed { scale: 0, .. })
            }
        };
        if fits { self.clone() } else { Self::Null }
    }

    /// Gives what takes the place of several that meet in one column: the one they are, else `null`, so that one more rule
    /// never shows more.
    #[must_use]
    pub fn join<'t>(all: impl IntoIterator<Item = &'t Self>) -> Option<Self> {
        let mut all = all.into_iter();
        let first = all.next()?;
        let are_one = all.all(|other| other == first);
        Some(if are_one { first.clone() } else { Self::Null })
    }
}

fn read_partial(kept: &str) -> Result<Transform, &'static str> {
    let read = |text: &str| text.parse().ok().filter(|kept| *kept <= KEPT_MAX);
    let kept = kept
        .split_once(':')
        .and_then(|(front, back)| Some((read(front)?, read(back)?)));
    match kept {
        Some((front, back)) => Ok(Transform::Partial { front, back }),
        None => Err("`partial:FRONT:BACK` with whole numbers up to 64"),
    }
}

/// Writes it as `read` takes it.
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Fixed(text) => write!(f, "fixed:{text}"),
            Self::Partial { front, back } => write!(f, "partial:{front}:{back}"),
            Self::Hash(Scope::Session) => f.write_str("hash"),
            Self::Hash(Scope::Host) => f.write_str("hash:host"),
            Self::Bucket(width) => write!(f, "bucket:{width}"),
            Self::Start(Unit::Month) => f.write_str("month"),
            Self::Start(Unit::Year) => f.write_str("year"),
            Self::Json(places) => write!(f, "json:{places}"),
            Self::Detect(detectors) => write!(f, "detect:{detectors}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_as_it_is_written() {
        for text in [
            "null",
            "fixed:***",
            "fixed:",
            "fixed:a:b",
            "partial:0:4",
            "hash",
            "hash:host",
            "bucket:1000",
            "month",
            "year",
            "json:address.street=null,email=hash",
            "detect:email+card",
        ] {
            assert_eq!(
                Transform::read(text).map(|read| read.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "nul",
            "null:",
            "NULL",
            "partial",
            "partial:1",
            "partial:1:65",
            "partial:-1:2",
            "hash:",
            "hash:org",
            "bucket",
            "bucket:0",
            "bucket:-5",
            "bucket:1.5",
            "month:1",
            "json",
            "json:",
            "json:a",
            "json:a=",
            "json:a=json:b=null",
            "fixed:a\nb",
        ] {
            assert!(Transform::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_type_does_not_take_is_null() {
        let hash = Transform::Hash(Scope::Session);
        assert_eq!(hash.on(Kind::Text), hash);
        let number = |scale| Kind::Fixed {
            precision: 10,
            scale,
        };
        assert_eq!(hash.on(number(0)), hash);
        for kind in [
            number(2),
            Kind::Boolean,
            Kind::Date,
            Kind::Real,
            Kind::Variant,
            Kind::Other,
        ] {
            assert_eq!(hash.on(kind), Transform::Null, "{kind:?}");
        }
        let month = Transform::Start(Unit::Month);
        assert_eq!(month.on(Kind::Date), month);
        assert_eq!(month.on(Kind::Text), Transform::Null);
    }

    #[test]
    fn two_masks_on_one_column_give_null() {
        let (hash, null) = (Transform::Hash(Scope::Session), Transform::Null);
        let host = Transform::Hash(Scope::Host);
        assert_eq!(Transform::join([]), None);
        assert_eq!(Transform::join([&hash, &hash]), Some(hash.clone()));
        assert_eq!(Transform::join([&hash, &host]), Some(null.clone()));
        assert_eq!(Transform::join([&hash, &null]), Some(null));
    }
}
