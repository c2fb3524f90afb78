//! What may be erased, and what a hold keeps: from the metadata of a store and what stands beside it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::archive::{Archive, ReadError};
use crate::id::SessionId;
use crate::record::chain::keys::public_key;
use crate::record::encryption::{Hold, KeyName, Month, Places, Purpose, Vault, in_force, keeps};
use crate::record::entry::Entry;
use crate::record::event::code;
use crate::record::schema::TABLES;

/// How long nothing came of a session or chain that was not closed until it counts as over: its host is gone.
const SILENT: TimeDelta = TimeDelta::hours(24);

/// What is to be erased.
#[derive(Clone, Debug)]
pub enum Erased {
    /// The rows of a session's results.
    Session(SessionId),
    /// The content of a chain in a month, its prompts among it.
    Content {
        /// The chain.
        chain: String,
        /// The month.
        month: Month,
    },
    /// The prompts and arguments of tools of a chain in a month.
    Prompts {
        /// The chain.
        chain: String,
        /// The month.
        month: Month,
    },
}

impl Erased {
    fn is_of(&self, key: &KeyName) -> bool {
        match self {
            Self::Session(session) => key.purpose == Purpose::Rows(*session),
            Self::Content { chain, month } => {
                let all = [Purpose::Content(*month), Purpose::Prompts(*month)];
                key.chain == *chain && all.contains(&key.purpose)
            }
            Self::Prompts { chain, month } => {
                key.chain == *chain && key.purpose == Purpose::Prompts(*month)
            }
        }
    }
}

impl std::fmt::Display for Erased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(session) => write!(f, "session {session}"),
            Self::Content { chain, month } => write!(f, "chain {chain} in {month}"),
            Self::Prompts { chain, month } => write!(f, "prompts of chain {chain} in {month}"),
        }
    }
}

/// Names the keys whose loss erases something, by organisation.
///
/// # Errors
/// It goes on, is under a legal hold, or there is no such key; or a store cannot be read.
pub fn keys_to_erase(
    archive: &Archive,
    vault: &Vault,
    erased: &Erased,
    is_trusted: impl Fn(&[u8; 32]) -> bool,
    now: DateTime<Utc>,
) -> Result<Vec<(String, Vec<KeyName>)>, ReadError> {
    let refused = |text: String| Err(ReadError::Refused(text));
    if goes_on(archive, erased, now) {
        return refused(format!(
            "{erased}: expected one that is over, found one that goes on: what it would write from now on could be read by nobody"
        ));
    }
    let mut all = Vec::new();
    for org in vault.orgs()? {
        let mut keys = vault.key_names(&org)?;
        keys.retain(|key| erased.is_of(key));
        let holds = vault.holds(&org)?;
        let held: Vec<&Hold> = in_force(&holds, &is_trusted)
            .filter(|hold| {
                keys.iter()
                    .any(|key| keeps(hold, key, |id| archive.places(id)))
            })
            .collect();
        if let Some(hold) = held.first() {
            let Hold {
                id, scope, at, by, ..
            } = hold;
            return refused(format!(
                "{erased} is under a legal hold: {id} of {scope}, since {at}, by {}",
                by.user
            ));
        }
        if !keys.is_empty() {
            all.push((org, keys));
        }
    }
    if all.is_empty() {
        return refused(format!(
            "{erased}: expected a key in the key store, found none: nothing of it is encrypted, or it was erased before"
        ));
    }
    Ok(all)
}

fn goes_on(archive: &Archive, erased: &Erased, now: DateTime<Utc>) -> bool {
    let rows: Vec<&Entry> = match erased {
        Erased::Session(session) => archive.rows_of_session(&session.to_string()).collect(),
        Erased::Content { chain, .. } | Erased::Prompts { chain, .. } => {
            archive.rows_of_chain(chain).collect()
        }
    };
    let is_closed = rows.iter().any(|row| match erased {
        Erased::Session(_) => row.table.name == "sessions" && row.is("is_final"),
        Erased::Content { .. } | Erased::Prompts { .. } => {
            row.text("event_code") == Some(code::CLOSE)
        }
    });
    let last_us = rows.iter().filter_map(|row| row.int("ts")).max();
    let last = last_us.and_then(DateTime::from_timestamp_micros);
    !is_closed && last.is_some_and(|last| now - last < SILENT)
}

impl Archive {
    /// Tells where a session is in the record.
    #[must_use]
    pub fn places(&self, session: &str) -> Places {
        let mut places = Places::default();
        for row in self.rows_of_session(session) {
            let times = ["ts", row.table.day_of.unwrap_or("ts")];
            for time in times.iter().filter_map(|column| row.int(column)) {
                let Some(time) = DateTime::from_timestamp_micros(time) else {
                    continue;
                };
                let day = time.date_naive();
                let chain = row.text("chain_id").unwrap_or_default().to_owned();
                places.days.insert(day);
                places.months.insert((chain, Month::of(day)));
            }
        }
        places
    }

    /// Names the chains of keys that another installation began than the one with this public key.
    pub fn begun_by_others<'k>(
        &self,
        org: &str,
        keys: &'k [KeyName],
        own: &[u8; 32],
    ) -> BTreeSet<&'k str> {
        let began = |chain: &str| {
            let id = (org.to_owned(), chain.to_owned());
            let genesis = self.chains.chains.get(&id)?.read.genesis.as_ref()?;
            public_key(&genesis.installation)
        };
        let chains = keys.iter().map(|key| key.chain.as_str());
        chains
            .filter(|chain| began(chain).as_ref() != Some(own))
            .collect()
    }

    /// Names the keys by which a session's content is encrypted, as far as the record tells.
    pub fn keys_of_session(&self, session: SessionId) -> impl Fn(&KeyName) -> bool + use<> {
        let months: BTreeSet<(String, Month)> = self.places(&session.to_string()).months;
        move |key| match key.purpose {
            Purpose::Rows(of) => of == session,
            Purpose::Content(month) | Purpose::Prompts(month) => {
                months.contains(&(key.chain.clone(), month))
            }
            Purpose::Digest => months.iter().any(|(chain, _)| *chain == key.chain),
        }
    }

    fn rows_of_session(&self, session: &str) -> impl Iterator<Item = &Entry> {
        self.all_rows()
            .filter(move |row| row.text("session_id") == Some(session))
    }

    fn rows_of_chain(&self, chain: &str) -> impl Iterator<Item = &Entry> {
        self.all_rows()
            .filter(move |row| row.text("chain_id") == Some(chain))
    }

    fn all_rows(&self) -> impl Iterator<Item = &Entry> {
        TABLES.iter().flat_map(|table| self.table(table.name))
    }
}
