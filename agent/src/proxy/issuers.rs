//! The issuers whose tokens are taken, and their keys: fetched, kept for a while, looked up again where a key is new.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::discovery::{Discovered, DiscoveryError, get};
use crate::clock::Clock;
use crate::config::{self, Untrusted, read_public_keys};
use crate::identity::{self, IdentityError, Issuer, KeySource, Keys, Principal, Token};
use crate::record::RecordError;
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

/// Keeps a document by which identities are decided, so that rows can name it by its SHA-256; blocks.
pub(super) type Keep = Arc<dyn Fn(&[u8]) -> Result<[u8; 32], RecordError> + Send + Sync>;

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
    /// Too many SAML messages came at once.
    #[error("SAML message: expected a free place to verify it within {} s, found none", .0.as_secs())]
    Busy(Duration),
    /// What it was verified by cannot be kept.
    #[error("the document that it was verified by cannot be kept for the record: {0}")]
    Unkept(RecordError),
    /// The verification did not come to an end.
    #[error("SAML message: its verification broke off")]
    Broken,
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
            Self::Busy(_) => Some("try again"),
            Self::Unkept(error) => error.hint(),
            Self::Broken => None,
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
    #[error("they cannot be kept for the record: {0}")]
    Unkept(#[from] RecordError),
    #[error("no answer within {} s", LOOK_WITHIN.as_secs())]
    Slow,
}

/// All issuers of the config.
pub(super) struct Issuers {
    known: Vec<Arc<Known>>,
    web: web::Client,
    keep: Keep,
    clock: Clock,
    /// How long keys are good that could not be read again.
    stale_for: Duration,
}

struct Known {
    issuer: Issuer,
    /// Held for one look or change, never over the network: a token whose key is held waits for nobody.
    state: std::sync::Mutex<State>,
    /// Held while keys are fetched: whoever else needs them waits for the same answer.
    looking: Mutex<()>,
}

impl Known {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    pub(super) fn new(
        identity: &config::Identity,
        web: web::Client,
        keep: Keep,
        clock: Clock,
    ) -> Self {
        Self::of(
            identity.issuers.clone(),
            identity.stale_keys,
            web,
            keep,
            clock,
        )
    }

    /// Takes issuers whose keys are good so long after they could not be read again.
    pub(super) fn of(
        issuers: Vec<Issuer>,
        stale_for: Duration,
        web: web::Client,
        keep: Keep,
        clock: Clock,
    ) -> Self {
        let known = |issuer: Issuer| {
            Arc::new(Known {
                issuer,
                state: std::sync::Mutex::default(),
                looking: Mutex::default(),
            })
        };
        Self {
            known: issuers.into_iter().map(known).collect(),
            web,
            keep,
            clock,
            stale_for,
        }
    }

