//! The issuers whose tokens are taken, and their keys: fetched, kept for a while, looked up again where a key is new.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::discovery::{Discovered, DiscoveryError, get};
use crate::clock::Clock;
use crate::config::{self, Untrusted, read_public_keys};
use crate::identity::{self, IdentityError, Issuer, KeySource, Keys, Principal, Token};
use crate::tasks;
use crate::web;

/// How often keys are read again while all is well, so that those that an issuer took back go.
const REFRESH_EVERY: Duration = Duration::from_secs(15 * 60);

/// How soon after a failure the background looks again.
const RETRY_EVERY: Duration = Duration::from_secs(30);

/// Least time between two looks that tokens cause: one with an invented `kid` costs its sender nothing.
const LOOK_GAP: Duration = Duration::from_secs(5);

/// Longest look, discovery and keys together.
const LOOK_WITHIN: Duration = Duration::from_secs(7);

/// Longest wait for a token's verdict, another's look at the same issuer included; the supervisor waits 15 s.
const VERIFY_WITHIN: Duration = Duration::from_secs(9);

/// Why a token was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untaken {
    /// The token itself.
    #[error("{0}")]
    Token(#[from] IdentityError),
    /// There are no keys to check it with.
    #[error("keys of issuer `{issuer}`: none to check the token with: {cause}")]
    NoKeys { issuer: String, cause: String },
    /// There is no metadata to check a SAML message with.
    #[error("metadata of provider `{provider}`: {cause}")]
    NoMetadata { provider: String, cause: String },
}

