//! What speaks for a link, bit by bit, and the values that only a check makes.

use std::collections::{BTreeSet, VecDeque};

use ring::digest::{SHA256, digest};
use ring::hmac;

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
    /// The statement's text is one that the use would run, byte by byte or but for blanks and comments.
    pub const SAME_TEXT: Self = Self(16);
    /// The statement means what one of the texts means that the use would run, literals included.
    pub const SAME_TREE: Self = Self(32);
    /// The statement shares most of its words with one of the use's texts, or fills in its holes; or it is one that the use
    /// holds and is not known to run.
    pub const OVERLAP: Self = Self(64);
    /// The text stood in a file that this or an earlier use of the session wrote.
    pub const FILE: Self = Self(128);
    /// The statement's answer came back in the use's result. The agent writes the result.
    pub const ECHO: Self = Self(256);
    /// No other use was open that could have run it.
    pub const SOLE: Self = Self(512);
    /// The process that called the model says itself that it ran the use: see [`Corroboration`]. The agent writes it.
    pub const TELEMETRY: Self = Self(1024);
    /// The request carries a tag that was made for it alone: see [`TagProof`].
    pub const TAG: Self = Self(2048);
    /// The process's environment names agent sessions, and none is the one that the model call names: this speaks against the
    /// link. The agent writes both, so it changes no grade.
    pub const OTHER_AGENT: Self = Self(4096);

    /// Every bit that there is.
    pub const ALL: Self = Self(8191);

    /// Bits of values that the session's processes choose.
    pub const OF_AGENT: Self = Self(1 | 2 | 256 | 1024 | 4096);

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

/// What the process that called a model tells of a use of a tool, by telemetry.
///
/// INVARIANT: made by [`Corroboration::received`] alone, which takes no other process's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corroboration {
    tool_call_id: String,
    owner: u64,
    says: Says,
}

/// What is told of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It ran as the model asked for it, as far as that is told.
    Same,
    /// Another command ran than the model asked for.
    Other,
}

impl Corroboration {
    /// Takes a word; `sender` is the exec of the process that sent it, as the kernel numbers it, `owner` that of the process
    /// that called the model.
    ///
    /// None if they are not one: a tool's command can send anything, but not as the program that called the model.
    #[must_use]
    pub fn received(
        sender: u64,
        owner: Option<u64>,
        tool_call_id: &str,
        says: Says,
    ) -> Option<Self> {
        (sender != 0 && owner == Some(sender)).then(|| Self {
            tool_call_id: tool_call_id.to_owned(),
            owner: sender,
            says,
        })
    }

    /// Tells whether it is about a use.
    #[must_use]
    pub fn is_about(&self, tool_call_id: &str, owner: Option<u64>) -> bool {
        self.is_named(tool_call_id) && owner == Some(self.owner)
    }

    /// Tells whether it is about a use of this id, whosever.
    #[must_use]
    pub fn is_named(&self, tool_call_id: &str) -> bool {
        self.tool_call_id == tool_call_id
    }

    /// Gives what is told.
    #[must_use]
    pub fn says(&self) -> Says {
        self.says
    }
}

/// Prompts whose digests the session's launcher handed over before its command began.
#[derive(Clone, Debug, Default)]
pub struct Launched(BTreeSet<[u8; 32]>);

/// Says that the session's launcher has handed over a prompt.
///
/// INVARIANT: made by [`Launched::attests`] alone. The supervisor opens no session for a process of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    prompt_key: String,
}

impl Launched {
    /// Takes the digests, as [`prompt_digest`] makes them.
    #[must_use]
    pub fn new(digests: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self(digests.into_iter().collect())
    }

    /// Attests a turn of a person's, if it has the text of such a prompt.
    #[must_use]
    pub fn attests(&self, prompt_key: &str, text: &str) -> Option<Attestation> {
        let is_known = !self.0.is_empty() && self.0.contains(&prompt_digest(text));
        is_known.then(|| Attestation {
            prompt_key: prompt_key.to_owned(),
        })
    }
}

impl Attestation {
    /// Gives the prompt's key.
    #[must_use]
    pub fn prompt_key(&self) -> &str {
        &self.prompt_key
    }
}

/// Digests a prompt: SHA-256 of its text, each line ended by a line feed alone, without blanks around it.
#[must_use]
pub fn prompt_digest(text: &str) -> [u8; 32] {
    let text = text.replace("\r\n", "\n");
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.trim().as_bytes()).as_ref());
    bytes
}

/// Who wrote a prompt, as far as it is known. A grade never says this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptOrigin {
    /// The request says so, and the agent wrote the request.
    Claimed,
    /// Whoever launched the session had handed it over before the agent began.
    Attested,
    /// A model wrote it, as the task of a sub-agent.
    Model,
}

impl PromptOrigin {
    /// Gives the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Attested => "attested",
            Self::Model => "model",
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
    fn telemetry_counts_from_the_process_that_called_the_model_alone() {
        let received = |sender, owner| Corroboration::received(sender, owner, "call", Says::Same);
        let own = received(7, Some(7)).unwrap();
        assert!(own.is_about("call", Some(7)));
        assert!(!own.is_about("call", Some(8)) && !own.is_about("call", None));
        assert!(!own.is_about("other", Some(7)));
        // A tool's command, a process that the kernel did not number, a model behind no TLS.
        assert_eq!(received(8, Some(7)), None);
        assert_eq!(received(0, Some(0)), None);
        assert_eq!(received(7, None), None);
    }

    #[test]
    fn a_prompt_is_attested_by_its_text_but_for_the_ends_of_lines() {
        let launched = Launched::new([prompt_digest("Count the orders.\nThen stop.\n")]);
        let attested = launched.attests("key", " Count the orders.\r\nThen stop.");
        assert_eq!(attested.as_ref().map(Attestation::prompt_key), Some("key"));
        for other in [
            "Count the orders. Then stop.",
            "Count the orders.\nThen stop",
            "",
        ] {
            assert_eq!(launched.attests("key", other), None, "{other}");
        }
        assert_eq!(Launched::default().attests("key", ""), None);
    }
}
