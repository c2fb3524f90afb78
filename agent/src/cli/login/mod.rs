//! `icecore login`: an engineer shows the daemon who they are, so that their sessions need no token.
//!
//! This program opens a browser or shows a code, and hands on what comes back. The daemon asks the issuer, keeps the
//! tokens and says who signed in; none of them comes here.

pub(super) mod browser;
pub(super) mod listener;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use serde_json::json;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
use crate::clock::Clock;
use crate::control::HandedToken;
use crate::control::line::Lines;
use crate::control::request::{Reply, Request};
use crate::control::sign_in::{Begun, SignInAsk, SignInReply, SignedIn, Way};
use crate::replay::{json_escaped, terminal};
use listener::{Listener, Page};

/// How long the daemon may take to answer: it waits 6 s for a turn, 10 s for a proxy, and 25 s for the issuer.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long somebody may take to log in.
const LOGIN_WITHIN: Duration = Duration::from_secs(600);

/// Logs in at an issuer of identities, so that `icecore run` acts for you without a token
///
/// Use it on your own machine before `icecore run`. It opens your browser where there is a terminal and a display, else
/// it shows a code to type in at another device. The daemon keeps what the issuer gives, for your user alone and until it
/// is restarted; it gets the next token by itself if the issuer allows that. Sessions never see any of it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore login\n  icecore login --issuer https://acme.okta.com\n  icecore login --device\n  \
        icecore login --status --json\n  icecore login --forget\n\nA token that `icecore run` is given goes before the login. \
        Inside a session there is no login.\n\nExit codes: 0 logged in, 1 refused or not logged in, 2 usage, 3 config, 4 no \
        daemon."
)]
pub(super) struct Args {
    /// The issuer, by its URL or its name in the config; needed where there are several
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,

    /// Shows a code to type in at another device
    #[arg(long, conflicts_with = "browser")]
    device: bool,

    /// Waits for a browser on this host, even if none can be opened from here
    #[arg(long)]
    browser: bool,

    /// Says who you are logged in as
    #[arg(long, conflicts_with_all = ["issuer", "device", "browser", "forget"])]
    status: bool,

    /// Prints that as JSON
    #[arg(long, requires = "status")]
    json: bool,

    /// Has the daemon forget the login
    #[arg(long, conflicts_with_all = ["issuer", "device", "browser"])]
    forget: bool,

    #[command(flatten)]
    daemon: DaemonName,
}

/// Logs in, says who is logged in, or forgets it.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    // Others of the same user must not read the code out of this process (proc(5), `PR_SET_DUMPABLE`).
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("icecore: warning: this process can be looked into: {error}");
    }
    match login(args, clock) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn login(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let mut daemon = Daemon(connect(&args.daemon.socket()?)?);
    if args.status {
        return status(&mut daemon, args.json, clock.now());
    }
    if args.forget {
        return forget(&mut daemon);
    }
    let issuer = args.issuer.clone();
    let SignInReply::Issuer { name, port } = daemon.ask(SignInAsk::Issuer { issuer })? else {
        return Err(misunderstood());
    };
    let signed_in = match (args.device, args.browser) {
        (true, _) => by_device(&mut daemon, &name)?,
        (false, true) => by_browser(&mut daemon, &name, port)?,
        (false, false) if browser::can_open() => by_browser(&mut daemon, &name, port)?,
        (false, false) => by_device(&mut daemon, &name)?,
    };
    eprintln!("icecore: logged in as {}", described(&signed_in));
    Ok(Exit::Done)
}

/// The daemon, asked about sign-ins alone.
struct Daemon(Lines);

impl Daemon {
    fn ask(&mut self, ask_for: SignInAsk) -> Result<SignInReply, Failure> {
        let Reply::Login(reply) = ask(&mut self.0, &Request::Login(ask_for), PATIENCE)? else {
            return Err(misunderstood());
        };
        Ok(reply)
    }
}

fn by_browser(daemon: &mut Daemon, issuer: &str, port: u16) -> Result<SignedIn, Failure> {
    let listener = Listener::bind(port).map_err(|error| {
        let text =
            format!("port {port} of 127.0.0.1, to which the browser comes back, cannot be had");
        Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text))
            .hint(Some("log in by a code: icecore login --device"))
    })?;
    let begin = SignInAsk::Begin {
        issuer: issuer.to_owned(),
        way: Way::Browser(listener.port()),
    };
    let SignInReply::Begun(Begun::Browser { url, state }) = daemon.ask(begin)? else {
        return Err(misunderstood());
    };
    eprintln!(
        "icecore: log in at `{issuer}` with your browser:\n  {}",
        terminal(&url)
    );
    browser::open(&url);
    let Some(answer) = listener.wait(&state, LOGIN_WITHIN) else {
        let text = format!(
            "nobody logged in within {} minutes",
            LOGIN_WITHIN.as_secs() / 60
        );
        return Err(Failure::text(Exit::Refused, text).hint(Some(
            "if the browser cannot reach this host: icecore login --device",
        )));
    };
    let query = HandedToken::new(answer.query().to_owned());
    let finished = daemon.ask(SignInAsk::Finish { query });
    match finished {
        Ok(SignInReply::SignedIn(signed_in)) => {
            answer.show(Page::Done);
            Ok(signed_in)
        }
        Ok(_) => {
            answer.show(Page::Failed);
            Err(misunderstood())
        }
        Err(failure) => {
            answer.show(Page::Failed);
            Err(failure)
        }
    }
}

