//! Credentials that Snowflake mints: hidden in what is answered, and refused elsewhere. No policy lifts that, nor does
//! `observe` (invariant 6).

use std::collections::BTreeMap;

use super::plan::{ColumnMask, ColumnPath, Plan, plan};
use super::transform::Transform;
use super::{MINTED_RULE, Reason};
use crate::statement::{Column, Meaning, Output, Path, Statement, Use};

/// What an agent reads in the place of a credential.
const TEXT: &str = "withheld by Icecore: a credential";

impl Transform {
    /// Gives what is made of a credential.
    #[must_use]
    pub fn of_minted() -> Self {
        Self::Fixed(TEXT.to_owned())
    }
}

/// Checks that each credential ends in a column of the statement's own result, where it can be hidden.
///
/// # Errors
/// One goes elsewhere, or nobody can tell in which column it is.
pub(super) fn check(meaning: &Meaning) -> Result<(), Reason> {
    for found in meaning.minted() {
        if found.how != Use::Project {
            let how = found.how.name();
            return Err(refused(
                &found.column,
                &format!("it does not end in the statement's own result as it is ({how})"),
            ));
        }
        let is_told = match meaning.output() {
            Output::Known(columns) => columns
                .iter()
                .any(|column| column.from.contains(&found.column)),
            Output::Unknown(_) => false,
        };
        if !is_told {
            return Err(refused(
                &found.column,
                "nobody can tell in which column of the result it is",
            ));
        }
    }
    Ok(())
}

/// Lists what gives the credentials, as the columns that are hidden.
pub(super) fn masks(meaning: &Meaning) -> impl Iterator<Item = (ColumnPath, ColumnMask)> {
    meaning.minted().iter().map(|found| {
        let mask = ColumnMask {
            transform: Transform::of_minted(),
            rules: vec![MINTED_RULE.to_owned()],
        };
        ((Path::default(), named(&found.column)), mask)
    })
}

fn named(column: &Column) -> String {
    column.object.path().names().join(".")
}

fn refused(column: &Column, why: &str) -> Reason {
    Reason {
        rules: vec![MINTED_RULE.to_owned()],
        text: format!(
            "{} gives a credential, and {why}; no policy can allow that",
            named(column)
        ),
    }
}

/// Plans what is hidden of a statement's result whatever policies say, or of those of several in one text.
///
/// # Errors
/// A credential would leave by another way; also where a text that could not be read names one.
pub(super) fn plans(statement: &Statement) -> Result<Vec<Plan>, Reason> {
    let parts = match statement.parts() {
        [] => std::slice::from_ref(statement),
        parts => parts,
    };
    let plan_of = |part: &Statement| {
        match part.meaning() {
        Some(meaning) => plan(meaning, &BTreeMap::new(), false),
        None if part.may_mint() => Err(Reason {
            rules: vec![MINTED_RULE.to_owned()],
            text: "the statement cannot be read, and names what gives a credential; no policy can allow that"
                .to_owned(),
        }),
        None => Ok(Plan::Open),
    }
    };
    parts.iter().map(plan_of).collect()
}
