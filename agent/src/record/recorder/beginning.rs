//! What a recorder begins with: its settings checked, its digest key, its chain, and the chain's first rows.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread::{Builder, JoinHandle};

use serde_json::json;

use super::super::body::{Body, Facts};
use super::super::chain::documents::Before;
use super::super::chain::keys::SigningKey;
use super::super::chain::{About, Beginning, ChainWriter};
use super::super::digest::{DigestKey, hex};
use super::super::disk;
use super::super::encryption::{Keys, Purpose};
use super::super::error::RecordError;
use super::super::event::{Category, EventRow, Row, Severity, code};
use super::super::recover::Recovered;
use super::super::scrub::Scrub;
use super::super::settings::Settings;
use crate::clock::Clock;

/// Refuses settings that name no place in a store.
pub(super) fn check(settings: &Settings) -> Result<(), RecordError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let org = &settings.org;
    if org.is_empty() || org.starts_with('.') || !org.bytes().all(plain) {
        return Err(RecordError::Setting {
            setting: "org",
            expected: "letters, digits, `-`, `_` and `.`",
            found: org.clone(),
        });
    }
    match settings.store.local() {
        Some(root) => check_folder(root),
        None => Ok(()),
    }
}

/// Refuses a store in a folder where others could put links in the place of ours. One that is not there yet is made.
fn check_folder(root: &Path) -> Result<(), RecordError> {
    let mode = fs::metadata(root).map_or(0, |found| found.mode() & 0o7777);
    if mode & 0o022 == 0 {
        return Ok(());
    }
    Err(RecordError::Setting {
        setting: "store",
        expected: "a folder that its owner alone can write",
        found: format!("mode {mode:o} of {}", root.display()),
    })
}

/// Makes the chain's digest key: wrapped for the readers, or where there are none kept in a file for a verifier here.
pub(super) fn digest_key(
    settings: &Settings,
    keys: &Keys,
    chain: &str,
) -> Result<DigestKey, RecordError> {
    match keys.of(chain, Purpose::Digest)? {
        Some(key) => Ok(DigestKey::of(key.bytes())),
        None => DigestKey::load(&settings.state_dir.join("keys").join(chain)),
    }
}

/// Gives what the recorder fills in where rows do not say it.
pub(super) fn facts(settings: &Settings) -> Result<Facts, RecordError> {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    Ok(Facts {
        org: settings.org.clone(),
        host_id: settings.host_id.clone(),
        boot_id: boot_id.ok().map(|id| id.trim().to_owned()),
        proxy_version: settings.proxy_version.clone(),
        policy_bundle_sha256: settings.policy_bundle_sha256,
        recording_mode: settings.mode.as_str(),
        scrub: settings.scan_secrets.then(Scrub::random).transpose()?,
    })
}

/// Begins a chain, and gives its genesis.
pub(super) fn begin(
    settings: &Settings,
    facts: &Facts,
    chain: &str,
    previous: Option<Before>,
    clock: Clock,
) -> Result<(ChainWriter, ApprovalsKey), RecordError> {
    let about = About {
        org: settings.org.clone(),
        chain: chain.to_owned(),
        writer_build: facts.proxy_version.clone(),
        policy_bundle_sha256: hex(&settings.policy_bundle_sha256),
    };
    let approvals = SigningKey::make()?;
    let beginning = Beginning {
        created_at: clock.now(),
        host_id: facts.host_id.clone(),
        boot_id: facts.boot_id.clone(),
        approvals_key: Some(approvals.public_text()),
        previous,
        recording_mode: facts.recording_mode.to_owned(),
        config_sha256: hex(&settings.config_sha256),
        build: settings.build.clone(),
    };
    let installation = SigningKey::of_installation(&settings.state_dir)?;
    let public = *installation.public();
    let (writer, genesis) = ChainWriter::begin(about, beginning, installation)?;
    Ok((
        writer,
        ApprovalsKey {
            key: approvals,
            installation: public,
            genesis,
        },
    ))
}

/// What requests for approvals are signed by, and what shows whose key that is.
#[derive(Debug)]
pub(crate) struct ApprovalsKey {
    /// The key, which is in memory alone.
    pub(crate) key: SigningKey,
    /// The installation's public key.
    pub(crate) installation: [u8; 32],
    /// The chain's genesis, which names the key and is signed by the installation's.
    pub(crate) genesis: Vec<u8>,
}

/// Gives what a chain begins with: its genesis, and what was recovered.
pub(super) fn first_rows(
    settings: &Settings,
    facts: &Facts,
    previous: Option<&str>,
    recovered: &Recovered,
) -> Result<Vec<Body>, RecordError> {
    let genesis = EventRow {
        event_code: code::GENESIS,
        category: Category::Chain,
        detail: Some(json!({
            "previous_chain": previous,
            "host_id": facts.host_id,
            "boot_id": facts.boot_id,
            "proxy_version": facts.proxy_version,
            "recording_mode": facts.recording_mode,
            "config_sha256": hex(&settings.config_sha256),
            "policy_bundle_sha256": hex(&settings.policy_bundle_sha256),
            "build": settings.build,
        })),
        ..EventRow::default()
    };
    let mut rows = vec![Body::of(Row::from(genesis), facts)?];
    for end in &recovered.unclosed {
        let recovery = EventRow {
            event_code: code::RECOVERY,
            category: Category::Chain,
            severity: Severity::Medium,
            detail: Some(json!({
                "chain": end.chain,
                "last_seq": end.last_seq,
                "torn_bytes": end.torn_bytes,
            })),
            ..EventRow::default()
        };
        rows.push(Body::of(Row::from(recovery), facts)?);
    }
    Ok(rows)
}

/// Starts one of the recorder's threads.
pub(super) fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, RecordError> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(disk::failed("start", name.as_ref()))
}
