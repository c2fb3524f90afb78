//! What a held statement means, by where Snowflake says that its login is and all that the account says of its names.

use std::collections::BTreeMap;

use super::context::Turn;
use super::reading::{Asking, Reading};
use super::untold::Untold;
use crate::approval::{CanonicalError, Meaning, Place};
use crate::record::RecordError;
use crate::session::Stages;
use crate::snowflake::current::Current;
use crate::snowflake::query::{Api, QueryRequest};
use crate::upstream::{self, UpstreamError};

/// Why nobody can tell what a statement means.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unclear {
    #[error("Snowflake could not be asked where the login is: {0}")]
    Place(#[from] UpstreamError),
    #[error("what the account says cannot be written down: {0}")]
    Form(#[from] CanonicalError),
    #[error("{0}")]
    Record(#[from] RecordError),
}

/// A statement read by all that is known, and what it means.
pub(super) struct Whole<'a> {
    pub(super) reading: Reading<'a>,
    pub(super) meaning: Meaning,
    /// Why it is not held, whatever people would say.
    pub(super) untold: Option<Untold>,
    pub(super) in_transaction: bool,
}

impl Stages {
    /// Reads a statement that waited in another proxy, which has seen what this one has not: by where Snowflake says that
    /// its login is, if it says so.
    ///
    /// # Errors
    /// An earlier result that it scans could not be recorded.
    pub async fn understand_again<'a>(
        &self,
        asking: Asking<'a>,
    ) -> Result<Reading<'a>, RecordError> {
        match self.read_whole(asking, asking.context.share().await).await {
            Ok(whole) => Ok(whole.reading),
            Err(Unclear::Record(error)) => Err(error),
            Err(unclear) => {
                tracing::warn!(login = %asking.to.login, %unclear, "a statement that waited is read by what is known here");
                self.understand(asking).await
            }
        }
    }

    /// Reads a statement by where Snowflake says that its login is, and by all that the account says of its names.
    pub(super) async fn read_whole<'a>(
        &self,
        asking: Asking<'a>,
        turn: Turn<'a>,
    ) -> Result<Whole<'a>, Unclear> {
        let place = match asking.request.api() {
            // Each request of the SQL API is a session of its own at Snowflake, which its members describe.
            Some(_) => Place {
                user: asking.account.user.clone(),
                role: Some(asking.account.role.clone()),
                warehouse: asking.account.warehouse.clone(),
                database: named(asking.request, "database"),
                schema: named(asking.request, "schema"),
                ..Place::default()
            },
            None => upstream::place(asking.way.upstream, asking.way.login).await?,
        };
        let current = Current::plain(
            [&place.database, &place.schema],
            [&place.role, &place.warehouse],
        );
        let reading = self.understand_at(asking, turn, current).await?;
        let in_transaction = place.in_transaction;
        let members = asking.request.meaning().filter(|(name, _)| !is_text(name));
        let mut members: BTreeMap<String, String> = members
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let address = asking.request.api().map(Api::members).unwrap_or_default();
        if !address.is_empty() {
            members.insert("address".to_owned(), address);
        }
        let read = (&reading.statement, &reading.effect);
        let known = (&reading.catalogue, &reading.unseen);
        let untold = Untold::of(read, known, asking.context);
        let catalogue = (asking.account.name.as_str(), &reading.catalogue);
        let policies = reading.bundle.sha256();
        let meaning = Meaning::of(&reading.statement, catalogue, place, members, &policies)?;
        Ok(Whole {
            reading,
            meaning,
            untold,
            in_transaction,
        })
    }
}

/// Gives the database or schema that a request of the SQL API names, in which Snowflake runs it.
fn named(request: &QueryRequest, member: &str) -> Option<String> {
    let (_, value) = request.meaning().find(|(name, _)| *name == member)?;
    serde_json::from_str(value).ok()
}

/// Tells whether a member of a request is the statement's text, which a meaning has as it is.
fn is_text(member: &str) -> bool {
    matches!(member, "sqlText" | "statement")
}
