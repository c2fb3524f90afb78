//! The config file of a daemon under test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::emulator::CHUNK_HOST;

/// What differs from one world's config to the next; everything else stands in [`Config::text`].
#[derive(Clone, Debug)]
pub struct Config {
    /// `enforce` or `observe`.
    pub mode: String,
    /// Where `run` and `state` are.
    pub folder: PathBuf,
    /// The cgroup that stands for the machine's root.
    pub cgroup: PathBuf,
    /// Where links and maps are pinned.
    pub pins: PathBuf,
    /// The proxy's port.
    pub port: u16,
    /// What the proxy trusts beside the host's roots.
    pub upstream_ca: PathBuf,
    /// Where the proxy finds the account's host.
    pub upstream: SocketAddr,
    /// Where the proxy finds a host that it does not govern.
    pub key_file: PathBuf,
    /// `strict_local` or `best_effort`.
    pub record_mode: String,
    /// Where the record goes.
    pub store: PathBuf,
    /// Most bytes that wait on the local disk, such as `64MiB`.
    pub spool_max: String,
    /// How long sessions may take to end when the daemon stops, such as `5s`.
    pub shutdown_grace: String,
}

impl Config {
    /// Gives the daemon's run folder.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// Gives the daemon's state folder.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Gives the policies' folder.
    #[must_use]
    pub fn policies(&self) -> PathBuf {
        self.folder.join("policies")
    }

    /// Writes the file.
    #[must_use]
    pub fn text(&self) -> String {
        let quoted = |path: &Path| format!("\"{}\"", path.display());
        format!(
            r#"[daemon]
run_dir = {run}
state_dir = {state}
mode = "{mode}"
shutdown_grace = "{grace}"

[capture]
root = {root}
pin_dir = {pins}
port = {port}

[upstream]
ca_file = {ca}
connect_timeout = "3s"

[upstream.resolve]
"acme.snowflakecomputing.com" = "{upstream}"
"{chunks}" = "{upstream}"

[[account]]
host = "acme.snowflakecomputing.com"
name = "ACME"
user = "ICECORE_SVC"
role = "ANALYST"
warehouse = "WH"
credential = {{ kind = "key-pair", private_key_file = {key} }}

[policy]
dir = {policies}

[record]
mode = "{record_mode}"
store = "file://{store}"
spool_max = "{spool_max}"
seal_interval = "1h"
"#,
            run = quoted(&self.run_dir()),
            state = quoted(&self.state_dir()),
            mode = self.mode,
            grace = self.shutdown_grace,
            root = quoted(&self.cgroup),
            pins = quoted(&self.pins),
            port = self.port,
            ca = quoted(&self.upstream_ca),
            upstream = self.upstream,
            chunks = CHUNK_HOST,
            key = quoted(&self.key_file),
            policies = quoted(&self.policies()),
            record_mode = self.record_mode,
            store = self.store.display(),
            spool_max = self.spool_max,
        )
    }
}
