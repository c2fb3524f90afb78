//! Section `[capture]`: what the kernel programs are told.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// Which connections the kernel hands to the proxy, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// The cgroup v2 folder that the programs attach to.
    pub root: PathBuf,
    /// The bpffs folder that keeps links and maps.
    pub pin_dir: PathBuf,
    /// The proxy's port on 127.0.0.1 and `::1`.
    pub port: u16,
    /// Destination ports that are redirected.
    pub redirect_ports: Vec<u16>,
    /// Whether the kernel programs write log lines.
    pub program_logs: bool,
    /// Who is kept from the addresses of governed hosts.
    pub guard: Guard,
    /// Age at which the proxy's heartbeat counts as lost, and sessions' connects are refused.
    pub heartbeat_stale: Duration,
    /// Whether packets to guarded addresses are dropped as well, not connects alone.
    pub backstop: bool,
    /// Whether sessions may use `io_uring`, by which a socket of any family is made unseen.
    pub io_uring: bool,
    /// Whether containers that become sessions could have made an `io_uring` before.
    pub container_io_uring: ContainerIoUring,
}

impl Capture {
    /// Age of a lost heartbeat where the config does not say it: eight beats.
    pub const HEARTBEAT_STALE: Duration = Duration::from_secs(2);
}

/// Who is kept from the addresses of governed hosts; sessions are redirected on the ports for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Everybody below the capture root but the daemon.
    Host,
    /// Sessions alone.
    Sessions,
}

/// Whether a container could have made an `io_uring`: rights and sockets from before can be kept in one, where nothing shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerIoUring {
    /// Nobody says; the kernel may (`kernel.io_uring_disabled`).
    Unknown,
    /// The operator says that the engine's seccomp profile denies it.
    Denied,
}
