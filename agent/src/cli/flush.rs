//! `icecore flush`: has the daemon seal its record.

use std::process::ExitCode;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
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
    let mut lines = connect(&args.daemon.socket()?)?;
    match ask(&mut lines, &Request::Flush {}, PATIENCE)? {
        Reply::Flushed {} => Ok(()),
        Reply::Opened(_)
        | Reply::Entered {}
        | Reply::Attached {}
        | Reply::Closed { .. }
        | Reply::Refused { .. } => Err(misunderstood()),
    }
}
