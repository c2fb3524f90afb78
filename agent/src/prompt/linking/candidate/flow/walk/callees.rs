//! Calls: which of them run what they are given.

use super::super::super::script;
use super::super::super::source::{Language, Token};
use super::super::calls;
use super::{Frame, Walk};

impl Walk<'_> {
    /// Gives the dotted name before a bracket.
    pub(super) fn dotted(&self, at: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut place = at;
        while let Some(before) = place.checked_sub(1) {
            match self.tokens.get(before) {
                Some(Token::Name(name)) => {
                    names.push(name.clone());
                    let Some(dot) = before.checked_sub(1) else {
                        break;
                    };
                    let is_joined = matches!(
                        self.tokens.get(dot),
                        Some(Token::Sign('.' | ':' | '>' | '\\' | '?'))
                    );
                    if !is_joined || names.len() > 8 {
                        break;
                    }
                    place = dot;
                    while matches!(
                        self.tokens.get(place.wrapping_sub(1)),
                        Some(Token::Sign('.' | ':' | '-' | '?' | '!'))
                    ) {
                        place -= 1;
                    }
                    // `connect().cursor()`: the call before it has the name.
                    if self.is_sign(place.wrapping_sub(1), ')') {
                        let close = place - 1;
                        let open = (close.saturating_sub(64)..close)
                            .rev()
                            .find(|open| self.facts.close.get(open) == Some(&close));
                        match open {
                            Some(open) => place = open,
                            None => break,
                        }
                    }
                }
                Some(Token::Text(_) | Token::Sign(_) | Token::Line(_)) | None => break,
            }
        }
        // `if (`, `for (`: no calls.
        let is_word = matches!(
            names.first().map(String::as_str),
            Some(
                "if" | "for"
                    | "while"
                    | "in"
                    | "return"
                    | "and"
                    | "or"
                    | "not"
                    | "elif"
                    | "switch"
                    | "catch"
                    | "foreach"
                    | "await"
                    | "yield"
                    | "my"
                    | "our"
                    | "else"
                    | "is"
                    | "lambda"
                    | "typeof"
                    | "with"
                    | "of"
                    | "unless"
                    | "until"
            )
        );
        if is_word { Vec::new() } else { names }
    }

    pub(super) fn noticed(&mut self, at: usize, callee: &[String]) {
        if self.is_runner(callee, at) && self.is_reached() {
            self.runs = true;
        }
    }

    pub(super) fn is_foreign(&self, callee: &[String]) -> bool {
        callee
            .iter()
            .any(|name| calls::is_other_root(name) || self.foreign.contains(name))
    }

    /// Tells whether the program speaks with another database, and nothing in it is Snowflake's.
    fn is_elsewhere(&self) -> bool {
        self.facts.has_other_address && !self.facts.has_snowflake
    }

    /// Tells whether what runs no SQL of Snowflake's is named between a bracket and the one that closes it.
    fn names_foreign(&self, open: usize) -> bool {
        let close = self.facts.close.get(&open).copied().unwrap_or(open);
        (open + 1..close.min(open + 200)).any(|at| {
            self.name(at)
                .is_some_and(|name| calls::is_other_root(name) || self.foreign.contains(name))
        })
    }

    /// Tells whether a call runs what it is given.
    pub(super) fn is_runner(&self, callee: &[String], open: usize) -> bool {
        let Some(name) = callee.first() else {
            return false;
        };
        let is_frame = matches!(
            name.as_str(),
            "read_sql" | "read_sql_query" | "read_database" | "read_database_uri"
        );
        // Another database's connection may be one of its arguments.
        if is_frame && (!self.is_foreign(callee) || name.starts_with("read_database")) {
            return !self.names_foreign(open) && !self.is_elsewhere();
        }
        if self.is_foreign(callee) || self.is_elsewhere() {
            return false;
        }
        if self.facts.functions.contains(name) && callee.len() == 1 {
            return self.facts.runners.contains(name) && !calls::is_other(name);
        }
        let is_piped = self.facts.has_pipe
            && callee
                .iter()
                .any(|name| matches!(name.as_str(), "stdin" | "communicate" | "Stdin"));
        let is_posted = self.facts.has_address
            && matches!(
                name.as_str(),
                "post" | "request" | "urlopen" | "fetch" | "Post" | "Request" | "send" | "POST"
            );
        if is_piped || is_posted {
            return true;
        }
        // A list is gone through by a function that runs each.
        if matches!(
            name.as_str(),
            "map"
                | "forEach"
                | "each"
                | "submit"
                | "starmap"
                | "apply"
                | "for_each"
                | "run_in_executor"
                | "Thread"
                | "gather"
                | "lapply"
                | "sapply"
        ) {
            return self.holds_runner(open);
        }
        calls::runs_by_name(name) && !calls::is_other(name)
    }

    /// Tells whether a runner is named between a bracket and the one that closes it.
    pub(super) fn holds_runner(&self, open: usize) -> bool {
        let close = self.facts.close.get(&open).copied().unwrap_or(open);
        (open + 1..close.min(open + 200)).any(|at| {
            self.name(at).is_some_and(|name| {
                self.facts.runners.contains(name)
                    || (calls::runs_by_name(name)
                        && !calls::is_other(name)
                        && !self.foreign.contains(name))
            })
        })
    }

    /// Tells whether a call starts a program that does not run the text: `run(["echo", sql])`.
    pub(super) fn is_given_to_other(&self, from: usize, at: usize) -> bool {
        let first = (from..at).find_map(|place| match self.tokens.get(place) {
            Some(Token::Text(text)) => Some(text.whole().unwrap_or_default().to_owned()),
            Some(Token::Name(_) | Token::Sign(_) | Token::Line(_)) | None => None,
        });
        let Some(first) = first else { return false };
        let mut words = first.split_whitespace();
        let program = words.next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or(program);
        let is_alone = words.next().is_none();
        is_alone && script::holds(name)
    }

    /// Finds what a call without brackets does: `system 'snow', .., $q`, `puts "x"`, `exec snow sql -q $sql`.
    pub(super) fn by_words(&self, at: usize) -> Option<bool> {
        let is_by_words = matches!(
            self.language,
            Language::Perl
                | Language::Ruby
                | Language::Php
                | Language::Tcl
                | Language::PowerShell
                | Language::Other
        );
        if !is_by_words {
            return None;
        }
        // From the bracket or the statement in which it stands.
        let from = match self.frames.last() {
            Some(Frame::Plain(open) | Frame::Call(open, _)) => open + 1,
            Some(Frame::Block(_)) | None => self.start,
        };
        let mut first = from;
        while matches!(
            self.tokens.get(first),
            Some(Token::Line(_) | Token::Sign('&' | '}' | '@'))
        ) || matches!(self.name(first), Some("puts" | "return"))
            && self.is_sign(first + 1, '[')
        {
            first += 1;
        }
        // An assignment's right side has its own words.
        let assigned = (first..at)
            .rev()
            .find(|place| self.is_sign(*place, '=') && !self.is_sign(place + 1, '='));
        if let Some(assigned) = assigned {
            first = assigned + 1;
        }
        let mut names = Vec::new();
        let mut place = first;
        while place < at {
            match self.tokens.get(place) {
                Some(Token::Name(name)) => names.push(name.clone()),
                Some(Token::Sign('.' | ':' | '>' | '-' | '\\')) => {}
                Some(Token::Text(_) | Token::Sign(_) | Token::Line(_)) | None => break,
            }
            let joins = matches!(self.tokens.get(place + 1), Some(Token::Sign('.' | ':')));
            place += 1;
            if !joins && !matches!(self.tokens.get(place.wrapping_sub(1)), Some(Token::Sign(_))) {
                break;
            }
        }
        if self.language == Language::PowerShell {
            // `$sql | snow sql -i`.
            let end = (at..at + 64)
                .find(|end| {
                    matches!(
                        self.tokens.get(*end),
                        Some(Token::Line(_) | Token::Sign(';')) | None
                    )
                })
                .unwrap_or(at);
            let piped = (at..end).rev().find(|place| self.is_sign(*place, '|'));
            if let Some(piped) = piped {
                return self.name(piped + 1).map(|name| {
                    matches!(name, "snow" | "snowsql")
                        || (calls::runs_by_name(name) && !calls::is_other(name))
                });
            }
        }
        names.reverse();
        let name = names.first()?;
        if self.language == Language::Tcl && name == "set" {
            return None;
        }
        if self.facts.has_pipe
            && matches!(name.as_str(), "print" | "puts" | "say" | "printf")
            && self.language == Language::Perl
        {
            return Some(true);
        }
        if self.is_runner(&names, at) {
            let shown = self.tokens.get(first + 1).is_some();
            let inner = self
                .name(first + 1)
                .filter(|_| self.language == Language::Tcl);
            return Some(
                shown && !inner.is_some_and(script::holds) && !self.is_given_to_other(first, at),
            );
        }
        let is_passed = calls::is_same(name);
        (calls::is_other(name) && !is_passed).then_some(false)
    }
}
