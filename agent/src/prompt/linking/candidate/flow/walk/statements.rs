//! Statements: the names that they give values to, and what ends early.

use super::super::super::source::{Language, Token};
use super::super::{NAMES_MAX, calls};
use super::{Frame, Reached, Value, Walk};

impl Walk<'_> {
    /// Binds the names that a head gives values to: `for q in ..:`, `with open(..) as f:`.
    pub(super) fn bind_head(&mut self, at: usize) {
        match self.name(self.start) {
            Some("for") => {
                let within = (self.start..at).find(|at| self.name(*at) == Some("in"));
                if let Some(within) = within {
                    let names: Vec<String> = (self.start + 1..within)
                        .filter_map(|at| self.name(at))
                        .map(str::to_owned)
                        .collect();
                    self.bind(&names, false);
                    self.loops(names);
                }
            }
            Some("with") => self.bind_as(at),
            Some(_) | None => {}
        }
    }

    /// Notes names that a loop gives its values.
    fn loops(&mut self, names: Vec<String>) {
        if self.looped.len() < NAMES_MAX {
            self.looped.extend(names);
        }
    }

    pub(super) fn bind_as(&mut self, at: usize) {
        let names: Vec<String> = (self.start..at)
            .filter(|at| self.name(at.wrapping_sub(1)) == Some("as"))
            .filter_map(|at| self.name(at))
            .map(str::to_owned)
            .collect();
        self.bind(&names, false);
    }

    /// Gives names the values that the statement has gathered.
    pub(super) fn bind(&mut self, names: &[String], is_added: bool) {
        let value = std::mem::take(&mut self.gathered);
        let is_foreign = (self.start..=self.at.min(self.start + 64)).any(|at| {
            self.name(at)
                .is_some_and(|name| calls::is_other_root(name) || self.foreign.contains(name))
        });
        for name in names {
            if is_foreign {
                self.foreign.insert(name.clone());
            }
            if self.names.len() >= NAMES_MAX {
                return;
            }
            let value = if is_added || self.is_gated() {
                // What it holds now is not known.
                Value::default()
            } else if self.is_reached() {
                value.clone()
            } else {
                continue;
            };
            self.names.insert(name.clone(), Some(value));
        }
    }

    /// Follows what is left of a statement without a block: `if (false) run()`.
    pub(super) fn bare_condition(&mut self, at: usize) {
        let mut first = self.start;
        while matches!(
            self.tokens.get(first),
            Some(Token::Line(_)) | Some(Token::Sign('}'))
        ) {
            first += 1;
        }
        if matches!(self.name(first), Some("for" | "foreach")) {
            let within = (first..at).find(|at| {
                matches!(self.name(*at), Some("of" | "in" | "as")) || self.is_sign(*at, ':')
            });
            let Some(within) = within else { return };
            let (from, to) = if self.name(within) == Some("as") {
                (within + 1, at)
            } else {
                (first + 1, within)
            };
            let names: Vec<String> = (from..to)
                .filter_map(|at| self.name(at))
                .filter(|name| !matches!(*name, "const" | "let" | "var" | "await"))
                .map(str::to_owned)
                .collect();
            self.bind(&names, false);
            self.loops(names);
            return;
        }
        if self.name(first) == Some("else") {
            first += 1;
        }
        if self.name(first) == Some("if")
            && !self.is_sign(at + 1, '{')
            && self.is_sign(first + 1, '(')
            && self.facts.close.get(&(first + 1)) == Some(&at)
        {
            let reached = self.condition(first + 1, at);
            if self.rest == Reached::Yes {
                self.rest = reached;
            }
        }
    }

    pub(super) fn end_statement(&mut self, at: usize) {
        let mut first = self.start;
        while first < at
            && matches!(
                self.tokens.get(first),
                Some(Token::Line(_)) | Some(Token::Sign('}'))
            )
        {
            first += 1;
        }
        if first >= at {
            // Nothing stands there.
            self.start = at + 1;
            self.rest = self.postfix(at + 1);
            self.gathered = Value::default();
            return;
        }
        self.assignment(first, at);
        self.imported(first, at);
        let word = self.name(first).unwrap_or_default().to_owned();
        let word = word.as_str();
        let second = if self.is_sign(first + 1, '.') {
            self.name(first + 2).unwrap_or_default()
        } else {
            ""
        };
        let ends = matches!(
            (word, second),
            (
                "return"
                    | "raise"
                    | "throw"
                    | "exit"
                    | "die"
                    | "quit"
                    | "break"
                    | "continue"
                    | "abort",
                _
            ) | ("sys" | "os" | "process", "exit" | "_exit" | "abort")
        );
        if word == "return" {
            let gathered = std::mem::take(&mut self.gathered);
            let function = self.frames.iter().rev().find_map(|frame| match frame {
                Frame::Block(block) => block.function.clone(),
                Frame::Call(..) | Frame::Plain(_) => None,
            });
            if let Some(function) = function.filter(|_| self.is_reached()) {
                self.names.insert(function, Some(gathered));
            }
        }
        let is_if =
            (first..at).any(|at| matches!(self.name(at), Some("if" | "unless"))) && word != "if";
        if ends && !is_if && self.is_reached() {
            if let Some(Frame::Block(block)) = self.frames.last_mut() {
                block.is_over = true;
            } else if self.frames.is_empty() && !matches!(word, "return" | "break" | "continue") {
                self.is_over = true;
            }
        }
        if self.is_sign(first, '@') {
            self.decorated = true;
            self.skipped |= (first..at).any(|at| {
                matches!(
                    self.name(at),
                    Some("skip" | "skipIf" | "skipif" | "skipUnless" | "disabled")
                )
            });
        }
        self.start = at + 1;
        self.rest = self.postfix(at + 1);
        self.gathered = Value::default();
    }

    /// Finds the condition behind a statement that begins here: `run() if false`.
    pub(super) fn postfix(&self, start: usize) -> Reached {
        let mut depth = 0_usize;
        for at in start..start + 256 {
            match self.tokens.get(at) {
                Some(Token::Sign('(' | '[' | '{')) => depth += 1,
                Some(Token::Sign(')' | ']' | '}')) if depth == 0 => return Reached::Yes,
                Some(Token::Sign(')' | ']' | '}')) => depth -= 1,
                Some(Token::Sign(';') | Token::Line(_)) if depth == 0 && at > start => {
                    return Reached::Yes;
                }
                None => return Reached::Yes,
                Some(Token::Name(name)) if depth == 0 && at > start => {
                    if matches!(name.as_str(), "if" | "unless")
                        && self.name(at - 1) != Some("else")
                        && self.name(start) != Some("else")
                    {
                        let end = (at..at + 64).find(|end| {
                            matches!(
                                self.tokens.get(*end),
                                Some(Token::Sign(';') | Token::Line(_)) | None
                            ) || self.name(*end) == Some("else")
                        });
                        let found = self.condition(at + 1, end.unwrap_or(at + 1));
                        return match (name.as_str(), found) {
                            ("unless", Reached::Yes) => Reached::No,
                            ("unless", Reached::No) => Reached::Yes,
                            (_, found) => found,
                        };
                    }
                }
                Some(Token::Name(_) | Token::Text(_) | Token::Sign(_) | Token::Line(_)) => {}
            }
        }
        Reached::Yes
    }

    pub(super) fn imported(&mut self, first: usize, at: usize) {
        let is_import = matches!(
            self.name(first),
            Some("import" | "from" | "use" | "require" | "library" | "const" | "let" | "var")
        );
        if !is_import {
            return;
        }
        let is_foreign = (first..at).any(|at| match self.tokens.get(at) {
            Some(Token::Name(name)) => calls::is_other_root(name),
            Some(Token::Text(text)) => text.whole().is_some_and(calls::is_other_root),
            Some(Token::Sign(_) | Token::Line(_)) | None => false,
        });
        let names_snowflake = (first..at).any(|at| match self.tokens.get(at) {
            Some(Token::Name(name)) => name == "snowflake",
            Some(Token::Text(text)) => text.marked().contains("snowflake"),
            Some(Token::Sign(_) | Token::Line(_)) | None => false,
        });
        if is_foreign && !names_snowflake {
            let names: Vec<String> = (first + 1..at)
                .filter_map(|at| self.name(at))
                .map(str::to_owned)
                .collect();
            self.foreign.extend(
                names
                    .into_iter()
                    .filter(|name| !matches!(name.as_str(), "import" | "as" | "require" | "from")),
            );
        }
    }

    /// Follows `name = ..`, `name := ..`, `name <- ..` and `set name ..`.
    pub(super) fn assignment(&mut self, first: usize, end: usize) {
        if matches!(
            self.name(first),
            Some(
                "if" | "while"
                    | "return"
                    | "for"
                    | "def"
                    | "elif"
                    | "assert"
                    | "sub"
                    | "function"
                    | "func"
            )
        ) {
            return;
        }
        if self.language == Language::Tcl {
            if self.name(first) == Some("set")
                && let Some(name) = self.name(first + 1).map(str::to_owned)
            {
                self.bind(&[name], false);
            }
            return;
        }
        let mut depth = 0_usize;
        for at in first..end {
            match self.tokens.get(at) {
                Some(Token::Sign('(' | '[' | '{')) => depth += 1,
                Some(Token::Sign(')' | ']' | '}')) => depth = depth.saturating_sub(1),
                Some(Token::Sign(sign @ ('=' | '<'))) if depth == 0 => {
                    let is_arrow =
                        *sign == '<' && self.is_sign(at + 1, '-') && self.language == Language::R;
                    let before =
                        at.checked_sub(1)
                            .and_then(|before| match self.tokens.get(before) {
                                Some(Token::Sign(sign)) => Some(*sign),
                                Some(Token::Text(_) | Token::Name(_) | Token::Line(_)) | None => {
                                    None
                                }
                            });
                    let is_compared = self.is_sign(at + 1, '=')
                        || self.is_sign(at + 1, '>')
                        || self.is_sign(at + 1, '~')
                        || matches!(before, Some('=' | '!' | '<' | '>' | '~'));
                    if !is_arrow && (*sign == '<' || is_compared) {
                        continue;
                    }
                    let is_added =
                        matches!(before, Some('+' | '.' | '*' | '|' | '?' | '%' | '&' | '-'));
                    let typed = (first..at)
                        .find(|at| self.is_sign(*at, ':') && !self.is_sign(*at + 1, '='));
                    let names: Vec<String> = match typed {
                        Some(typed) => typed
                            .checked_sub(1)
                            .and_then(|at| self.name(at))
                            .map(str::to_owned)
                            .into_iter()
                            .collect(),
                        None => {
                            let mut names: Vec<String> = Vec::new();
                            let mut ends = true;
                            for place in (first..at).rev() {
                                match self.tokens.get(place) {
                                    Some(Token::Name(name)) if ends => {
                                        names.push(name.clone());
                                        ends = false;
                                    }
                                    Some(Token::Sign(',')) => ends = true,
                                    Some(
                                        Token::Name(_)
                                        | Token::Sign(_)
                                        | Token::Text(_)
                                        | Token::Line(_),
                                    )
                                    | None => {}
                                }
                            }
                            names
                        }
                    };
                    self.bind(&names, is_added);
                    return;
                }
                Some(Token::Name(_) | Token::Text(_) | Token::Sign(_) | Token::Line(_)) | None => {}
            }
        }
    }
}
