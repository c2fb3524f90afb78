//! Runs one Snowflake emulator, described by a JSON file, until it is stopped.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use icecore_tests::emulator::{self, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// A Snowflake emulator that checks the injected credential.
#[derive(Debug, Parser)]
struct Arguments {
    /// JSON file with the emulator's settings.
    #[arg(long)]
    settings: PathBuf,
}

fn main() -> Result<()> {
    end_on_panic();
    let arguments = Arguments::parse();
    let text = std::fs::read_to_string(&arguments.settings)
        .with_context(|| format!("read `{}`", arguments.settings.display()))?;
    let settings: Settings = serde_json::from_str(&text)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = emulator::run(settings, |ready| {
                let mut out = std::io::stdout().lock();
                writeln!(out, "{}", serde_json::to_string(&ready)?)?;
                Ok(out.flush()?)
            }) => ended,
            _ = terminate.recv() => Ok(()),
        }
    })
}

/// Ends the process at the first panic: a task that is gone would leave its test waiting for an answer.
fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(101);
    }));
}
