//! `icecore approvals watch`: says each new request when it comes.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use super::told::as_json;
use super::whereabouts::{Whereabouts, tell_if_bare, unreachable};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::id::ApprovalId;
use crate::inbox::card::Card;
use crate::inbox::item::{Item, span};
use crate::inbox::mail::Mail;
use crate::replay::{json_escaped, terminal};

/// Between two looks into the mailbox.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Says each request when it comes and when it ends, until it is stopped; rings where there is a terminal
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    whereabouts: Whereabouts,

    /// Prints a JSON line for each change
    #[arg(long)]
    json: bool,
}

/// Watches.
pub(super) fn run(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let mail = args.whereabouts.mail(clock)?;
    let mut known: BTreeMap<ApprovalId, bool> = BTreeMap::new();
    let mut is_first = true;
    loop {
        match mail.list() {
            Ok(items) => {
                if is_first {
                    begin(&mail, &items)?;
                }
                for item in &items {
                    tell(item, &mut known, args.json, clock)
                        .map_err(|error| Failure::new(Exit::Unreachable, error))?;
                }
            }
            Err(error) if is_first => return Err(unreachable(error)),
            // A store that is away for a while comes again.
            Err(error) => eprintln!("icecore: {}", terminal(&error.to_string())),
        }
        is_first = false;
        thread::sleep(LOOK_EVERY);
    }
}

/// Says what is watched: nothing may happen for hours.
fn begin(mail: &Mail, items: &[Item]) -> Result<(), Failure> {
    eprintln!(
        "icecore: watches `{}`; each request is told when it comes and when it ends, until this is stopped",
        terminal(mail.store())
    );
    match items {
        [] => tell_if_bare(mail),
        _ => Ok(()),
    }
}

/// Tells a request that is new, or has ended since.
fn tell(
    item: &Item,
    known: &mut BTreeMap<ApprovalId, bool>,
    is_json: bool,
    clock: Clock,
) -> io::Result<()> {
    let Ok(request) = &item.request else {
        return Ok(());
    };
    let now = clock.now();
    let standing = item.standing(request, now);
    let before = known.insert(request.id, standing.is_open());
    let is_told = match before {
        None => standing.is_open(),
        Some(was_open) => was_open && !standing.is_open(),
    };
    if !is_told {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    if is_json {
        writeln!(out, "{}", json_escaped(&as_json(item, now).to_string()))?;
        return out.flush();
    }
    let title = Card::of(request).map_or_else(|error| error.to_string(), |card| card.title);
    let (title, who) = (terminal(&title), terminal(&request.requester.principal));
    match before {
        None => {
            let bell = if out.is_terminal() { "\u{7}" } else { "" };
            let left = span(request.expires_at - now);
            writeln!(
                out,
                "{bell}{}  {who} asks: {title} (expires in {left})",
                request.id
            )?;
        }
        Some(_) => writeln!(out, "{}  {}: {title}", request.id, standing.told())?,
    }
    out.flush()
}
