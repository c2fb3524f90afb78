//! `icecore flush`: has the daemon seal its record.

use std::process::ExitCode;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
use crate::control::request::{Reply, Request};

/// How long sealing and storing may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// Seals the record and hands it to the store
///
/// Use it before reading what has just happened, or before a runner goes away. The daemon does it every
/// record.seal_interval [default: 5m]; this does it at once. Only root may ask for it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore flush && icecore sessions\n\nExit codes: 0 stored, 1 refused, 2 usage, 3 config, 4 no daemon."
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
    let Reply::Flushed {} = ask(&mut lines, &Request::Flush {}, PATIENCE)? else {
        return Err(misunderstood());
    };
    Ok(())
}
