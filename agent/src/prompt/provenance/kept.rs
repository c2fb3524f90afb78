//! Words that wait in memory for a statement that is linked to them; the oldest make room.

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
    is_given: bool,
}

impl Turns {
    /// Keeps one; one that is there already stays as it is. Tells whether it is new.
    pub(super) fn keep(&mut self, prompt: PromptFact, is_given: bool) -> bool {
        if self.all.contains_key(&prompt.key) {
            return false;
        }
        self.bytes += prompt.text.len();
        self.order.push_back(prompt.key.clone());
        self.all
            .insert(prompt.key.clone(), Kept { prompt, is_given });
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

    /// Gives the person's turn behind one that a model wrote.
    pub(super) fn root(&self, key: &str) -> Option<&str> {
        self.all
            .get(key)
            .and_then(|kept| kept.prompt.root.as_deref())
    }

    /// Gives a turn out, once.
    pub(super) fn give(&mut self, key: &str) -> Option<PromptFact> {
        let kept = self.all.get_mut(key).filter(|kept| !kept.is_given)?;
        kept.is_given = true;
        Some(kept.prompt.clone())
    }
}

/// A use that is remembered.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) fact: UseFact,
    /// The exec of the process that asked for it.
    pub(super) owner: Option<u64>,
    /// Its arguments, until they were given out; none where they may not be.
    pub(super) args: Option<ArgsFact>,
}

/// Uses by their ids.
#[derive(Debug, Default)]
pub(super) struct Uses {
    all: BTreeMap<String, Use>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Uses {
    /// Keeps one; a later one of the same id takes its place.
    pub(super) fn keep(&mut self, kept: Use) {
        self.bytes += size(&kept);
        let id = kept.fact.id.clone();
        match self.all.insert(id.clone(), kept) {
            Some(before) => self.bytes = self.bytes.saturating_sub(size(&before)),
            None => self.order.push_back(id),
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

    /// Notes a result that the process gives which had asked for the use, the first one; gives the use with it.
    pub(super) fn result(
        &mut self,
        id: &str,
        owner: Option<u64>,
        seen: ResultSeen,
    ) -> Option<UseFact> {
        let kept = self
            .all
            .get_mut(id)
            .filter(|kept| kept.owner == owner && kept.fact.result.is_none())?;
        kept.fact.result = Some(seen);
        Some(kept.fact.clone())
    }

    /// Gives a use's arguments out, once.
    pub(super) fn give(&mut self, id: &str) -> Option<ArgsFact> {
        let args = self.all.get_mut(id)?.args.take()?;
        self.bytes = self.bytes.saturating_sub(args.args.len());
        Some(args)
    }
}

fn size(kept: &Use) -> usize {
    kept.args.as_ref().map_or(0, |args| args.args.len())
}
