//! A secret from where it is kept: what lies on this host is read anew each time, what must be fetched is kept a while.

pub(super) mod aws;
mod command;
mod kept;
mod local;
mod vault;

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{CredentialError, Flaw, flaw};
use crate::config::{SecretAt, Source, Untrusted};
use crate::web;
use aws::SecretsManager;
use command::Command;
use kept::Kept;
use local::Local;
use vault::Vault;

/// A secret's bytes, as they were found.
pub(super) type Bytes = Arc<Zeroizing<Vec<u8>>>;

/// Where one secret of a credential comes from.
pub(super) struct SecretSource {
    setting: &'static str,
    noun: &'static str,
    place: String,
    reference: String,
    way: Way,
}

/// How its bytes are had.
enum Way {
    /// Read anew each time.
    Local(Local),
    /// Fetched, and kept for a while.
    Kept(Arc<Kept>),
}

/// A source that has to be asked.
enum Remote {
    /// A program of the host's.
    Command(Command),
    /// HashiCorp Vault.
    Vault(Box<Vault>),
    /// AWS Secrets Manager.
    Aws(Box<SecretsManager>),
}

impl Remote {
    /// Asks for the secret.
    async fn fetch(&self) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        match self {
            Self::Command(command) => command.run().await,
            Self::Vault(vault) => vault.read().await,
            Self::Aws(secrets) => secrets.read().await,
        }
    }
}

impl SecretSource {
    /// Takes a source as the config has it; nothing is read.
    pub(super) fn new(at: &SecretAt, web: &web::Client) -> Result<Self, CredentialError> {
        let setting = at.setting;
        let kept = |freshness, remote| Way::Kept(Arc::new(Kept::new(freshness, remote)));
        let (noun, prefix, name, way) = match &at.source {
            Source::File(path) => {
                let name = path.display().to_string();
                ("a file", "", name, Way::Local(Local::File(path.clone())))
            }
            Source::Systemd(name) => (
                "a credential of systemd's",
                "systemd:",
                name.clone(),
                Way::Local(Local::Systemd(name.clone())),
            ),
            Source::Env(variable) => (
                "a variable",
                "env:",
                variable.clone(),
                Way::Local(Local::Env(variable.clone())),
            ),
            Source::Command(source) => (
                "a command's output",
                "command:",
                source.argv.first().cloned().unwrap_or_default(),
                kept(source.freshness, Remote::Command(Command::new(source))),
            ),
            Source::Vault(source) => {
                let vault = Vault::new(source, web);
                let vault = vault.map_err(|found| flawed(setting, found))?;
                (
                    "a secret of Vault's",
                    "vault:",
                    format!("{}/{}#{}", source.mount, source.path, source.field),
                    kept(source.freshness, Remote::Vault(Box::new(vault))),
                )
            }
            Source::Aws(source) => {
                let key = source.json_key.as_ref();
                let key = key.map_or_else(String::new, |key| format!("#{key}"));
                let secrets = Box::new(SecretsManager::new(source, web));
                (
                    "a secret of AWS's",
                    "aws:",
                    format!("{}{key}", source.secret_id),
                    kept(source.freshness, Remote::Aws(secrets)),
                )
            }
        };
        Ok(Self {
            setting,
            noun,
            place: format!("`{name}`"),
            reference: format!("{prefix}{name}"),
            way,
        })
    }

    /// Stands for a source that nobody reads, for tests.
    #[cfg(test)]
    pub(super) fn nowhere() -> Self {
        Self {
            setting: "token_file",
            noun: "a file",
            place: "nowhere".to_owned(),
            reference: "nowhere".to_owned(),
            way: Way::Local(Local::File(std::path::PathBuf::new())),
        }
    }

    /// Reads the secret as it is at this moment, or takes the one that was fetched a short while ago.
    pub(super) async fn read(&self, limit_bytes: u64) -> Result<Bytes, CredentialError> {
        let read = match &self.way {
            Way::Local(local) => local.read(limit_bytes).await.map(Arc::new),
            Way::Kept(kept) => kept.read().await,
        };
        let bytes = read.map_err(|found| flawed(self.setting, found))?;
        if bytes.len() as u64 > limit_bytes {
            let expected = format!("of at most {limit_bytes} bytes");
            return Err(self.flaw(&expected, &format!("is one of {} bytes", bytes.len())));
        }
        Ok(bytes)
    }

    /// Lets go of a value that was refused where it was shown; tells whether there was one that had been kept.
    pub(super) fn forget(&self) -> bool {
        match &self.way {
            Way::Local(_) => false,
            Way::Kept(kept) => kept.forget(),
        }
    }

    /// Says that what was read is not what it must be; `found` follows the secret's place.
    pub(super) fn flaw(&self, expected: &str, found: &str) -> CredentialError {
        CredentialError::Flaws(vec![Flaw {
            setting: self.setting,
            expected: format!("{} {expected}", self.noun),
            found: format!("{}, which {found}", self.place),
        }])
    }

    /// Names where the secret is, for other flaws.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Names the secret for the record.
    pub(super) fn reference(&self) -> &str {
        &self.reference
    }

    /// Gives the key of the config that names it.
    pub(super) fn setting(&self) -> &'static str {
        self.setting
    }
}

fn flawed(setting: &'static str, found: Untrusted) -> CredentialError {
    CredentialError::Flaws(vec![flaw(setting, found)])
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
