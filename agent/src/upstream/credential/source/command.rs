//! A command that prints a secret, as the config names it.

use zeroize::Zeroizing;

use crate::config::{CommandSource, Untrusted};

/// A program of the host's and its arguments.
pub(super) struct Command(CommandSource);

impl Command {
    /// Takes a command; it is not run yet.
    pub(super) fn new(source: &CommandSource) -> Self {
        Self(source.clone())
    }

    /// Gives what it prints, on a thread of its own; the command's own limit of time holds.
    pub(super) async fn run(&self) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        let source = self.0.clone();
        let reading = tokio::task::spawn_blocking(move || source.read());
        reading.await.unwrap_or_else(|_| {
            Err(Untrusted {
                expected: "a command that is waited for".to_owned(),
                found: "the daemon's end".to_owned(),
            })
        })
    }
}
