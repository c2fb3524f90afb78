//! `icecore completions`: what a shell completes `icecore` by.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::failure::Failure;
use super::{Cli, Exit};

/// Prints what a shell completes commands and options by
///
/// Use it where Icecore was not installed by a package, which brings these files. The text is for the shell that is named.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore completions bash > /etc/bash_completion.d/icecore\n  icecore completions zsh > /usr/local/share/zsh/site-functions/_icecore\n  icecore completions fish > ~/.config/fish/completions/icecore.fish\n\nExit codes: 0 done, 2 usage, 4 standard output cannot be written."
)]
pub(super) struct Args {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL", value_parser = shell)]
    shell: Shell,
}

fn shell(text: &str) -> Result<Shell, String> {
    text.parse()
        .map_err(|_| "expected bash, zsh, fish, elvish or powershell, such as `bash`".to_owned())
}

/// Prints the text.
pub(super) fn run(args: &Args) -> ExitCode {
    match io::stdout().lock().write_all(&text(args.shell)) {
        Ok(()) => Exit::Done.into(),
        // Whoever reads no further has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done.into(),
        Err(error) => Failure::new(Exit::Unreachable, error).report(),
    }
}

fn text(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "icecore", &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_told_of_commands_and_of_no_hidden_one() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = String::from_utf8(text(shell)).unwrap();
            assert!(text.contains("reconcile"), "{shell}: {text}");
            assert!(text.contains("identity-token-file"), "{shell}: {text}");
        }
    }
}
