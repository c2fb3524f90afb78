//! `icecore man`: the manual's pages, one a command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::failure::Failure;
use super::{Cli, Exit};

/// Writes the manual's pages into a folder
///
/// Use it where Icecore was not installed by a package, which brings the pages. Writes `icecore.1` and a page for each
/// command, `icecore-run.1` and so on, over those that are there.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore man /usr/local/share/man/man1\n\nExit codes: 0 done, 2 usage, 4 a page cannot be written."
)]
pub(super) struct Args {
    /// The folder, which is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the pages.
pub(super) fn run(args: &Args) -> ExitCode {
    match write(&args.folder) {
        Ok(()) => Exit::Done.into(),
        Err(error) => Failure::new(Exit::Unreachable, error).report(),
    }
}

fn write(folder: &Path) -> anyhow::Result<()> {
    let told = || format!("write the pages of the manual into `{}`", folder.display());
    fs::create_dir_all(folder).with_context(told)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder)
        .with_context(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_help_shows_has_a_page_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let page = |name: &str| fs::read_to_string(folder.path().join(name));
        for command in Cli::command().get_subcommands() {
            let name = format!("icecore-{}.1", command.get_name());
            assert_eq!(page(&name).is_err(), command.is_hide_set(), "{name}");
        }
        let run = page("icecore-run.1").unwrap();
        assert!(run.contains("identity"), "{run}");
        assert!(page("icecore.1").unwrap().contains("Exit codes"));
    }
}
