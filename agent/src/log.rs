//! Log lines on standard error.
//!
//! `ICECORE_LOG` chooses the least level that is printed (`error`, `warn`, `info`, `debug`, `trace`; `info` unless set),
//! `ICECORE_LOG_FORMAT=json` prints one JSON object a line.

use std::env;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;

/// Prints the process's log lines from here on.
///
/// The first call decides; what comes later, from tests in one process, changes nothing.
pub fn start() {
    let level = env::var("ICECORE_LOG").unwrap_or_default();
    let format = env::var("ICECORE_LOG_FORMAT").unwrap_or_default();
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level_named(&level))
        .with_target(false);
    let started = if format == "json" {
        tracing::subscriber::set_global_default(lines.json().finish())
    } else {
        let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
        tracing::subscriber::set_global_default(lines.with_ansi(colours).finish())
    };
    if started.is_err() {
        tracing::debug!("log was started already");
    }
}

fn level_named(name: &str) -> LevelFilter {
    match name {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_is_info_unless_named() {
        assert_eq!(level_named("debug"), LevelFilter::DEBUG);
        assert_eq!(level_named(""), LevelFilter::INFO);
        assert_eq!(level_named("loud"), LevelFilter::INFO);
    }
}
