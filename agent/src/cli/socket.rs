//! Reaches the daemon by its control socket.

use std::os::unix::net::UnixStream;

use super::failure::Failure;
use super::{ControlSocket, Exit};

impl ControlSocket {
    /// Connects to the daemon.
    pub(super) fn connect(&self) -> Result<UnixStream, Failure> {
        UnixStream::connect(&self.path).map_err(|error| {
            let text = format!("no daemon at `{}`", self.path.display());
            Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text)).hint(Some(
                "start it with `icecore daemon`, or name its socket with --control",
            ))
        })
    }
}
