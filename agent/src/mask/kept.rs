//! What a result's chunks are masked by, for another proxy, which makes the treatments again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::HashKeys;
use super::plan::shape;
use super::result::{ChunkForm, Masking};
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
    /// The plan masks nothing, or other columns than there are.
    pub fn restore(
        kept: KeptMasking,
        keys: &HashKeys,
        session: SessionId,
    ) -> Result<Self, Uncertain> {
        if kept.plan.masks_nothing() {
            return Err(shape("a plan that masks nothing is kept for them"));
        }
        let settled = kept.plan.treat(&kept.types, &keys.of(session))?;
        Ok(Self {
            columns: settled.columns,
            kept,
        })
    }
}
