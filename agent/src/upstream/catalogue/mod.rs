//! What an account's own catalogue says of tables and views, asked through a login of Icecore's own.
//!
//! The login is opened as those are that ask, by the same user, role and credential, so that it sees what they see. No
//! statement of an agent's ever runs in it.

mod rows;
mod sql;

pub(super) use sql::samples;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::standing::ask;
use super::{Account, Headers, Login, LoginOutcome, Upstream, UpstreamError};
use crate::snowflake::login::LoginRequest;
use crate::statement::{Path, RelationFacts};

/// Why something of what was asked for is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// The catalogue, or a part of it, could not be asked.
    #[error(
        "Icecore could not read the account's catalogue; whoever runs Icecore finds why in its log"
    )]
    Unread,
    /// Nothing shows whether tags are seen.
    #[error(
        "the account has no `tag_canary` in Icecore's config, without which tags count as unknown"
    )]
    NoCanary,
    /// Tags are not seen.
    #[error(
        "Icecore's login does not see the account's `tag_canary`, so that tags count as unknown"
    )]
    UnseenCanary,
}

/// What is known of the relations that were asked for.
#[derive(Debug, Default)]
pub struct Described {
    /// Those that can be seen.
    pub relations: BTreeMap<Path, RelationFacts>,
    /// What may be missing.
    pub gap: Option<Gap>,
}

/// The login by which an account's catalogue is asked; it is opened at the first question, and again once it is over.
#[derive(Default)]
pub struct Describer {
    login: Option<Arc<Login>>,
}

impl Describer {
    /// Asks what relations of whole paths are; those that cannot be seen are left out.
    ///
    /// Columns have their tags only if the account's canary shows that this login sees tags at all.
    ///
    /// # Errors
    /// No login, or no usable answer; nothing is then known of any of them.
    pub async fn describe(
        &mut self,
        upstream: &Upstream,
        account: &Account,
        paths: &[Path],
        with_tags: bool,
        now: DateTime<Utc>,
    ) -> Result<Described, UpstreamError> {
        let held = self.login.take().filter(|login| !login.is_over());
        if let Some(login) = held {
            match look(upstream, &login, account, paths, with_tags).await {
                Err(UpstreamError::Expired) => {}
                found => {
                    self.login = Some(login);
                    return found;
                }
            }
        }
        let login = open(upstream, account, now).await?;
        let found = look(upstream, &login, account, paths, with_tags).await;
        self.login = Some(login);
        found
    }

    /// Closes the login at Snowflake, if one is open.
    ///
    /// # Errors
    /// No usable answer; the login then ends by its own life.
    pub async fn close(&mut self, upstream: &Upstream) -> Result<(), UpstreamError> {
        match self.login.take() {
            Some(login) => login.close(upstream).await.map(drop),
            None => Ok(()),
        }
    }
}

async fn open(
    upstream: &Upstream,
    account: &Account,
    now: DateTime<Utc>,
) -> Result<Arc<Login>, UpstreamError> {
    let request =
        LoginRequest::own(None).map_err(|error| UpstreamError::Request(error.to_string()))?;
    let headers = Headers::own();
    let refused = |found: String| UpstreamError::Broke {
        host: account.host.clone(),
        cause: format!("expected a login for the catalogue, found {found}"),
    };
    match Login::open(upstream, account, &request, None, &headers, now).await? {
        LoginOutcome::Granted(login, _, _) => {
            tracing::info!(account = account.name, "login for the catalogue opened");
            Ok(login)
        }
        LoginOutcome::Unlike(unlike) => Err(refused(unlike.to_string())),
        LoginOutcome::Refused(answered) => {
            let words = answered.answer().message().unwrap_or_default();
            Err(refused(format!("a refusal: {words}")))
        }
    }
}

/// Asks for relations, one database after the other, and for the tags of those that are there.
async fn look(
    upstream: &Upstream,
    login: &Arc<Login>,
    account: &Account,
    paths: &[Path],
    with_tags: bool,
) -> Result<Described, UpstreamError> {
    let unreadable = |cause: String| UpstreamError::Broke {
        host: account.host.clone(),
        cause,
    };
    let mut described = Described::default();
    for (database, names) in sql::by_database(paths) {
        let text = sql::relations(database, &names);
        let answered = match ask(upstream, login, &text).await {
            Ok(answered) => answered,
            // A database that is not there, or that the role may not see, is an error; what is elsewhere may be known.
            Err(UpstreamError::Broke { cause, .. }) => {
                tracing::warn!(
                    account = account.name,
                    "a database's catalogue could not be asked"
                );
                tracing::debug!(%cause, database, "a database's catalogue could not be asked");
                described.gap = Some(Gap::Unread);
                continue;
            }
            Err(error) => return Err(error),
        };
        let rows = rows::read(answered.answer()).map_err(unreadable)?;
        let relations = rows::relations(database, rows);
        described.relations.extend(relations);
    }
    if !with_tags || described.relations.is_empty() {
        return Ok(described);
    }
    let Some(canary) = &account.tag_canary else {
        described.gap.get_or_insert(Gap::NoCanary);
        return Ok(described);
    };
    let paths: Vec<Path> = described.relations.keys().cloned().collect();
    let is_seen = match ask(upstream, login, &sql::tags(canary, &paths)).await {
        Ok(answered) => {
            let rows = rows::read(answered.answer()).map_err(unreadable)?;
            rows::add_tags(&mut described.relations, canary, rows)
        }
        Err(UpstreamError::Broke { cause, .. }) => {
            tracing::debug!(%cause, "tags could not be asked");
            false
        }
        Err(error) => return Err(error),
    };
    if !is_seen {
        tracing::warn!(
            account = account.name,
            "the tag canary was not seen: tags count as unknown"
        );
        described.gap.get_or_insert(Gap::UnseenCanary);
    }
    Ok(described)
}
