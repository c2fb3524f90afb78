//! How the proxy proves to Snowflake who it is: its secrets are taken from their sources for each login, so that
//! they can be rotated.

mod check;
mod client;
mod key;
mod oauth;
mod source;
mod store;
mod text;
mod workload;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};

use crate::config::{self, Untrusted};
use crate::snowflake::login::Proof;
use crate::snowflake::secret::Secret;
use crate::web;
pub use check::flaws;
pub use client::{OAuthClient, Unasked, error_word};
use key::{KeyError, KeyPair};
use oauth::TokenEndpoint;
pub(super) use source::aws::identity::Keys as AwsKeys;
pub(super) use source::aws::sign::{Call as AwsCall, UNSIGNED, signed as aws_signed};
pub use store::{StoreError, key_store_of, secret_of, store_of};

use source::SecretSource;
use source::aws::identity::OwnKeys;

/// How long reading a credential's secrets and signing may take; drivers give a login 10 s (protocol reference 2.4).
const READ_WITHIN: Duration = Duration::from_secs(8);

/// Longest private key that is read; a 16384-bit RSA key takes 13 KB.
const KEY_MAX_BYTES: u64 = 64 << 10;

/// What is wrong with a secret that a credential names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The setting that names it, such as `private_key_file`.
    pub setting: &'static str,
    /// What was expected of it.
    pub expected: String,
    /// What was found; never any of its content.
    pub found: String,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            setting,
            expected,
            found,
        } = self;
        write!(f, "{setting}: expected {expected}, found {found}")
    }
}

/// Why a credential cannot be used; for the operator, since it names places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Its secrets are not as they must be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Flaws(Vec<Flaw>),
    /// The JWT could not be signed.
    #[error("private key: expected one that can sign, found one that cannot")]
    Unsigned,
    /// The secrets were not read in time.
    #[error("expected secrets that can be read within {} s, found slower ones", READ_WITHIN.as_secs())]
    Slow,
}

/// An account's credential: where its secrets are, and the key that was last found there.
pub struct Credential {
    kind: Kind,
    held: Mutex<Option<Held>>,
}

/// What a credential is, with the sources of its secrets.
enum Kind {
    KeyPair {
        private_key: SecretSource,
        passphrase: Option<SecretSource>,
    },
    Pat(SecretSource),
    OAuth(SecretSource),
    Password(SecretSource),
    Grant(Box<TokenEndpoint>),
    WorkloadAws {
        region: String,
        keys: Box<OwnKeys>,
    },
    WorkloadOidc(SecretSource),
}

/// A parsed key and the digest of the bytes it was parsed from: deriving a key from a passphrase is slow by design.
struct Held {
    digest: [u8; 32],
    pair: Arc<KeyPair>,
}

/// What one login shows to Snowflake.
pub struct Presented {
    /// The proof itself.
    pub proof: Proof,
    /// Says which credential it was: a key's fingerprint, else where the secret is.
    pub reference: String,
}

impl Credential {
    /// Takes a credential as the config has it; nothing is read.
    ///
    /// # Errors
    /// A source cannot be used at all.
    pub fn new(config: &config::Credential, web: &web::Client) -> Result<Self, CredentialError> {
        let source = |at| SecretSource::new(at, web);
        let kind = match config {
            config::Credential::KeyPair {
                private_key,
                passphrase,
            } => Kind::KeyPair {
                private_key: source(private_key)?,
                passphrase: passphrase.as_ref().map(source).transpose()?,
            },
            config::Credential::Pat(token) => Kind::Pat(source(token)?),
            config::Credential::OAuth(token) => Kind::OAuth(source(token)?),
            config::Credential::Password(password) => Kind::Password(source(password)?),
            config::Credential::OAuthGrant(grant) => {
                Kind::Grant(Box::new(TokenEndpoint::new(grant, web)?))
            }
            config::Credential::WorkloadAws { region } => Kind::WorkloadAws {
                region: region.clone(),
                keys: Box::new(OwnKeys::new(region, web)),
            },
            config::Credential::WorkloadOidc(token) => Kind::WorkloadOidc(source(token)?),
        };
        Ok(Self {
            kind,
            held: Mutex::new(None),
        })
    }

    /// Stands for a credential that nobody presents, for tests of what an account is used for.
    #[cfg(test)]
    pub(crate) fn in_no_file() -> Self {
        Self {
            kind: Kind::Pat(SecretSource::nowhere()),
            held: Mutex::new(None),
        }
    }

