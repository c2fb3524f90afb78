//! Credentials of every kind: as the emulator registers them, and as a daemon's config names them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::certificates::LoginKey;
use crate::emulator::Credential;

/// The kinds of credential that a config can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// An RSA key pair.
    KeyPair,
    /// An RSA key pair whose private half is encrypted.
    EncryptedKeyPair,
    /// A programmatic access token.
    Pat,
    /// A password.
    Password,
    /// An OAuth access token.
    OAuth,
}

/// One credential, with its files made.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What the emulator takes.
    pub registered: Credential,
    /// The value of `credential` in the config.
    pub line: String,
    /// The file that holds the secret: a key, a token or a password.
    pub file: PathBuf,
}

impl CredentialKind {
    /// All kinds, for tests that show the same of each.
    pub const ALL: [Self; 5] = [
        Self::KeyPair,
        Self::EncryptedKeyPair,
        Self::Pat,
        Self::Password,
        Self::OAuth,
    ];

    /// Makes a credential of this kind into `folder`.
    pub fn make(self, folder: &Path) -> Result<Proof> {
        match self {
            Self::KeyPair => {
                let key = LoginKey::make(folder)?;
                let line = format!(
                    r#"{{ kind = "key-pair", private_key_file = "{}" }}"#,
                    key.private_file.display()
                );
                Ok(pair(key, line))
            }
            Self::EncryptedKeyPair => {
                let passphrase = secret(folder, "passphrase")?;
                let key = LoginKey::encrypted(folder, Some(&passphrase))?;
                let line = format!(
                    r#"{{ kind = "key-pair", private_key_file = "{}", passphrase_file = "{}" }}"#,
                    key.private_file.display(),
                    passphrase.display()
                );
                Ok(pair(key, line))
            }
            Self::Pat => given(folder, "pat", "token", |token| Credential::Pat { token }),
            Self::OAuth => given(folder, "oauth", "token", |token| Credential::Oauth {
                token,
            }),
            Self::Password => given(folder, "password", "password", |password| {
                Credential::Password { password }
            }),
        }
    }
}

fn pair(key: LoginKey, line: String) -> Proof {
    Proof {
        registered: Credential::KeyPair {
            public_key_pem: key.public_pem,
        },
        line,
        file: key.private_file,
    }
}

/// Makes a secret of random text and the line that names its file.
fn given(
    folder: &Path,
    kind: &str,
    setting: &str,
    registered: fn(String) -> Credential,
) -> Result<Proof> {
    let file = secret(folder, kind)?;
    Ok(Proof {
        registered: registered(fs::read_to_string(&file)?),
        line: format!(
            r#"{{ kind = "{kind}", {setting}_file = "{}" }}"#,
            file.display()
        ),
        file,
    })
}

/// Writes a random secret into a file that its owner alone reads.
fn secret(folder: &Path, name: &str) -> Result<PathBuf> {
    let file = folder.join(format!("login.{name}"));
    fs::write(&file, format!("{name}-{}", uuid::Uuid::new_v4().simple()))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
