//! Second step: looks at every file and folder that the values name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::owner::Owner;
use super::problem::Problems;
use super::trust::{self, Readers, Untrusted};
use super::{Config, Credential, Policy, Source, StoreIdentity, StoreUrl};
use crate::connection::redirect::is_on_bpffs;
use crate::identity::saml::{self, XML_MAX_BYTES};
use crate::identity::{KEYS_MAX_BYTES, KeySource, Keys, SamlProvider, Users, cut};
use crate::upstream::{Flaw, flaws};

/// Longest config file that is read.
const CONFIG_MAX_BYTES: u64 = 1 << 20;

/// Longest file of roots that is read; the usual system bundle takes 220 KB.
const ROOTS_MAX_BYTES: u64 = 8 << 20;

/// Longest file of a store's credential that is read.
const SECRET_MAX_BYTES: u64 = 64 << 10;

/// Longest policy file that is read.
const POLICY_MAX_BYTES: u64 = 4 << 20;

/// A config file as it was found.
pub(super) struct Read {
    /// Its absolute path, without `.` and `..`.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
}

/// Reads the config file itself, which must be trusted.
pub(super) fn read_config(path: &Path, problems: &Problems) -> Option<Read> {
    let path = match std::path::absolute(path) {
        Ok(path) => without_dots(&path),
        Err(error) => {
            problems.add("file", "a path", error.to_string());
            return None;
        }
    };
    let bytes = match trust::read_file(&path, Readers::All, CONFIG_MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(Untrusted { expected, found }) => {
            problems.add("file", expected, found);
            return None;
        }
    };
    match String::from_utf8(bytes.to_vec()) {
        Ok(text) => Some(Read { path, text }),
        Err(_) => {
            problems.add("file", "UTF-8 text", "other bytes");
            None
        }
    }
}

/// Checks what the values name, policies apart; a key that has a problem already is left alone.
pub(super) fn check(config: &Config, problems: &Problems) {
    let tell = |key: &str, outcome: Result<(), Untrusted>| {
        if let Err(Untrusted { expected, found }) = outcome
            && !problems.has(key)
        {
            problems.add(key, expected, found);
        }
    };
    let daemon = &config.daemon;
    let owner = daemon.owner(&Users::read()).unwrap_or_else(|untrusted| {
        tell("daemon.user", Err(untrusted));
        Owner::ROOT
    });
    // The supervisor's own, but for the proxy's folder in it.
    tell(
        "daemon.run_dir",
        trust::check_folder_to_be(&daemon.run_dir, Owner::ROOT),
    );
    tell(
        "daemon.run_dir",
        trust::check_way(&daemon.proxy_dir(), owner),
    );
    tell("daemon.state_dir", proxys_folder(&daemon.state_dir, owner));
    tell("capture.root", cgroup(&config.capture.root));
    tell("capture.pin_dir", pins(&config.capture.pin_dir));
    if let Some(file) = &config.upstream.ca_file {
        tell("upstream.ca_file", roots(file));
    }
    for (index, account) in config.accounts.iter().enumerate() {
        let key = format!("account[{index}]");
        check_credential(&key, &account.credential, problems);
        for (index, grant) in account.grants.iter().enumerate() {
            if let Some(credential) = &grant.credential {
                check_credential(&format!("{key}.grant[{index}]"), credential, problems);
            }
        }
    }
    if let Some(file) = &config.identity.ca_file {
        tell("identity.ca_file", roots(file));
    }
    if let Some(file) = &config.prompts.ca_file {
        tell("prompts.ca_file", roots(file));
    }
    for (index, issuer) in config.identity.issuers.iter().enumerate() {
        if let KeySource::File(file) = &issuer.keys {
            tell(
                &format!("identity.issuer[{index}].jwks_file"),
                public_keys(file),
            );
        }
    }
    if let Some(approvals) = &config.approvals {
        if let KeySource::File(file) = &approvals.rules.issuer.keys {
            tell("approvals.issuer.jwks_file", public_keys(file));
        }
        if let Some(secret) = &approvals.slack
            && let Source::File(file) = &secret.source
        {
            tell(
                &format!("approvals.{}", secret.setting),
                trust::read_secret_file(file, SECRET_MAX_BYTES).map(drop),
            );
        }
        for (index, notify) in approvals.notify.iter().enumerate() {
            let secret = notify.to.secret();
            let key = format!("approvals.notify[{index}].{}", secret.setting);
            if let Source::File(file) = &secret.source {
                tell(
                    &key,
                    trust::read_secret_file(file, SECRET_MAX_BYTES).map(drop),
                );
            }
        }
    }
    for (index, export) in config.exports.iter().enumerate() {
        for secret in export.secrets() {
            let key = format!("export[{index}].{}", secret.setting);
            if let Source::File(file) = &secret.source {
                tell(
                    &key,
                    trust::read_secret_file(file, SECRET_MAX_BYTES).map(drop),
                );
            }
        }
    }
    check_providers(&config.identity.providers, problems);
    if let Some(folder) = StoreUrl::read(&config.record.store)
        .as_ref()
        .and_then(StoreUrl::local)
    {
        tell("record.store", proxys_folder(folder, owner));
    }
    let options = &config.record.store_options;
    if let Some(file) = &options.ca_file {
        tell("record.store_options.ca_file", roots(file));
    }
    if let StoreIdentity::Secret(secret) = &options.identity
        && let Source::File(file) = &secret.source
    {
        let key = format!("record.store_options.{}", secret.setting);
        tell(
            &key,
            trust::read_secret_file(file, SECRET_MAX_BYTES).map(drop),
        );
    }
}