    /// Reads the secrets as they are at this moment and makes the proof for one login.
    ///
    /// # Errors
    /// What is wrong with them; or they cannot be read in time.
    pub async fn present(
        &self,
        account: &str,
        user: &str,
        now: DateTime<Utc>,
    ) -> Result<Presented, CredentialError> {
        let reading = self.read(account, user, now);
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(presented) => presented,
            Err(_) => Err(CredentialError::Slow),
        }
    }

    /// Lets go of kept secrets, since they were refused; tells whether there were any, so that one more try may help.
    #[must_use]
    pub fn forget(&self) -> bool {
        match &self.kind {
            Kind::KeyPair {
                private_key,
                passphrase,
            } => {
                let passphrase = passphrase.as_ref().is_some_and(SecretSource::forget);
                private_key.forget() || passphrase
            }
            Kind::Pat(source)
            | Kind::OAuth(source)
            | Kind::Password(source)
            | Kind::WorkloadOidc(source) => source.forget(),
            Kind::Grant(endpoint) => endpoint.forget(),
            Kind::WorkloadAws { keys, .. } => keys.forget(),
        }
    }

    async fn read(
        &self,
        account: &str,
        user: &str,
        now: DateTime<Utc>,
    ) -> Result<Presented, CredentialError> {
        let (proof, source) = match &self.kind {
            Kind::KeyPair {
                private_key,
                passphrase,
            } => {
                let pair = self.pair(private_key, passphrase.as_ref()).await?;
                let token = pair
                    .mint(account, user, now)
                    .ok_or(CredentialError::Unsigned)?;
                return Ok(Presented {
                    proof: Proof::Jwt(token),
                    reference: pair.fingerprint().to_owned(),
                });
            }
            Kind::Pat(source) => (Proof::Pat(text::token(source).await?), source),
            Kind::OAuth(source) => (Proof::OAuth(text::token(source).await?), source),
            Kind::Password(source) => (Proof::Password(text::phrase(source).await?), source),
            Kind::WorkloadOidc(source) => {
                let token = text::token(source).await?;
                (Proof::Workload("OIDC", token), source)
            }
            Kind::Grant(endpoint) => {
                return Ok(Presented {
                    proof: Proof::OAuth(endpoint.token().await?),
                    reference: endpoint.reference(),
                });
            }
            Kind::WorkloadAws { region, keys } => {
                let keys = keys
                    .read(now)
                    .await
                    .map_err(|found| CredentialError::Flaws(vec![flaw("provider", found)]))?;
                let attestation = workload::attestation(&keys, region, now);
                return Ok(Presented {
                    proof: Proof::Workload("AWS", attestation.ok_or(CredentialError::Unsigned)?),
                    reference: format!("aws:{}", keys.access_key_id),
                });
            }
        };
        Ok(Presented {
            proof,
            reference: source.reference().to_owned(),
        })
    }

    /// Reads the key pair, or takes the one at hand if its sources say the same as before.
    async fn pair(
        &self,
        source: &SecretSource,
        phrase_source: Option<&SecretSource>,
    ) -> Result<Arc<KeyPair>, CredentialError> {
        let key = source.read(KEY_MAX_BYTES).await;
        let phrase = match phrase_source {
            Some(source) => text::phrase(source).await.map(Some),
            None => Ok(None),
        };
        let (key, phrase) = match (key, phrase) {
            (Ok(key), Ok(phrase)) => (key, phrase),
            (Err(CredentialError::Flaws(mut flaws)), Err(CredentialError::Flaws(others))) => {
                flaws.extend(others);
                return Err(CredentialError::Flaws(flaws));
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        let digest = digest(&key, phrase.as_ref());
        if let Some(pair) = self.held(digest) {
            return Ok(pair);
        }
        // Deriving the key from a passphrase takes longer than a core's runtime may be held up.
        let opening = tokio::task::spawn_blocking(move || KeyPair::read(&key, phrase.as_ref()));
        let opened = opening.await.map_err(|_| CredentialError::Slow)?;
        let pair = opened.map(Arc::new).map_err(|error| {
            CredentialError::Flaws(vec![key_flaw(error, source, phrase_source)])
        })?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held {
            digest,
            pair: Arc::clone(&pair),
        });
        Ok(pair)
    }

    fn held(&self, digest: [u8; 32]) -> Option<Arc<KeyPair>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref().filter(|held| held.digest == digest)?;
        Some(Arc::clone(&held.pair))
    }
}

/// What a missing passphrase is told under.
const PASSPHRASE: &str = "passphrase_file";

fn flaw(setting: &'static str, Untrusted { expected, found }: Untrusted) -> Flaw {
    Flaw {
        setting,
        expected,
        found,
    }
}

/// Says which of the two secrets a key's error is about.
fn key_flaw(error: KeyError, source: &SecretSource, phrase: Option<&SecretSource>) -> Flaw {
    let key = source.place();
    let of_phrase = phrase.map_or(PASSPHRASE, SecretSource::setting);
    let (setting, expected, found) = match error {
        KeyError::PassphraseMissing => (
            PASSPHRASE,
            format!("a file with the passphrase of {key}, which is encrypted"),
            "nothing".to_owned(),
        ),
        KeyError::PassphraseUnneeded => (
            of_phrase,
            format!("nothing, since {key} is not encrypted"),
            shown(phrase).to_owned(),
        ),
        KeyError::PassphraseWrong => (
            of_phrase,
            format!("the passphrase of {key}"),
            format!("{} with another one", shown(phrase)),
        ),
        KeyError::Absent
        | KeyError::Several
        | KeyError::Damaged
        | KeyError::Traditional
        | KeyError::TraditionalEncrypted
        | KeyError::Outdated
        | KeyError::NotRsa => (
            source.setting(),
            "an RSA private key in PKCS#8 PEM (`BEGIN PRIVATE KEY`, or `BEGIN ENCRYPTED PRIVATE KEY` by PBES2 and AES)"
                .to_owned(),
            format!("{key}, which {error}"),
        ),
    };
    Flaw {
        setting,
        expected,
        found,
    }
}

fn shown(source: Option<&SecretSource>) -> &str {
    source.map_or("nothing", SecretSource::place)
}

/// Digests both; the length keeps the two apart.
fn digest(key: &[u8], passphrase: Option<&Secret>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&key.len().to_le_bytes());
    context.update(key);
    if let Some(passphrase) = passphrase {
        context.update(b"passphrase");
        context.update(passphrase.reveal().as_bytes());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
