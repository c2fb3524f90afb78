//! Secrets on this host: files, systemd's credentials, the daemon's environment.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::{SYSTEMD_FOLDER, Untrusted, read_secret_file};

/// How long a file may take to be read: it may be on a disk that hangs.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Where a secret lies on this host.
#[derive(Clone)]
pub(super) enum Local {
    /// In a file.
    File(PathBuf),
    /// Under a name in systemd's folder of the daemon's credentials.
    Systemd(String),
    /// In a variable of the daemon's environment, which no other user reads (proc(5), `/proc/pid/environ`).
    Env(String),
}

impl Local {
    /// Reads it, on a thread of its own.
    pub(super) async fn read(&self, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        let local = self.clone();
        let reading = tokio::task::spawn_blocking(move || local.read_here(limit_bytes));
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) | Err(_) => Err(Untrusted {
                expected: format!(
                    "a secret that can be read within {} s",
                    READ_WITHIN.as_secs()
                ),
                found: "one that takes longer".to_owned(),
            }),
        }
    }

    fn read_here(&self, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        match self {
            Self::File(path) => read_secret_file(path, limit_bytes),
            Self::Systemd(name) => {
                let folder = env::var_os(SYSTEMD_FOLDER).ok_or_else(|| Untrusted {
                    expected: format!("`LoadCredential={name}:...` in the daemon's unit"),
                    found: format!("no `{SYSTEMD_FOLDER}` in the daemon's environment"),
                })?;
                read_secret_file(&Path::new(&folder).join(name), limit_bytes)
            }
            Self::Env(variable) => match env::var(variable) {
                Ok(value) => Ok(Zeroizing::new(value.into_bytes())),
                Err(error) => Err(Untrusted {
                    expected: "a variable of the daemon's environment".to_owned(),
                    found: format!("`{variable}`, which {}", absence(&error)),
                }),
            },
        }
    }
}

fn absence(error: &env::VarError) -> &'static str {
    match error {
        env::VarError::NotPresent => "is not set",
        env::VarError::NotUnicode(_) => "is not UTF-8 text",
    }
}
