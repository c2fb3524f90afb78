//! Texts between quotes, by the rules of each language.

use super::super::escapes::escape;
use super::super::template::Template;
use super::{Language, Reader, inside};

impl Reader<'_> {
    /// Reads a text from its first quote on.
    pub(super) fn text(&mut self, prefix: &str, quote: char) {
        let language = self.language;
        let is_python = language == Language::Python;
        let joins = self.awaits || (language.joins_neighbours() && !self.parts.is_empty());
        if !joins {
            self.end();
        }
        self.awaits = false;
        self.may_be_regex = false;
        let has = |letter: char| prefix.to_ascii_lowercase().contains(letter);
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let may_be_triple = is_python || (language == Language::Java && quote == '"');
        let end = if may_be_triple && self.cursor.eat(&triple) {
            triple
        } else {
            self.cursor.bump();
            quote.to_string()
        };
        let is_block = end.len() > 1 && !is_python;
        let keeps_lines = matches!(
            language,
            Language::Python | Language::JavaScript | Language::Java
        );
        let may_have_lines = end.len() > 1 || quote == '`' || !keeps_lines;
        let is_raw = has('r') || (quote == '`' && language == Language::Go);
        // Between single quotes these know no escapes but of the quote.
        let is_plain =
            quote == '\'' && matches!(language, Language::Perl | Language::Ruby | Language::Php);
        let is_powershell = language == Language::PowerShell;
        let fills_in = quote == '"'
            && matches!(
                language,
                Language::Perl | Language::Php | Language::Tcl | Language::PowerShell
            );
        let mut text = Template::default();
        while !self.cursor.is_at(&end)
            || (is_powershell && self.cursor.is_at(&format!("{quote}{quote}")))
        {
            let Some(next) = self.cursor.bump() else {
                break;
            };
            match next {
                // A text that never ends was none: an apostrophe of a comment, or a sign of another language.
                '\n' if !may_have_lines => {
                    self.parts.push(text);
                    return;
                }
                _ if is_powershell && next == quote => {
                    self.cursor.bump();
                    text.push(quote);
                }
                '`' if is_powershell && quote == '"' => {
                    self.cursor
                        .bump()
                        .into_iter()
                        .for_each(|letter| text.push(letter));
                }
                '\\' if is_powershell => text.push('\\'),
                '\\' if is_raw => {
                    text.push('\\');
                    if language != Language::Go {
                        self.cursor
                            .bump()
                            .into_iter()
                            .for_each(|letter| text.push(letter));
                    }
                }
                '\\' if is_plain => match self.cursor.peek() {
                    Some(sign @ ('\'' | '\\')) => {
                        self.cursor.bump();
                        text.push(sign);
                    }
                    Some(_) | None => text.push('\\'),
                },
                '\\' if language == Language::Tcl
                    && matches!(self.cursor.peek(), Some('[' | ']' | '{' | '}')) =>
                {
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
                '$' if quote == '`' && language == Language::JavaScript && self.cursor.eat("{") => {
                    inside(&mut self.cursor, '}');
                    text.hole();
                }
                '#' if quote == '"' && language == Language::Ruby && self.cursor.eat("{") => {
                    inside(&mut self.cursor, '}');
                    text.hole();
                }
                '$' if fills_in
                    && self.cursor.peek().is_some_and(|letter| {
                        letter.is_alphabetic() || matches!(letter, '{' | '_' | '(')
                    }) =>
                {
                    self.cursor.take_while(|letter| {
                        letter.is_alphanumeric() || matches!(letter, '_' | '{' | '}' | '(' | ')')
                    });
                    text.hole();
                }
                letter => text.push(letter),
            }
        }
        self.cursor.eat(&end);
        if is_block {
            text = unindented(&text);
        }
        self.parts.push(text);
    }

    /// Passes over a regular expression, whose quotes are none.
    pub(super) fn regex(&mut self) {
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

/// Takes the indent off a text block of Java's. Source: JEP 378.
fn unindented(text: &Template) -> Template {
    let marked = text.marked();
    let text = marked.strip_prefix('\n').unwrap_or(&marked);
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let least = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(indent)
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.get(least..).unwrap_or_default().trim_end())
        .collect();
    Template::of(&lines.join("\n"))
}
