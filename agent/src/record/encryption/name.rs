//! What a data key is called: which chain it is of, what it encrypts, and where it lies in a store. Pure.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use uuid::Uuid;

use crate::id::SessionId;

/// A month, as `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// Gives the month of a day.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        Self {
            year: day.year(),
            month: day.month(),
        }
    }

    /// Reads a month; none where the text is not one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let month = Self::of(format!("{text}-01").parse().ok()?);
        (month.to_string() == text).then_some(month)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// What a key is for: what it encrypts is erased together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Content of one month: tier t1.
    Content(Month),
    /// Rows of results of one session: tier t2.
    Rows(SessionId),
    /// Prompts and arguments of tools of one month: tier t3.
    Prompts(Month),
    /// The chain's `*_mac` columns.
    Digest,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(month) => write!(f, "t1-{month}"),
            Self::Rows(session) => write!(f, "t2-{session}"),
            Self::Prompts(month) => write!(f, "t3-{month}"),
            Self::Digest => write!(f, "digest"),
        }
    }
}

/// Digits that tell one key of a purpose from another of the same chain.
const SERIAL_DIGITS: usize = 8;

/// A data key's name; it stands in manifests and in the footers of what the key encrypts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName {
    /// The chain whose recorder made the key.
    pub chain: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Tells it from others of the same purpose.
    serial: u32,
}

impl KeyName {
    /// Makes a name that no other key has.
    #[must_use]
    pub(super) fn new(chain: &str, purpose: Purpose) -> Self {
        Self {
            chain: chain.to_owned(),
            purpose,
            serial: Uuid::new_v4().as_fields().0,
        }
    }

    /// Reads a name; none where the text is not one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (chain, id) = text.split_once('/')?;
        let (purpose, serial) = id.rsplit_once('-')?;
        let purpose = match purpose.split_once('-') {
            Some(("t1", month)) => Purpose::Content(Month::read(month)?),
            Some(("t2", session)) => Purpose::Rows(session.parse().ok()?),
            Some(("t3", month)) => Purpose::Prompts(Month::read(month)?),
            None if purpose == "digest" => Purpose::Digest,
            Some(_) | None => return None,
        };
        let name = Self {
            chain: Uuid::try_parse(chain).ok()?.to_string(),
            purpose,
            serial: u32::from_str_radix(serial, 16).ok()?,
        };
        // Written back it must be the same text: one key has one name.
        (serial.len() == SERIAL_DIGITS && name.to_string() == text).then_some(name)
    }

    /// Gives its id within the chain.
    #[must_use]
    pub fn id(&self) -> String {
        let Self {
            purpose, serial, ..
        } = self;
        format!("{purpose}-{serial:08x}")
    }

    /// Tells where its wrapped form lies in a store.
    #[must_use]
    pub fn object(&self, org: &str) -> String {
        format!("{org}/v1/keys/{self}.json")
    }

    /// Reads where a wrapped key lies: organisation and name; none where the text is no such place.
    #[must_use]
    pub fn of_object(key: &str) -> Option<(String, Self)> {
        let (org, rest) = key.split_once('/')?;
        let name = rest.strip_prefix("v1/keys/")?.strip_suffix(".json")?;
        Some((org.to_owned(), Self::read(name)?))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.chain, self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_nothing_else_is_one() {
        let chain = Uuid::now_v7().to_string();
        let month = Month::read("2026-11").unwrap();
        for purpose in [
            Purpose::Content(month),
            Purpose::Rows(SessionId::new()),
            Purpose::Digest,
        ] {
            let name = KeyName::new(&chain, purpose);
            assert_eq!(KeyName::read(&name.to_string()), Some(name.clone()));
            let object = name.object("acme");
            assert_eq!(
                KeyName::of_object(&object),
                Some(("acme".to_owned(), name.clone()))
            );
            for (from, to) in [
                ("/", "/../"),
                ("-", "_"),
                (&*chain, "x"),
                (&*name.id(), "t9-1-00000000"),
            ] {
                let changed = name.to_string().replace(from, to);
                assert_eq!(KeyName::read(&changed), None, "{changed}");
            }
        }
        for text in ["2026-13", "2026-1", "2026-11-01", "x"] {
            assert_eq!(Month::read(text), None, "{text}");
        }
    }
}
