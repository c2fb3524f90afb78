//! SAML 2.0 assertions as proof of who asks: bytes, settings and the time to an [`Assertion`].
//!
//! A message is the XML of a `Response`, as a browser posts it, or of a bare `Assertion`. It is taken if a key of the
//! provider's metadata signed the one assertion in it, if the assertion is for us and for now, and if it was not used
//! before. Only what was verified is believed: the issuer that a message states finds its provider, who must prove it.
//! Sources: SAML 2.0 core, and profiles 4.1.4 (bearer assertions).
//!
//! Limits: 256 KiB of XML, 32 levels, no DTD, comment, CDATA section or processing instruction; encrypted parts are not
//! supported; every signature is as `signature.rs` says, with SHA-256 or longer; a subject is confirmed once, as bearer.

mod assertion;
mod attributes;
mod conditions;
mod document;
mod element;
mod envelope;
mod error;
mod key;
mod metadata;
mod seen;
mod signature;

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use assertion::{Assertion, NameId};
pub use document::XML_MAX_BYTES;
pub use error::SamlError;
pub use metadata::Provider;
pub use seen::Seen;

/// What a message is held against.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who asserts: entity id and keys, from its metadata.
    pub provider: Provider,
    /// Our entity id, which every `AudienceRestriction` must name.
    pub audience: String,
    /// The address that assertions for us are confirmed for: the assertion consumer service's.
    pub recipient: String,
    /// The request that an assertion must answer; without one, assertions nobody asked for are taken too.
    pub in_response_to: Option<String>,
    /// How far the provider's clock and ours may be apart.
    pub leeway: Duration,
    /// Which attributes mean what.
    pub attributes: AttributeNames,
}

/// The names of the attributes that say something of the subject; the others are kept as they are.
#[derive(Clone, Debug, Default)]
pub struct AttributeNames {
    /// Its groups, any number; none if the attribute is absent.
    pub groups: Option<String>,
    /// What it is called; if named here, each assertion must have it once.
    pub user: Option<String>,
}

/// Verifies a message and gives what it asserts, once: `seen` remembers it.
///
/// # Errors
/// If anything at all is in doubt; nothing is remembered then.
pub fn verify(
    message: &[u8],
    settings: &Settings,
    seen: &mut Seen,
    now: DateTime<Utc>,
) -> Result<Assertion, SamlError> {
    let moment = Moment::new(now, settings.leeway);
    settings.provider.require_current(moment)?;
    let text = document::Text::read(message)?;
    let document = text.parse()?;
    let signed = envelope::open(&document, settings)?;
    let assertion = Assertion::read(signed, settings, moment)?;
    seen.claim(&assertion, moment)?;
    Ok(assertion)
}

/// Gives who a message says to have made it, by which its provider is found; nothing of it is proved.
///
/// # Errors
/// If it is no message with one assertion.
pub fn stated_issuer(message: &[u8]) -> Result<String, SamlError> {
    let text = document::Text::read(message)?;
    envelope::stated_issuer(&text.parse()?)
}

/// The time of day, as exact as two clocks agree.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: DateTime<Utc>,
    leeway: TimeDelta,
}

impl Moment {
    fn new(now: DateTime<Utc>, leeway: Duration) -> Self {
        let leeway = TimeDelta::from_std(leeway).unwrap_or(TimeDelta::zero());
        Self { now, leeway }
    }

    /// Makes sure that a time has come.
    fn not_before(self, place: &'static str, at: DateTime<Utc>) -> Result<(), SamlError> {
        if at.signed_duration_since(self.now) > self.leeway {
            return Err(SamlError::NotYet {
                place,
                at,
                now: self.now,
            });
        }
        Ok(())
    }

    /// Makes sure that a time has not come.
    fn not_on_or_after(self, place: &'static str, at: DateTime<Utc>) -> Result<(), SamlError> {
        if self.now.signed_duration_since(at) >= self.leeway {
            return Err(SamlError::Over {
                place,
                at,
                now: self.now,
            });
        }
        Ok(())
    }
}
