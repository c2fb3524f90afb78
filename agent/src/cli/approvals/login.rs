//! `icecore approvals login`: a key that speaks for an approver for some hours, where rules allow that.

use std::path::PathBuf;
use std::time::Duration;

use super::key::HeldKey;
use super::runtime;
use super::whereabouts::{Settings, unproved};
use crate::approval::key_nonce;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::login::{browser, listener};
use crate::clock::Clock;
use crate::control::sign_in::Way;
use crate::inbox::step::{Issuer, Vouched};
use crate::replay::terminal;
use listener::{Listener, Page};

/// How long somebody may take to log in.
const LOGIN_WITHIN: Duration = Duration::from_secs(600);

/// Makes a key that speaks for you for eight hours, where rules take `idp-key`; `approve --key FILE` then opens no browser
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,

    /// The file of the key; only you may read it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// Replaces the file if it is there
    #[arg(long)]
    force: bool,
}

/// Logs in for a key.
pub(super) fn run(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let issuer = args.settings.issuer()?;
    let (key, public) = HeldKey::make()?;
    let vouched = vouch(&issuer, key_nonce(&public), "for a key that speaks for you")?;
    key.write(
        &args.key,
        args.force,
        vouched.id_token.reveal(),
        clock.now(),
    )?;
    eprintln!(
        "icecore: {} speaks for {} for eight hours",
        terminal(&args.key.display().to_string()),
        terminal(&vouched.who)
    );
    Ok(Exit::Done)
}

/// Has the issuer sign a nonce, by whoever logs in with their browser.
pub(super) fn vouch(issuer: &Issuer, nonce: String, what_for: &str) -> Result<Vouched, Failure> {
    let runtime = runtime()?;
    let listener = Listener::bind(issuer.settings().port).map_err(|error| {
        let text = "the port of 127.0.0.1 to which the browser comes back cannot be had";
        Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text))
    })?;
    let redirect_uri = Way::redirect_uri(listener.port());
    let begun = runtime.block_on(issuer.begin(nonce, redirect_uri));
    let step = begun.map_err(unproved)?;
    eprintln!(
        "icecore: log in at `{}` with your browser, {what_for}:\n  {}",
        terminal(&issuer.settings().url),
        terminal(step.url())
    );
    browser::open(step.url());
    let Some(answer) = listener.wait(step.state(), LOGIN_WITHIN) else {
        let minutes = LOGIN_WITHIN.as_secs() / 60;
        let text = format!("nobody logged in within {minutes} minutes; nothing was decided");
        return Err(Failure::text(Exit::Refused, text));
    };
    let vouched = runtime.block_on(issuer.finish(&step, answer.query()));
    answer.show(match vouched {
        Ok(_) => Page::Done,
        Err(_) => Page::Failed,
    });
    vouched.map_err(unproved)
}
