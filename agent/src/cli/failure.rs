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

    /// Says it on standard error.
    pub(super) fn report(&self) -> ExitCode {
        tell(format_args!("icecore: {:#}", self.cause));
        if let Some(hint) = &self.hint {
            tell(format_args!("  hint: {hint}"));
        }
        self.exit.into()
    }
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
