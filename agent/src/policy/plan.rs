//! What is made of each column of a statement's own result, planned from its text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entropy::few;
use super::transform::Transform;
use super::{LINEAGE_RULE, Reason, minted};
use crate::statement::{Column, Meaning, Output, OutputColumn, Path};

/// What is made of a result's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Nothing, and nothing is known of its columns.
    #[default]
    Open,
    /// Nothing, but the statement uses a masked column that it does not give: what is said of it may hold its values. The
    /// columns are compared with the result, where they are known.
    Used(Option<Arc<[Planned]>>),
    /// This, column by column; none may be masked, and the result is compared with them all the same.
    Columns(Arc<[Planned]>),
}

/// One column of a result, as the text tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Its name, if the text tells it.
    pub name: Option<String>,
    /// Where its values may come from; Snowflake names one of these for it, or none.
    pub origins: BTreeSet<Path>,
    /// What is made of its values.
    pub mask: Option<Transform>,
}

impl Plan {
    /// Makes the plan of a result; it is open if no column is masked.
    #[must_use]
    pub fn new(columns: Vec<Planned>) -> Self {
        if columns.iter().any(|column| column.mask.is_some()) {
            Self::Columns(columns.into())
        } else {
            Self::Open
        }
    }

    /// Gives the columns that the result is compared with, if they are known.
    pub(crate) fn columns(&self) -> Option<&[Planned]> {
        match self {
            Self::Open => None,
            Self::Used(columns) => columns.as_deref(),
            Self::Columns(columns) => Some(columns),
        }
    }

    fn masks(&self) -> impl Iterator<Item = Option<&Transform>> {
        let columns = self.columns().unwrap_or_default().iter();
        columns.map(|column| column.mask.as_ref())
    }

    /// Notes that the statement uses a masked column.
    pub(super) fn used(self) -> Self {
        match self {
            Self::Columns(columns) if columns.iter().all(|column| column.mask.is_none()) => {
                Self::Used(Some(columns))
            }
            Self::Open => Self::Used(None),
            Self::Used(_) | Self::Columns(_) => self,
        }
    }

    /// Tells whether no column is masked.
    #[must_use]
    pub fn masks_nothing(&self) -> bool {
        self.masks().all(|mask| mask.is_none())
    }

    /// Says what is made of each column, if any is masked.
    pub(super) fn told(&self) -> Vec<Option<String>> {
        if self.masks_nothing() {
            return Vec::new();
        }
        let told = |mask: Option<&Transform>| mask.map(ToString::to_string);
        self.masks().map(told).collect()
    }

    /// Tells whether nothing is known of the result's columns.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.columns().is_none()
    }

    /// Tells whether any column of the result is a credential that Snowflake mints.
    #[must_use]
    pub fn is_minted(&self) -> bool {
        let minted = Transform::of_minted();
        self.masks().any(|mask| mask == Some(&minted))
    }

    /// Tells whether what Snowflake says of the statement may hold values that are hidden.
    #[must_use]
    pub fn hides_words(&self) -> bool {
        match self {
            Self::Open => false,
            Self::Used(_) => true,
            Self::Columns(_) => !self.masks_nothing(),
        }
    }
}

/// A column by the object that it is in, whatever that is.
pub(super) type ColumnPath = (Path, String);

/// The columns that rules mask, and how.
pub(super) type Masks = BTreeMap<ColumnPath, ColumnMask>;

/// What rules make of a column, and which they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMask {
    /// What is made of its values.
    pub transform: Transform,
    /// The rules.
    pub rules: Vec<String>,
}

/// Plans a statement's result, of which rules mask some columns; `is_compared` if the result is to have the columns that the
/// text says though none is masked, since one that is masked may come where the text shows another.
///
/// # Errors
/// A masked value leaves the statement, and nobody can tell in which column.
pub(super) fn plan(meaning: &Meaning, masks: &Masks, is_compared: bool) -> Result<Plan, Reason> {
    minted::check(meaning)?;
    if masks.is_empty() && meaning.minted().is_empty() {
        return Ok(match meaning.output() {
            Output::Known(columns) if is_compared => {
                let planned = columns.iter().map(|column| planned(column, masks));
                Plan::Columns(planned.collect())
            }
            Output::Known(_) | Output::Unknown(_) => Plan::Open,
        });
    }
    let refused = |why: &str| Reason {
        rules: vec![LINEAGE_RULE.to_owned()],
        text: format!("policies mask a column that this reads, and {why}"),
    };
    let columns = match meaning.output() {
        Output::Known(columns) => columns,
        Output::Unknown(why) => {
            return Err(refused(&format!("its own result cannot be told: {why}")));
        }
    };
    let planned: Vec<Planned> = columns
        .iter()
        .map(|column| planned(column, masks))
        .collect();
    let is_seen = |(path, name): &ColumnPath| {
        let mut from = columns.iter().flat_map(|column| &column.from);
        from.any(|one| is_it(one, path, name))
    };
    if masks.keys().all(is_seen) {
        Ok(Plan::new(planned))
    } else {
        Err(refused(
            "its value leaves by another way than the columns of the result",
        ))
    }
}

fn is_it(column: &Column, path: &Path, name: &str) -> bool {
    column.object.path() == path && column.name.as_deref() == Some(name)
}

fn planned(column: &OutputColumn, masks: &Masks) -> Planned {
    let met = masks
        .iter()
        .filter(|((path, name), _)| column.from.iter().any(|one| is_it(one, path, name)))
        .map(|(_, mask)| &mask.transform);
    let is_minted = column.from.iter().any(Column::is_minted);
    let mask = match (Transform::join(met), is_minted) {
        (_, true) => Some(Transform::of_minted()),
        // Of what was made of a value nothing of it may be kept, and no hash hides one of few.
        (Some(mask), false) => {
            let is_hash = mask.hashes().next().is_some();
            let mut names = column.from.iter().filter_map(|one| one.name.as_deref());
            let is_of_few = is_hash && names.any(|name| few(name).is_some());
            let is_kept = column.is_bare && !is_of_few;
            Some(if is_kept { mask } else { Transform::Null })
        }
        (None, false) => None,
    };
    Planned {
        name: column.name.clone(),
        origins: column
            .from
            .iter()
            .map(|one| one.object.path().clone())
            .collect(),
        mask,
    }
}
