//! A command that prints a secret: no shell, an empty environment, a limit of time and of output.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process;
use zeroize::Zeroizing;

use crate::config::{CommandSource, Untrusted, check_program};

/// Most that a command may print; the longest secret is a private key.
const OUTPUT_MAX_BYTES: usize = 64 << 10;

/// A program of the host's and its arguments.
pub(super) struct Command {
    argv: Vec<String>,
    within: Duration,
}

impl Command {
    /// Takes a command; it is not run yet.
    pub(super) fn new(source: &CommandSource) -> Self {
        Self {
            argv: source.argv.clone(),
            within: source.within,
        }
    }

    /// Runs it and gives what it printed.
    ///
    /// Its errors are not shown: what a program says when it fails may quote what it was to print.
    pub(super) async fn run(&self) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        let (program, arguments) = self.argv.split_first().ok_or_else(|| Untrusted {
            expected: "a command".to_owned(),
            found: "none".to_owned(),
        })?;
        let failed = |found: String| Untrusted {
            expected: "a command that prints a secret and ends with 0".to_owned(),
            found: format!("`{program}`, which {found}"),
        };
        check_program(Path::new(program))?;
        let mut child = process::Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let output = child.stdout.take();
        let ending = async {
            // Room for all at once: a vector that grows would leave copies of a secret behind.
            let mut printed = Zeroizing::new(Vec::with_capacity(OUTPUT_MAX_BYTES + 1));
            if let Some(output) = output {
                let mut output = output.take(OUTPUT_MAX_BYTES as u64 + 1);
                output.read_to_end(&mut printed).await?;
            }
            if printed.len() > OUTPUT_MAX_BYTES {
                return Ok(None);
            }
            Ok::<_, std::io::Error>(Some((printed, child.wait().await?)))
        };
        match tokio::time::timeout(self.within, ending).await {
            Ok(Ok(Some((printed, status)))) if status.success() => Ok(printed),
            Ok(Ok(Some((_, status)))) => Err(failed(format!("ended with {status}"))),
            Ok(Ok(None)) => Err(failed(format!(
                "printed more than {OUTPUT_MAX_BYTES} bytes"
            ))),
            Ok(Err(error)) => Err(failed(format!("cannot be heard: {error}"))),
            Err(_) => Err(failed(format!("took longer than {:?}", self.within))),
        }
    }
}
