//! Lines of a told session: a name, and a value behind it. Pure.

use super::paint::Paint;
use crate::record::entry::Entry;
use crate::record::hex;
use crate::record::value::Value;
use crate::replay::escape::terminal;

/// Lines that are being told.
#[derive(Debug, Default)]
pub(in crate::replay) struct Lines {
    text: String,
    pub(super) paint: Paint,
}

impl Lines {
    pub(in crate::replay) fn new(paint: Paint) -> Self {
        Self {
            text: String::new(),
            paint,
        }
    }

    /// Adds a whole line whose values are escaped already.
    pub(in crate::replay) fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Adds a line of a name and a value that is escaped already.
    pub(in crate::replay) fn put(&mut self, name: &str, value: &str) {
        let name = self.paint.faint(&format!("{name:<13}"));
        self.push(&format!("  {name} {value}"));
    }

    /// Adds a line of a name and a text.
    pub(in crate::replay) fn say(&mut self, name: &str, value: &str) {
        self.put(name, &terminal(value));
    }

    /// Adds a line of a name and what a column holds, if it holds anything plain.
    pub(in crate::replay) fn maybe(&mut self, row: &Entry, name: &str, column: &str) {
        match row.get(column) {
            Value::Text(text) => self.say(name, text),
            Value::Int(number) => self.put(name, &number.to_string()),
            Value::Bytes(bytes) => self.put(name, &hex(bytes)),
            Value::Null | Value::Bool(_) | Value::Float(_) | Value::List(_) | Value::Struct(_) => {}
        }
    }

    pub(in crate::replay) fn finish(self) -> String {
        self.text
    }
}

/// Gives a column's text, escaped; `?` where it has none.
pub(in crate::replay) fn or_unknown(row: &Entry, column: &str) -> String {
    row.text(column).map_or_else(|| "?".to_owned(), terminal)
}
