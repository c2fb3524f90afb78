//! How the proxy proves to Snowflake who it is: its files are read anew for each login, so that they can be rotated.

mod key;
mod text;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};

use crate::config::{self, Untrusted, read_secret_file};
use crate::snowflake::login::Proof;
use crate::snowflake::secret::Secret;
use key::{KeyError, KeyPair};

/// How long reading a credential's files and signing may take; drivers give a login 10 s (protocol reference 2.4).
const READ_WITHIN: Duration = Duration::from_secs(8);

/// Longest private key file that is read; a 16384-bit RSA key takes 13 KB.
const KEY_MAX_BYTES: u64 = 64 << 10;

/// What is wrong with a file that a credential names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The setting that names the file, such as `private_key_file`.
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

/// Why a credential cannot be used; for the operator, since it names files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Its files are not as they must be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Files(Vec<Flaw>),
    /// The JWT could not be signed.
    #[error("private_key_file: expected a key that can sign, found one that cannot")]
    Unsigned,
    /// The files were not read in time.
    #[error("expected files that can be read within {} s, found slower ones", READ_WITHIN.as_secs())]
    Slow,
}

/// An account's credential: where it is, and the key that was last found there.
pub struct Credential {
    source: config::Credential,
    held: Mutex<Option<Held>>,
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
    /// Says which credential it was: a key's fingerprint, else the file's path.
    pub reference: String,
}

impl Credential {
    /// Reads a credential's files once, so that what is wrong with them is told before anything is served.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn open(source: config::Credential) -> Result<Self, CredentialError> {
        let credential = Self {
            source,
            held: Mutex::new(None),
        };
        credential.read("", "", DateTime::UNIX_EPOCH)?;
        Ok(credential)
    }

    /// Stands for a credential that nobody presents, for tests of what an account is used for.
    #[cfg(test)]
    pub(crate) fn in_no_file() -> Self {
        let token_file = std::path::PathBuf::new();
        Self {
            source: config::Credential::Pat { token_file },
            held: Mutex::new(None),
        }
    }

    /// Reads the files as they are at this moment and makes the proof for one login.
    ///
    /// # Errors
    /// What is wrong with the files; or they cannot be read in time.
    pub async fn present(
        self: &Arc<Self>,
        account: &str,
        user: &str,
        now: DateTime<Utc>,
    ) -> Result<Presented, CredentialError> {
        let credential = Arc::clone(self);
        let (account, user) = (account.to_owned(), user.to_owned());
        let reading = tokio::task::spawn_blocking(move || credential.read(&account, &user, now));
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(presented)) => presented,
            Ok(Err(_)) | Err(_) => Err(CredentialError::Slow),
        }
    }

    fn read(
        &self,
        account: &str,
        user: &str,
        now: DateTime<Utc>,
    ) -> Result<Presented, CredentialError> {
        use config::Credential::{KeyPair, OAuth, Password, Pat};
        let of_file = |proof: Proof, file: &Path| Presented {
            proof,
            reference: file.display().to_string(),
        };
        match &self.source {
            KeyPair {
                private_key_file,
                passphrase_file,
            } => {
                let pair = self.pair(private_key_file, passphrase_file.as_deref())?;
                let token = pair
                    .mint(account, user, now)
                    .ok_or(CredentialError::Unsigned)?;
                Ok(Presented {
                    proof: Proof::Jwt(token),
                    reference: pair.fingerprint().to_owned(),
                })
            }
            Pat { token_file } => {
                let token = text::token("token_file", token_file)?;
                Ok(of_file(Proof::Pat(token), token_file))
            }
            OAuth { token_file } => {
                let token = text::token("token_file", token_file)?;
                Ok(of_file(Proof::OAuth(token), token_file))
            }
            Password { password_file } => {
                let password = text::phrase("password_file", password_file)?;
                Ok(of_file(Proof::Password(password), password_file))
            }
        }
    }

    /// Reads the key pair, or takes the one at hand if its files say the same as before.
    fn pair(
        &self,
        file: &Path,
        passphrase: Option<&Path>,
    ) -> Result<Arc<KeyPair>, CredentialError> {
        let key = read_secret_file(file, KEY_MAX_BYTES).map_err(|found| flaw(KEY, found));
        let phrase = passphrase
            .map(|file| text::phrase(PASSPHRASE, file))
            .transpose();
        let (key, phrase) = match (key, phrase) {
            (Ok(key), Ok(phrase)) => (key, phrase),
            (Err(one), Err(CredentialError::Files(others))) => {
                return Err(CredentialError::Files(
                    std::iter::once(one).chain(others).collect(),
                ));
            }
            (Err(one), Ok(_)) => return Err(CredentialError::Files(vec![one])),
            (_, Err(error)) => return Err(error),
        };
        let digest = digest(&key, phrase.as_ref());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_ref()
            && held.digest == digest
        {
            return Ok(Arc::clone(&held.pair));
        }
        let pair = KeyPair::read(&key, phrase.as_ref())
            .map(Arc::new)
            .map_err(|error| CredentialError::Files(vec![key_flaw(error, file, passphrase)]))?;
        *held = Some(Held {
            digest,
            pair: Arc::clone(&pair),
        });
        Ok(pair)
    }
}

const KEY: &str = "private_key_file";
const PASSPHRASE: &str = "passphrase_file";

fn flaw(setting: &'static str, Untrusted { expected, found }: Untrusted) -> Flaw {
    Flaw {
        setting,
        expected,
        found,
    }
}

/// Says which of the two files a key's error is about.
fn key_flaw(error: KeyError, file: &Path, passphrase: Option<&Path>) -> Flaw {
    let file = file.display();
    let (setting, expected, found) = match error {
        KeyError::PassphraseMissing => (
            PASSPHRASE,
            format!("a file with the passphrase of `{file}`, which is encrypted"),
            "nothing".to_owned(),
        ),
        KeyError::PassphraseUnneeded => (
            PASSPHRASE,
            format!("nothing, since `{file}` is not encrypted"),
            shown(passphrase),
        ),
        KeyError::PassphraseWrong => (
            PASSPHRASE,
            format!("the passphrase of `{file}`"),
            format!("{} with another one", shown(passphrase)),
        ),
        KeyError::Absent
        | KeyError::Several
        | KeyError::Damaged
        | KeyError::Traditional
        | KeyError::TraditionalEncrypted
        | KeyError::Outdated
        | KeyError::NotRsa => (
            KEY,
            "an RSA private key in PKCS#8 PEM (`BEGIN PRIVATE KEY`, or `BEGIN ENCRYPTED PRIVATE KEY` by PBES2 and AES)"
                .to_owned(),
            format!("`{file}`, which {error}"),
        ),
    };
    Flaw {
        setting,
        expected,
        found,
    }
}

fn shown(file: Option<&Path>) -> String {
    file.map_or_else(
        || "nothing".to_owned(),
        |file| format!("`{}`", file.display()),
    )
}

/// Digests both files; the length keeps the two apart.
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
