//! `icecore approvals slack`: takes the clicks of Slack's buttons.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::runtime;
use super::whereabouts::Whereabouts;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::witness::address;
use crate::clock::Clock;
use crate::inbox::clicks::{Clicks, PATH, bind, serve};

/// Takes clicks of Slack's buttons and puts them into the mailbox, until it is stopped
///
/// Use it where a group has `proof = "chat"`. Slack posts each click to an address of yours that speaks HTTPS; let that lead
/// here. It holds no secret and decides nothing: hosts check Slack's signature and who clicked. Its first line on standard
/// output is where it listens.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    whereabouts: Whereabouts,

    /// The address to listen on, without TLS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8766", value_parser = address)]
    listen: SocketAddr,
}

/// Takes clicks.
pub(super) fn run(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    crate::log::start();
    let clicks = Arc::new(Clicks::new(args.whereabouts.mail(clock)?, clock));
    let failed = |error: std::io::Error| Failure::new(Exit::Unreachable, error);
    let runtime = runtime()?;
    let taking = Arc::clone(&clicks);
    runtime.block_on(async {
        let (listener, address) = bind(args.listen).await.map_err(failed)?;
        let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "http://{address}{PATH}")
            .and_then(|()| out.flush())
            .map_err(failed)?;
        drop(out);
        let stopped = async {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        };
        serve(listener, taking, stopped).await;
        Ok::<_, Failure>(())
    })?;
    // As of `serve`: the store's own runtime may not end inside another.
    drop(runtime);
    drop(clicks);
    Ok(Exit::Done)
}
