//! `icecore approvals approve` and `deny`: shows a request, asks, and has the issuer sign what was said.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::key::HeldKey;
use super::login::vouch;
use super::show::{card, show};
use super::stands::ended;
use super::whereabouts::{Whereabouts, beginning, find, unproved, unreachable};
use crate::approval::{Answer, Decision, Grade, Proof, Request, Said};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::keys::reason;
use crate::clock::Clock;
use crate::config::unit;
use crate::inbox::card::Card;
use crate::inbox::item::Item;
use crate::inbox::mail::Mail;
use crate::inbox::words::{GRANT_MAX_S, Unsaid, Word, check_waits, said};
use crate::replay::terminal;

/// How long the host's answer is waited for; it looks every two seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Between two looks for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A yes.
#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    #[command(flatten)]
    args: Args,

    /// Why; needed where the rule lets you say yes alone
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,

    /// Lets statements of the same shape run too, in this session and for so long, if the rule allows it: 30m, 2h
    #[arg(long, value_name = "TIME", value_parser = grant)]
    grant: Option<u64>,
}

/// A no.
#[derive(Debug, clap::Args)]
pub(super) struct Deny {
    #[command(flatten)]
    args: Args,

    /// Why; the agent is told it
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

/// Which request, and how somebody proves who they are.
#[derive(Debug, clap::Args)]
struct Args {
    /// The request's id, or at least 4 characters of its beginning
    #[arg(value_name = "ID", value_parser = beginning)]
    id: String,

    #[command(flatten)]
    whereabouts: Whereabouts,

    /// Proves it by a key that `icecore approvals login` made, where each group that is asked takes `idp-key`
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// The digest of what you were shown by `show --json`; needed where there is no terminal to show it on
    #[arg(long, value_name = "HEX")]
    digest: Option<String>,
}

/// What is said.
struct Says {
    answer: Answer,
    reason: Option<String>,
    grant_s: Option<u64>,
}

fn grant(text: &str) -> Result<u64, String> {
    let seconds = unit::duration(text).map(|time| time.as_secs());
    let seconds = seconds.filter(|seconds| (1..=GRANT_MAX_S).contains(seconds));
    seconds.ok_or_else(|| "expected a time of at most a day, such as 30m or 2h".to_owned())
}

/// Says yes.
pub(super) fn approve(said: &Approve, clock: Clock) -> Result<Exit, Failure> {
    let says = Says {
        answer: Answer::Approve,
        reason: said.reason.clone(),
        grant_s: said.grant,
    };
    decide(&said.args, says, clock)
}

/// Says no.
pub(super) fn deny(said: &Deny, clock: Clock) -> Result<Exit, Failure> {
    let says = Says {
        answer: Answer::Deny,
        reason: Some(said.reason.clone()),
        grant_s: None,
    };
    decide(&said.args, says, clock)
}

fn decide(args: &Args, says: Says, clock: Clock) -> Result<Exit, Failure> {
    let mail = args.whereabouts.mail(clock)?;
    let (item, request) = find(&mail, &args.id)?;
    // Nobody reads and answers for what has ended.
    check_waits((&item, &request), clock.now())
        .map_err(|unsaid| Failure::new(Exit::Refused, unsaid))?;
    let card = card(&request)?;
    let shown = match &args.digest {
        Some(digest) => digest.clone(),
        None => shown(says.answer, (&item, &request), &card, clock)?,
    };
    let word = Word {
        digest: shown,
        answer: says.answer,
        reason: says.reason,
        grant_s: says.grant_s,
        face: "cli",
    };
    // What lies there may have ended while it was read.
    let (item, request) = find(&mail, &request.id.to_string())?;
    let said = said((&item, &request), &card, word, clock.now());
    let said = said.map_err(|unsaid| Failure::new(Exit::Refused, unsaid))?;
    let proof = match &args.key {
        Some(file) => by_key(file, &said, &request, clock)?,
        None => by_issuer(args, &said)?,
    };
    mail.put(&Decision { said, proof }).map_err(unreachable)?;
    eprintln!("icecore: your word is in the mailbox; the host looks every two seconds");
    end(&mail, &request)
}

/// Shows a request on the terminal and asks; gives the digest of what was shown.
fn shown(
    answer: Answer,
    (item, request): (&Item, &Request),
    card: &Card,
    clock: Clock,
) -> Result<String, Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let text = "expected a terminal on which the request can be shown whole, found none";
        return Err(Failure::text(Exit::Usage, text).hint(Some(
            "read it by `icecore approvals show ID --json`, then name what you read by --digest",
        )));
    }
    show(card, item, request, clock)?;
    if let (Answer::Approve, Some(why)) = (answer, card.unreadable()) {
        return Err(Failure::new(Exit::Refused, Unsaid::Unreadable(why)));
    }
    let (question, expected) = match answer {
        Answer::Approve => ("Let it run? Type yes", "yes"),
        Answer::Deny => ("Refuse it? Type no", "no"),
    };
    match ask(question)?.as_str() {
        typed if typed == expected => Ok(card.digest.clone()),
        _ => Err(Failure::text(Exit::Refused, "nothing was decided")),
    }
}

fn ask(question: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Unreachable, error);
    let mut err = io::stderr().lock();
    write!(err, "{question}: ")
        .and_then(|()| err.flush())
        .map_err(failed)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

fn by_issuer(args: &Args, said: &Said) -> Result<Proof, Failure> {
    let nonce = said
        .nonce()
        .map_err(|error| Failure::new(Exit::Bug, error))?;
    let vouched = vouch(&args.whereabouts.issuer()?, nonce, "for this one decision")?;
    vouched.check_is_for(said).map_err(unproved)?;
    eprintln!("icecore: {} decided", terminal(&vouched.who));
    Ok(Proof::IdpPerDecision {
        id_token: vouched.id_token.reveal().to_owned(),
    })
}

fn by_key(
    file: &std::path::Path,
    said: &Said,
    request: &Request,
    clock: Clock,
) -> Result<Proof, Failure> {
    if let Some(need) = request.needs.iter().find(|need| need.proof > Grade::IdpKey) {
        let text = format!(
            "group `{}` asks for proof by `{}`, and a key gives `{}`",
            terminal(&need.group),
            need.proof.as_str(),
            Grade::IdpKey.as_str()
        );
        return Err(Failure::text(Exit::Refused, text).hint(Some("leave out --key")));
    }
    HeldKey::read(file, clock.now())?.prove(said)
}

/// Waits a little for how the request ends, and says it.
fn end(mail: &Mail, request: &Request) -> Result<Exit, Failure> {
    for _ in 0..ANSWER_WITHIN.as_secs() / LOOK_EVERY.as_secs() {
        thread::sleep(LOOK_EVERY);
        let item = mail.find(request.id).map_err(unreachable)?;
        let Some(outcome) = item.and_then(|item| item.outcome) else {
            continue;
        };
        eprintln!("icecore: {}", ended(&outcome));
        return Ok(Exit::Done);
    }
    eprintln!(
        "icecore: it still waits: for more people, for its hours, or because your word does not count there; see `icecore approvals show`"
    );
    Ok(Exit::Done)
}
