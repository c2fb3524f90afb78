//! Reaches the daemon by its control socket.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use crate::config::Config;
use crate::control::ControlError;
use crate::control::line::Lines;
use crate::control::request::{Reply, Request};
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
pub(super) fn connect(socket: &Path) -> Result<Lines, Failure> {
    let stream = UnixStream::connect(socket).map_err(|error| {
        let text = format!("no daemon at `{}`", socket.display());
        Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text)).hint(Some(
            "start it with `icecore daemon`, or name its socket with --control",
        ))
    })?;
    Ok(Lines::new(stream))
}

/// Asks the daemon and waits for its answer, for so long; a refusal is a failure.
pub(super) fn ask(
    lines: &mut Lines,
    request: &Request,
    patience: Duration,
) -> Result<Reply, Failure> {
    let answer = lines
        .stream()
        .set_read_timeout(Some(patience))
        .map_err(ControlError::from)
        .and_then(|()| lines.send(request))
        .and_then(|()| lines.receive::<Reply>());
    match answer {
        Ok(Reply::Refused { reason }) => Err(Failure::text(Exit::Refused, reason)),
        Ok(reply) => Ok(reply),
        Err(error) => Err(Failure::new(
            Exit::Unreachable,
            anyhow::Error::from(error).context("the daemon did not answer"),
        )),
    }
}

/// Fails for an answer to another question.
pub(super) fn misunderstood() -> Failure {
    Failure::text(Exit::Bug, "the daemon answered something else")
}
