//! Reaches the daemon by its control socket.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::Exit;
use super::failure::Failure;
use crate::config::Config;
use crate::supervisor::SOCKET;

/// The control socket of a daemon whose config says nothing else.
const DEFAULT_SOCKET: &str = "/run/icecore/control.sock";

/// Names a daemon; by the default `run_dir` unless told otherwise.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DaemonName {
    /// The daemon's control socket, `control.sock` in its run_dir [default: /run/icecore/control.sock]
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// The daemon's config file; only daemon.run_dir is read from it
    #[arg(long, value_name = "FILE", conflicts_with = "control")]
    config: Option<PathBuf>,
}

impl DaemonName {
    /// Finds the daemon's control socket.
    pub(super) fn socket(&self) -> Result<PathBuf, Failure> {
        match (&self.control, &self.config) {
            (Some(socket), _) => Ok(socket.clone()),
            (None, Some(config)) => Config::run_dir(config)
                .map(|run_dir| run_dir.join(SOCKET))
                .map_err(|errors| Failure::new(Exit::Config, errors)),
            (None, None) => Ok(PathBuf::from(DEFAULT_SOCKET)),
        }
    }
}

/// Connects to the daemon.
pub(super) fn connect(socket: &Path) -> Result<UnixStream, Failure> {
    UnixStream::connect(socket).map_err(|error| {
        let text = format!("no daemon at `{}`", socket.display());
        Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text)).hint(Some(
            "start it with `icecore daemon`, or name its socket with --control",
        ))
    })
}