    /// Goes on with what was read of issuers that are as they were.
    pub(super) fn after(mut self, before: &Self) -> Self {
        for known in &mut self.known {
            let same = |one: &&Arc<Known>| one.issuer == known.issuer;
            if let Some(same) = before.known.iter().find(same) {
                *known = Arc::clone(same);
            }
        }
        self
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

    /// Gives the keys of the first issuer, where nobody keeps them fresh: those that are held unless they are old or others
    /// are wanted.
    pub(super) async fn keys_of_first(&self, will_held_do: bool) -> Result<Keys, String> {
        let known = self.known.first().ok_or("there is no issuer")?;
        let is_fresh = known.state().keys.as_ref().is_some_and(|(_, read_ns)| {
            let age_ns = self.clock.mono_ns().saturating_sub(*read_ns);
            u128::try_from(age_ns).is_ok_and(|age| age <= REFRESH_EVERY.as_nanos())
        });
        if !(is_fresh && will_held_do) {
            self.look_for_token(known).await;
        }
        let state = known.state();
        self.keys(&state).cloned().ok_or_else(|| {
            let failure = state.failure.clone();
            failure.unwrap_or_else(|| "they were not read yet".to_owned())
        })
    }

    async fn verify_by(&self, known: &Known, token: &Token) -> Result<Principal, Untaken> {
        match self.judge(known, token) {
            // Perhaps it is signed with a key that the issuer has had since.
            Err(Untaken::NoKeys { .. } | Untaken::Token(IdentityError::Key { .. })) => {}
            judged => return judged,
        }
        self.look_for_token(known).await;
        self.judge(known, token)
    }

    fn judge(&self, known: &Known, token: &Token) -> Result<Principal, Untaken> {
        let state = known.state();
        let Some(keys) = self.keys(&state) else {
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
    async fn look_for_token(&self, known: &Known) {
        let _turn = known.looking.lock().await;
        let now_ns = self.clock.mono_ns();
        let gap_ns = i64::try_from(LOOK_GAP.as_nanos()).unwrap_or(i64::MAX);
        let looked_ns = known.state().looked_ns;
        if looked_ns.is_some_and(|looked| now_ns - looked < gap_ns) {
            return;
        }
        self.look(known).await;
        // From its end on: those that waited for a slow look are not each to have one of their own.
        known.state().looked_ns = Some(self.clock.mono_ns());
    }

    /// Reads an issuer's keys; those that are held stay if that fails. The caller has the turn to look.
    async fn look(&self, known: &Known) {
        let issuer = &known.issuer;
        let read = tokio::time::timeout(LOOK_WITHIN, self.read(issuer)).await;
        let mut state = known.state();
        match read.unwrap_or(Err(KeysError::Slow)) {
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

    /// Fetches an issuer's keys. Nobody is judged by keys that the record does not have.
    async fn read(&self, issuer: &Issuer) -> Result<Keys, KeysError> {
        let (keys, documents) = fetch(&self.web, issuer).await?;
        let keep = Arc::clone(&self.keep);
        let keeping = move || documents.iter().try_for_each(|one| keep(one).map(drop));
        let kept = spawn_blocking(keeping).await;
        kept.unwrap_or(Err(RecordError::Closed))?;
        Ok(keys)
    }

    /// Gives each issuer's name, how old its keys are, if there are any, and whether the last look for them failed.
    pub(super) fn ages(&self) -> Vec<(String, Option<Duration>, bool)> {
        let now_ns = self.clock.mono_ns();
        let told = self.known.iter().map(|known| {
            let state = known.state();
            let age = state.keys.as_ref().map(|(_, read_ns)| {
                let age_ns = now_ns.saturating_sub(*read_ns);
                Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0))
            });
            (known.issuer.name.clone(), age, state.failure.is_some())
        });
        told.collect()
    }

    /// Keeps all issuers' keys fresh, each by a task of its own, until others take the place of these; needs a runtime.
    pub(super) fn keep_fresh(self: &Arc<Self>) {
        for known in &self.known {
            let (all, known) = (Arc::downgrade(self), Arc::clone(known));
            drop(tasks::spawn("issuer-keys", async move {
                while let Some(all) = all.upgrade() {
                    let turn = known.looking.lock().await;
                    all.look(&known).await;
                    drop((turn, all));
                    let failed = known.state().failure.is_some();
                    let pause = if failed { RETRY_EVERY } else { REFRESH_EVERY };
                    tokio::time::sleep(pause).await;
                }
            }));
        }
    }
}

/// Gives an issuer's keys, and the documents that they come from.
async fn fetch(web: &web::Client, issuer: &Issuer) -> Result<(Keys, Vec<Vec<u8>>), KeysError> {
    let mut documents = Vec::new();
    let url = match &issuer.keys {
        KeySource::File(file) => {
            let (keys, text) = read_public_keys(file).map_err(KeysError::File)?;
            return Ok((keys, vec![text]));
        }
        KeySource::Url(url) => url.clone(),
        KeySource::Discovery => {
            let document = Discovered::read(web, &issuer.url).await?;
            let url = document.endpoint("jwks_uri")?;
            documents.push(document.into_text());
            url
        }
    };
    let text = get(web, &url).await?;
    let keys = Keys::read(&text)?;
    documents.push(text);
    Ok((keys, documents))
}

#[cfg(test)]
#[path = "issuers_tests.rs"]
mod tests;
