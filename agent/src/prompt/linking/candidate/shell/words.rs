//! The words of a shell: what quotes hold, and what is put in later.

use std::rc::Rc;

use super::super::cursor::Cursor;
use super::super::escapes;
use super::super::template::Template;
use super::parse::Parser;
use super::{Piece, Word};

/// Tells whether a character ends a word.
pub(super) fn is_end(letter: char) -> bool {
    matches!(
        letter,
        ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')'
    )
}

impl Parser<'_> {
    /// Reads one word, its quotes taken off; tells whether some of it stood between quotes.
    pub(super) fn word(&mut self) -> (Word, bool) {
        let mut word = Word::default();
        let mut is_quoted = false;
        while let Some(next) = self.cursor.peek() {
            match next {
                '<' | '>' if self.cursor.is_at("<(") || self.cursor.is_at(">(") => {
                    self.cursor.bump();
                    self.cursor.bump();
                    word.0.push(Piece::Process(self.nested()));
                }
                _ if is_end(next) => break,
                '\'' => {
                    self.cursor.bump();
                    is_quoted = true;
                    word.push_str(self.cursor.until("'"));
                }
                '"' => {
                    self.cursor.bump();
                    is_quoted = true;
                    word.push_str("");
                    self.quoted(Some('"'), &mut word);
                }
                '\\' => {
                    self.cursor.bump();
                    is_quoted = true;
                    let escaped = self.cursor.bump().filter(|letter| *letter != '\n');
                    escaped.into_iter().for_each(|letter| word.push(letter));
                }
                '$' => self.dollar(&mut word),
                '`' => self.backquoted(&mut word),
                _ => {
                    self.cursor.bump();
                    word.push(next);
                }
            }
        }
        (word, is_quoted)
    }

    /// Reads as between double quotes, up to a quote or to the end.
    pub(super) fn quoted(&mut self, end: Option<char>, word: &mut Word) {
        while let Some(next) = self.cursor.peek() {
            match next {
                '$' if self.cursor.is_at("$'") => {
                    self.cursor.bump();
                    word.push('$');
                }
                '$' => self.dollar(word),
                '`' => self.backquoted(word),
                '\\' => {
                    self.cursor.bump();
                    match self.cursor.peek() {
                        Some('\n') => {
                            self.cursor.bump();
                        }
                        Some(escaped @ ('$' | '`' | '\\' | '"'))
                            if escaped != '"' || end.is_some() =>
                        {
                            self.cursor.bump();
                            word.push(escaped);
                        }
                        Some(_) | None => word.push('\\'),
                    }
                }
                _ => {
                    self.cursor.bump();
                    if Some(next) == end {
                        break;
                    }
                    word.push(next);
                }
            }
        }
    }

    /// Reads commands between back quotes.
    fn backquoted(&mut self, word: &mut Word) {
        self.cursor.bump();
        let mut text = String::new();
        while let Some(next) = self.cursor.bump() {
            match next {
                '`' => break,
                '\\' if matches!(self.cursor.peek(), Some('`' | '\\' | '$')) => {
                    self.cursor
                        .bump()
                        .into_iter()
                        .for_each(|letter| text.push(letter));
                }
                letter => text.push(letter),
            }
        }
        let list = self.inner(&text, |parser| parser.items(&[]));
        word.0
            .push(list.map_or(Piece::Unknown, |list| Piece::Commands(Rc::from(list))));
    }

    /// Reads what begins with a dollar sign.
    fn dollar(&mut self, word: &mut Word) {
        self.cursor.bump();
        if self.cursor.eat("((") {
            self.cursor.until("))");
            word.0.push(Piece::Unknown);
        } else if self.cursor.eat("(") {
            word.0.push(Piece::Commands(self.nested()));
        } else if self.cursor.eat("{") {
            let text = braced(&mut self.cursor);
            word.0.push(self.expansion(&text));
        } else if self.cursor.eat("'") {
            let mut text = Template::default();
            escapes::ansi_c(&mut self.cursor, &mut text);
            word.push_str(&text.marked());
        } else if self.cursor.is_at("\"") {
            // A text that is translated where a catalogue has it.
        } else {
            let is_in = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            match self.cursor.peek() {
                Some('@' | '*') => {
                    self.cursor.bump();
                    word.0.push(Piece::All("@".to_owned()));
                }
                Some(digit @ '0'..='9') => {
                    self.cursor.bump();
                    word.0.push(Piece::Variable(digit.to_string()));
                }
                // Two are SQL's own quotes where a here-document or double quotes hold them: the shell puts its pid there.
                Some('#' | '?' | '$' | '!' | '-') => {
                    self.cursor.bump();
                    word.0.push(Piece::Unknown);
                }
                Some(letter) if is_in(letter) => {
                    let name = self.cursor.take_while(is_in).to_owned();
                    word.0.push(Piece::Variable(name));
                }
                Some(_) | None => word.push('$'),
            }
        }
    }

    /// Reads what stands between `${` and `}`.
    fn expansion(&mut self, text: &str) -> Piece {
        let is_in = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let end = text.find(|letter| !is_in(letter)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() {
            return match text {
                "@" | "*" => Piece::All("@".to_owned()),
                _ => Piece::Unknown,
            };
        }
        let name = name.to_owned();
        let index = rest
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let alternative = [":-", ":=", ":?", "-", "=", "?"]
            .iter()
            .find_map(|sign| rest.strip_prefix(sign));
        match (rest, index, alternative) {
            ("", _, _) => Piece::Variable(name),
            (_, Some("@" | "*"), _) => Piece::All(name),
            (_, Some(index), _) => Piece::Element(name, index.to_owned()),
            (_, None, Some(other)) => {
                let word = self.inner(other, |parser| {
                    let mut word = Word::default();
                    parser.quoted(None, &mut word);
                    word
                });
                word.map_or(Piece::Unknown, |word| Piece::Default(name, word))
            }
            (_, None, None) => Piece::Unknown,
        }
    }
}

/// Takes all up to the brace that closes one.
fn braced(cursor: &mut Cursor<'_>) -> String {
    let mut text = String::new();
    let mut depth = 0_usize;
    while let Some(next) = cursor.bump() {
        match next {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            '\\' => {
                text.push('\\');
                cursor
                    .bump()
                    .into_iter()
                    .for_each(|letter| text.push(letter));
                continue;
            }
            _ => {}
        }
        text.push(next);
    }
    text
}
