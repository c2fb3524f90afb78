//! What speaks for a link, bit by bit, and the values that only a check makes.

use std::collections::{BTreeSet, VecDeque};

use ring::hmac;

use crate::id::SessionId;

/// Observations that speak for a link, and one against it, as column `evidence` of table `links` holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Evidence(i32);

impl Evidence {
    /// The statement's request, or its process's environment, and the model call carry one W3C trace id, and not since the
    /// whole job does. The agent writes all of them.
    pub const TRACE: Self = Self(1);
    /// The process's environment names the agent session that the model call names. The agent writes both.
    pub const ENVIRONMENT: Self = Self(2);
    /// The statement's process is, or descends from, the process that made the model call: the kernel's word.
    pub const LINEAGE: Self = Self(4);
    /// The statement came between the tool's use and its result.
    pub const OPEN: Self = Self(8);
    /// The statement's text is one of the use's, byte by byte or but for blanks and comments.
    pub const SAME_TEXT: Self = Self(16);
    /// The statement means what one of the use's texts means, literals included.
    pub const SAME_TREE: Self = Self(32);
    /// The statement shares most of its words with one of the use's texts, or fills in its holes.
    pub const OVERLAP: Self = Self(64);
    /// The text stood in a file that this or an earlier use of the session wrote.
    pub const FILE: Self = Self(128);
    /// The statement's answer came back in the use's result. The agent writes the result.
    pub const ECHO: Self = Self(256);
    /// No other use was open that could have run it.
    pub const SOLE: Self = Self(512);
    /// A source outside the session says that the use ran: see [`Attestation`].
    pub const ATTESTED: Self = Self(1024);
    /// The request carries a tag that was made for it alone: see [`TagProof`].
    pub const TAG: Self = Self(2048);
    /// The process's environment names agent sessions, and none is the one that the model call names: this speaks against the
    /// link. The agent writes both, so it changes no grade.
    pub const OTHER_AGENT: Self = Self(4096);

    /// Every bit that there is.
    pub const ALL: Self = Self(8191);

    /// Bits of values that the session's processes choose.
    pub const OF_AGENT: Self = Self(1 | 2 | 256 | 4096);

    /// Gives the bits as the record has them.
    #[must_use]
    pub const fn bits(self) -> i32 {
        self.0
    }

    /// Reads bits, as far as they are known ones.
    #[must_use]
    pub const fn from_bits(bits: i32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Adds others.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Adds others if something holds.
    #[must_use]
    pub const fn with_if(self, other: Self, holds: bool) -> Self {
        if holds { self.with(other) } else { self }
    }

    /// Tells whether all of others are there.
    #[must_use]
    pub const fn has(self, all: Self) -> bool {
        self.0 & all.0 == all.0
    }

    /// Tells whether some of others are there.
    #[must_use]
    pub const fn has_any(self, some: Self) -> bool {
        self.0 & some.0 != 0
    }
}

/// A word from a source outside the session that its agent cannot have written: a hook's or telemetry's.
///
/// INVARIANT: made by [`Attestation::received`] alone, which refuses what came from a process of any session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    subject: Subject,
}

/// What is attested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// That a use of a tool ran, by its id.
    ToolCall(String),
    /// That a person wrote a prompt, by its key.
    Prompt(String),
}

impl Attestation {
    /// Takes a word from a connection; `peer` is the session that the kernel's tag names for it.
    ///
    /// None from within any session: there a hook is a program that the agent can start, change or imitate.
    #[must_use]
    pub fn received(peer: Option<SessionId>, subject: Subject) -> Option<Self> {
        peer.is_none().then_some(Self { subject })
    }

    /// Says what is attested.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}

/// Who wrote a prompt, as far as it is known. A grade never says this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptOrigin {
    /// The request says so, and the agent wrote the request.
    Claimed,
    /// A source outside the session saw a person write it.
    Attested,
}

impl PromptOrigin {
    /// Gives the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Attested => "attested",
        }
    }
}

/// Most tags that wait to be used.
const TAGS_MAX: usize = 4096;

/// The request that a tag is made for.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'a> {
    /// The driver's id of the request, of which a repetition has the same.
    pub request_id: &'a str,
    /// The statement's text.
    pub sql: &'a str,
}

