//! What a check of a record finds: numbered, so that a test, a script and a person mean the same. Pure.

use std::fmt;

use serde::{Serialize, Serializer};

/// What kind of thing is wrong. Codes that begin with W explain nothing that was changed, only what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A chain of an installation that nobody vouches for.
    E10,
    /// A document that does not follow from the one before it.
    E20,
    /// A document that is missing between others.
    E21,
    /// Two documents for one place.
    E22,
    /// A checkpoint that is not signed by whom it must be.
    E30,
    /// A tree that is not the one that was signed.
    E31,
    /// A listed object that is not in the store.
    E40,
    /// An object whose bytes are not those that were listed.
    E41,
    /// An object that nobody lists yet, of a chain that goes on.
    W43,
    /// An object that nobody lists.
    E43,
    /// Rows that do not make the tree that was signed.
    E50,
    /// A row that does not belong where it is.
    E51,
    /// A statement that was sent without a decision that let it.
    E60,
    /// A statement that was approved otherwise than its approval says.
    E61,
    /// A masked column whose rule the named policies do not have.
    E62,
    /// A result whose digests are not complete.
    E63,
    /// A text that is not the one that was committed to.
    E64,
    /// A chain that did not end and whose end nobody explains.
    W70,
    /// A chain, or a part of one, that others know of and the store lacks.
    E71,
    /// A chain of a host whose clock was wrong.
    W72,
    /// A decision that the recorded policies do not give again.
    E80,
    /// A document of a compaction that cannot be believed.
    E90,
    /// What a compaction wrote, missing or of other bytes.
    E91,
    /// Compacted rows that are not those of what was read.
    E92,
    /// An object that was compacted and that no chain lists, or twice.
    E93,
    /// A compacted file that no compaction lists.
    W94,
    /// An approval that its request, its decisions or their proofs do not bear out.
    E95,
}

impl Code {
    /// Gives the code as it is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::E10 => "E10",
            Self::E20 => "E20",
            Self::E21 => "E21",
            Self::E22 => "E22",
            Self::E30 => "E30",
            Self::E31 => "E31",
            Self::E40 => "E40",
            Self::E41 => "E41",
            Self::W43 => "W43",
            Self::E43 => "E43",
            Self::E50 => "E50",
            Self::E51 => "E51",
            Self::E60 => "E60",
            Self::E61 => "E61",
            Self::E62 => "E62",
            Self::E63 => "E63",
            Self::E64 => "E64",
            Self::W70 => "W70",
            Self::E71 => "E71",
            Self::W72 => "W72",
            Self::E80 => "E80",
            Self::E90 => "E90",
            Self::E91 => "E91",
            Self::E92 => "E92",
            Self::E93 => "E93",
            Self::W94 => "W94",
            Self::E95 => "E95",
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::E10 => {
                "find out whose key it is; if it is a host of yours, add the lines of `icecore enroll --pin` on it to the trust file"
            }
            Self::E20 | Self::E22 => {
                "take the chain's folder from a copy or an earlier version of the bucket; do not rely on what follows"
            }
            Self::E21 => "restore the missing document; do not rely on what follows",
            Self::E30 | Self::E31 => {
                "do not rely on the chain from there on; compare with the witness"
            }
            Self::E40 => "restore the object; where it was erased, store the erasure's document",
            Self::E41 => "restore the object from an earlier version of the bucket",
            Self::W43 => "look again when the host has stored its next manifest",
            Self::E43 => "find out who wrote it; readers leave it out",
            Self::E50 | Self::E51 => {
                "do not rely on these rows: what signed them disagrees with what is in them"
            }
            Self::E60 | Self::E61 | Self::E62 | Self::E95 => {
                "treat the statement as an incident: the host's recorder or its policies were not what they should be"
            }
            Self::E63 => "treat the result as of unknown content",
            Self::E64 => "do not rely on the text",
            Self::W70 => {
                "look at the host: it was cancelled, lost its power, or cannot reach the store"
            }
            Self::E71 => {
                "restore what is missing; where it cannot be, treat the span as an incident"
            }
            Self::W72 => {
                "correct the host's clock; rely on the order of the chain's rows, not on their times"
            }
            Self::E80 => {
                "compare the policies by their digest; judge the statement again with `icecore policy replay`"
            }
            Self::E90 | Self::E92 | Self::E93 => {
                "do not rely on the day's compacted files: the chains' own objects are the record; find out who wrote them"
            }
            Self::E91 => "restore the object from an earlier version of the bucket",
            Self::W94 => {
                "nothing, if a compaction was cut off or two ran at once; readers leave it out"
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its kind.
    pub code: Code,
    /// The chain; empty where it is of none.
    pub chain: String,
    /// Key, name or number of what it is about.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            chain,
            what,
            expected,
            found,
        } = self;
        write!(f, "{code} ")?;
        if !chain.is_empty() {
            write!(f, "chain {chain}, ")?;
        }
        write!(f, "{what}: expected {expected}, found {found}")
    }
}
