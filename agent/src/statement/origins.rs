//! Where the rows of a statement's result come from, as far as a later statement that scans the result must know it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Statement;
use super::kind::{Action, Kind};
use super::meaning::{Column, Output, OutputColumn};
use super::object::{Class, Object};
use crate::snowflake::route::QueryId;

/// Tells where an earlier result's rows come from; nothing if that is not known.
pub type Recall<'a> = dyn Fn(QueryId) -> Option<Arc<Origins>> + 'a;

/// Where a result's rows come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origins {
    /// Its columns, in order.
    pub(super) columns: Vec<OutputColumn>,
    /// What the statement read: to scan its result is to read that once more.
    pub(super) reads: BTreeSet<Object>,
}

impl Origins {
    /// Tells where one statement's rows come from; `None` if its text does not tell that whole.
    #[must_use]
    pub fn of(statement: &Statement) -> Option<Self> {
        let meaning = statement.meaning()?;
        if !meaning.doubts().is_empty() {
            return None;
        }
        let columns = match (statement.kind(), meaning.output()) {
            (Kind::Query, Output::Known(columns)) => columns.clone(),
            // What they list is no column's value, under names that the text does not tell.
            (Kind::Show | Kind::List, _) if meaning.columns().is_empty() => {
                vec![OutputColumn::default()]
            }
            // Their result counts the rows.
            (Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge, _) => {
                vec![OutputColumn::default()]
            }
            (_, _) => return None,
        };
        let accesses = meaning.accesses().iter();
        let reads = accesses
            .filter(|access| access.action == Action::Read)
            .map(|access| access.object.clone());
        let origins = Self {
            columns,
            reads: reads.collect(),
        };
        // What nobody knew may be a view, whose own columns say nothing of what it shows.
        let is_known = |object: &Object| object.is_settled() && object.class() != Class::Relation;
        let is_whole = origins.objects().all(is_known);
        is_whole.then_some(origins)
    }

    /// What comes from a result that is a credential, or holds one: nothing that may be scanned.
    #[must_use]
    pub fn minted() -> Self {
        let from = [Column::minted_by("RESULT_SCAN")].into();
        let column = OutputColumn {
            from,
            ..OutputColumn::default()
        };
        Self {
            columns: vec![column],
            reads: BTreeSet::new(),
        }
    }

    /// Counts its columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Lists every object that it names.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        let from = self.columns.iter().flat_map(|column| &column.from);
        self.reads.iter().chain(from.map(|column| &column.object))
    }
}
