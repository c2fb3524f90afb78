//! `icecore approvals list`: what waits, and how what waited has ended.

use std::io::{self, Write};

use super::told::{COLUMNS, as_json, cells, table};
use super::whereabouts::{Whereabouts, tell_if_bare, unreachable};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::replay::{json_escaped, terminal};

/// Lists the requests that wait; with --all those that have ended too
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    whereabouts: Whereabouts,

    /// Lists those that have ended too
    #[arg(long)]
    all: bool,

    /// Prints a JSON line for each, with the whole request
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(super) fn run(args: &Args, clock: Clock) -> Result<Exit, Failure> {
    let mail = args.whereabouts.mail(clock)?;
    let items = mail.list().map_err(unreachable)?;
    let now = clock.now();
    let mut out = String::new();
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for item in &items {
        let Ok(request) = &item.request else {
            if args.json {
                out.push_str(&format!(
                    "{}\n",
                    json_escaped(&as_json(item, now).to_string())
                ));
            }
            continue;
        };
        if !args.all && !item.standing(request, now).is_open() {
            continue;
        }
        if args.json {
            out.push_str(&format!(
                "{}\n",
                json_escaped(&as_json(item, now).to_string())
            ));
        } else {
            rows.push(cells(item, request, now));
        }
    }
    if !args.json {
        out = match rows.len() {
            1 if args.all => "no request of the last eight days\n".to_owned(),
            1 => "nothing waits\n".to_owned(),
            _ => table(&rows),
        };
    }
    let written = io::stdout().lock().write_all(out.as_bytes());
    written.map_err(|error| Failure::new(Exit::Unreachable, error))?;
    if items.is_empty() {
        tell_if_bare(&mail)?;
    }
    for unbelieved in items.iter().filter_map(|item| item.request.as_ref().err()) {
        let (place, why) = (terminal(&unbelieved.place), terminal(&unbelieved.why));
        eprintln!("icecore: not believed, and left out: {place}: {why}");
    }
    Ok(Exit::Done)
}
