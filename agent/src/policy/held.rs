//! What waits for people: a statement that policies would allow if some forbids were lifted.

use std::collections::BTreeSet;

use super::{Reason, Refusal};
use crate::statement::Statement;

/// A rule that forbids until somebody says yes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// The rule.
    pub rule: String,
    /// The group that is asked.
    pub group: String,
    /// What the rule's author says of it.
    pub reason: Option<String>,
    /// Whether a statement may wait inside a transaction, whose locks stay all the while.
    pub in_transaction: bool,
}

/// A statement that waits, with every rule that holds it: of several in one text, those of all.
#[derive(Debug)]
pub struct Held {
    pub(super) statement: Statement,
    // INVARIANT: not empty.
    pub(super) holds: BTreeSet<Hold>,
}

impl Held {
    /// Gives the statement, which may not run.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Lists the rules that hold it, in their order.
    #[must_use]
    pub fn holds(&self) -> &BTreeSet<Hold> {
        &self.holds
    }

    /// Tells whether it may wait inside a transaction: if each rule that holds it says so.
    #[must_use]
    pub fn waits_in_transaction(&self) -> bool {
        self.holds.iter().all(|hold| hold.in_transaction)
    }

    /// Refuses it after all, in the name of the rules that hold it.
    #[must_use]
    pub fn refused(self, why: String) -> Refusal {
        let rules = self.holds.into_iter().map(|hold| hold.rule);
        Refusal {
            statement: self.statement,
            reason: Reason {
                rules: rules.collect(),
                text: why,
            },
        }
    }
}

/// Says for whom a statement is held, and why.
pub(super) fn told(holds: &BTreeSet<Hold>) -> String {
    let told = |hold: &Hold| match &hold.reason {
        Some(reason) => format!("{reason} (a yes of `{}`)", hold.group),
        None => format!("a yes of `{}`", hold.group),
    };
    let told: Vec<String> = holds.iter().map(told).collect();
    told.join("; ")
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
