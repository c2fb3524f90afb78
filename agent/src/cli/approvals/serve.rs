//! `icecore approvals serve`: the inbox as pages on this machine.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::runtime;
use super::whereabouts::{Whereabouts, tell_if_bare, unproved};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::login::browser;
use crate::clock::Clock;
use crate::inbox::serve::{Desk, bind, serve};

/// Shows the requests in your browser, by pages that only this machine can reach, until it is stopped
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    whereabouts: Whereabouts,

    /// Opens no browser; the link stands on standard error
    #[arg(long)]
    no_browser: bool,
}

/// Serves.
pub(super) fn run(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let mail = args.whereabouts.mail(clock)?;
    let issuer = args.whereabouts.issuer()?;
    tell_if_bare(&mail)?;
    let failed = |error: std::io::Error| Failure::new(Exit::Unreachable, error);
    let runtime = runtime()?;
    let desk = runtime.block_on(async {
        let (listener, port) = bind(issuer.settings().port).await.map_err(failed)?;
        let desk = Desk::new(port, mail, issuer, clock, |link| {
            eprintln!("icecore: open once: {link}");
        });
        let desk = Arc::new(desk.map_err(unproved)?);
        if !args.no_browser {
            browser::open(&desk.link());
        }
        let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
        let stopped = async {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        };
        serve(listener, Arc::clone(&desk), stopped).await;
        Ok::<_, Failure>(desk)
    })?;
    // The store's own runtime may not end inside another, nor may what still holds the desk there be its last owner.
    drop(runtime);
    drop(desk);
    Ok(Exit::Done)
}
