//! `icecore policy test`: do the policies decide as their cases say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::cases::Cases;
use super::given::Policies;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::replay::terminal;

/// Decides the statements of case files and says where the outcome is another than they expect
///
/// Use it in the pipeline that reviews policies. Cases stand beside the policies, in files that end in `.cases.toml`: an
/// account as for --catalogue of `policy explain`, and `[[case]]` tables with `sql`, and `allow = true`, `hold = ["group"]` for
/// what waits for a yes of these groups, or `refuse = "rule id"`; perhaps `says` for a part of the refusal's text, `as`, `groups` and `identity` for who asks, `used` for what was used before, such as
/// `used.session.rows = 5000`, and `at` for the time. Where a policy reads the time, each case must have an `at`, or the file
/// for all. A file may name the `policies` that it is about, files of the folder, and give more policies as `also`;
/// docs/configuration.md has an example.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy test --policies ./policies\n  icecore policy test --policies ./policies ./policies/masks.cases.toml\n\nExit codes: 0 all are as expected; 1 some are not; 2 usage; 3 config or policies are not good, or there is no case."
)]
pub(super) struct Args {
    #[command(flatten)]
    policies: Policies,

    /// The files, of the folder where they are not here; default: all `.cases.toml` beside the policies
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs all cases.
pub(super) fn run(args: &Args) -> ExitCode {
    match test(args) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the cases that differ are the command's result"
)]
fn test(args: &Args) -> Result<Exit, Failure> {
    let loaded = args.policies.load()?;
    let files = if args.files.is_empty() {
        beside(&loaded.dir)?
    } else {
        let here_or_there = |file: &PathBuf| here_or_in(&loaded.dir, file);
        args.files.iter().map(here_or_there).collect()
    };
    let (mut read, mut wrong) = (0, 0);
    for path in &files {
        let cases = Cases::read(path, &loaded)?;
        for (number, case) in (1..).zip(&cases.all) {
            read += 1;
            let place = format!(
                "{}: case {number}: {}",
                path.display(),
                terminal(case.sql.trim())
            );
            let difference = cases.difference(&loaded, case);
            let bad = |error: String| Failure::text(Exit::Usage, format!("{place}: {error}"));
            if let Some(difference) = difference.map_err(bad)? {
                wrong += 1;
                println!("{place}\n  {difference}");
            }
        }
    }
    eprintln!(
        "{} in {}, {wrong} otherwise than expected",
        counted(read, "case"),
        counted(files.len(), "file")
    );
    Ok(if wrong == 0 {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Says how many there are of what a noun names.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Finds a file where it is said to be; a bare name also in the folder of the policies.
fn here_or_in(dir: &Path, file: &Path) -> PathBuf {
    let there = dir.join(file);
    let is_bare = file
        .parent()
        .is_some_and(|parent| parent.as_os_str().is_empty());
    if is_bare && !file.exists() && there.exists() {
        return there;
    }
    file.to_owned()
}

/// Lists the case files of a folder; without one nothing would be tested, and that is told.
fn beside(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir)
        .map_err(|error| Failure::text(Exit::Usage, format!("{}: {error}", dir.display())))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".cases.toml"))
        .collect();
    if files.is_empty() {
        let text = format!(
            "{}: expected at least one `*.cases.toml` beside the policies, found none, so that nothing is tested",
            dir.display()
        );
        return Err(Failure::text(Exit::Config, text));
    }
    files.sort();
    Ok(files)
}
