//! What a statement of the corpus has beside its text: values that are bound, and results of statements before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use icecore::snowflake::binds::Binds;
use icecore::snowflake::query::QueryRequest;
use icecore::snowflake::route::QueryId;
use icecore::statement::{Catalogue, Origins, Scope, Statement};
use serde_json::{Map, Value, json};

/// The bound texts of one request.
pub(crate) fn bound(texts: &[String]) -> Result<Binds> {
    let numbered = (1..).zip(texts).map(|(number, text): (usize, _)| {
        (number.to_string(), json!({"type": "TEXT", "value": text}))
    });
    let bindings: Map<String, Value> = numbered.collect();
    let body = json!({"sqlText": "", "bindings": bindings}).to_string();
    Ok(QueryRequest::read(body.as_bytes(), 0)?.binds().clone())
}

/// What one login's statements gave so far: the first is called `01bf3a2e-0000-4a52-9f0b-000000000001`.
#[derive(Default)]
pub(crate) struct Results(BTreeMap<QueryId, Option<Arc<Origins>>>);

impl Results {
    /// Adds the result of a statement.
    pub(crate) fn add(&mut self, statement: &Statement) {
        let id = format!("01bf3a2e-0000-4a52-9f0b-{:012}", self.0.len() + 1);
        let origins = Origins::of(statement).map(Arc::new);
        self.0.extend(QueryId::parse(&id).map(|id| (id, origins)));
    }

    /// Reads by what is known of them.
    pub(crate) fn read(
        &self,
        catalogue: &Catalogue,
        binds: &Binds,
        read: impl FnOnce(&Scope<'_>) -> Statement,
    ) -> Statement {
        let knows = |id| self.0.contains_key(&id);
        let recall = |id| self.0.get(&id).cloned().flatten();
        let scope = Scope::new(&knows).recalling(&recall);
        read(&scope.binding(binds).with(catalogue))
    }
}
