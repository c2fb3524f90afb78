//! `icecore flush`: has the daemon seal its record.

use std::process::ExitCode;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, connect};
use crate::control::line::Lines;
use crate::control::request::{Reply, Request};

/// How long sealing and storing may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// What `icecore flush` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Frames are sealed to Parquet every record.seal_interval; this does it at once. Only root may ask for it."
)]
pub(super) struct Args {
    #[command(flatten)]
    daemon: DaemonName,
}

/// Seals the record and hands it to the store.
pub(super) fn run(args: &Args) -> ExitCode {
    match flush(args) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn flush(args: &Args) -> Result<(), Failure> {
    let stream = connect(&args.daemon.socket()?)?;
    let unreachable = |error| Failure::new(Exit::Unreachable, error);
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|error| unreachable(error.into()))?;
    let mut lines = Lines::new(stream);
    lines.send(&Request::Flush {}).map_err(unreachable)?;
    match lines.receive().map_err(unreachable)? {
        Reply::Flushed {} => Ok(()),
        Reply::Refused { reason } => Err(Failure::text(Exit::Refused, reason)),
        Reply::Opened { .. } | Reply::Entered {} | Reply::Attached {} | Reply::Closed { .. } => {
            Err(Failure::text(
                Exit::Bug,
                "the daemon answered something else",
            ))
        }
    }
}
