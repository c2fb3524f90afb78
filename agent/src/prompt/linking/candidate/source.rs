//! The texts that a program of Python or JavaScript writes out, joined as the program joins them.
//!
//! No parser of either: what stands between quotes is read exactly, what joins two texts (standing side by side, `+`) is
//! followed, and what an expression gives is a hole. Source: the Python Language Reference, 2.5 "Literals" and 6.2.2;
//! PEP 498 and 701; ECMA-262, 12.9.4 and 12.9.6.

use super::cursor::Cursor;
use super::escapes::escape;
use super::template::Template;

/// Most texts of a program that are read.
const TEXTS_MAX: usize = 2048;

/// What a program is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    JavaScript,
}

/// Lists a program's texts.
pub(super) fn texts(source: &str, language: Language) -> Vec<Template> {
    let mut reader = Reader {
        cursor: Cursor::new(source),
        language,
        depth: 0,
        parts: Vec::new(),
        awaits: false,
        may_be_regex: true,
        texts: Vec::new(),
    };
    while reader.texts.len() < TEXTS_MAX && reader.step() {}
    reader.end();
    reader.texts
}

struct Reader<'t> {
    cursor: Cursor<'t>,
    language: Language,
    /// How many brackets are open: within them a line's end ends nothing.
    depth: usize,
    /// The text that is being joined.
    parts: Vec<Template>,
    /// Whether a `+` wants another part.
    awaits: bool,
    /// Whether a `/` would begin a regular expression.
    may_be_regex: bool,
    texts: Vec<Template>,
}

impl Reader<'_> {
    fn end(&mut self) {
        if self.awaits {
            self.parts.push(hole());
        }
        self.awaits = false;
        let mut text = Template::default();
        for part in self.parts.drain(..) {
            text.extend(&part);
        }
        if !text.is_empty() {
            self.texts.push(text);
        }
    }

    /// Reads one thing; tells whether there was one.
    fn step(&mut self) -> bool {
        let Some(next) = self.cursor.peek() else {
            return false;
        };
        let is_python = self.language == Language::Python;
        match next {
            '\n' => {
                self.cursor.bump();
                if is_python && self.depth == 0 {
                    self.end();
                }
            }
            '\\' => {
                self.cursor.bump();
                self.cursor.bump();
            }
            _ if next.is_whitespace() => {
                self.cursor.bump();
            }
            '#' if is_python => {
                self.cursor.take_while(|letter| letter != '\n');
            }
            '/' if !is_python && self.cursor.is_at("//") => {
                self.cursor.take_while(|letter| letter != '\n');
            }
            '/' if !is_python && self.cursor.eat("/*") => {
                self.cursor.until("*/");
            }
            '/' if !is_python && self.may_be_regex => self.regex(),
            '\'' | '"' => self.text("", next),
            '`' if !is_python => self.text("", next),
            '+' => {
                self.cursor.bump();
                // `++` and `+=` join nothing.
                if self.parts.is_empty() || self.cursor.is_at("+") || self.cursor.is_at("=") {
                    self.end();
                } else {
                    self.awaits = true;
                }
                self.may_be_regex = true;
            }
            _ if next.is_alphanumeric() || matches!(next, '_' | '$') => {
                let name = self
                    .cursor
                    .take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$'));
                let quote = self.cursor.peek().filter(|next| matches!(next, '\'' | '"'));
                match quote {
                    Some(quote) if is_python && is_prefix(name) => self.text(name, quote),
                    Some(_) | None => self.operand(),
                }
            }
            '(' | '[' | '{' if self.awaits => self.operand(),
            '.' if !self.parts.is_empty() && self.cursor.is_at(".join") => {
                self.parts.pop();
                self.awaits = true;
                self.operand();
            }
            _ => {
                self.cursor.bump();
                match next {
                    '(' | '[' | '{' => self.depth += 1,
                    ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.may_be_regex = !matches!(next, ')' | ']' | '}');
                self.end();
            }
        }
        true
    }

    /// Reads the rest of an expression that is no text: a hole of the text that it is joined to.
    fn operand(&mut self) {
        self.may_be_regex = false;
        if !self.awaits {
            self.end();
            return;
        }
        self.awaits = false;
        self.parts.push(hole());
        loop {
            self.cursor
                .take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$' | '.'));
            match self.cursor.peek() {
                Some('(' | '[' | '{') => brackets(&mut self.cursor),
                Some(_) | None => return,
            }
        }
    }

    /// Reads a text from its first quote on.
    fn text(&mut self, prefix: &str, quote: char) {
        let is_python = self.language == Language::Python;
        let joins = self.awaits || (is_python && !self.parts.is_empty());
        if !joins {
            self.end();
        }
        self.awaits = false;
        self.may_be_regex = false;
        let has = |letter: char| prefix.to_ascii_lowercase().contains(letter);
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let end = if is_python && self.cursor.eat(&triple) {
            triple
        } else {
            self.cursor.bump();
            quote.to_string()
        };
        let may_have_lines = end.len() > 1 || quote == '`';
        let mut text = Template::default();
        while !self.cursor.eat(&end) {
            let Some(next) = self.cursor.bump() else {
                break;
            };
            match next {
                // A text that never ends was none: an apostrophe of a comment, or a sign of another language.
                '\n' if !may_have_lines => break,
                '\\' if has('r') => {
                    text.push('\\');
                    self.cursor
                        .bump()
                        .into_iter()
                        .for_each(|letter| text.push(letter));
                }
                '\\' => escape(&mut self.cursor, &mut text),
                '{' if has('f') && !self.cursor.eat("{") => {
                    inside(&mut self.cursor, '}');
                    text.hole();
                }
                '}' if has('f') => {
                    self.cursor.eat("}");
                    text.push('}');
                }
                '$' if quote == '`' && self.cursor.eat("{") => {
                    inside(&mut self.cursor, '}');
                    text.hole();
                }
                letter => text.push(letter),
            }
        }
        self.parts.push(text);
    }

    /// Passes over a regular expression, whose quotes are none.
    fn regex(&mut self) {
        self.cursor.bump();
        while let Some(next) = self.cursor.bump() {
            match next {
                '\\' => {
                    self.cursor.bump();
                }
                '/' | '\n' => break,
                _ => {}
            }
        }
        self.may_be_regex = false;
        self.end();
    }
}

