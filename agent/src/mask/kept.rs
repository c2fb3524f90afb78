//! What a result's chunks are masked by, for another proxy, which makes the treatments again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::HashKeys;
use super::plan::shape;
use super::result::{ChunkForm, Masking, without_minted};
use super::treatment::Uncertain;
use crate::id::SessionId;
use crate::policy::Plan;
use crate::snowflake::column::ColumnType;

/// What the chunks of one result are masked by. It holds no key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptMasking {
    pub(super) plan: Plan,
    pub(super) types: Arc<[ColumnType]>,
    pub(super) form: ChunkForm,
    /// Whether credentials are hidden beside what the plan masks.
    pub(super) hides_minted: bool,
}

impl Masking {
    /// Gives what another proxy needs of it.
    #[must_use]
    pub fn kept(&self) -> &KeptMasking {
        &self.kept
    }

    /// Makes a session's treatments again.
    ///
    /// # Errors
    /// Nothing is masked, or other columns than there are.
    pub fn restore(
        kept: KeptMasking,
        keys: &HashKeys,
        session: SessionId,
    ) -> Result<Self, Uncertain> {
        let keyed = keys.of(session);
        let mut columns = kept.plan.treat(&kept.types, &keyed)?.columns;
        if kept.hides_minted {
            columns = without_minted(&columns, &kept.types, &keyed);
        }
        if columns.iter().all(Option::is_none) {
            return Err(shape("what is kept of them masks nothing"));
        }
        Ok(Self { columns, kept })
    }
}
