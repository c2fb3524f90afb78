//! Whose word counts: telemetry about a use of a tool, put beside the use as the model asked for it.

use std::collections::VecDeque;

use super::{Report, command, front};
use crate::prompt::linking::evidence::{Corroboration, Says};

/// Most uses that are remembered, as many as are matched.
const USES_MAX: usize = 1024;

/// Most words about uses that are not known yet: a use is read on another thread than what is told of it.
const WAITING_MAX: usize = 256;

/// What became of one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is of the process that called the model.
    Counts(Corroboration),
    /// It is another process's, and says nothing.
    Stranger,
    /// Its use is not known, or not yet.
    Waits,
}

/// A use as the model asked for it.
#[derive(Debug)]
struct Known {
    id: String,
    owner: Option<u64>,
    command: Option<String>,
}

impl Known {
    /// Hears what a process says of it.
    fn hear(&self, report: &Report, sender: u64) -> Outcome {
        let is_other = match (&self.command, &report.command) {
            // A program may tell the front of a long command alone.
            (Some(asked), Some(told)) => !asked.starts_with(told.as_str()),
            (None, _) | (_, None) => false,
        };
        let says = if is_other { Says::Other } else { Says::Same };
        match Corroboration::received(sender, self.owner, &self.id, says) {
            Some(counts) => Outcome::Counts(counts),
            None => Outcome::Stranger,
        }
    }
}

/// The uses of one session, and what was told of some that are not known yet.
#[derive(Debug, Default)]
pub struct Heard {
    uses: VecDeque<Known>,
    waiting: VecDeque<(Report, u64)>,
}

impl Heard {
    /// Learns of a use that a model asked for; `owner` is the exec of the process that called it. Gives what was told of
    /// it before.
    pub fn asked(&mut self, id: &str, owner: Option<u64>, arguments: &[u8]) -> Vec<Corroboration> {
        let known = Known {
            id: id.to_owned(),
            owner,
            command: command(arguments).map(|text| front(&text).to_owned()),
        };
        let told = self
            .waiting
            .iter()
            .filter(|(one, _)| one.tool_call_id == id);
        let heard = told.filter_map(|(one, sender)| match known.hear(one, *sender) {
            Outcome::Counts(counts) => Some(counts),
            Outcome::Stranger | Outcome::Waits => None,
        });
        let heard = heard.collect();
        self.waiting.retain(|(one, _)| one.tool_call_id != id);
        self.uses.push_back(known);
        if self.uses.len() > USES_MAX {
            self.uses.pop_front();
        }
        heard
    }

    /// Takes a word of the process that has done this exec last, 0 where that is not known.
    pub fn told(&mut self, report: Report, sender: u64) -> Outcome {
        let own = self.uses.iter().rev();
        let heard = own
            .filter(|known| known.id == report.tool_call_id)
            .map(|known| known.hear(&report, sender));
        // Two conversations may have one id; the word is about the sender's own.
        let mut outcome = None;
        for one in heard {
            if matches!(one, Outcome::Counts(_)) {
                return one;
            }
            outcome = Some(one);
        }
        outcome.unwrap_or_else(|| {
            self.waiting.push_back((report, sender));
            if self.waiting.len() > WAITING_MAX {
                self.waiting.pop_front();
            }
            Outcome::Waits
        })
    }
}
