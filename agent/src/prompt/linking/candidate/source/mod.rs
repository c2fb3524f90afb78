//! A program as what it is made of: its texts, joined as the program joins them, and the names and signs between them.
//!
//! No parser: what stands between quotes is read exactly, what joins two texts (standing side by side, `+`) is
//! followed, and what an expression gives is a hole. Source: the Python Language Reference, 2.5 "Literals" and 6.2.2;
//! PEP 498 and 701; ECMA-262, 12.9.4 and 12.9.6.

mod literals;
mod quotes;

use super::cursor::Cursor;
use super::template::Template;

/// Most texts of a program that are read.
const TEXTS_MAX: usize = 2048;

/// What a program is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    JavaScript,
    Perl,
    R,
    Ruby,
    Php,
    Go,
    /// Java, C and what reads like them.
    Java,
    Tcl,
    PowerShell,
    Other,
}

impl Language {
    /// Tells by a file's name what it is written in.
    pub(super) fn of_file(path: &str) -> Option<Self> {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension)?;
        Some(match extension.to_ascii_lowercase().as_str() {
            "py" | "pyi" | "pyw" => Self::Python,
            "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "tsx" | "jsx" => Self::JavaScript,
            "pl" | "pm" | "t" => Self::Perl,
            "r" | "rscript" => Self::R,
            "rb" => Self::Ruby,
            "php" => Self::Php,
            "go" => Self::Go,
            "java" | "c" | "cc" | "cpp" | "h" | "cs" | "kt" | "kts" | "scala" | "groovy"
            | "jsh" | "rs" | "swift" => Self::Java,
            "tcl" => Self::Tcl,
            "ps1" | "psm1" => Self::PowerShell,
            "lua" | "jl" | "ex" | "exs" => Self::Other,
            _ => return None,
        })
    }

    /// Tells whether lines end its statements, and indents make its blocks.
    pub(super) fn is_by_lines(self) -> bool {
        matches!(self, Self::Python | Self::Ruby | Self::Other)
    }

    fn has_hash_comments(self) -> bool {
        !matches!(self, Self::JavaScript | Self::Java | Self::Go)
    }

    fn has_slash_comments(self) -> bool {
        matches!(self, Self::JavaScript | Self::Java | Self::Go | Self::Php)
    }

    /// Tells whether texts that stand side by side are one.
    fn joins_neighbours(self) -> bool {
        matches!(self, Self::Python | Self::Java)
    }
}

/// One thing of a program's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Text(Template),
    Name(String),
    Sign(char),
    /// A line's end outside of brackets, with the indent of the next line.
    Line(usize),
}

/// Lists a program's texts.
#[cfg(test)]
fn texts(source: &str, language: Language) -> Vec<Template> {
    let texts = tokens(source, language).into_iter();
    texts
        .filter_map(|token| match token {
            Token::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Token::Name(_) | Token::Sign(_) | Token::Line(_) => None,
        })
        .collect()
}

/// Most things of a program that are read.
const TOKENS_MAX: usize = 1 << 15;

/// Reads a program.
pub(super) fn tokens(source: &str, language: Language) -> Vec<Token> {
    let mut reader = Reader {
        cursor: Cursor::new(source),
        language,
        depth: 0,
        parts: Vec::new(),
        awaits: false,
        may_be_regex: true,
        texts: 0,
        pending: Vec::new(),
        tokens: Vec::new(),
    };
    while reader.texts < TEXTS_MAX && reader.tokens.len() < TOKENS_MAX && reader.step() {}
    reader.end();
    reader.tokens
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
    texts: usize,
    /// Here-documents whose lines are still to come: the place of each among the tokens, its end, whether it is as it stands.
    pending: Vec<(usize, String, bool, bool)>,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    pub(super) fn end(&mut self) {
        if self.awaits {
            self.parts.push(hole());
        }
        self.awaits = false;
        let has_parts = !self.parts.is_empty();
        let mut text = Template::default();
        for part in self.parts.drain(..) {
            text.extend(&part);
        }
        if has_parts {
            self.texts += usize::from(!text.is_empty());
            self.tokens.push(Token::Text(text));
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
                if !self.pending.is_empty() {
                    self.end();
                    self.documents();
                }
                if self.depth == 0 && (is_python || !self.awaits) {
                    let mut ahead = self.cursor.clone();
                    let indent = ahead.take_while(|letter| matches!(letter, ' ' | '\t'));
                    let goes_on = matches!(ahead.peek(), Some('.' | '+')) && !is_python;
                    if !goes_on {
                        self.end();
                        self.tokens.push(Token::Line(indent.len()));
                    }
                }
            }
            '\\' => {
                self.cursor.bump();
                self.cursor.bump();
            }
            '`' if self.language == Language::PowerShell => {
                self.cursor.bump();
                self.cursor.bump();
            }
            _ if next.is_whitespace() => {
                self.cursor.bump();
            }
            '#' if self.language.has_hash_comments() => {
                self.cursor.take_while(|letter| letter != '\n');
            }
            '/' if self.language.has_slash_comments() && self.cursor.is_at("//") => {
                self.cursor.take_while(|letter| letter != '\n');
            }
            '/' if self.language.has_slash_comments() && self.cursor.eat("/*") => {
                self.cursor.until("*/");
            }
            '<' if self.language == Language::PowerShell && self.cursor.eat("<#") => {
                self.cursor.until("#>");
            }
            '-' if self.language == Language::Other && self.cursor.is_at("--") => {
                self.cursor.take_while(|letter| letter != '\n');
            }
            '/' if self.language == Language::JavaScript && self.may_be_regex => self.regex(),
            '@' if self.language == Language::PowerShell && self.here_string() => {}
            '<' if matches!(
                self.language,
                Language::Perl | Language::Ruby | Language::Php
            ) && self.document() => {}
            '{' if self.language == Language::Tcl && self.braced() => {}
            '\'' | '"' => self.text("", next),
            '`' if matches!(self.language, Language::JavaScript | Language::Go) => {
                self.text("", next)
            }
            '`' if matches!(
                self.language,
                Language::Perl | Language::Ruby | Language::Php
            ) =>
            {
                self.end();
                self.tokens.push(Token::Name("qx".to_owned()));
                self.tokens.push(Token::Sign('('));
                self.text("", next);
                self.end();
                self.tokens.push(Token::Sign(')'));
            }
            '+' => {
                self.cursor.bump();
                // `++` and `+=` join nothing.
                if self.parts.is_empty() || self.cursor.is_at("+") || self.cursor.is_at("=") {
                    self.end();
                    self.tokens.push(Token::Sign('+'));
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
                    Some(quote) if self.language == Language::R && matches!(name, "r" | "R") => {
                        self.raw(quote)
                    }
                    Some(_) | None if self.is_quote(name) => self.quote(name),
                    Some(_) | None => {
                        let is_operand = self.awaits;
                        let name = name.trim_start_matches('$').to_owned();
                        self.operand();
                        if !is_operand && !name.is_empty() {
                            self.tokens.push(Token::Name(name));
                        }
                    }
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
                    '(' | '[' => self.depth += 1,
                    // A block's lines end as ever.
                    '{' if self.language.is_by_lines() => self.depth += 1,
                    ')' | ']' => self.depth = self.depth.saturating_sub(1),
                    '}' if self.language.is_by_lines() => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.may_be_regex = !matches!(next, ')' | ']' | '}');
                self.end();
                self.tokens.push(Token::Sign(next));
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
pub(super) fn inside(cursor: &mut Cursor<'_>, close: char) {
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
