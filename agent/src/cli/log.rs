//! `icecore log`: changes what the daemon's log tells, while it runs.

use std::process::ExitCode;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
use crate::control::request::{Reply, Request};

/// How long the daemon may take: a proxy that is being started.
const PATIENCE: Duration = Duration::from_secs(45);

/// Changes what the daemon's log tells, while it runs
///
/// Use it to look closer for a while: `icecore log info,proxy=debug`, then `icecore log info`. It holds until the daemon or
/// its proxy ends or the config is reloaded, and says more than `[log]` of the config and ICECORE_LOG. Only root may ask
/// for it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore log debug\n  icecore log warn,proxy=debug,record=info\n\nExit codes: 0 changed, 1 refused, 2 usage, 3 config, 4 no daemon."
)]
pub(super) struct Args {
    /// The least level that is printed: error, warn, info, debug or trace; behind commas AREA=LEVEL, an area being a folder of the source such as proxy, record, supervisor
    #[arg(value_name = "LEVEL")]
    level: String,

    #[command(flatten)]
    daemon: DaemonName,
}

/// Asks the daemon.
pub(super) fn run(args: &Args) -> ExitCode {
    match set(args) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn set(args: &Args) -> Result<(), Failure> {
    let mut lines = connect(&args.daemon.socket()?)?;
    let level = args.level.clone();
    let Reply::LogSet {} = ask(&mut lines, &Request::SetLog { level }, PATIENCE)? else {
        return Err(misunderstood());
    };
    Ok(())
}
