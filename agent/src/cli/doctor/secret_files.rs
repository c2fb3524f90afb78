//! Files and folders of the daemon's that a job must not be able to open: keys, credentials, the spool, the local store, pins.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, Credential, SecretAt, Source};

/// Most files that are tried.
const FILES_MAX: usize = 128;

/// Those that there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SecretFiles {
    /// Those that are to be tried.
    pub(super) tried: Vec<PathBuf>,
    /// How many more there are.
    pub(super) left_out: usize,
}

/// Lists those that there are.
pub(super) fn of(config: &Config) -> SecretFiles {
    let state = &config.daemon.state_dir;
    let mut files: BTreeSet<PathBuf> = [
        state.join("spool"),
        state.join("keys"),
        config.daemon.proxy_dir(),
        config.capture.pin_dir.clone(),
    ]
    .into();
    files.extend(config.local_store());
    for folder in [state.clone(), state.join("ca"), state.join("keys")] {
        files.extend(keys(&folder));
    }
    for account in &config.accounts {
        let own = account
            .grants
            .iter()
            .filter_map(|grant| grant.credential.as_ref());
        for credential in std::iter::once(&account.credential).chain(own) {
            files.extend(of_credential(credential));
        }
    }
    there(files, FILES_MAX)
}

fn there(files: BTreeSet<PathBuf>, tried_max: usize) -> SecretFiles {
    let mut tried: Vec<PathBuf> = files
        .into_iter()
        .filter(|file| file.symlink_metadata().is_ok())
        .collect();
    let left_out = tried.len().saturating_sub(tried_max);
    tried.truncate(tried_max);
    SecretFiles { tried, left_out }
}

/// Finds the files of keys in a folder.
fn keys(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "key"))
        .collect()
}

fn of_credential(credential: &Credential) -> Vec<PathBuf> {
    let secrets: Vec<&SecretAt> = match credential {
        Credential::KeyPair {
            private_key,
            passphrase,
        } => std::iter::once(private_key).chain(passphrase).collect(),
        Credential::Pat(at)
        | Credential::OAuth(at)
        | Credential::Password(at)
        | Credential::WorkloadOidc(at) => vec![at],
        Credential::OAuthGrant(grant) => grant
            .client_secret
            .iter()
            .chain(&grant.refresh_token)
            .collect(),
        Credential::WorkloadAws { .. } => Vec::new(),
    };
    let file = |at: &SecretAt| match &at.source {
        Source::File(path) => Some(path.clone()),
        Source::Systemd(_)
        | Source::Env(_)
        | Source::Command(_)
        | Source::Vault(_)
        | Source::Aws(_) => None,
    };
    secrets.into_iter().filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_too_many_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c", "nowhere"];
        let files: BTreeSet<PathBuf> = names.map(|name| folder.path().join(name)).into();
        for file in files.iter().take(3) {
            fs::write(file, "").unwrap();
        }
        let all = there(files.clone(), 3);
        assert_eq!((all.tried.len(), all.left_out), (3, 0));
        let some = there(files, 2);
        assert_eq!((some.tried.len(), some.left_out), (2, 1));
    }
}
