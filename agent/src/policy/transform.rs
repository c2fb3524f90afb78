//! What a remedy `mask:...` asks for, as a rule says it. What it makes of values is told where they are masked.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::detector::Detectors;

/// Longest remedy that is read.
const TEXT_MAX_BYTES: usize = 256;

/// Most signs that `partial` keeps at either end.
const KEPT_MAX: usize = 64;

/// Most places of one mask, and most names of one place.
const PLACES_MAX: usize = 32;

/// What a rule makes of a column's values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
    Hash(HashScope),
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
pub enum HashScope {
    /// Within one session.
    Session,
    /// On one host, from one session to the next.
    Host,
}

/// Whose start is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The month's.
    Month,
    /// The year's.
    Year,
}

/// Places in a JSON value and what is made of what stands there.
///
/// A place is a path of member names; a list on the way stands for each of its members. What stands at a place and is no
/// text or number where the mask wants one becomes null; what is named by no place stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Places(BTreeMap<Vec<String>, Transform>);

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
            ("hash", None | Some("session")) => Ok(Self::Hash(HashScope::Session)),
            ("hash", Some("host")) => Ok(Self::Hash(HashScope::Host)),
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

    /// Lists the scopes of its hashes, those at places too.
    pub(super) fn hashes(&self) -> impl Iterator<Item = HashScope> {
        let scope = |mask: &Self| match mask {
            Self::Hash(scope) => Some(*scope),
            Self::Null
            | Self::Fixed(_)
            | Self::Partial { .. }
            | Self::Bucket(_)
            | Self::Start(_)
            | Self::Json(_)
            | Self::Detect(_) => None,
        };
        let at_places = self.places().filter_map(move |(_, mask)| scope(mask));
        scope(self).into_iter().chain(at_places)
    }

    /// Lists the places of a JSON value that it changes, and by what.
    pub(super) fn places(&self) -> impl Iterator<Item = (&[String], &Self)> {
        let places = match self {
            Self::Json(places) => Some(places),
            Self::Null
            | Self::Fixed(_)
            | Self::Partial { .. }
            | Self::Bucket(_)
            | Self::Start(_)
            | Self::Hash(_)
            | Self::Detect(_) => None,
        };
        places.into_iter().flat_map(Places::iter)
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

impl TryFrom<String> for Transform {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text)
    }
}

impl From<Transform> for String {
    fn from(transform: Transform) -> Self {
        transform.to_string()
    }
}

/// Writes it as `read` takes it.
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Fixed(text) => write!(f, "fixed:{text}"),
            Self::Partial { front, back } => write!(f, "partial:{front}:{back}"),
            Self::Hash(HashScope::Session) => f.write_str("hash"),
            Self::Hash(HashScope::Host) => f.write_str("hash:host"),
            Self::Bucket(width) => write!(f, "bucket:{width}"),
            Self::Start(Unit::Month) => f.write_str("month"),
            Self::Start(Unit::Year) => f.write_str("year"),
            Self::Json(places) => write!(f, "json:{places}"),
            Self::Detect(detectors) => write!(f, "detect:{detectors}"),
        }
    }
}

impl Places {
    /// Reads `PATH=MASK,PATH=MASK`, a path being names joined by dots.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "`json:PATH=MASK,...` with up to 32 paths of plain names joined by dots (`address.street`; no `$`, no `[0]`: lists are gone through), each once, and masks that need no comma, but `json`, `month` and `year`";
        let mut places = BTreeMap::new();
        for place in text.split(',') {
            let (path, mask) = place.split_once('=').ok_or(EXPECTED)?;
            let names: Vec<String> = path.split('.').map(str::to_owned).collect();
            let is_name = |name: &String| {
                let plain = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '-' | '$');
                // `$` begins a path in other languages, where it stands for the whole.
                !name.is_empty() && !name.starts_with('$') && name.chars().all(plain)
            };
            let transform = Transform::read(mask)?;
            let is_nested = matches!(transform, Transform::Json(_) | Transform::Start(_));
            if !names.iter().all(is_name) || names.len() > PLACES_MAX || is_nested {
                return Err(EXPECTED);
            }
            if places.insert(names, transform).is_some() {
                return Err(EXPECTED);
            }
        }
        if places.len() > PLACES_MAX {
            return Err(EXPECTED);
        }
        Ok(Self(places))
    }

    /// Gives each path with what is made of what stands at its end.
    pub fn iter(&self) -> impl Iterator<Item = (&[String], &Transform)> {
        self.0.iter().map(|(path, mask)| (path.as_slice(), mask))
    }
}

/// Writes them as `read` takes them.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (path, transform)) in self.0.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma}{}={transform}", path.join("."))?;
        }
        Ok(())
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
            "json:$.a=null",
            "json:a=month",
            "fixed:a\nb",
        ] {
            assert!(Transform::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn two_masks_on_one_column_give_null() {
        let (hash, null) = (Transform::Hash(HashScope::Session), Transform::Null);
        let host = Transform::Hash(HashScope::Host);
        assert_eq!(Transform::join([]), None);
        assert_eq!(Transform::join([&hash, &hash]), Some(hash.clone()));
        assert_eq!(Transform::join([&hash, &host]), Some(null.clone()));
        assert_eq!(Transform::join([&hash, &null]), Some(null));
    }
}
