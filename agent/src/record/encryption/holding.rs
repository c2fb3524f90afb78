//! Which holds are in force, and what they keep. Pure.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::documents::{Hold, Scope};
use super::name::{KeyName, Month, Purpose};
use super::vault::Told;

/// Lists the holds in force. A hold is honoured whoever signed it; a release counts if the hold's own key signed it, or one
/// that is trusted.
pub fn in_force(
    holds: &[Told<Hold>],
    is_trusted: impl Fn(&[u8; 32]) -> bool,
) -> impl Iterator<Item = &Hold> {
    holds
        .iter()
        .filter(|held| held.document.releases.is_none())
        .filter(move |held| {
            let ends = |release: &&Told<Hold>| {
                let is_of_it = release.document.releases.as_ref() == Some(&held.document.id);
                let key = release.key.as_ref();
                is_of_it && key.is_some_and(|key| is_trusted(key) || held.key.as_ref() == Some(key))
            };
            !holds.iter().any(|release| ends(&release))
        })
        .map(|held| &held.document)
}

/// Where a session is in the record: on which days it has rows, and in which months of which chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Its days.
    pub days: BTreeSet<NaiveDate>,
    /// Its chains and months.
    pub months: BTreeSet<(String, Month)>,
}

/// Tells whether a hold keeps a key; `places` tells where a session is.
pub fn keeps(hold: &Hold, key: &KeyName, places: impl Fn(&str) -> Places) -> bool {
    match (&hold.scope, key.purpose) {
        (_, Purpose::Digest) => false,
        (Scope::Session(held), Purpose::Rows(session)) => *held == session.to_string(),
        (Scope::Session(held), Purpose::Content(month) | Purpose::Prompts(month)) => {
            places(held).months.contains(&(key.chain.clone(), month))
        }
        (Scope::Days { from, to }, Purpose::Rows(session)) => {
            let days = places(&session.to_string()).days;
            // Nobody can tell when it was where the record has nothing of it.
            days.is_empty() || days.range(from..=to).next().is_some()
        }
        (Scope::Days { from, to }, Purpose::Content(month) | Purpose::Prompts(month)) => {
            (Month::of(*from)..=Month::of(*to)).contains(&month)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::record::encryption::documents::By;

    fn hold(id: &str, scope: Scope, releases: Option<&str>, key: u8) -> Told<Hold> {
        Told {
            document: Hold {
                v: 1,
                org: "acme".to_owned(),
                id: id.to_owned(),
                at: "2026-11-27T00:00:00Z".to_owned(),
                by: By {
                    host: "h".to_owned(),
                    user: "u".to_owned(),
                    key: None,
                },
                reason: "r".to_owned(),
                scope,
                releases: releases.map(str::to_owned),
            },
            key: Some([key; 32]),
        }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn only_who_held_or_is_trusted_releases() {
        let scope = || Scope::Session("s".to_owned());
        let held = |release: Told<Hold>| {
            let holds = [hold("a", scope(), None, 1), release];
            in_force(&holds, |key| *key == [9; 32]).count()
        };
        assert_eq!(held(hold("b", scope(), Some("a"), 1)), 0);
        assert_eq!(held(hold("b", scope(), Some("a"), 9)), 0);
        assert_eq!(held(hold("b", scope(), Some("a"), 2)), 1);
        assert_eq!(held(hold("b", scope(), Some("c"), 1)), 1);
        let mut forged = hold("b", scope(), Some("a"), 1);
        forged.key = None;
        assert_eq!(held(forged), 1);
    }

    #[test]
    fn a_hold_keeps_what_touches_it() {
        let session = SessionId::new();
        let (chain, other) = (
            uuid::Uuid::now_v7().to_string(),
            uuid::Uuid::now_v7().to_string(),
        );
        let month = |text: &str| Month::read(text).unwrap();
        let places = |_: &str| Places {
            days: BTreeSet::from([day("2026-11-30"), day("2026-12-01")]),
            months: BTreeSet::from([
                (chain.clone(), month("2026-11")),
                (chain.clone(), month("2026-12")),
            ]),
        };
        let key = |chain: &str, purpose| KeyName::new(chain, purpose);
        let of_session = hold("a", Scope::Session(session.to_string()), None, 1).document;
        let of_days = |from: &str, to: &str| {
            let (from, to) = (day(from), day(to));
            hold("a", Scope::Days { from, to }, None, 1).document
        };
        for (hold, key, expected) in [
            (
                of_session.clone(),
                key(&chain, Purpose::Rows(session)),
                true,
            ),
            (
                of_session.clone(),
                key(&chain, Purpose::Rows(SessionId::new())),
                false,
            ),
            (
                of_session.clone(),
                key(&chain, Purpose::Content(month("2026-12"))),
                true,
            ),
            (
                of_session.clone(),
                key(&other, Purpose::Content(month("2026-12"))),
                false,
            ),
            (
                of_session,
                key(&chain, Purpose::Content(month("2027-01"))),
                false,
            ),
            (
                of_days("2026-12-01", "2026-12-01"),
                key(&chain, Purpose::Rows(session)),
                true,
            ),
            (
                of_days("2026-12-02", "2026-12-09"),
                key(&chain, Purpose::Rows(session)),
                false,
            ),
            (
                of_days("2026-10-01", "2026-11-01"),
                key(&other, Purpose::Content(month("2026-11"))),
                true,
            ),
            (
                of_days("2026-10-01", "2026-10-31"),
                key(&other, Purpose::Content(month("2026-11"))),
                false,
            ),
        ] {
            assert_eq!(keeps(&hold, &key, places), expected, "{} {key}", hold.scope);
        }
    }
}