/// Checks the metadata of SAML providers: each is another one, so that a message's issuer tells whose settings count.
fn check_providers(providers: &[SamlProvider], problems: &Problems) {
    let mut named = BTreeSet::new();
    for (index, provider) in providers.iter().enumerate() {
        let key = format!("identity.saml[{index}].metadata_file");
        if problems.has(&key) {
            continue;
        }
        match read_metadata(&provider.metadata_file) {
            Err(Untrusted { expected, found }) => problems.add(key, expected, found),
            Ok((metadata, _)) if !named.insert(metadata.entity_id().to_owned()) => {
                let (file, name) = (provider.metadata_file.display(), cut(metadata.entity_id()));
                let expected = "the metadata of another provider in each table";
                problems.add(key, expected, format!("`{file}` of {name:?} again"));
            }
            Ok(_) => {}
        }
    }
}

/// Checks the credential of the table `of`; one that has a problem already is left alone.
fn check_credential(of: &str, credential: &Credential, problems: &Problems) {
    let key = format!("{of}.credential");
    if problems.has_within(&key) {
        return;
    }
    for Flaw {
        setting,
        expected,
        found,
    } in flaws(credential)
    {
        problems.add(format!("{key}.{setting}"), expected, found);
    }
}

/// Checks the policies' folder and files.
pub(super) fn check_policy(policy: &Policy, problems: &Problems) {
    if let Err(Untrusted { expected, found }) = read_policies(&policy.dir)
        && !problems.has("policy.dir")
    {
        problems.add("policy.dir", expected, found);
    }
}

/// Checks a folder that the proxy writes to, or will once it is made.
fn proxys_folder(folder: &Path, owner: Owner) -> Result<(), Untrusted> {
    trust::check_folder_to_be(folder, owner)?;
    trust::check_way(folder, owner)
}

fn cgroup(root: &Path) -> Result<(), Untrusted> {
    // Every cgroup v2 folder has this file, the root too; v1 folders have not (cgroup-v2.rst, "Core Interface Files").
    if root.join("cgroup.controllers").exists() {
        return Ok(());
    }
    Err(Untrusted {
        expected: "a folder of a mounted cgroup v2".to_owned(),
        found: format!("`{}`, which is none", root.display()),
    })
}

fn pins(dir: &Path) -> Result<(), Untrusted> {
    if is_on_bpffs(dir) {
        return Ok(());
    }
    Err(Untrusted {
        expected: "a folder on a BPF file system (`mount -t bpf bpf /sys/fs/bpf` mounts one)"
            .to_owned(),
        found: format!("`{}`, which is on another", dir.display()),
    })
}

fn roots(file: &Path) -> Result<(), Untrusted> {
    let pem = trust::read_file(file, Readers::All, ROOTS_MAX_BYTES)?;
    let good =
        CertificateDer::pem_slice_iter(&pem).try_fold(0_usize, |count, one| one.map(|_| count + 1));
    match good {
        Ok(count) if count > 0 => Ok(()),
        Ok(_) | Err(_) => Err(Untrusted {
            expected: "certificates in PEM (`BEGIN CERTIFICATE`)".to_owned(),
            found: format!("`{}`, which has none that can be read", file.display()),
        }),
    }
}

fn public_keys(file: &Path) -> Result<(), Untrusted> {
    read_public_keys(file).map(|_| ())
}

/// Reads the file of an issuer's public keys, which must be trusted; gives its bytes too.
pub(crate) fn read_public_keys(file: &Path) -> Result<(Keys, Vec<u8>), Untrusted> {
    let text = trust::read_file(file, Readers::All, KEYS_MAX_BYTES as u64)?;
    let keys = Keys::read(&text).map_err(|error| Untrusted {
        expected: "an issuer's public keys (a JWKS)".to_owned(),
        found: format!("`{}`: {error}", file.display()),
    })?;
    Ok((keys, text.to_vec()))
}

/// Reads the file of a SAML provider's metadata, which must be trusted; gives its bytes too.
pub(crate) fn read_metadata(file: &Path) -> Result<(saml::Provider, Vec<u8>), Untrusted> {
    let xml = trust::read_file(file, Readers::All, XML_MAX_BYTES as u64)?;
    let metadata = saml::Provider::read(&xml).map_err(|error| Untrusted {
        expected: "a SAML provider's metadata".to_owned(),
        found: format!("`{}`: {error}", file.display()),
    })?;
    Ok((metadata, xml.to_vec()))
}

/// Reads the policy files of a folder, by name; all of them must be trusted.
pub(crate) fn read_policies(dir: &Path) -> Result<Vec<(PathBuf, String)>, Untrusted> {
    let names = trust::list_folder(dir)?;
    let files: Vec<PathBuf> = names
        .iter()
        .map(|name| dir.join(name))
        .filter(|file| is_policy(file))
        .collect();
    if files.is_empty() {
        return Err(Untrusted {
            expected: "a folder with at least one `*.cedar` file".to_owned(),
            found: format!("`{}`, which has none", dir.display()),
        });
    }
    let read = |file: PathBuf| {
        let bytes = trust::read_file(&file, Readers::All, POLICY_MAX_BYTES)?;
        match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Ok((file, text)),
            Err(_) => Err(Untrusted {
                expected: "a file of UTF-8 text".to_owned(),
                found: format!("`{}` of other bytes", file.display()),
            }),
        }
    };
    files.into_iter().map(read).collect()
}

/// Lists the policy files of a folder, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn policy_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if is_policy(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Tells whether a file of the policies' folder counts.
pub(super) fn is_policy(file: &Path) -> bool {
    (file.extension()).is_some_and(|extension| extension == "cedar")
}

/// Takes `.` and `..` out of a path; links on the way are refused later, so this cannot change where it leads.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
