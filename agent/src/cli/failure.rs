//! How a command says that it failed: one line with its causes, then what to do about it.

use std::process::ExitCode;

use super::Exit;
use super::tell::tell;
use crate::config::ConfigErrors;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    cause: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// Fails with an exit code for a cause.
    pub(super) fn new(exit: Exit, cause: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            cause: cause.into(),
            hint: None,
        }
    }

    /// Fails with a text.
    pub(super) fn text(exit: Exit, text: impl Into<String>) -> Self {
        Self::new(exit, anyhow::Error::msg(text.into()))
    }

    /// Adds what to do about it.
    pub(super) fn hint(mut self, hint: Option<&str>) -> Self {
        self.hint = hint.map(str::to_owned);
        self
    }

    /// Gives it in a line.
    pub(super) fn words(&self) -> String {
        line(&self.cause)
    }

    /// Says it on standard error.
    pub(super) fn report(&self) -> ExitCode {
        tell(format_args!("icecore: {}", self.words()));
        if let Some(hint) = &self.hint {
            tell(format_args!("  hint: {hint}"));
        }
        self.exit.into()
    }
}

/// Joins causes; one that the text before it ends with is not said again.
fn line(cause: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in cause.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line.push_str(&format!(": {cause}"));
        }
    }
    line
}

/// Says all that is wrong with a config on standard error.
pub(super) fn report_config(errors: &ConfigErrors) -> ExitCode {
    tell(errors);
    if errors.problems.iter().any(|problem| problem.key == "file") {
        tell(
            "  hint: --config names the config file; README.md shows one under \"Install\", docs/configuration.md every key",
        );
    }
    Exit::Config.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let cause = anyhow::Error::msg("no such folder");
        let told = cause.context("store: no such folder").context("mailbox");
        assert_eq!(line(&told), "mailbox: store: no such folder");
    }
}
