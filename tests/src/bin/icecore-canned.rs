//! Runs one canned upstream until it is stopped; says its address on stdout.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use icecore_tests::canned::{self, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// A Snowflake that answers from memory, for load.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Certificate chain, PEM.
    #[arg(long)]
    certificate: PathBuf,
    /// Private key, PEM.
    #[arg(long)]
    key: PathBuf,
    /// Length of a statement's answer, in bytes.
    #[arg(long, default_value_t = 2048)]
    answer_bytes: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let settings = Settings {
        listen: arguments.listen,
        certificate_file: arguments.certificate,
        private_key_file: arguments.key,
        answer_bytes: arguments.answer_bytes,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = canned::run(settings, |address| {
                let mut out = std::io::stdout().lock();
                writeln!(out, "{address}")?;
                Ok(out.flush()?)
            }) => ended,
            _ = terminate.recv() => Ok(()),
        }
    })
}