fn hole() -> Template {
    let mut hole = Template::default();
    hole.hole();
    hole
}

/// Tells whether letters before a quote are a text's prefix. Source: the Python Language Reference, 2.5 and PEP 750.
fn is_prefix(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(
        name.as_str(),
        "r" | "u" | "b" | "f" | "t" | "br" | "rb" | "fr" | "rf" | "tr" | "rt"
    )
}

/// Passes over brackets, from the one that opens.
fn brackets(cursor: &mut Cursor<'_>) {
    let close = match cursor.bump() {
        Some('(') => ')',
        Some('[') => ']',
        Some(_) | None => '}',
    };
    inside(cursor, close);
}

/// Passes over what stands in brackets, and the bracket that closes them.
fn inside(cursor: &mut Cursor<'_>, close: char) {
    let mut depth = 0_usize;
    while let Some(next) = cursor.bump() {
        match next {
            '\'' | '"' | '`' => {
                while let Some(letter) = cursor.bump() {
                    if letter == '\\' {
                        cursor.bump();
                    } else if letter == next || letter == '\n' {
                        break;
                    }
                }
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            _ if next == close => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::linking::candidate::template::HOLE;

    #[track_caller]
    fn check(language: Language, source: &str, expected: &[&str]) {
        let found = texts(source, language);
        let found: Vec<String> = found
            .iter()
            .map(|text| text.marked().replace(HOLE, "H"))
            .collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn texts_of_python_are_joined_as_python_joins_them() {
        let python = |source, expected| check(Language::Python, source, expected);
        python("a = 'b'\nc = \"d\" # 'e'\n", &["b", "d"]);
        python("x('a ' 'b', 'c')", &["a b", "c"]);
        python("x('a '\n  r'\\b'\n  )", &["a \\b"]);
        python("'a'\n'b'", &["a", "b"]);
        python("'a ' + t + ' b' + f(1, 'x')", &["a H bH"]);
        python("'a ' + ', '.join(c) + ' b'", &["a H b"]);
        python("f'a {t[\"x\"]} {{b}}'", &["a H {b}"]);
        python("f'''a\n{t!r:>{w}} 'b' '''", &["a\nH 'b' "]);
        python("'it\\'s \\x41\\n'", &["it's A\n"]);
        python("\"\"\"\nselect 1\n\"\"\"", &["\nselect 1\n"]);
        python("x = 'never ends\ny = 'b'", &["never ends", "b"]);
    }

    #[test]
    fn texts_of_javascript_are_joined_as_javascript_joins_them() {
        let javascript = |source, expected| check(Language::JavaScript, source, expected);
        javascript("a('b', \"c\") // 'd'\n/* 'e' */", &["b", "c"]);
        javascript("`a ${x ? `y` : '}'}\nb`", &["a H\nb"]);
        javascript("'a ' +\n b.c(1) + ' d'", &["a H d"]);
        javascript("x.replace(/['\"]/g, 'b')", &["b"]);
        javascript("a / b / 'c'", &["c"]);
    }
}
