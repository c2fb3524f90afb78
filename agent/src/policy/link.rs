//! Where a statement comes from, as policies read it: `context.link`.
//!
//! It rests on what agents themselves show of their calls of models, so it may make an answer stricter and never milder: a policy
//! that permits or masks must not read it, which is checked when policies are loaded.

use cedar_policy::{Effect, Policy};

use super::reads::Reads;

/// Grades with their ranks, the surest first: policies compare ranks, people read letters.
const GRADES: [(&str, i64); 6] = [("A", 5), ("B", 4), ("C", 3), ("D", 2), ("E", 1), ("U", 0)];

/// How sure it is which call of a model a statement comes from, as far as it is known when it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkGrade {
    /// `A` to `E`, or `U` where nothing is known.
    pub(super) grade: &'static str,
    /// 5 of `A` to 1 of `E`; 0 of `U`.
    pub(super) rank: i64,
    /// Whether uses of tools were open that carried SQL, and none of it is like the statement's.
    pub(super) is_mismatch: bool,
}

impl LinkGrade {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        grade: "U",
        rank: 0,
        is_mismatch: false,
    };

    /// It was not known in time: it may be none of what the agent's tools carried, and doubt refuses.
    pub const LATE: Self = Self {
        is_mismatch: true,
        ..Self::UNKNOWN
    };

    /// Gives what a grade's letter means; none for what is no grade.
    #[must_use]
    pub fn of(letter: &str, is_mismatch: bool) -> Option<Self> {
        let (grade, rank) = GRADES.into_iter().find(|(grade, _)| *grade == letter)?;
        Some(Self {
            grade,
            rank,
            is_mismatch,
        })
    }
}

/// Says why a policy may not read where statements come from, if it reads it and may not.
pub(super) fn misread(policy: &Policy) -> Option<String> {
    if !Reads::of(policy).link {
        return None;
    }
    let expected = "expected `context.link` only in a forbid that refuses or holds, since agents write what it is made of";
    if policy.effect() == Effect::Permit {
        return Some(format!("{expected}, found it in a permit"));
    }
    let remedy = policy.annotation("remedy")?;
    let holds = remedy.starts_with("hold:");
    (!holds).then(|| format!("{expected}, found it in one that masks"))
}
