//! `icecore approvals show`: the whole card of one request.

use std::env;
use std::io::{self, IsTerminal as _, Write};

use super::told::as_json;
use super::whereabouts::{Whereabouts, find};
use crate::approval::{Answer, Request};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::replay::pager;
use crate::clock::Clock;
use crate::inbox::card::Card;
use crate::inbox::item::{Item, span};
use crate::replay::{Paint, json_escaped, terminal};

/// Shows one request whole: statement, objects, rules, who asks, and what the agent claims
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The request's id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    whereabouts: Whereabouts,

    /// Prints one JSON document, with the digest that `approve --digest` takes
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub(super) fn run(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let mail = args.whereabouts.mail(clock)?;
    let (item, request) = find(&mail, &args.id)?;
    if args.json {
        let text = format!("{:#}", as_json(&item, clock.now()));
        let written = writeln!(io::stdout().lock(), "{}", json_escaped(&text));
        written.map_err(|error| Failure::new(Exit::Unreachable, error))?;
        return Ok(Exit::Done);
    }
    show(&card(&request)?, &item, &request, clock)?;
    Ok(Exit::Done)
}

/// Makes the card of a request.
pub(super) fn card(request: &Request) -> Result<Card, Failure> {
    Card::of(request).map_err(|error| Failure::new(Exit::Refused, error))
}

/// Shows a card and how its request stands, through a pager where somebody sits.
pub(super) fn show(
    card: &Card,
    item: &Item,
    request: &Request,
    clock: Clock,
) -> Result<(), Failure> {
    let has_colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
    let paint = match has_colours {
        true => Paint::coloured(),
        false => Paint::default(),
    };
    let mut text = card.lines(paint).join("\n");
    text.push_str(&format!("\n\n{}", standing(item, request, clock)));
    let failed = |error: io::Error| Failure::new(Exit::Unreachable, error);
    let mut out = pager::open().map_err(failed)?;
    let written = out.write_all(text.as_bytes());
    out.finish(written).map_err(failed)
}

fn standing(item: &Item, request: &Request, clock: Clock) -> String {
    let now = clock.now();
    let standing = item.standing(request, now);
    let mut lines = format!("Stands: {}", standing.told());
    if standing.is_open() {
        lines.push_str(&format!("; expires in {}", span(request.expires_at - now)));
    }
    let host = terminal(&item.signed_by);
    lines.push_str(&format!("\nSigned by: {host}, a host of your trust file\n"));
    if let Some(outcome) = &item.outcome {
        let by = terminal(&outcome.by.join(", "));
        let reason = outcome.reason.as_deref().map(terminal);
        let reason = reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        lines.push_str(&format!("  by {by}{reason}\n"));
    }
    for decision in &item.decisions {
        let said = &decision.said;
        let answer = match said.answer {
            Answer::Approve => "yes",
            Answer::Deny => "no",
        };
        let reason = said.reason.as_deref().map(terminal);
        let reason = reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let face = terminal(&said.face);
        lines.push_str(&format!(
            "  a {answer} by {face} lies there; the host says whether it counts{reason}\n"
        ));
    }
    lines
}
