//! The SAML providers whose assertions are taken, each by its metadata as it stands in its file at that time.

use std::sync::{Mutex, PoisonError};

use super::issuers::Untaken;
use crate::clock::Clock;
use crate::config::{self, read_metadata};
use crate::identity::saml::{self, Seen, stated_issuer};
use crate::identity::{Principal, SamlProvider, unknown_provider, verify_message};

/// Most assertions that are remembered while they are good, about 200 bytes each.
const SEEN_MAX: usize = 50_000;

/// All SAML providers of the config.
pub(super) struct Providers {
    known: Vec<SamlProvider>,
    /// What this proxy has taken, so that it takes nothing twice.
    seen: Mutex<Seen>,
    clock: Clock,
}

impl Providers {
    pub(super) fn new(identity: &config::Identity, clock: Clock) -> Self {
        Self {
            known: identity.providers.clone(),
            seen: Mutex::new(Seen::new(SEEN_MAX)),
            clock,
        }
    }

    /// Finds out whom a message shows, by the provider that its issuer names.
    ///
    /// The files are read each time: they are small, sessions are few, and a changed key needs no restart.
    pub(super) fn verify(&self, message: &[u8]) -> Result<Principal, Untaken> {
        let issuer = stated_issuer(message).map_err(|error| Untaken::Token(error.into()))?;
        let mut named = Vec::new();
        let mut unread = None;
        for provider in &self.known {
            match read_metadata(&provider.metadata_file) {
                Ok(metadata) if metadata.entity_id() == issuer => named.push((provider, metadata)),
                Ok(_) => {}
                Err(untrusted) => {
                    let provider = provider.name.clone();
                    tracing::warn!(
                        provider,
                        expected = untrusted.expected,
                        found = untrusted.found,
                        "metadata could not be read"
                    );
                    unread = Some(Untaken::NoMetadata {
                        provider,
                        cause: format!(
                            "expected {}, found {}",
                            untrusted.expected, untrusted.found
                        ),
                    });
                }
            }
        }
        let count = named.len();
        match (named.pop(), unread) {
            (Some((provider, metadata)), _) if count == 1 => self.take(provider, metadata, message),
            (None, Some(unread)) => Err(unread),
            (_, _) => {
                let names = self.known.iter().map(|provider| provider.name.clone());
                Err(unknown_provider(names.collect(), &issuer, count).into())
            }
        }
    }

    /// Verifies a message and takes its assertion, which this proxy then takes no more.
    fn take(
        &self,
        provider: &SamlProvider,
        metadata: saml::Provider,
        message: &[u8],
    ) -> Result<Principal, Untaken> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        Ok(verify_message(provider, metadata, message, &mut seen, now)?)
    }
}
