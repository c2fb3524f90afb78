//! What the recorder must know before it opens.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Record;
pub(super) use crate::config::ResultRows;
pub use crate::config::{Recipient, RecordLimits, RecordMode};

use super::store::StoreAt;

/// Who signs how far the chain has come.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Where it listens.
    pub url: String,
    /// What asks it.
    pub web: crate::web::Client,
}

/// What the recorder must know before it opens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Organisation that the host records for; the first folder in the store.
    pub org: String,
    /// Names the host.
    pub host_id: String,
    /// Folder that holds `spool/` and `keys/`.
    pub state_dir: PathBuf,
    /// What a commit promises.
    pub mode: RecordMode,
    /// Where the store is, and how it is reached.
    pub store: StoreAt,
    /// Most bytes that the spool may hold.
    pub spool_max_bytes: u64,
    /// What one session may put into it, and for how long the store may be away.
    pub limits: RecordLimits,
    /// Longest time that rows wait in the spool before they are sealed.
    pub seal_interval: Duration,
    /// Who signs how far the chain has come, if anyone.
    pub witness: Option<Witness>,
    /// How often a chain signs a manifest, also where nothing was recorded.
    pub heartbeat: Duration,
    /// How many of a result's rows are kept where no policy says it.
    pub result_rows: ResultRows,
    /// Who can read content and rows; where there is nobody, they are not encrypted.
    pub recipients: Vec<Recipient>,
    /// URL of the store of wrapped keys, where it is not the record's own.
    pub key_store: Option<StoreAt>,
    /// Whether secrets are taken out of texts before they are on disk.
    pub scan_secrets: bool,
    /// SHA-256 of the configuration.
    pub config_sha256: [u8; 32],
    /// SHA-256 of the policies.
    pub policy_bundle_sha256: [u8; 32],
    /// Version of icecore.
    pub proxy_version: String,
    /// More facts of the build for the chain's first event, such as the BPF object's digest.
    pub build: BTreeMap<String, String>,
}

impl Settings {
    /// Records into a store as a config would that names nothing but it; `state_dir` holds the spool.
    #[must_use]
    pub fn new(state_dir: PathBuf, store: StoreAt) -> Self {
        Self {
            org: "default".to_owned(),
            host_id: "unknown".to_owned(),
            state_dir,
            mode: RecordMode::StrictLocal,
            store,
            spool_max_bytes: Record::SPOOL_MAX_BYTES,
            limits: RecordLimits::default(),
            seal_interval: Record::SEAL_INTERVAL,
            witness: None,
            heartbeat: Record::HEARTBEAT,
            result_rows: ResultRows::default(),
            recipients: Vec::new(),
            key_store: None,
            scan_secrets: true,
            config_sha256: [0; 32],
            policy_bundle_sha256: [0; 32],
            proxy_version: env!("CARGO_PKG_VERSION").to_owned(),
            build: BTreeMap::new(),
        }
    }
}
