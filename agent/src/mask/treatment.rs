//! What is made of one result column: a transform that was settled against the column's type.

use std::sync::Arc;

use super::kind::Kind;
use super::transform::{HASH_DIGITS, HASH_SIGNS, Keyed, Transform};

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
    /// The rows are not as the result says.
    #[error("the rows of a result with masked columns are not as it says: {0}")]
    Shape(String),
}

/// What is made of one column.
#[derive(Clone, Debug)]
pub struct Treatment {
    /// The transform, as it is for this type.
    transform: Transform,
    kind: Kind,
    keyed: Arc<Keyed>,
}

impl Treatment {
    /// Settles a transform against a column's type.
    #[must_use]
    pub fn new(transform: &Transform, kind: Kind, keyed: Arc<Keyed>) -> Self {
        Self {
            transform: transform.on(kind),
            kind,
            keyed,
        }
    }

    /// Gives what is done.
    #[must_use]
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// Gives the type of what it is done to.
    pub(super) fn kind(&self) -> Kind {
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
