//! Which part of a request's history is new: agents send the whole conversation with each call.
//!
//! The hashes of a history's messages form a chain. Of each request the chain's end is kept, with where the conversation
//! stood; of the next one, the longest front whose chain is kept is known. Conversations need no names for that, so those
//! of sub-agents may take turns, and a fork or a repeat is found as what it is. What was forgotten is told again.

use std::collections::{HashMap, VecDeque};

use ring::digest::{Context, SHA256};

use super::call::{Sha256, TurnName};
use super::ids::Ids;
use super::kept::sha256;

/// Most ends of chains that are kept; about 200 bytes each.
const ENDS_MAX: usize = 4096;

/// Conversations of one session.
///
/// A turn's words and a tool's result are told once: who drops them should do so no earlier than the session ends, or make
/// do with their names.
#[derive(Debug)]
pub struct History {
    /// The session's name in keys of turns: Icecore's, which no agent chooses.
    session: String,
    /// The exec of the process whose requests are read now.
    speaker: Option<u64>,
    ends: HashMap<Sha256, Standing>,
    order: VecDeque<Sha256>,
}

/// Where a conversation stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Turns with words of a person.
    pub(super) turns: u32,
    /// The last of them.
    pub(super) last: Option<TurnName>,
}

/// A history against what is known of it.
pub(super) struct Against {
    /// Messages at the front that are known.
    pub(super) known: usize,
    /// Where the conversation stood after them.
    pub(super) standing: Standing,
    /// The end of the chain.
    end: Sha256,
}

impl History {
    /// Knows nothing yet; `session` is Icecore's id of the session.
    #[must_use]
    pub fn new(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            speaker: None,
            ends: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Says which process's requests are read from here on, by its exec: what another one has sent before is new in them, so that
    /// none tells a conversation in its own name and hides it from the one that has it.
    pub fn heard_from(&mut self, speaker: Option<u64>) {
        self.speaker = speaker;
    }

    /// Finds the longest known front of a history of an agent, which goes on from an answer if it says so; `form` is that in
    /// which its messages are read: in another they say something else, or nothing.
    pub(super) fn find(
        &self,
        form: &str,
        ids: &Ids,
        previous: Option<&str>,
        messages: &[Sha256],
    ) -> Against {
        let root = self.root(form, ids, previous);
        let began = previous.and_then(|id| self.ends.get(&answer(id))).cloned();
        let mut found = (0, began.unwrap_or_default());
        let mut end = root;
        for (number, message) in (1..).zip(messages) {
            end = joined(&end, message);
            if let Some(standing) = self.ends.get(&end) {
                found = (number, standing.clone());
            }
        }
        Against {
            known: found.0,
            standing: found.1,
            end,
        }
    }

    /// Keeps where a conversation stands after a request.
    pub(super) fn advance(&mut self, against: &Against, standing: Standing) {
        self.keep(against.end, standing);
    }

    /// Ties an answer's id to the request that it answers, so that a request that goes on from it is understood.
    ///
    /// Give it the last turn of that request: APIs that keep the history with the provider send new messages alone.
    pub fn answered(&mut self, response_id: &str, prompt: Option<&TurnName>) {
        let turns = prompt.map_or(0, |turn| turn.index.saturating_add(1));
        self.keep(
            answer(response_id),
            Standing {
                turns,
                last: prompt.cloned(),
            },
        );
    }

    /// Names a turn of an agent's: a sub-agent's is another's, though its words be the same.
    pub(super) fn name(&self, ids: &Ids, index: u32, text: &str) -> TurnName {
        let mut hash = Context::new(&SHA256);
        hash.update(b"icecore prompt\0");
        part(&mut hash, self.session.as_bytes());
        part(
            &mut hash,
            ids.session.as_deref().unwrap_or_default().as_bytes(),
        );
        part(
            &mut hash,
            ids.agent.as_deref().unwrap_or_default().as_bytes(),
        );
        hash.update(&index.to_be_bytes());
        hash.update(text.as_bytes());
        TurnName {
            index,
            key: sha256(hash),
        }
    }

    /// Where the chains of one agent's conversations begin.
    fn root(&self, form: &str, ids: &Ids, previous: Option<&str>) -> Sha256 {
        let mut hash = Context::new(&SHA256);
        hash.update(b"icecore history\0");
        part(&mut hash, form.as_bytes());
        hash.update(&[u8::from(self.speaker.is_some())]);
        hash.update(&self.speaker.unwrap_or_default().to_be_bytes());
        for id in [ids.session.as_deref(), ids.agent.as_deref(), previous] {
            hash.update(&[u8::from(id.is_some())]);
            part(&mut hash, id.unwrap_or_default().as_bytes());
        }
        sha256(hash)
    }

    fn keep(&mut self, end: Sha256, standing: Standing) {
        if self.ends.insert(end, standing).is_some() {
            return;
        }
        self.order.push_back(end);
        if self.order.len() > ENDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ends.remove(&oldest);
        }
    }
}

