//! `icecore evidence`: one session as a pack for an auditor.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::output::create;
use super::reading::{Source, finish, tell_left_out};
use super::replay::shown_rows;
use super::span::number;
use crate::clock::Clock;
use crate::replay::{ReadError, counted, evidence, session, terminal};

/// Packs one session with what proves it into one file
///
/// Use it to hand a session to an auditor. The zip file holds the page of `icecore replay --html`, the same as JSON, the
/// objects of the record that hold the session's rows, the signed documents of their chains, and a proof of each statement; a README tells how to
/// check it offline, with icecore or with nothing but sha256sum, openssl and Python. The same record gives the same bytes;
/// only you may read the file. Objects are whole: if they hold rows of other sessions too, that is told. Without --trust the
/// report in it says that nothing is pinned.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore evidence 0199a3 -o 0199a3.zip\n  icecore evidence 0199a3 -o 0199a3.zip --rows 0 --force\n\nExit codes: 0 done, 1 no such session or more than one, or the file is there, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub(super) struct Args {
    /// The session's id, or the beginning of it
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    source: Source,
    /// The file to write
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: PathBuf,
    /// Replaces the file if it is there
    #[arg(long)]
    force: bool,
    /// Shows so many first rows of each result on the page and as JSON
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = number::<usize>)]
    rows: usize,
}

/// Runs the command.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    finish(pack(args, clock))
}

fn pack(args: &Args, clock: Clock) -> Result<(), ReadError> {
    let trust = args.source.trust()?;
    let archive = args.source.read_session(&args.session)?;
    let session = session(&archive, &args.session)?;
    args.source
        .tell_read(&archive, "evidence", Some(session.id), clock);
    let rows = shown_rows(&archive, &session, args.rows)?;
    let file = create(&args.output, args.force)?;
    let packed = evidence(
        args.source.store(),
        &archive,
        &session,
        &rows,
        trust.as_ref(),
        file,
    )?;
    tell_left_out(&packed.left_out)?;
    let mut err = io::stderr().lock();
    if !packed.others.is_empty() {
        writeln!(
            err,
            "icecore: warning: the objects are whole, and hold rows of {} beside it",
            counted(packed.others.len(), "session")
        )?;
    }
    let place = terminal(&args.output.display().to_string());
    writeln!(
        err,
        "icecore: wrote {place}: {}, {} of chains, {}; {}",
        counted(packed.objects, "object"),
        counted(packed.documents, "document"),
        counted(packed.proofs, "proof"),
        match (packed.is_clean, trust.is_some()) {
            (true, _) => "verified",
            (false, true) => "not clean: see verify.json in it",
            (false, false) => "nothing is pinned (--trust)",
        }
    )?;
    Ok(())
}
