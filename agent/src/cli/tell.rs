//! What commands say on standard error: each line passes the terminal's escaping.

use std::fmt::Display;
use std::io::{self, Write};

use crate::replay::terminal;

/// Says something on standard error, however many lines it is.
pub(super) fn tell(text: impl Display) {
    let text = text.to_string();
    let mut err = io::stderr().lock();
    for line in text.lines() {
        // Nothing is left to tell it to where this fails.
        drop(writeln!(err, "{}", terminal(line)));
    }
}