impl Untaken {
    /// Says what to do about it, where that is known.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Token(error) => error.hint(),
            Self::NoKeys { .. } => Some(
                "see that this host reaches the issuer, or set `jwks_file` for one that it cannot reach",
            ),
            Self::NoMetadata { .. } => Some("`icecore check` tells whether the file is good"),
        }
    }
}

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error("{0}")]
    Discovery(#[from] DiscoveryError),
    #[error("{0}")]
    Keys(#[from] IdentityError),
    #[error("expected {}, found {}", .0.expected, .0.found)]
    File(Untrusted),
    #[error("no answer within {} s", LOOK_WITHIN.as_secs())]
    Slow,
}

/// All issuers of the config.
pub(super) struct Issuers {
    known: Vec<Arc<Known>>,
    web: web::Client,
    clock: Clock,
    /// How long keys are good that could not be read again.
    stale_for: Duration,
}

struct Known {
    issuer: Issuer,
    /// Held while keys are fetched: whoever else needs them waits for the same answer.
    state: Mutex<State>,
}

/// What is known of an issuer's keys; times are those of the clock that never goes back.
#[derive(Default)]
struct State {
    keys: Option<(Keys, i64)>,
    /// When a look that a token caused ended last.
    looked_ns: Option<i64>,
    /// Why the last look gave no keys, if it gave none.
    failure: Option<String>,
}

impl Issuers {
    pub(super) fn new(identity: &config::Identity, web: web::Client, clock: Clock) -> Self {
        let known = |issuer: &Issuer| {
            Arc::new(Known {
                issuer: issuer.clone(),
                state: Mutex::default(),
            })
        };
        Self {
            known: identity.issuers.iter().map(known).collect(),
            web,
            clock,
            stale_for: identity.stale_keys,
        }
    }

    /// Finds out whom a token shows.
    pub(super) async fn verify(&self, token: &Token) -> Result<Principal, Untaken> {
        let by_url = |known: &&Arc<Known>| known.issuer.url == token.issuer();
        let Some(known) = self.known.iter().find(by_url) else {
            return Err(Untaken::Token(self.unknown(token)));
        };
        let verified = tokio::time::timeout(VERIFY_WITHIN, self.verify_by(known, token)).await;
        verified.unwrap_or_else(|_| {
            Err(Untaken::NoKeys {
                issuer: known.issuer.name.clone(),
                cause: format!("no answer within {} s", VERIFY_WITHIN.as_secs()),
            })
        })
    }

    async fn verify_by(&self, known: &Known, token: &Token) -> Result<Principal, Untaken> {
        let mut state = known.state.lock().await;
        if self.keys(&state).is_none() {
            self.look_for_token(known, &mut state).await;
        }
        match self.judge(known, &state, token) {
            // Perhaps it is signed with a key that the issuer has had since.
            Err(Untaken::Token(IdentityError::Key { .. })) => {
                self.look_for_token(known, &mut state).await;
                self.judge(known, &state, token)
            }
            judged => judged,
        }
    }

    fn judge(&self, known: &Known, state: &State, token: &Token) -> Result<Principal, Untaken> {
        let Some(keys) = self.keys(state) else {
            return Err(Untaken::NoKeys {
                issuer: known.issuer.name.clone(),
                cause: state
                    .failure
                    .clone()
                    .unwrap_or_else(|| "they were not read yet".to_owned()),
            });
        };
        Ok(identity::verify(
            &known.issuer,
            keys,
            token,
            self.clock.now(),
        )?)
    }

    /// Gives the keys that may still be used.
    fn keys<'s>(&self, state: &'s State) -> Option<&'s Keys> {
        let (keys, read_ns) = state.keys.as_ref()?;
        let age_ns = self.clock.mono_ns().saturating_sub(*read_ns);
        let most = REFRESH_EVERY + self.stale_for;
        (u128::try_from(age_ns).is_ok_and(|age| age <= most.as_nanos())).then_some(keys)
    }

    fn unknown(&self, token: &Token) -> IdentityError {
        let known = self.known.iter();
        identity::unknown_issuer(known.map(|known| known.issuer.url.clone()).collect(), token)
    }

    /// Looks because a token needs it, unless one did so a moment ago.
    async fn look_for_token(&self, known: &Known, state: &mut State) {
        let now_ns = self.clock.mono_ns();
        let gap_ns = i64::try_from(LOOK_GAP.as_nanos()).unwrap_or(i64::MAX);
        if state
            .looked_ns
            .is_some_and(|looked| now_ns - looked < gap_ns)
        {
            return;
        }
        self.look(known, state).await;
        // From its end on: those that waited for a slow look are not each to have one of their own.
        state.looked_ns = Some(self.clock.mono_ns());
    }

    /// Reads an issuer's keys; those that are held stay if that fails.
    async fn look(&self, known: &Known, state: &mut State) {
        let issuer = &known.issuer;
        let read = tokio::time::timeout(LOOK_WITHIN, fetch(&self.web, issuer));
        match read.await.unwrap_or(Err(KeysError::Slow)) {
            Ok(keys) => {
                if state.keys.as_ref().is_none_or(|(held, _)| *held != keys) {
                    let sha256 = crate::record::hex(&keys.sha256());
                    tracing::info!(issuer = issuer.name, sha256, "issuer's keys read");
                }
                state.keys = Some((keys, self.clock.mono_ns()));
                state.failure = None;
            }
            Err(error) => {
                tracing::warn!(issuer = issuer.name, %error, "issuer's keys could not be read");
                state.failure = Some(error.to_string());
            }
        }
    }

    /// Keeps all issuers' keys fresh, each by a task of its own; needs a runtime.
    pub(super) fn keep_fresh(self: &Arc<Self>) {
        for known in &self.known {
            let (all, known) = (Arc::clone(self), Arc::clone(known));
            drop(tasks::spawn("issuer-keys", async move {
                loop {
                    let mut state = known.state.lock().await;
                    all.look(&known, &mut state).await;
                    let failed = state.failure.is_some();
                    drop(state);
                    let pause = if failed { RETRY_EVERY } else { REFRESH_EVERY };
                    tokio::time::sleep(pause).await;
                }
            }));
        }
    }
}

async fn fetch(web: &web::Client, issuer: &Issuer) -> Result<Keys, KeysError> {
    let discovered;
    let url = match &issuer.keys {
        KeySource::File(file) => return read_public_keys(file).map_err(KeysError::File),
        KeySource::Url(url) => url,
        KeySource::Discovery => {
            let document = Discovered::read(web, &issuer.url).await?;
            discovered = document.endpoint("jwks_uri")?;
            &discovered
        }
    };
    Ok(Keys::read(&get(web, url).await?)?)
}