fn answer(response_id: &str) -> Sha256 {
    let mut hash = Context::new(&SHA256);
    hash.update(b"icecore answer\0");
    hash.update(response_id.as_bytes());
    sha256(hash)
}

fn joined(end: &Sha256, message: &Sha256) -> Sha256 {
    let mut hash = Context::new(&SHA256);
    hash.update(end);
    hash.update(message);
    sha256(hash)
}

fn part(hash: &mut Context, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(numbers: &[u8]) -> Vec<Sha256> {
        numbers.iter().map(|number| [*number; 32]).collect()
    }

    fn ids(agent: &str) -> Ids {
        Ids {
            agent: Some(agent.to_owned()),
            ..Ids::default()
        }
    }

    fn step(history: &mut History, ids: &Ids, numbers: &[u8]) -> usize {
        let against = history.find("messages", ids, None, &messages(numbers));
        history.advance(&against, Standing::default());
        against.known
    }

    #[test]
    fn only_the_end_of_a_history_is_new() {
        let mut history = History::new("s");
        let a = ids("a");
        assert_eq!(step(&mut history, &a, &[1]), 0);
        assert_eq!(step(&mut history, &a, &[1, 2, 3]), 1);
        assert_eq!(step(&mut history, &a, &[1, 2, 3, 4, 5]), 3);
        // Sent again.
        assert_eq!(step(&mut history, &a, &[1, 2, 3, 4, 5]), 5);
        // Gone back and on another way.
        assert_eq!(step(&mut history, &a, &[1, 2, 3, 6]), 3);
        assert_eq!(step(&mut history, &a, &[2, 1]), 0);
    }

    #[test]
    fn what_another_process_sent_or_in_another_form_is_new() {
        let mut history = History::new("s");
        let a = ids("a");
        let known =
            |history: &History, form| history.find(form, &a, None, &messages(&[1, 2])).known;
        history.heard_from(Some(9));
        assert_eq!(step(&mut history, &a, &[1, 2]), 0);
        assert_eq!(
            (known(&history, "messages"), known(&history, "vertex")),
            (2, 0)
        );
        for other in [Some(5), None] {
            history.heard_from(other);
            assert_eq!(known(&history, "messages"), 0, "{other:?}");
        }
    }

    #[test]
    fn agents_that_take_turns_are_kept_apart() {
        let mut history = History::new("s");
        let (a, b) = (ids("a"), ids("b"));
        assert_eq!(step(&mut history, &a, &[1]), 0);
        assert_eq!(step(&mut history, &b, &[1]), 0);
        assert_eq!(step(&mut history, &a, &[1, 2]), 1);
        assert_eq!(step(&mut history, &b, &[1, 3]), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut history = History::new("s");
        let many = u32::try_from(ENDS_MAX).unwrap() * 2;
        for number in 0..many {
            history.answered(&number.to_string(), None);
        }
        assert_eq!(
            (history.ends.len(), history.order.len()),
            (ENDS_MAX, ENDS_MAX)
        );
        assert!(history.ends.contains_key(&answer(&(many - 1).to_string())));
        assert!(!history.ends.contains_key(&answer("0")));
    }

    #[test]
    fn a_turn_is_named_by_session_agent_place_and_text() {
        let names = [
            ("s", "m", 0, "a"),
            ("t", "m", 0, "a"),
            ("s", "n", 0, "a"),
            ("s", "m", 1, "a"),
            ("s", "m", 0, "b"),
        ];
        let key = |(session, agent, index, text): &(&str, &str, u32, &str)| {
            History::new(session).name(&ids(agent), *index, text).key
        };
        let keys: std::collections::BTreeSet<Sha256> = names.iter().map(key).collect();
        assert_eq!(keys.len(), names.len());
    }
}
