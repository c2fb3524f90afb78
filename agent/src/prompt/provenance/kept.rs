//! Words that wait in memory for a statement that is linked to them; the oldest make room.
//!
//! What was given out stays here: it is given out again where it could not be recorded.

use std::collections::{BTreeMap, VecDeque};

use super::fact::{ArgsFact, PromptFact, ResultSeen, UseFact};

/// Most turns, and most bytes of them.
const TURNS_MAX: usize = 1024;
const TURNS_MAX_BYTES: usize = 4 << 20;

/// Most uses of tools, as many as are matched, and most bytes of their arguments.
const USES_MAX: usize = 1024;
const USES_MAX_BYTES: usize = 8 << 20;

/// Turns by their keys.
#[derive(Debug, Default)]
pub(super) struct Turns {
    all: BTreeMap<String, Kept>,
    order: VecDeque<String>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    prompt: PromptFact,
    leaving: Leaving,
}

/// Whether words leave memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// They do not: nothing might be kept when they were seen.
    Never,
    /// Once a statement is linked to them.
    Linked,
    /// They did.
    Given,
}

impl Leaving {
    /// Lets words leave that may, once.
    fn give(&mut self) -> bool {
        let is_due = *self == Self::Linked;
        if is_due {
            *self = Self::Given;
        }
        is_due
    }

    /// Takes words back that were not recorded.
    fn take_back(&mut self) {
        if *self == Self::Given {
            *self = Self::Linked;
        }
    }
}

impl Turns {
    /// Keeps one; one that is there already stays as it is. Tells whether it is new.
    pub(super) fn keep(&mut self, prompt: PromptFact, leaving: Leaving) -> bool {
        if self.all.contains_key(&prompt.key) {
            return false;
        }
        self.bytes += prompt.text.len();
        self.order.push_back(prompt.key.clone());
        self.all
            .insert(prompt.key.clone(), Kept { prompt, leaving });
        while self.order.len() > TURNS_MAX || self.bytes > TURNS_MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else {
                return true;
            };
            if let Some(old) = self.all.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(old.prompt.text.len());
            }
        }
        true
    }

    /// Gives a turn's words.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.all.get(key).map(|kept| kept.prompt.text.as_str())
    }

    /// Gives a turn's words if they may leave memory.
    pub(super) fn words(&self, key: &str) -> Option<&str> {
        let kept = self.all.get(key)?;
        (kept.leaving != Leaving::Never).then_some(kept.prompt.text.as_str())
    }

    /// Gives the person's turn behind one that a model wrote.
    pub(super) fn root(&self, key: &str) -> Option<&str> {
        self.all
            .get(key)
            .and_then(|kept| kept.prompt.root.as_deref())
    }

    /// Gives a turn out, once.
    pub(super) fn give(&mut self, key: &str) -> Option<PromptFact> {
        let kept = self.all.get_mut(key)?;
        kept.leaving.give().then(|| kept.prompt.clone())
    }

    /// Takes a turn back that was not recorded.
    pub(super) fn take_back(&mut self, key: &str) {
        if let Some(kept) = self.all.get_mut(key) {
            kept.leaving.take_back();
        }
    }
}

/// A use that is remembered.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) fact: UseFact,
    /// The exec of the process that asked for it.
    pub(super) owner: Option<u64>,
    /// Its arguments; none where they may not leave memory.
    pub(super) args: Option<ArgsFact>,
    pub(super) leaving: Leaving,
}

/// Uses by their ids and the model calls that asked for them: not all providers' ids are unique.
#[derive(Debug, Default)]
pub(super) struct Uses {
    all: BTreeMap<(String, String), Use>,
    order: VecDeque<(String, String)>,
    bytes: usize,
}

impl Uses {
    /// Keeps one; a later one of the same id and call takes its place.
    pub(super) fn keep(&mut self, kept: Use) {
        self.bytes += size(&kept);
        let key = (kept.fact.id.clone(), kept.fact.call.clone());
        match self.all.insert(key.clone(), kept) {
            Some(before) => self.bytes = self.bytes.saturating_sub(size(&before)),
            None => self.order.push_back(key),
        }
        while self.order.len() > USES_MAX || self.bytes > USES_MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(old) = self.all.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(size(&old));
            }
        }
    }

    /// Notes a result that the process gives which had asked for the use, the first one of each use of this id; gives these
    /// uses with it.
    pub(super) fn result(
        &mut self,
        id: &str,
        owner: Option<u64>,
        seen: ResultSeen,
    ) -> Vec<UseFact> {
        let uses = self.all.range_mut((id.to_owned(), String::new())..);
        let own = uses.take_while(|((known, _), _)| known == id);
        let open = own.filter(|(_, kept)| kept.owner == owner && kept.fact.result.is_none());
        let noted = open.map(|(_, kept)| {
            kept.fact.result = Some(seen);
            kept.fact.clone()
        });
        noted.collect()
    }

    /// Gives a use's arguments out, once.
    pub(super) fn give(&mut self, call: &str, id: &str) -> Option<ArgsFact> {
        let kept = self.all.get_mut(&(id.to_owned(), call.to_owned()))?;
        let args = kept.args.as_ref()?;
        kept.leaving.give().then(|| args.clone())
    }

    /// Takes arguments back that were not recorded.
    pub(super) fn take_back(&mut self, call: &str, id: &str) {
        if let Some(kept) = self.all.get_mut(&(id.to_owned(), call.to_owned())) {
            kept.leaving.take_back();
        }
    }
}

fn size(kept: &Use) -> usize {
    kept.args.as_ref().map_or(0, |args| args.args.len())
}
