//! Statements that read the result of an earlier one: what they scan is compared before they are judged.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::query::{QueryRef, Standing};
use super::{Recipient, Way};
use crate::record::RecordError;
use crate::session::Stages;
use crate::snowflake::query::QueryRequest;
use crate::snowflake::route::QueryId;
use crate::statement::{Catalogue, Origins, Scope, Statement, Texts};

/// Most results that one request waits for, so that it comes to an end.
const SCANS_MAX: usize = 8;

impl Stages {
    /// Reads a request's text in the scope of its session, by what is known of the account.
    ///
    /// A result of the session that nobody has compared with what was judged is compared first: a driver may know that
    /// its statement has ended before Icecore looked; that takes one of the session's `fetches`. One that cannot be
    /// compared is no result of the session.
    ///
    /// # Errors
    /// The comparison could not be recorded.
    pub async fn read(
        &self,
        way: Way<'_>,
        to: &Recipient<'_>,
        request: &QueryRequest,
        (catalogue, texts): (&Catalogue, &Texts),
        fetches: &Semaphore,
    ) -> Result<Statement, RecordError> {
        let mut waited = HashSet::new();
        loop {
            let (statement, early) = self.read_as_known(to, request, catalogue, texts);
            let Some(query_id) = early else {
                return Ok(statement);
            };
            if waited.len() == SCANS_MAX || !waited.insert(query_id) {
                return Ok(statement);
            }
            self.wait_compared(way, to, query_id, fetches).await?;
        }
    }

    /// Reads a request's text; names a result of the session that it scans and nobody has compared.
    fn read_as_known(
        &self,
        to: &Recipient<'_>,
        request: &QueryRequest,
        catalogue: &Catalogue,
        texts: &Texts,
    ) -> (Statement, Option<QueryId>) {
        let early = Cell::new(None);
        let knows = |query_id| {
            let query = QueryRef {
                query_id,
                ..to.query()
            };
            let sent = self.registry.find(query);
            match sent.map(|sent| sent.standing) {
                Some(Standing::Compared(_)) => true,
                Some(Standing::Uncompared(_)) => {
                    early.set(Some(query_id));
                    false
                }
                None | Some(Standing::Unnamed | Standing::Withheld) => false,
            }
        };
        let recall = |query_id| {
            let query = QueryRef {
                query_id,
                ..to.query()
            };
            match self.registry.find(query).map(|sent| sent.standing) {
                Some(Standing::Compared(known)) if known.earlier.plan.is_minted() => {
                    Some(Arc::new(Origins::minted()))
                }
                Some(_) | None => self.registry.origins(query),
            }
        };
        let scope = Scope::new(&knows)
            .recalling(&recall)
            .binding(request.binds())
            .with(catalogue)
            .once(texts);
        let statement = Statement::read_all(request.sql_text(), request.count(), &scope);
        (statement, early.get())
    }
}
