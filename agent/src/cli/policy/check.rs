//! `icecore policy check`: are the policies good.

use std::process::ExitCode;

use super::given::Policies;
use crate::cli::Exit;
use crate::cli::check::nothing_permitted;
use crate::replay::counted;

/// Says what is wrong with the policies, with file, line and column
///
/// Use it before policies are put in place. What the schema does not know, names that exist nowhere and annotations without
/// effect are problems; policies that never apply are warnings.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy check\n  icecore policy check --policies ./policies\n\nExit codes: 0 good, perhaps with warnings; 2 usage; 3 not good."
)]
pub(super) struct Args {
    #[command(flatten)]
    policies: Policies,
}

/// Loads the policies and says how many there are.
pub(super) fn run(args: &Args) -> ExitCode {
    match args.policies.load() {
        Ok(loaded) => {
            if loaded.bundle.is_empty() {
                eprintln!(
                    "warning: there is no policy in these files, so that every statement is refused"
                );
            }
            if let Some(warning) = nothing_permitted(&loaded.bundle) {
                crate::cli::tell::tell(format_args!("warning: {warning}"));
            }
            let count = counted(loaded.bundle.len(), "policy");
            crate::cli::tell::tell(format_args!("{}: {count}, good", loaded.dir.display()));
            Exit::Done.into()
        }
        Err(failure) => failure.report(),
    }
}
