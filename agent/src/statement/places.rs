//! Where in the bytes of a text its tokens stand.

use sqlparser::tokenizer::Location;

/// Turns lines and columns into bytes of the text, in ascending order. Source: sqlparser `tokenizer.rs`, `State::next`:
/// both count from 1, a column is a character, a line ends with its line feed.
pub(super) struct Places<'a> {
    text: std::str::CharIndices<'a>,
    at: Location,
    byte: usize,
    end: usize,
}

impl<'a> Places<'a> {
    /// Begins at the text's start.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text: text.char_indices(),
            at: Location::new(1, 1),
            byte: 0,
            end: text.len(),
        }
    }

    /// Finds the byte of a place that is not before an earlier one.
    pub(super) fn byte_of(&mut self, place: Location) -> usize {
        while (self.at.line, self.at.column) < (place.line, place.column) {
            let Some((_, passed)) = self.text.next() else {
                return self.end;
            };
            if passed == '\n' {
                self.at = Location::new(self.at.line + 1, 1);
            } else {
                self.at.column += 1;
            }
            self.byte += passed.len_utf8();
        }
        self.byte
    }
}
