//! `icecore replay`: one session, step by step, in a terminal, as JSON or as a page.

mod keys;
pub(super) mod pager;
mod player;

use std::env;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::output::create;
use super::reading::{Source, finish, tell_left_out};
use super::span::number;
use crate::clock::Clock;
use crate::replay::{
    Archive, Paint, ReadError, Session, ShownRows, StoredRows, Told, job_summary, json_escaped,
    page, session, terminal,
};

/// How many rows of each result a terminal and a page show unless told.
const TERMINAL_ROWS: usize = 10;
const PAGE_ROWS: usize = 1000;

/// Tells what happened in a session, step by step
///
/// Use it to see what an agent did, and why something was refused. Shows who it was (issuer, subject, groups, CI job,
/// host user), its logins, and each statement with its verdict, rules, text, masks, times, errors, query id and process,
/// and the first rows as they were delivered, where they are stored; events stand between them. A terminal gets colours
/// (unless NO_COLOR is set) and a pager ($PAGER, or less); with --speed it plays, and takes keys: n next, p previous, a
/// number and Enter to jump, / to search, space to pause, q to quit. Text that the agent chose is shown with control
/// characters made visible.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore replay 0199a3\n  icecore replay 0199a3 --grep customers\n  icecore replay 0199a3 --speed 10\n  icecore replay 0199a3 --html session.html\n  icecore replay 0199a3f1-7c2e-7a10-8d55-1f2e3d4c5b6a --json\n\nExit codes: 0 done, 1 no such session or more than one, no such step, or the file is there, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub struct Args {
    /// The session's id, or the beginning of it
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    source: Source,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
    /// Prints what it did and what was refused as Markdown, for a CI job's summary
    #[arg(long, conflicts_with_all = ["json", "html", "speed", "step", "grep", "rows"])]
    markdown: bool,
    /// Writes one page that needs no network to a file that only you may read
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "speed", "step", "grep"])]
    html: Option<PathBuf>,
    /// Replaces the file if it is there
    #[arg(long, requires = "html")]
    force: bool,
    /// Plays the steps with the times between them, so many times faster; none lasts longer than three seconds
    #[arg(long, value_name = "N", value_parser = speed, conflicts_with_all = ["json", "step"])]
    speed: Option<f64>,
    /// Tells one step
    #[arg(long, value_name = "N", conflicts_with = "json", value_parser = number::<usize>)]
    step: Option<usize>,
    /// Tells the steps in which a text stands, whatever its case
    #[arg(long, value_name = "TEXT", conflicts_with = "json")]
    grep: Option<String>,
    /// Shows so many first rows of each result whose rows are stored, as they were delivered; unless given 10, 1000 on a page, and none as JSON
    #[arg(long, value_name = "N", value_parser = number::<usize>)]
    rows: Option<usize>,
}

fn speed(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|speed| speed.is_finite() && *speed > 0.0)
        .ok_or_else(|| "expected a number above 0, such as 1 or 10".to_owned())
}

/// Runs the command.
#[must_use]
pub fn run(args: Args, clock: Clock) -> ExitCode {
    finish(tell(&args, clock))
}

fn tell(args: &Args, clock: Clock) -> Result<(), ReadError> {
    let archive = args.source.read_session(&args.session)?;
    let session = session(&archive, &args.session)?;
    args.source
        .tell_read(&archive, "replay", Some(session.id), clock);
    if args.markdown {
        return Ok(write!(io::stdout().lock(), "{}", job_summary(&session))?);
    }
    let limit = match (args.rows, args.json, &args.html) {
        (Some(rows), ..) => rows,
        (None, true, _) => 0,
        (None, false, Some(_)) => PAGE_ROWS,
        (None, false, None) => TERMINAL_ROWS,
    };
    let rows = shown_rows(&archive, &session, limit)?;
    if let Some(file) = &args.html {
        return write_page(file, args.force, &page(&session, &rows));
    }
    if args.json {
        let text = format!("{:#}", session.to_json(&rows));
        return Ok(writeln!(io::stdout().lock(), "{}", json_escaped(&text))?);
    }
    let has_colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
    let told = Told {
        session: &session,
        rows: &rows,
        paint: if has_colours {
            Paint::coloured()
        } else {
            Paint::default()
        },
    };
    let numbers = numbers(args, &told)?;
    match args.speed {
        Some(speed) => player::play(&told, &numbers, speed)?,
        None => write_steps(&told, &numbers, args.step.is_none())?,
    }
    Ok(())
}

/// Finds the rows of a session's results, and tells which of them do not count.
pub(super) fn shown_rows<'a>(
    archive: &'a Archive,
    session: &Session<'_>,
    limit: usize,
) -> Result<ShownRows<'a>, ReadError> {
    let wanted = (limit > 0).then_some(session.id);
    let stored = StoredRows::of(archive, |row| {
        wanted.is_some() && row.text("session_id") == wanted
    });
    tell_left_out(stored.refused())?;
    Ok(ShownRows { stored, limit })
}

/// Chooses the steps that are told.
fn numbers(args: &Args, told: &Told<'_>) -> Result<Vec<usize>, ReadError> {
    let all = told.steps();
    let mut numbers = match &args.grep {
        Some(text) => told.with(text),
        None => (1..=all).collect(),
    };
    if let Some(step) = args.step {
        if !(1..=all).contains(&step) {
            return Err(ReadError::Step { step, all });
        }
        numbers.retain(|number| *number == step);
    }
    Ok(numbers)
}

fn write_steps(told: &Told<'_>, numbers: &[usize], has_head: bool) -> Result<(), ReadError> {
    let mut out = pager::open()?;
    let mut written = || -> io::Result<()> {
        if has_head {
            write!(out, "{}", told.head())?;
        }
        for number in numbers {
            write!(out, "\n{}", told.step(*number).unwrap_or_default())?;
        }
        Ok(())
    };
    let written = written();
    // Whoever quits a pager early has seen enough.
    out.finish(written)?;
    Ok(())
}

fn write_page(path: &Path, is_forced: bool, page: &str) -> Result<(), ReadError> {
    let mut out = BufWriter::new(create(path, is_forced)?);
    out.write_all(page.as_bytes())?;
    out.flush()?;
    let place = terminal(&path.display().to_string());
    writeln!(io::stderr().lock(), "icecore: wrote {place}")?;
    Ok(())
}
