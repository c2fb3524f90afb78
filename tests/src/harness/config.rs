//! The config file of a daemon under test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::emulator::{CHUNK_HOST, STAGE_HOSTS};

/// The user that proxies run as; no host has one of this number.
pub const PROXY_UID: u32 = 59_861;

/// An account besides the first one; its name is left to Icecore, which reads it off the host.
#[derive(Clone, Debug)]
pub struct OtherAccount {
    /// Host name.
    pub host: String,
    /// Other names of the same account.
    pub aliases: Vec<String>,
    /// User.
    pub user: String,
    /// Role.
    pub role: String,
    /// The value of `credential`.
    pub credential: String,
}

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
    /// The file of the account's credential.
    pub key_file: PathBuf,
    /// The account's `credential`; `None` is the key pair of `key_file`.
    pub credential: Option<String>,
    /// Other names of the account.
    pub aliases: Vec<String>,
    /// Other accounts.
    pub others: Vec<OtherAccount>,
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

    /// Gives the folder of what a proxy leaves for the next one.
    #[must_use]
    pub fn proxy_dir(&self) -> PathBuf {
        self.run_dir().join("proxy")
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

    /// Writes the other accounts.
    fn others(&self) -> String {
        let section = |other: &OtherAccount| {
            format!(
                "\n[[account]]\nhost = \"{}\"\naliases = {:?}\nuser = \"{}\"\nrole = \"{}\"\ncredential = {}\n",
                other.host, other.aliases, other.user, other.role, other.credential
            )
        };
        self.others.iter().map(section).collect()
    }

    /// Writes the file.
    #[must_use]
    pub fn text(&self) -> String {
        let quoted = |path: &Path| format!("\"{}\"", path.display());
        let key_pair = || {
            let key = quoted(&self.key_file);
            format!(r#"{{ kind = "key-pair", private_key_file = {key} }}"#)
        };
        let aliases = match self.aliases.as_slice() {
            [] => String::new(),
            aliases => format!("aliases = {aliases:?}\n"),
        };
        let resolve =
            |other: &OtherAccount| format!("\"{}\" = \"{}\"\n", other.host, self.upstream);
        format!(
            r#"[daemon]
user = {PROXY_UID}
run_dir = {run}
state_dir = {state}
mode = "{mode}"
shutdown_grace = "{grace}"

[capture]
root = {root}
pin_dir = {pins}
port = {port}
heartbeat_stale = "20s"
container_io_uring = "denied"

[upstream]
ca_file = {ca}
connect_timeout = "3s"

[upstream.resolve]
"acme.snowflakecomputing.com" = "{upstream}"
"{chunks}" = "{upstream}"
{stages}{resolved}
[[account]]
host = "acme.snowflakecomputing.com"
name = "ACME"
user = "ICECORE_SVC"
role = "ANALYST"
warehouse = "WH"
credential = {credential}
{aliases}{others}
[policy]
dir = {policies}

[record]
mode = "{record_mode}"
store = "file://{store}"
spool_max = "{spool_max}"
session_spool_max = "{spool_max}"
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
            stages = STAGE_HOSTS
                .map(|host| format!("\"{host}\" = \"{}\"\n", self.upstream))
                .concat(),
            resolved = self.others.iter().map(resolve).collect::<String>(),
            credential = self.credential.clone().unwrap_or_else(key_pair),
            others = self.others(),
            policies = quoted(&self.policies()),
            record_mode = self.record_mode,
            store = self.store.display(),
            spool_max = self.spool_max,
        )
    }
}
