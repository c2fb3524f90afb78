//! The SAML providers whose assertions are taken, each by its metadata as it stands in its file at that time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::issuers::{Keep, Untaken};
use crate::clock::Clock;
use crate::config::read_metadata;
use crate::identity::saml::{self, Seen, stated_issuer};
use crate::identity::{Principal, SamlProvider, unknown_provider, verify_message};

/// Most assertions that are remembered while they are good, about 200 bytes each.
const SEEN_MAX: usize = 50_000;

/// Most messages that are verified at once: any local user may send some, each as long as 256 KiB.
const AT_ONCE_MAX: usize = 2;

/// Longest wait for one of these places; the supervisor waits 15 s.
const PLACE_WITHIN: Duration = Duration::from_secs(5);

/// All SAML providers of the config.
pub(super) struct Providers {
    known: Vec<SamlProvider>,
    /// What this proxy has taken, so that it takes nothing twice.
    seen: Arc<Mutex<Seen>>,
    places: Arc<Semaphore>,
    keep: Keep,
    clock: Clock,
}

impl Providers {
    pub(super) fn new(known: Vec<SamlProvider>, keep: Keep, clock: Clock) -> Self {
        Self {
            known,
            seen: Arc::new(Mutex::new(Seen::new(SEEN_MAX))),
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            keep,
            clock,
        }
    }

    /// Takes assertions of other providers from here on, and still none twice.
    pub(super) fn again(&self, known: Vec<SamlProvider>) -> Self {
        Self {
            known,
            seen: Arc::clone(&self.seen),
            places: Arc::clone(&self.places),
            keep: Arc::clone(&self.keep),
            clock: self.clock,
        }
    }

    /// Finds out whom a message shows, on a thread of its own: cores do not wait for files, XML and signatures.
    pub(super) async fn verify(self: &Arc<Self>, message: Vec<u8>) -> Result<Principal, Untaken> {
        let place = timeout(PLACE_WITHIN, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(Untaken::Busy(PLACE_WITHIN));
        };
        let providers = Arc::clone(self);
        let verifying = spawn_blocking(move || {
            // Held to the end, also if whoever asked has stopped waiting.
            let _place = place;
            providers.verify_here(&message)
        });
        verifying.await.unwrap_or(Err(Untaken::Broken))
    }

    /// Verifies a message by the provider that its issuer names.
    ///
    /// The files are read each time: they are small, sessions are few, and a changed key needs no restart.
    fn verify_here(&self, message: &[u8]) -> Result<Principal, Untaken> {
        let issuer = stated_issuer(message).map_err(|error| Untaken::Token(error.into()))?;
        let mut named = Vec::new();
        let mut unread = None;
        for provider in &self.known {
            match read_metadata(&provider.metadata_file) {
                Ok((metadata, document)) if metadata.entity_id() == issuer => {
                    named.push((provider, metadata, document));
                }
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
            (Some((provider, metadata, document)), _) if count == 1 => {
                (self.keep)(&document).map_err(Untaken::Unkept)?;
                self.take(provider, metadata, message)
            }
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
        let claim = |opened: saml::Unclaimed| {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            opened.claim(&mut seen, self.clock.now())
        };
        let now = self.clock.now();
        Ok(verify_message(provider, metadata, message, now, claim)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_core_does_other_work_while_messages_are_verified_two_at_a_time() {
        let providers = Arc::new(Providers::new(
            Vec::new(),
            Arc::new(|_| Ok([0; 32])),
            Clock::system(),
        ));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (release, held) = mpsc::channel::<()>();
            let busy = spawn_blocking(move || held.recv());
            let (tell, told) = mpsc::channel();
            for _ in 0..3 {
                let (providers, tell) = (Arc::clone(&providers), tell.clone());
                drop(crate::tasks::spawn("asks", async move {
                    let verified = providers.verify(b"<no-message/>".to_vec()).await;
                    tell.send(verified).unwrap();
                }));
            }
            while providers.places.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            assert!(told.try_recv().is_err());
            release.send(()).unwrap();
            let mut ended = 0;
            while ended < 3 {
                tokio::task::yield_now().await;
                if let Ok(verified) = told.try_recv() {
                    assert!(matches!(verified, Err(Untaken::Token(_))));
                    ended += 1;
                }
            }
            assert!(busy.await.unwrap().is_ok());
        });
    }
}
