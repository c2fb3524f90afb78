//! Blocks of code: what leads to them, and whether something calls them.

use super::super::super::source::{Language, Token};
use super::{Block, Reached, Value, Walk};

impl Walk<'_> {
    /// Tells whether a brace begins a block of code.
    pub(super) fn is_block(&self, at: usize) -> bool {
        if self.language == Language::Tcl {
            return true;
        }
        let Some(before) = at.checked_sub(1) else {
            return true;
        };
        match self.tokens.get(before) {
            Some(Token::Sign(')')) | Some(Token::Sign('{' | '}' | ';')) | Some(Token::Line(_)) => {
                true
            }
            Some(Token::Sign('>')) => self.is_sign(before.wrapping_sub(1), '='),
            Some(Token::Name(name)) => {
                let words = [
                    "else", "try", "finally", "do", "BEGIN", "END", "begin", "unsafe", "static",
                    "process", "default",
                ];
                let is_head = (self.start..before).any(|at| {
                    matches!(
                        self.name(at),
                        Some(
                            "class"
                                | "interface"
                                | "struct"
                                | "sub"
                                | "func"
                                | "throws"
                                | "namespace"
                                | "object"
                                | "fn"
                                | "trait"
                                | "enum"
                                | "if"
                                | "for"
                                | "while"
                                | "switch"
                        )
                    )
                });
                words.contains(&name.as_str()) || is_head
            }
            Some(Token::Text(_) | Token::Sign(_)) | None => false,
        }
    }

    pub(super) fn indent(&self) -> usize {
        let line = self
            .tokens
            .get(..self.start)
            .unwrap_or_default()
            .iter()
            .rev()
            .find_map(|token| match token {
                Token::Line(indent) => Some(*indent),
                Token::Text(_) | Token::Name(_) | Token::Sign(_) => None,
            });
        line.unwrap_or(0)
    }

    /// Makes the block whose head stands before a place.
    pub(super) fn block(&mut self, at: usize, indent: usize) -> Block {
        let mut first = self.start;
        while matches!(
            self.name(first),
            Some(
                "async"
                    | "export"
                    | "default"
                    | "public"
                    | "private"
                    | "protected"
                    | "static"
                    | "final"
                    | "abstract"
                    | "override"
                    | "await"
            )
        ) || matches!(
            self.tokens.get(first),
            Some(Token::Line(_)) | Some(Token::Sign('}'))
        ) {
            first += 1;
        }
        let word = self.name(first).unwrap_or_default().to_owned();
        let mut block = Block {
            indent,
            reached: true,
            is_gated: false,
            is_over: false,
            function: None,
            saved: Vec::new(),
            rest: Reached::Maybe,
        };
        let mut set = |reached: Reached| {
            block.reached = reached == Reached::Yes;
            block.is_gated = reached == Reached::Maybe;
        };
        let opposite = |reached: Reached| match reached {
            Reached::Yes => Reached::No,
            Reached::No => Reached::Yes,
            Reached::Maybe => Reached::Maybe,
        };
        let is_else_if = word == "else" && self.name(first + 1) == Some("if");
        match word.as_str() {
            "if" | "while" => {
                let reached = self.condition(first + 1, at);
                // A loop is there to be gone through.
                let own = if word == "while" && reached == Reached::Maybe {
                    Reached::Yes
                } else {
                    reached
                };
                set(own);
                block.rest = opposite(reached);
            }
            // `for x in []:`.
            "for"
                if self.is_sign(at.wrapping_sub(1), ']')
                    && self.is_sign(at.wrapping_sub(2), '[')
                    && self.name(at.wrapping_sub(3)) == Some("in") =>
            {
                set(Reached::No);
            }
            "unless" | "until" => set(opposite(self.condition(first + 1, at))),
            word if is_else_if || matches!(word, "elif" | "elsif" | "elseif") => {
                let words = if is_else_if { 2 } else { 1 };
                let reached = self.condition(first + words, at);
                let own = if self.other == Reached::Yes {
                    reached
                } else {
                    self.other
                };
                set(own);
                block.rest = if self.other == Reached::Yes {
                    opposite(reached)
                } else {
                    self.other
                };
            }
            "else" => set(self.other),
            "except" | "catch" | "rescue" | "switch" | "match" | "case" | "default" => {
                set(Reached::Maybe)
            }
            _ => {
                if let Some(function) = self.function(first, at) {
                    let is_called = self.is_called(&function) && !self.skipped;
                    set(if is_called { Reached::Yes } else { Reached::No });
                    block.saved = self.parameters(&function, first, at);
                    block.function = Some(function);
                }
            }
        }
        self.decorated = false;
        self.skipped = false;
        block
    }

    /// Gives the name of the function whose head stands here.
    pub(super) fn function(&self, first: usize, at: usize) -> Option<String> {
        let word = self.name(first)?;
        if matches!(
            word,
            "def" | "function" | "sub" | "func" | "fn" | "fun" | "proc"
        ) {
            return self.name(first + 1).map(str::to_owned);
        }
        let is_other = matches!(
            word,
            "for"
                | "foreach"
                | "with"
                | "try"
                | "finally"
                | "do"
                | "class"
                | "interface"
                | "struct"
                | "namespace"
                | "package"
                | "object"
                | "synchronized"
                | "using"
                | "begin"
                | "BEGIN"
                | "END"
                | "import"
                | "trait"
                | "enum"
        );
        if is_other {
            return None;
        }
        // `q <- function(..) {`, `const q = (..) => {`, `q(..) {`.
        let assigned = (first..at).find(|at| {
            self.is_sign(*at, '=') || (self.is_sign(*at, '<') && self.is_sign(*at + 1, '-'))
        });
        let has_arrow =
            self.is_sign(at.wrapping_sub(1), '>') && self.is_sign(at.wrapping_sub(2), '=');
        let has_word = (first..at).any(|at| self.name(at) == Some("function"));
        if let Some(assigned) = assigned.filter(|_| has_arrow || has_word) {
            return if self.depth() == 0 {
                self.name(assigned.checked_sub(1)?).map(str::to_owned)
            } else {
                None
            };
        }
        if has_arrow || has_word || self.depth() > 0 {
            return None;
        }
        let open = (first..at).find(|at| self.is_sign(*at, '('))?;
        let name = self.name(open.checked_sub(1)?)?;
        let is_closed = self.facts.close.contains_key(&open);
        is_closed.then(|| name.to_owned())
    }

    /// Tells whether something calls a function, or may.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let by_others = [
            "main",
            "Main",
            "constructor",
            "__init__",
            "__enter__",
            "__call__",
            "setUp",
            "setUpClass",
            "setUpModule",
            "tearDown",
            "handler",
            "lambda_handler",
            "initialize",
            "init",
        ];
        let is_test = name.starts_with("test") || name.starts_with("Test");
        self.decorated || is_test || by_others.contains(&name) || self.facts.count(name) > 1
    }

    /// Takes the parameters of a function: what they hold is not known, or stands beside them.
    pub(super) fn parameters(
        &mut self,
        function: &str,
        first: usize,
        at: usize,
    ) -> Vec<(String, Option<Value>)> {
        let Some(open) = (first..at).find(|at| self.is_sign(*at, '(')) else {
            return Vec::new();
        };
        let close = self.facts.close.get(&open).copied().unwrap_or(at).min(at);
        let mut saved = Vec::new();
        let is_left =
            !self.facts.called.contains(function) || self.facts.called_bare.contains(function);
        for place in open + 1..close {
            let Some(name) = self.name(place) else {
                continue;
            };
            let name = name.to_owned();
            let ends = matches!(
                self.tokens.get(place + 1),
                Some(Token::Sign(',' | ')' | '=' | ':'))
            );
            if !ends || saved.len() >= 16 {
                continue;
            }
            let default = self
                .is_sign(place + 1, '=')
                // Who calls it with something may give another value.
                .then_some(is_left)
                .filter(|is_left| *is_left)
                .map(|_| match self.tokens.get(place + 2) {
                    Some(Token::Text(_)) => vec![place + 2],
                    Some(Token::Name(_) | Token::Sign(_) | Token::Line(_)) | None => Vec::new(),
                });
            let before = self.names.get(&name).cloned().flatten();
            saved.push((name.clone(), before));
            self.names.insert(
                name,
                Some(Value {
                    texts: default.unwrap_or_default(),
                    is_list: false,
                }),
            );
        }
        saved
    }
}
