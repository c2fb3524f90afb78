//! Texts that stand between other signs than quotes: `q{..}`, here-documents, here-strings, braces.

use super::super::escapes::escape;
use super::super::sqlish;
use super::super::template::Template;
use super::{Language, Reader, Token};

impl Reader<'_> {
    /// Tells whether a name begins a text: `q{..}`, `qq(..)`. Source: perlop, "Quote and Quote-like Operators".
    pub(super) fn is_quote(&self, name: &str) -> bool {
        let is_known = match self.language {
            Language::Perl => matches!(name, "q" | "qq" | "qx"),
            Language::Python
            | Language::JavaScript
            | Language::R
            | Language::Ruby
            | Language::Php
            | Language::Go
            | Language::Java
            | Language::Tcl
            | Language::PowerShell
            | Language::Other => false,
        };
        let opens = |letter: char| matches!(letter, '{' | '(' | '[' | '<' | '|' | '/' | '!' | '~');
        is_known && self.cursor.peek().is_some_and(opens)
    }

    pub(super) fn quote(&mut self, name: &str) {
        self.end();
        let open = self.cursor.bump().unwrap_or('{');
        let close = match open {
            '{' => '}',
            '(' => ')',
            '[' => ']',
            '<' => '>',
            other => other,
        };
        let mut text = Template::default();
        let mut depth = 0_usize;
        while let Some(next) = self.cursor.bump() {
            if next == '\\' {
                match self.cursor.peek() {
                    Some(sign) if sign == open || sign == close || sign == '\\' => {
                        self.cursor.bump();
                        text.push(sign);
                    }
                    Some(_) if name == "qq" => escape(&mut self.cursor, &mut text),
                    Some(_) | None => text.push('\\'),
                }
                continue;
            }
            if next == close && depth == 0 {
                break;
            }
            if next == close {
                depth -= 1;
            } else if next == open {
                depth += 1;
            }
            if next == '$' && name != "q" {
                self.cursor
                    .take_while(|letter| letter.is_alphanumeric() || letter == '_');
                text.hole();
                continue;
            }
            text.push(next);
        }
        if name == "qx" {
            self.tokens.push(Token::Name("qx".to_owned()));
            self.tokens.push(Token::Sign('('));
        }
        self.parts.push(text);
        self.end();
        if name == "qx" {
            self.tokens.push(Token::Sign(')'));
        }
        self.may_be_regex = false;
    }

    /// R's raw text, `r"(..)"`. Source: R, `?Quotes`.
    pub(super) fn raw(&mut self, quote: char) {
        self.end();
        self.cursor.bump();
        let dashes = self.cursor.take_while(|letter| letter == '-').to_owned();
        let close = match self.cursor.bump() {
            Some('[') => ']',
            Some('{') => '}',
            Some(_) | None => ')',
        };
        let text = self.cursor.until(&format!("{close}{dashes}{quote}"));
        self.parts.push(Template::of(text));
        self.end();
    }

    /// PowerShell's here-string. Source: PowerShell, about_Quoting_Rules.
    pub(super) fn here_string(&mut self) -> bool {
        let quote = ['\'', '"'].into_iter().find(|quote| {
            self.cursor.is_at(&format!("@{quote}\n")) || self.cursor.is_at(&format!("@{quote}\r\n"))
        });
        let Some(quote) = quote else { return false };
        self.end();
        self.cursor.until("\n");
        let text = self.cursor.until(&format!("\n{quote}@"));
        let text = text.trim_end_matches('\r');
        let mut template = Template::default();
        if quote == '"' && text.contains('$') {
            for (at, part) in text.split('$').enumerate() {
                if at > 0 {
                    template.hole();
                }
                template.push_str(if at > 0 {
                    part.trim_start_matches(|letter: char| letter.is_alphanumeric())
                } else {
                    part
                });
            }
        } else {
            template.push_str(text);
        }
        self.parts.push(template);
        self.end();
        true
    }

    /// The beginning of a here-document of Perl's, Ruby's or PHP's.
    pub(super) fn document(&mut self) -> bool {
        let mut ahead = self.cursor.clone();
        let is_begun = if self.language == Language::Php {
            ahead.eat("<<<")
        } else {
            ahead.eat("<<")
        };
        if !is_begun {
            return false;
        }
        let is_indented = ahead.eat("~") || ahead.eat("-") || self.language == Language::Php;
        let quote = ahead.peek().filter(|letter| matches!(letter, '\'' | '"'));
        if quote.is_some() {
            ahead.bump();
        }
        let end = ahead
            .take_while(|letter| letter.is_alphanumeric() || letter == '_')
            .to_owned();
        if end.is_empty()
            || end.starts_with(|letter: char| letter.is_ascii_digit() || letter.is_lowercase())
        {
            return false;
        }
        if quote.is_some() {
            ahead.bump();
        }
        self.cursor = ahead;
        self.end();
        self.pending
            .push((self.tokens.len(), end, quote == Some('\''), is_indented));
        self.tokens.push(Token::Text(Template::default()));
        true
    }

    pub(super) fn documents(&mut self) {
        for (at, end, is_plain, is_indented) in std::mem::take(&mut self.pending) {
            let mut lines = Vec::new();
            while let Some(line) = self.cursor.line() {
                if line == end || (is_indented && line.trim().trim_end_matches(';') == end) {
                    break;
                }
                lines.push(line);
            }
            let blanks = |line: &&&str| !line.trim().is_empty();
            let indent = |line: &&str| line.len() - line.trim_start_matches(' ').len();
            let least = lines.iter().filter(blanks).map(indent).min().unwrap_or(0);
            let mut text = String::new();
            for line in lines {
                let line = if is_indented {
                    line.get(least..).unwrap_or_default()
                } else {
                    line
                };
                text.push_str(line);
                text.push('\n');
            }
            let has_holes = !is_plain
                && (text.contains("#{") || (text.contains('$') && self.language != Language::Ruby));
            let mut template = Template::of(&text);
            if has_holes {
                template.hole();
            }
            if let Some(token) = self.tokens.get_mut(at) {
                *token = Token::Text(template);
            }
        }
    }

    /// A word in braces of Tcl's, where it looks like SQL.
    pub(super) fn braced(&mut self) -> bool {
        let mut ahead = self.cursor.clone();
        ahead.bump();
        let mut text = String::new();
        let mut depth = 0_usize;
        // A block of code is longer than what is looked for, or has a command first.
        let mut start = ahead.clone();
        start.take_while(|letter| letter.is_whitespace());
        let word = start.take_while(|letter| letter.is_ascii_alphabetic());
        if !sqlish::is_verb(word) {
            return false;
        }
        while let Some(next) = ahead.bump() {
            match next {
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                '{' => depth += 1,
                _ => {}
            }
            text.push(next);
        }
        if !sqlish::is_sqlish(&text) {
            return false;
        }
        self.end();
        self.cursor = ahead;
        self.parts.push(Template::of(&text));
        self.end();
        true
    }
}