/// Makes tags for single requests, and takes each once.
///
/// A tag is an HMAC-SHA256 over the use of a tool, the request's id and its text, under a key that no process of a session
/// has. Who reads a tag in the query history or in `SHOW PARAMETERS` can put it nowhere: not on another text, not on
/// another request, not twice.
pub struct Tags {
    key: hmac::Key,
    open: VecDeque<[u8; 32]>,
    known: BTreeSet<[u8; 32]>,
}

/// Says that a request carried a tag that was made for it, and had not been used.
///
/// INVARIANT: made by [`Tags::redeem`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagProof {
    tool_call_id: String,
}

impl TagProof {
    /// Gives the use of a tool for which the tag was made.
    #[must_use]
    pub fn tool_call_id(&self) -> &str {
        &self.tool_call_id
    }
}

impl Tags {
    /// Begins with a key of 32 random bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            open: VecDeque::new(),
            known: BTreeSet::new(),
        }
    }

    /// Makes the tag of one request of one use of a tool; the oldest unused one is forgotten where there are too many.
    pub fn issue(&mut self, tool_call_id: &str, request: Tagged<'_>) -> [u8; 32] {
        let tag = self.tag(tool_call_id, request);
        if self.known.insert(tag) {
            self.open.push_back(tag);
        }
        while self.open.len() > TAGS_MAX {
            if let Some(oldest) = self.open.pop_front() {
                self.known.remove(&oldest);
            }
        }
        tag
    }

    /// Takes a tag that a request carries; none if it was made for another one, or has been taken before.
    pub fn redeem(
        &mut self,
        tag: &[u8],
        tool_call_id: &str,
        request: Tagged<'_>,
    ) -> Option<TagProof> {
        hmac::verify(&self.key, &message(tool_call_id, request), tag).ok()?;
        let tag = <[u8; 32]>::try_from(tag).ok()?;
        self.known.remove(&tag).then(|| {
            self.open.retain(|open| *open != tag);
            TagProof {
                tool_call_id: tool_call_id.to_owned(),
            }
        })
    }

    fn tag(&self, tool_call_id: &str, request: Tagged<'_>) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.key, &message(tool_call_id, request)).as_ref());
        tag
    }
}

/// Writes what a tag stands for; the length before each part lets none lend a letter to the next.
fn message(tool_call_id: &str, request: Tagged<'_>) -> Vec<u8> {
    let mut message = Vec::new();
    for part in [tool_call_id, request.request_id, request.sql] {
        message.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        message.extend(part.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_taken_once_and_for_its_request_alone() {
        let mut tags = Tags::new(&[7; 32]);
        let request = Tagged {
            request_id: "r1",
            sql: "select 1",
        };
        let tag = tags.issue("call", request);
        let others = [
            Tagged {
                request_id: "r2",
                ..request
            },
            Tagged {
                sql: "select 2",
                ..request
            },
        ];
        for other in others {
            assert_eq!(tags.redeem(&tag, "call", other), None, "{other:?}");
        }
        assert_eq!(tags.redeem(&tag, "call2", request), None);
        assert_eq!(tags.redeem(b"short", "call", request), None);
        let proof = tags.redeem(&tag, "call", request);
        assert_eq!(proof.as_ref().map(TagProof::tool_call_id), Some("call"));
        assert_eq!(tags.redeem(&tag, "call", request), None);
        let foreign = Tags::new(&[8; 32]).issue("call", request);
        assert_eq!(tags.redeem(&foreign, "call", request), None);
    }

    #[test]
    fn unused_tags_do_not_pile_up() {
        let mut tags = Tags::new(&[7; 32]);
        let request = |sql| Tagged {
            request_id: "r",
            sql,
        };
        let first = tags.issue("call", request("0"));
        for number in 1..=TAGS_MAX {
            let sql = number.to_string();
            tags.issue(
                "call",
                Tagged {
                    request_id: "r",
                    sql: &sql,
                },
            );
        }
        assert_eq!((tags.open.len(), tags.known.len()), (TAGS_MAX, TAGS_MAX));
        assert_eq!(tags.redeem(&first, "call", request("0")), None);
    }

    #[test]
    fn nothing_is_attested_from_within_a_session() {
        let subject = || Subject::ToolCall("call".to_owned());
        assert_eq!(
            Attestation::received(Some(SessionId::new()), subject()),
            None
        );
        let outside = Attestation::received(None, subject());
        assert_eq!(outside.as_ref().map(Attestation::subject), Some(&subject()));
    }
}