fn by_device(daemon: &mut Daemon, issuer: &str) -> Result<SignedIn, Failure> {
    let begin = SignInAsk::Begin {
        issuer: issuer.to_owned(),
        way: Way::Device,
    };
    let SignInReply::Begun(Begun::Device {
        verification_uri,
        complete_uri,
        user_code,
        mut wait_s,
        expires_in_s,
    }) = daemon.ask(begin)?
    else {
        return Err(misunderstood());
    };
    eprintln!(
        "icecore: log in at `{issuer}` with any browser:\n  {}\n  and type in the code {}",
        terminal(&verification_uri),
        terminal(&user_code)
    );
    if let Some(uri) = complete_uri {
        eprintln!("  or open {}", terminal(&uri));
    }
    let mut left = Duration::from_secs(expires_in_s).min(LOGIN_WITHIN);
    loop {
        let wait = Duration::from_secs(wait_s);
        let Some(rest) = left.checked_sub(wait) else {
            let text = "the code was not typed in in time";
            return Err(Failure::text(Exit::Refused, text).hint(Some("start again: icecore login")));
        };
        left = rest;
        thread::sleep(wait);
        match daemon.ask(SignInAsk::Poll {})? {
            SignInReply::Waiting { wait_s: longer } => wait_s = longer.max(1),
            SignInReply::SignedIn(signed_in) => return Ok(signed_in),
            SignInReply::Issuer { .. }
            | SignInReply::Begun(_)
            | SignInReply::Status { .. }
            | SignInReply::Forgotten { .. } => return Err(misunderstood()),
        }
    }
}

fn status(daemon: &mut Daemon, json: bool, now: DateTime<Utc>) -> Result<Exit, Failure> {
    let SignInReply::Status { signed_in } = daemon.ask(SignInAsk::Status {})? else {
        return Err(misunderstood());
    };
    // One that can be refreshed is, by the next `icecore run`.
    let good = signed_in.as_ref();
    let good = good.filter(|signed_in| signed_in.is_refreshed || signed_in.expires_at > now);
    let line = match (&signed_in, json) {
        (_, true) => good.map_or_else(|| "null".to_owned(), as_json),
        (Some(signed_in), false) if good.is_some() => {
            format!("logged in as {}", described(signed_in))
        }
        (Some(signed_in), false) => format!("not logged in any more: {}", described(signed_in)),
        (None, false) => "not logged in".to_owned(),
    };
    let written = writeln!(io::stdout().lock(), "{line}");
    written.map_err(|error| Failure::new(Exit::Unreachable, error))?;
    Ok(if good.is_some() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn forget(daemon: &mut Daemon) -> Result<Exit, Failure> {
    let SignInReply::Forgotten { was_kept } = daemon.ask(SignInAsk::Forget {})? else {
        return Err(misunderstood());
    };
    let told = if was_kept {
        "the login is forgotten; sessions that are open go on"
    } else {
        "there was no login"
    };
    eprintln!("icecore: {told}");
    Ok(Exit::Done)
}

/// Says who is logged in, in one line that a terminal can show.
fn described(signed_in: &SignedIn) -> String {
    let SignedIn {
        issuer,
        subject,
        shown_name,
        groups,
        groups_left_out,
        expires_at,
        is_refreshed,
    } = signed_in;
    let name = shown_name.as_ref().unwrap_or(subject);
    let until = expires_at.format("%Y-%m-%d %H:%M UTC");
    let more = if *is_refreshed {
        ", then refreshed"
    } else {
        ""
    };
    let listed = match groups.as_slice() {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let rest = match groups_left_out {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let line = format!(
        "{name} ({issuer}:{subject}) by issuer {issuer} until {until}{more}; groups: {listed}{rest}"
    );
    terminal(&line)
}

fn as_json(signed_in: &SignedIn) -> String {
    let SignedIn {
        issuer,
        subject,
        shown_name,
        groups,
        groups_left_out,
        expires_at,
        is_refreshed,
    } = signed_in;
    let value = json!({
        "issuer": issuer,
        "subject": subject,
        "name": shown_name,
        "groups": groups,
        "groups_left_out": groups_left_out,
        "expires_at": DateTime::to_rfc3339(expires_at),
        "refreshed": is_refreshed,
    });
    json_escaped(&value.to_string())
}
