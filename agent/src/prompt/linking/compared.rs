//! How the texts of one use of a tool compare with a statement.

use super::candidate::Role;
use super::evidence::Evidence;
use super::ladder::{Candidate, Rung, Sql};
use super::link::Method;
use super::open::Call;

/// Share of a statement's words below which no text is an overlap: half for one that holds another, four of five else.
const LITTLE: f64 = 0.5;

/// A use, and how its texts compare with the statement.
pub(super) struct Compared<'c> {
    pub(super) call: &'c Call,
    pub(super) rung: Option<Rung>,
    pub(super) is_file: bool,
    /// What the use would do with the text that it is.
    pub(super) role: Role,
    pub(super) overlap: f64,
}

impl<'c> Compared<'c> {
    /// Finds the text of a use that the statement is, if there is one; no more than that is looked for.
    pub(super) fn same(call: &'c Call, sql: &Sql) -> Option<Self> {
        let same = |(text, is_file, role): (&Candidate, bool, Role)| {
            Some((text.same(sql)?, is_file, role))
        };
        // One that is run says more than a closer one that is held.
        let (rung, is_file, role) = call
            .held()
            .filter_map(same)
            .min_by_key(|(rung, _, role)| (std::cmp::Reverse(*role), *rung))?;
        Some(Self {
            call,
            rung: Some(rung),
            is_file,
            role,
            overlap: 1.0,
        })
    }

    pub(super) fn of(call: &'c Call, sql: &Sql) -> Self {
        let mut best = Self {
            call,
            rung: None,
            is_file: false,
            role: Role::Held,
            overlap: 0.0,
        };
        let mut whole = 1.0;
        for (text, is_file, _) in call.held() {
            // Of what shares little with a text, its statements share no more.
            if text.is_part() && whole < LITTLE {
                continue;
            }
            let found = text.compare(sql);
            if !text.is_part() {
                whole = found.overlap;
            }
            best.overlap = best.overlap.max(found.overlap);
            let is_closer = match (found.rung, best.rung) {
                (Some(found), Some(known)) => found < known,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if is_closer {
                (best.rung, best.is_file) = (found.rung, is_file);
            }
        }
        best
    }

    /// Gives the bit of the text: T0 and T1 are one, as the reference has it.
    pub(super) fn text(&self) -> Evidence {
        match self.rung {
            // What is only held says no more than much in common.
            Some(_) if self.role == Role::Held => Evidence::OVERLAP,
            Some(Rung::Bytes | Rung::Text) => Evidence::SAME_TEXT,
            Some(Rung::Tree) => Evidence::SAME_TREE,
            Some(Rung::Overlap) => Evidence::OVERLAP,
            None => Evidence::default(),
        }
    }

    /// Tells whether it is a text that the use would run.
    pub(super) fn is_run(&self) -> bool {
        self.role == Role::Run && self.rung.is_some_and(|rung| rung < Rung::Overlap)
    }

    pub(super) fn method(&self) -> Method {
        match self.rung {
            Some(Rung::Bytes | Rung::Text | Rung::Tree) if self.role == Role::Held => Method::Held,
            Some(Rung::Bytes) => Method::Bytes,
            Some(Rung::Text) => Method::Text,
            Some(Rung::Tree) => Method::Tree,
            Some(Rung::Overlap) => Method::Overlap,
            None => Method::Time,
        }
    }
}
