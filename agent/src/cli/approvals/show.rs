//! `icecore approvals show`: the whole card of one request.

use std::env;
use std::io::{self, IsTerminal as _, Write};

use super::stands;
use super::told::as_json;
use super::whereabouts::{Whereabouts, beginning, find};
use crate::approval::Request;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::replay::pager;
use crate::clock::Clock;
use crate::inbox::card::Card;
use crate::inbox::item::Item;
use crate::replay::{Paint, json_escaped};

/// Shows one request whole: statement, objects, rules, who asks, and what the agent claims
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The request's id, or at least 4 characters of its beginning
    #[arg(value_name = "ID", value_parser = beginning)]
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
    text.push_str("\n\n");
    text.push_str(&stands::lines(item, request, clock.now()));
    let failed = |error: io::Error| Failure::new(Exit::Unreachable, error);
    let mut out = pager::open().map_err(failed)?;
    let written = out.write_all(text.as_bytes());
    out.finish(written).map_err(failed)
}
