//! Opens the user's browser, where there is one to open.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

/// Tells whether a browser can be opened from here: somebody sits at a terminal, and there is a display.
pub(in crate::cli) fn can_open() -> bool {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .into_iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    has_display && io::stderr().is_terminal()
}

/// Opens an address, if that is possible; whoever sits there has the address on the terminal too.
pub(in crate::cli) fn open(url: &str) {
    if !can_open() {
        return;
    }
    let started = Command::new("xdg-open")
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        tracing::debug!(%error, "no browser was opened");
    }
}
