//! A request as people see it before they say yes: all of it, in one order for every face. Pure.
//!
//! Whoever says yes says it to the whole document, so the whole document is shown: `facts` takes each of its structs apart
//! member by member, and a new member stops the build there. A face that cannot show all of a card offers no approval.

mod facts;
mod lines;
mod page;
mod text;

#[cfg(test)]
pub(crate) mod tests;

use crate::approval::{CanonicalError, Request};
use crate::record::hex;

/// Longest text of a card that people are asked to read, in bytes. A longer one can be denied, not approved.
pub const READABLE_MAX_BYTES: usize = 256 << 10;

/// A request, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What is asked, in a line.
    pub title: String,
    /// Digest of the request, in hexadecimal: what a yes is about.
    pub digest: String,
    /// What a reader may overlook.
    pub cautions: Vec<String>,
    /// All of the request.
    pub sections: Vec<Section>,
}

/// Facts that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// Who vouches for them.
    pub said_by: SaidBy,
    /// The facts.
    pub facts: Vec<Fact>,
}

/// Who vouches for what a section says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    /// The host that asks; its chain's key signs it.
    Host,
    /// The agent; nobody has checked it.
    Agent,
}

/// A name and what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The name; of a member that others name, theirs.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// How a value is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// In the line of its name.
    Plain(String),
    /// As a text with lines of its own, to the letter.
    Text(String),
    /// One below the other.
    List(Vec<String>),
}

impl Value {
    fn len(&self) -> usize {
        match self {
            Self::Plain(text) | Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(String::len).sum(),
        }
    }
}

impl Card {
    /// Makes the card of a request.
    ///
    /// # Errors
    /// The request has no digest, so that nobody could say yes to it.
    pub fn of(request: &Request) -> Result<Self, CanonicalError> {
        let digest = hex(&request.digest()?);
        let sections = facts::sections(request, &digest);
        Ok(Self {
            title: facts::title(request),
            cautions: facts::cautions(request),
            digest,
            sections,
        })
    }

    /// Says why no yes to it is taken, if so.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        let facts = self.sections.iter().flat_map(|section| &section.facts);
        let bytes: usize = facts.map(|fact| fact.name.len() + fact.value.len()).sum();
        (bytes > READABLE_MAX_BYTES).then(|| {
            format!(
                "expected at most {READABLE_MAX_BYTES} bytes for people to read, found {bytes}; it can be denied"
            )
        })
    }
}
