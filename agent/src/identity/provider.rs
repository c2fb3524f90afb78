//! What a SAML identity provider may say, and whom a message of its shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::claims::{self, MEMBERS_MAX, PLAIN, is_plain};
use super::error::{IdentityError, cut};
use super::issuer::Pattern;
use super::principal::{Ci, Identity, Kind, Principal, Protocol, Shown};
use super::saml::{self, Assertion, AttributeNames, SamlError, Unclaimed};

/// One `[[identity.saml]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SamlProvider {
    /// What policies and the record call it; leads the names of its principals and groups.
    pub name: String,
    /// Its metadata: who it is, and which keys it signs with.
    pub metadata_file: PathBuf,
    /// Our entity id, which its assertions must be for.
    pub audience: String,
    /// The assertion consumer service that its assertions must be confirmed for.
    pub recipient: String,
    /// The attribute that has the groups.
    pub groups_attribute: String,
    /// The attribute that names the subject, in place of its `NameID`.
    pub subject_attribute: Option<String>,
    /// Groups that the config fills, by subject.
    pub members: BTreeMap<String, Vec<String>>,
    /// Attributes that an assertion must have, each with the values of which one must be there.
    pub require: BTreeMap<String, Vec<Pattern>>,
    /// Whether its subjects are people or programs.
    pub kind: Kind,
    /// How far its clock and ours may be apart.
    pub leeway: Duration,
}

/// Finds out whom a message shows, by its provider's settings and metadata, once: `claim` uses its assertion up.
///
/// # Errors
/// Whatever is not as the settings ask; any doubt refuses.
pub fn verify_message(
    provider: &SamlProvider,
    metadata: saml::Provider,
    message: &[u8],
    now: DateTime<Utc>,
    claim: impl FnOnce(Unclaimed) -> Result<Assertion, SamlError>,
) -> Result<Principal, IdentityError> {
    let keys_sha256 = metadata.sha256();
    let settings = saml::Settings {
        provider: metadata,
        audience: provider.audience.clone(),
        recipient: provider.recipient.clone(),
        in_response_to: None,
        leeway: provider.leeway,
        attributes: AttributeNames {
            groups: Some(provider.groups_attribute.clone()),
            user: provider.subject_attribute.clone(),
        },
    };
    let opened = saml::open(message, &settings, now);
    let assertion = opened.and_then(claim).map_err(|cause| {
        let provider = provider.name.clone();
        IdentityError::Assertion { provider, cause }
    })?;
    let proved = Proved {
        provider,
        assertion: &assertion,
    };
    proved.check_required()?;
    let mut token_sha256 = [0; 32];
    token_sha256.copy_from_slice(digest(&SHA256, assertion.id().as_bytes()).as_ref());
    let shown = Shown {
        issuer: assertion.issuer().to_owned(),
        token_sha256,
        expires_at_s: assertion.not_on_or_after().timestamp(),
        session_ends_at_s: assertion
            .session_not_on_or_after()
            .map(|until| until.timestamp()),
        keys_sha256,
    };
    Ok(Principal::verified(proved.identity()?, shown))
}

/// Says that a message's issuer is not the name of exactly one of the providers that are known.
#[must_use]
pub fn unknown_provider(known: Vec<String>, issuer: &str, named: usize) -> IdentityError {
    let found = format!("{:?}, which {named} of them are called", cut(issuer));
    IdentityError::Provider { known, found }
}

/// An assertion that the provider did make.
struct Proved<'a> {
    provider: &'a SamlProvider,
    assertion: &'a Assertion,
}

impl Proved<'_> {
    fn check_required(&self) -> Result<(), IdentityError> {
        let attributes = self.assertion.attributes();
        for (name, patterns) in &self.provider.require {
            let values = attributes.get(name).map_or(&[][..], Vec::as_slice);
            let fits = |value: &String| patterns.iter().any(|pattern| pattern.fits(value));
            if !values.iter().any(fits) {
                let all: Vec<&str> = patterns.iter().map(|one| one.0.as_str()).collect();
                let expected = format!("with one of {all:?}");
                let found = format!("{} values, none of which fits", values.len());
                return Err(self.odd(&attribute(name), expected, found));
            }
        }
        Ok(())
    }

    fn identity(&self) -> Result<Identity, IdentityError> {
        let (provider, assertion) = (self.provider, self.assertion);
        let subject = match &provider.subject_attribute {
            Some(_) => assertion.user().unwrap_or_default(),
            None => &assertion.subject().value,
        };
        let plain = |what: &str, text: &str| {
            if is_plain(text) {
                return Ok(text.to_owned());
            }
            let found = format!("{} characters", text.chars().count());
            Err(self.odd(what, PLAIN.to_owned(), found))
        };
        let subject = plain("a subject", subject)?;
        let of_groups = attribute(&provider.groups_attribute);
        if assertion.groups().len() > MEMBERS_MAX {
            let expected = format!("with at most {MEMBERS_MAX} values");
            let found = assertion.groups().len().to_string();
            return Err(self.odd(&of_groups, expected, found));
        }
        let groups = assertion.groups().iter();
        let groups: Result<BTreeSet<String>, IdentityError> =
            groups.map(|group| plain(&of_groups, group)).collect();
        let mut groups = groups?;
        groups.extend(claims::mapped(&subject, None, &provider.members));
        Ok(Identity {
            protocol: Protocol::Saml,
            issuer_name: Some(provider.name.clone()),
            subject,
            uid: None,
            kind: Some(provider.kind),
            groups,
            scopes: BTreeSet::new(),
            agent: None,
            ci: Ci::default(),
        })
    }

    fn odd(&self, what: &str, expected: String, found: String) -> IdentityError {
        IdentityError::Attribute {
            provider: self.provider.name.clone(),
            what: what.to_owned(),
            expected,
            found,
        }
    }
}

fn attribute(name: &str) -> String {
    format!("attribute `{}`", cut(name))
}

#[cfg(test)]
#[path = "provider_tests.rs"]
pub(super) mod tests;
