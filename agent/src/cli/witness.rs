//! `icecore witness`: signs how far chains have come.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use super::failure::Failure;
use super::stored::{failure, read_trust};
use crate::clock::Clock;
use crate::witness::{Listening, State, WitnessError, serve, tls};

/// Signs how far chains have come, so that nobody can cut or rewrite them unseen
///
/// Use it on a machine apart from the hosts and from whoever can write to the store. Hosts send their checkpoints;
/// it signs each that goes on from the one before, and never another. `icecore verify --witness`
/// then finds a chain, or the end of one, that the store lacks. It is a witness as C2SP describes (tlog-witness).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore witness --listen 127.0.0.1:8447 --dir /var/lib/icecore-witness --trust trust.toml\n  icecore witness --listen 0.0.0.0:443 --dir /var/lib/icecore-witness --trust trust.toml --tls-cert c.pem --tls-key k.pem\n\nThe first line on standard output is its key, for the trust file. Changes of the trust file need a restart.\n\nExit codes: 0 stopped in order, 2 usage, 3 the trust file or TLS files are not good, 4 folder or address cannot be used."
)]
pub(super) struct Args {
    /// The address to listen on
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: SocketAddr,

    /// The folder of its key and of what it signed; made where there is none
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// Whose chains it signs: each `[[installation]]` of a trust file, for its `orgs`, or else for that of its first chain
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,

    /// What it is called in its signatures
    #[arg(long, value_name = "NAME", default_value = "icecore-witness", value_parser = name)]
    name: String,

    /// Its certificates (PEM); needed where it is reached from other hosts
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Reads an address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse();
    address.map_err(|_| "expected an address and a port, such as 127.0.0.1:8447".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    let is_fine = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    if text.is_empty() || !text.chars().all(is_fine) {
        return Err("expected a name without spaces and `+`".to_owned());
    }
    Ok(text.to_owned())
}

/// Says why it cannot listen.
fn unbound(address: SocketAddr, error: std::io::Error) -> Failure {
    let exit = if error.kind() == std::io::ErrorKind::InvalidInput {
        Exit::Usage
    } else {
        Exit::Unreachable
    };
    let text = format!("--listen {address}: the address cannot be had");
    Failure::new(exit, anyhow::Error::from(error).context(text))
}

/// Signs until it is told to stop.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    crate::log::start();
    match witness(args, clock) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn witness(args: &Args, clock: Clock) -> Result<(), Failure> {
    let trust = read_trust(&args.trust).map_err(failure)?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let tls = tls(certificate, key);
            Some(tls.map_err(|cause| Failure::text(Exit::Config, cause))?)
        }
        _ => None,
    };
    let failed = |error: std::io::Error| Failure::new(Exit::Unreachable, error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        // Before any file is made: an address that cannot be had leaves nothing behind.
        let listening = Listening::bind(args.listen, tls).await;
        let listening = listening.map_err(|error| unbound(args.listen, error))?;
        let unusable = |error: WitnessError| Failure::new(Exit::Unreachable, error);
        let state = State::open(&args.dir, &args.name, trust).map_err(unusable)?;
        let address = listening.address().map_err(failed)?;
        let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", state.public())
            .and_then(|()| out.flush())
            .map_err(failed)?;
        drop(out);
        tracing::info!(%address, "witness listens");
        tokio::select! {
            () = serve(listening, state, clock) => {}
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        Ok(())
    })
}
