//! JSON read as slices of its own text: what nobody asks for is passed over, not copied.
//!
//! Numbers of members and elements are bounded, nesting costs no stack while it is passed over (serde_json skips a value in
//! a loop), and where a value is walked serde_json's own limit of 128 holds.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::status::Unreadable;

/// Most members of one object that are looked at.
const MEMBERS_MAX: usize = 256;

/// Most elements of one array that are looked at; no API takes more messages (docs.anthropic.com, Messages: 100,000).
const ELEMENTS_MAX: usize = 100_000;

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    all: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Members beyond the most that are looked at.
    pub(super) dropped: bool,
}

impl<'a> Members<'a> {
    /// Reads an object.
    pub(super) fn read(text: &'a str) -> Result<Self, Unreadable> {
        let mut members = Self::default();
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(Fill {
            members: &mut members,
            within: None,
        })?;
        json.end()?;
        Ok(members)
    }

    /// Reads a value that is an object.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        value
            .get()
            .starts_with('{')
            .then(|| Self::read(value.get()).ok())?
    }

    /// Gives a member's own text; the last, if it stands twice, as most parsers have it. `null` is none.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.all.iter().rfind(|(given, _)| given == name);
        found
            .map(|(_, value)| *value)
            .filter(|value| value.get() != "null")
    }

    /// Gives a text.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.raw(name)?)
    }

    /// Gives a whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// Gives a yes or no.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// Gives an object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        Self::of(self.raw(name)?)
    }

    /// Gives an array's elements; none if it is no array.
    pub(super) fn items(&self, name: &str) -> Vec<&'a RawValue> {
        self.raw(name).map(items).unwrap_or_default()
    }

    /// Tells whether a member stands twice: another parser may take the other.
    pub(super) fn has_duplicates(&self) -> bool {
        let mut names: Vec<&str> = self.all.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair.first() == pair.last())
    }
}

/// The members of a request's body, with those of one object within it among them, and the elements of its history.
///
/// A body that was cut gives what stood whole before the cut.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    /// Its members, but the history.
    pub(super) members: Members<'a>,
    /// The history's elements.
    pub(super) history: Vec<&'a RawValue>,
    /// The history, where it is one text.
    pub(super) text: Option<Cow<'a, str>>,
    /// Whether the history stood twice.
    pub(super) twice: bool,
    /// Elements beyond the most that are looked at.
    pub(super) dropped: bool,
}

impl<'a> Body<'a> {
    /// Reads a body whose history is the member `history`, perhaps within the object `inner`.
    pub(super) fn read(
        text: &'a str,
        history: &'static str,
        inner: Option<&'static str>,
    ) -> (Self, Result<(), serde_json::Error>) {
        let mut members = Members::default();
        let mut within = Within {
            history,
            inner,
            found: None,
            twice: false,
            dropped: false,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let fill = Fill {
            members: &mut members,
            within: Some(&mut within),
        };
        let done = json.deserialize_map(fill).and_then(|()| json.end());
        let (history, text) = match within.found {
            Some(Listed::Items(items)) => (items, None),
            Some(Listed::Text(text)) => (Vec::new(), Some(text)),
            None => (Vec::new(), None),
        };
        let (twice, dropped) = (within.twice, within.dropped || members.dropped);
        (
            Self {
                members,
                history,
                text,
                twice,
                dropped,
            },
            done,
        )
    }
}

/// What a history is.
enum Listed<'a> {
    Items(Vec<&'a RawValue>),
    Text(Cow<'a, str>),
}

/// Where a history stands, and what was found.
struct Within<'a> {
    history: &'static str,
    inner: Option<&'static str>,
    found: Option<Listed<'a>>,
    twice: bool,
    dropped: bool,
}

/// Gives an array's elements; none if it is no array.
pub(super) fn items(value: &RawValue) -> Vec<&RawValue> {
    let mut within = Within {
        history: "",
        inner: None,
        found: None,
        twice: false,
        dropped: false,
    };
    let mut json = serde_json::Deserializer::from_str(value.get());
    let read = List(&mut within).deserialize(&mut json);
    match (read, within.found) {
        (Ok(()), Some(Listed::Items(items))) => items,
        _ => Vec::new(),
    }
}

/// Gives a value that is a text.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    Name.deserialize(&mut json).ok()
}

/// Fills members as they are read, so that those before an error stay.
struct Fill<'b, 'a> {
    members: &'b mut Members<'a>,
    within: Option<&'b mut Within<'a>>,
}

impl<'a> DeserializeSeed<'a> for Fill<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Fill<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            if let Some(within) = self.within.as_deref_mut() {
                if name == within.history {
                    within.twice |= within.found.is_some();
                    map.next_value_seed(List(within))?;
                    continue;
                }
                if within.inner.is_some_and(|inner| name == inner) {
                    // One level: within it the same name is a member like others.
                    within.inner = None;
                    map.next_value_seed(Fill {
                        members: &mut *self.members,
                        within: Some(within),
                    })?;
                    continue;
                }
            }
            let value = map.next_value()?;
            if self.members.all.len() < MEMBERS_MAX {
                self.members.all.push((name, value));
            } else {
                self.members.dropped = true;
            }
        }
        Ok(())
    }
}

/// Fills a history as it is read.
struct List<'b, 'a>(&'b mut Within<'a>);

impl<'a> DeserializeSeed<'a> for List<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for List<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or a text")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.0.found = Some(Listed::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.found = Some(Listed::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.found = Some(Listed::Items(Vec::new()));
        let Some(Listed::Items(items)) = self.0.found.as_mut() else {
            return Err(A::Error::custom("no list"));
        };
        while items.len() < ELEMENTS_MAX {
            let Some(item) = seq.next_element()? else {
                return Ok(());
            };
            items.push(item);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            self.0.dropped = true;
        }
        Ok(())
    }
}

/// A text, without a copy where it holds no escape.
struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Cow<'a, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
