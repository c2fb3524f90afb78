//! What is made of one result column: a transform that was settled against the column's type.

use std::sync::Arc;

use super::detect::Tally;
use super::rows::Treatments;
use super::transform::{HASH_DIGITS, HASH_SIGNS, Keyed};
use crate::policy::Transform;
use crate::snowflake::column::ColumnType;

/// Why a result cannot be masked with certainty, so that it is withheld. Holds nothing of its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncertain {
    /// A value is not of the type that the result says.
    #[error("a value of the masked column {column} is not of its type; expected {expected}")]
    Value {
        /// Its place, from 1.
        column: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// What leaves has the form of a credential, where it cannot be hidden.
    #[error(
        "a chunk holds what has the form of a credential that Snowflake mints, of which the answer itself had none; leave out its column"
    )]
    Credential,
    /// The rows are not as the result says.
    #[error("the rows of a result with masked columns are not as it says: {0}")]
    Shape(String),
}

/// How much longer a cell may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    /// In bytes, whatever its length.
    pub(super) a_cell: u64,
    /// How many times its own length.
    pub(super) times: u64,
}

/// Tells how many times as long a JSON value may become whose leaves are masked so: each leaf is a sign and a comma at
/// least, and each quote in it takes four signs where the value stands in a cell.
fn times(mask: &Transform) -> u64 {
    let leaf = match mask {
        Transform::Hash(_) => u64::from(HASH_SIGNS) + 6,
        Transform::Fixed(text) => {
            u64::try_from(text.len()).map_or(u64::MAX, |length| length * 4 + 6)
        }
        Transform::Bucket(_) => 340,
        Transform::Null
        | Transform::Partial { .. }
        | Transform::Start(_)
        | Transform::Json(_)
        | Transform::Detect(_) => 4,
    };
    1 + leaf / 2
}

/// Gives what is made of columns in one delivery, and what counts what is found in it.
pub(super) fn for_delivery(columns: &Treatments) -> (Arc<Treatments>, Arc<Tally>) {
    let tally = Arc::default();
    let columns = columns.iter();
    let counting = columns.map(|column| Some(column.as_ref()?.counting(&tally)));
    (counting.collect(), tally)
}

/// What is made of one column.
#[derive(Clone, Debug)]
pub struct Treatment {
    /// The transform, as it is for this type.
    transform: Transform,
    kind: ColumnType,
    keyed: Arc<Keyed>,
    tally: Arc<Tally>,
}

impl Treatment {
    /// Settles a transform against a column's type.
    #[must_use]
    pub fn new(transform: &Transform, kind: ColumnType, keyed: Arc<Keyed>) -> Self {
        Self {
            transform: transform.on(kind),
            kind,
            keyed,
            tally: Arc::default(),
        }
    }

    /// Gives the same, counting what it finds in one delivery.
    fn counting(&self, tally: &Arc<Tally>) -> Self {
        Self {
            tally: Arc::clone(tally),
            ..self.clone()
        }
    }

    /// Gives what counts what it finds.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Gives what is done.
    #[must_use]
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// Gives the type of what it is done to.
    pub(super) fn kind(&self) -> ColumnType {
        self.kind
    }

    /// Gives the keys of hashes.
    pub(super) fn keyed(&self) -> &Keyed {
        &self.keyed
    }

    /// Tells whether values may stay as they are.
    pub(super) fn is_selective(&self) -> bool {
        matches!(self.transform, Transform::Detect(_))
    }

    /// Gives how many signs or bytes its values may have, given how many the column's own may have.
    #[must_use]
    pub fn length(&self, own: u64) -> u64 {
        match &self.transform {
            Transform::Hash(_) => own.max(u64::from(HASH_SIGNS)),
            Transform::Fixed(text) => own.max(u64::try_from(text.len()).unwrap_or(u64::MAX)),
            Transform::Null
            | Transform::Partial { .. }
            | Transform::Bucket(_)
            | Transform::Start(_)
            | Transform::Json(_)
            | Transform::Detect(_) => own,
        }
    }

    /// Tells how much longer than its own a cell of JSON may become.
    pub(super) fn growth(&self) -> Growth {
        let by = |a_cell| Growth { a_cell, times: 1 };
        match &self.transform {
            Transform::Null => by(4),
            Transform::Hash(_) => by(u64::from(HASH_SIGNS) + 2),
            // Each sign may need six to be written.
            Transform::Fixed(text) => {
                by(u64::try_from(text.len()).map_or(u64::MAX, |length| length * 6 + 2))
            }
            Transform::Partial { .. } => by(0),
            // A number of 64 bits with a floating point has 309 digits before the point at most.
            Transform::Bucket(_) => by(340),
            Transform::Start(_) => by(48),
            // What is found is longer than the `null` that takes the place of a number.
            Transform::Detect(_) => by(0),
            Transform::Json(places) => Growth {
                a_cell: 4,
                times: places
                    .iter()
                    .map(|(_, mask)| times(mask))
                    .max()
                    .unwrap_or(1),
            },
        }
    }

    /// Gives how many digits its numbers may have, given how many the column's own may have.
    #[must_use]
    pub fn precision(&self, own: u64) -> u64 {
        match &self.transform {
            Transform::Hash(_) => own.max(u64::from(HASH_DIGITS)),
            Transform::Null
            | Transform::Fixed(_)
            | Transform::Partial { .. }
            | Transform::Bucket(_)
            | Transform::Start(_)
            | Transform::Json(_)
            | Transform::Detect(_) => own,
        }
    }
}
