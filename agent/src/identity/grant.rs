//! Whom a grant of an account is for: what must be known of a session's principal. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Identity, Pattern, Protocol};

/// Whom a grant is for. Token and host user are never mixed, and no issuer's group or subject is taken for another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Who {
    /// Host users without a token, by name.
    HostUsers(Vec<Pattern>),
    /// Whom an issuer vouches for.
    Issued(Issued),
}

/// Whom an issuer vouches for; each list that is not empty must have one that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// The config's name of the issuer.
    pub issuer: String,
    /// Groups, as the issuer calls them.
    pub groups: Vec<String>,
    /// Subjects.
    pub subjects: Vec<Pattern>,
    /// Facts of the CI job, by the names that policies have for them; all of them must fit.
    pub claims: BTreeMap<String, Vec<Pattern>>,
}

impl Who {
    /// Tells whether the grant is for an identity.
    #[must_use]
    pub fn fits(&self, identity: &Identity) -> bool {
        match self {
            Self::HostUsers(names) => {
                identity.protocol == Protocol::Host
                    && names.iter().any(|name| name.fits(&identity.subject))
            }
            Self::Issued(issued) => identity.is_verified() && issued.fits(identity),
        }
    }
}

impl Who {
    /// Tells whether a grant for these leaves nobody for a later one for `other`; a no may be wrong, a yes is not.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::HostUsers(all), Self::HostUsers(some)) => {
                some.iter().all(|one| all.contains(one))
            }
            (Self::Issued(all), Self::Issued(some)) => all.covers(some),
            (Self::HostUsers(_), Self::Issued(_)) | (Self::Issued(_), Self::HostUsers(_)) => false,
        }
    }
}

impl Issued {
    fn covers(&self, other: &Self) -> bool {
        fn holds<T: PartialEq>(all: &[T], some: &[T]) -> bool {
            all.is_empty() || (!some.is_empty() && some.iter().all(|one| all.contains(one)))
        }
        self.issuer == other.issuer
            && holds(&self.groups, &other.groups)
            && holds(&self.subjects, &other.subjects)
            && self.claims.iter().all(|(name, patterns)| {
                let of_other = other.claims.get(name);
                of_other.is_some_and(|some| holds(patterns, some))
            })
    }

    fn fits(&self, identity: &Identity) -> bool {
        let facts = identity.ci.facts();
        let fact = |name: &str| facts.iter().find(|(known, _)| *known == name)?.1;
        let one_of = |patterns: &[Pattern], value: &str| patterns.iter().any(|one| one.fits(value));
        identity.issuer_name.as_deref() == Some(&self.issuer)
            && (self.groups.is_empty()
                || self
                    .groups
                    .iter()
                    .any(|name| identity.groups.contains(name)))
            && (self.subjects.is_empty() || one_of(&self.subjects, &identity.subject))
            && self
                .claims
                .iter()
                .all(|(name, patterns)| fact(name).is_some_and(|fact| one_of(patterns, fact)))
    }
}

/// Finds the grant that counts for an identity: the first that is for it.
#[must_use]
pub fn first_grant<'w>(
    grants: impl IntoIterator<Item = &'w Who>,
    identity: &Identity,
) -> Option<usize> {
    grants.into_iter().position(|who| who.fits(identity))
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostUsers(names) => write!(f, "host user {}", any_of(names)),
            Self::Issued(issued) => issued.fmt(f),
        }
    }
}

impl fmt::Display for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whom {} vouches for", self.issuer)?;
        if !self.groups.is_empty() {
            write!(f, ", group {}", self.groups.join(" or "))?;
        }
        if !self.subjects.is_empty() {
            write!(f, ", subject {}", any_of(&self.subjects))?;
        }
        for (name, patterns) in &self.claims {
            write!(f, ", {name} {}", any_of(patterns))?;
        }
        Ok(())
    }
}

fn any_of(patterns: &[Pattern]) -> String {
    let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.0.as_str()).collect();
    texts.join(" or ")
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
