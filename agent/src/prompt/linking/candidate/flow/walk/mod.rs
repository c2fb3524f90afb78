//! One walk through a program's tokens.

mod blocks;
mod callees;
mod chosen;
mod statements;
mod uses;

use std::collections::{BTreeMap, BTreeSet};

use super::super::source::{Language, Token};
use super::Facts;

/// Deepest nesting that is followed.
const FRAMES_MAX: usize = 256;

/// What a name has as its value: texts, by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    texts: Vec<usize>,
    /// Whether it holds several, so that an index takes one of them.
    is_list: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) run: BTreeSet<usize>,
    pub(super) names: BTreeMap<String, Value>,
    pub(super) runs: bool,
}

#[derive(Debug)]
enum Frame {
    /// A bracket of a call, by the place of the bracket and the dotted name before it.
    Call(usize, Vec<String>),
    /// Another bracket.
    Plain(usize),
    Block(Block),
}

/// A block of code.
#[derive(Debug)]
struct Block {
    /// Its indent, where indents make blocks.
    indent: usize,
    reached: bool,
    /// Whether what decided on it is not known.
    is_gated: bool,
    /// Whether something ended it early.
    is_over: bool,
    function: Option<String>,
    /// Values that names had outside.
    saved: Vec<(String, Option<Value>)>,
    /// What an `else` behind it is.
    rest: Reached,
}

/// Whether a part of a program is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Yes,
    No,
    Maybe,
}

struct Walk<'w> {
    tokens: &'w [Token],
    facts: &'w Facts,
    /// Values that names have at the end.
    later: &'w BTreeMap<String, Value>,
    language: Language,
    frames: Vec<Frame>,
    names: BTreeMap<String, Option<Value>>,
    foreign: BTreeSet<String>,
    run: BTreeSet<usize>,
    runs: bool,
    /// Where the statement began that is read, and what is read of it.
    start: usize,
    at: usize,
    /// What the rest of the statement is.
    rest: Reached,
    /// Values that the statement's right side has.
    gathered: Value,
    /// What files hold that were written, by the texts of their names.
    written: BTreeMap<String, Vec<usize>>,
    /// What an `else` would be, of the block that ended last.
    other: Reached,
    decorated: bool,
    /// Whether what is above a function says that it is not run.
    skipped: bool,
    /// Names that a loop gives one value after the other.
    looped: BTreeSet<String>,
    /// Whether the program has ended.
    is_over: bool,
}

/// Walks through a program.
pub(super) fn walk(tokens: &[Token], facts: &Facts, later: &BTreeMap<String, Value>) -> Walked {
    let language = facts.language.unwrap_or(Language::Other);
    let mut walk = Walk {
        tokens,
        facts,
        later,
        language,
        frames: Vec::new(),
        names: BTreeMap::new(),
        foreign: BTreeSet::new(),
        run: BTreeSet::new(),
        runs: false,
        start: 0,
        at: 0,
        rest: Reached::Yes,
        gathered: Value::default(),
        written: BTreeMap::new(),
        other: Reached::Maybe,
        decorated: false,
        skipped: false,
        looped: BTreeSet::new(),
        is_over: false,
    };
    walk.rest = walk.postfix(0);
    for at in 0..tokens.len() {
        // What nests deeper than any program is left unread.
        if walk.frames.len() > FRAMES_MAX {
            break;
        }
        walk.step(at);
    }
    walk.end_statement(tokens.len());
    let names = walk.names.into_iter();
    Walked {
        run: walk.run,
        names: names
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        runs: walk.runs,
    }
}

impl Walk<'_> {
    fn name(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some(Token::Name(name)) => Some(name),
            Some(Token::Text(_) | Token::Sign(_) | Token::Line(_)) | None => None,
        }
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.tokens.get(at) == Some(&Token::Sign(sign))
    }

    /// How many brackets are open within the statement.
    fn depth(&self) -> usize {
        let brackets = self.frames.iter().rev();
        brackets
            .take_while(|frame| !matches!(frame, Frame::Block(_)))
            .count()
    }

    fn is_reached(&self) -> bool {
        self.rest == Reached::Yes
            && !self.is_over
            && self.frames.iter().all(|frame| match frame {
                Frame::Block(block) => block.reached && !block.is_over,
                Frame::Call(..) | Frame::Plain(_) => true,
            })
    }

    /// Tells whether what stands here may be reached, but not for certain.
    fn is_gated(&self) -> bool {
        let dead = self.is_over
            || self.frames.iter().any(|frame| match frame {
                Frame::Block(block) => (!block.reached && !block.is_gated) || block.is_over,
                Frame::Call(..) | Frame::Plain(_) => false,
            });
        !dead && self.rest != Reached::No && !self.is_reached()
    }

    fn step(&mut self, at: usize) {
        self.at = at;
        let Some(token) = self.tokens.get(at) else {
            return;
        };
        match token {
            Token::Line(indent) => self.line(at, *indent),
            Token::Text(text) => self.text(at, text),
            Token::Name(name) => self.named(at, name),
            Token::Sign(';') if self.depth() == 0 => self.end_statement(at),
            Token::Sign(sign) => self.sign(at, *sign),
        }
    }

    fn line(&mut self, at: usize, indent: usize) {
        if self.depth() > 0 {
            return;
        }
        let next = self.tokens.get(at + 1);
        if matches!(next, Some(Token::Line(_)) | None) && self.language.is_by_lines() {
            // A blank line ends no block.
            self.end_statement(at);
            return;
        }
        let goes_on = !self.language.is_by_lines()
            && matches!(
                self.tokens.get(at.wrapping_sub(1)),
                Some(Token::Sign(
                    '=' | ',' | '+' | '(' | '.' | '>' | '-' | '&' | '|' | '?' | ':'
                ))
            );
        if goes_on && at > self.start {
            return;
        }
        let is_java = matches!(
            self.language,
            Language::Java | Language::Perl | Language::Php
        );
        if is_java
            && !matches!(
                self.tokens.get(at.wrapping_sub(1)),
                Some(Token::Sign(';' | '{' | '}'))
            )
            && at > self.start
        {
            return;
        }
        self.end_statement(at);
        if self.language.is_by_lines() {
            while let Some(Frame::Block(block)) = self.frames.last() {
                if indent > block.indent {
                    break;
                }
                self.close_block();
            }
        }
    }

    fn close_block(&mut self) {
        if let Some(Frame::Block(block)) = self.frames.pop() {
            self.other = block.rest;
            for (name, value) in block.saved {
                match value {
                    Some(value) => self.names.insert(name, Some(value)),
                    None => self.names.remove(&name),
                };
            }
        }
    }

    fn sign(&mut self, at: usize, sign: char) {
        match sign {
            '(' | '[' => {
                let callee = if sign == '(' {
                    self.dotted(at)
                } else {
                    Vec::new()
                };
                if callee.is_empty() {
                    self.frames.push(Frame::Plain(at));
                } else {
                    self.noticed(at, &callee);
                    self.frames.push(Frame::Call(at, callee));
                }
            }
            '{' if self.language.is_by_lines() => self.frames.push(Frame::Plain(at)),
            '{' => {
                if self.is_block(at) {
                    let block = self.block(at, 0);
                    self.end_statement(at);
                    self.frames.push(Frame::Block(block));
                } else {
                    self.frames.push(Frame::Plain(at));
                }
            }
            '}' if !self.language.is_by_lines() => match self.frames.last() {
                Some(Frame::Block(_)) => {
                    self.end_statement(at);
                    self.close_block();
                }
                Some(Frame::Plain(_) | Frame::Call(..)) => {
                    self.frames.pop();
                }
                None => {}
            },
            ')' | ']' | '}' => {
                if !matches!(self.frames.last(), Some(Frame::Block(_)) | None) {
                    self.frames.pop();
                }
                // What stands behind the condition of an `if` without a block.
                if sign == ')' && self.depth() == 0 && !self.language.is_by_lines() {
                    self.bare_condition(at);
                }
            }
            ':' if self.language.is_by_lines() && self.depth() == 0 => {
                let heads = [
                    "if", "elif", "else", "for", "while", "with", "try", "except", "finally",
                    "def", "class", "async", "match", "case",
                ];
                let is_head = self
                    .name(self.start)
                    .is_some_and(|name| heads.contains(&name));
                if is_head {
                    let indent = self.indent();
                    let block = self.block(at, indent);
                    self.bind_head(at);
                    self.frames.push(Frame::Block(block));
                    self.start = at + 1;
                    // A block on the line of its head ends with it, by its indent.
                    self.rest = self.postfix(at + 1);
                    self.gathered = Value::default();
                }
            }
            '&' if self.is_sign(at + 1, '&') => self.joined(at, true),
            '|' if self.is_sign(at + 1, '|') => self.joined(at, false),
            _ => {}
        }
    }

    /// What stands behind `&&`, `and`, `||` and `or` waits for what stands before.
    fn joined(&mut self, at: usize, is_and: bool) {
        let before = at.checked_sub(1).and_then(|before| self.constant(before));
        let reached = match (before, is_and) {
            (Some(true), true) | (Some(false), false) => Reached::Yes,
            (Some(false), true) | (Some(true), false) => Reached::No,
            (None, _) => Reached::Maybe,
        };
        if self.rest == Reached::Yes {
            self.rest = reached;
        }
    }

    /// Tells what a token comes to as a condition, if it is a constant.
    fn constant(&self, at: usize) -> Option<bool> {
        match self.tokens.get(at)? {
            Token::Name(name) => match name.as_str() {
                "True" | "true" | "TRUE" | "1" => Some(true),
                "False" | "false" | "FALSE" | "0" | "None" | "null" | "nil" | "undefined"
                | "NULL" | "undef" => Some(false),
                other => self.facts.constants.get(other).copied().flatten(),
            },
            Token::Text(text) => text.whole().map(|text| !text.is_empty()),
            Token::Sign(_) | Token::Line(_) => None,
        }
    }

    /// Tells what the condition of a head comes to.
    fn condition(&self, from: usize, to: usize) -> Reached {
        let inner: Vec<usize> = (from..to)
            .filter(|at| {
                !matches!(
                    self.tokens.get(*at),
                    Some(Token::Sign('(' | ')')) | Some(Token::Line(_)) | None
                )
            })
            .collect();
        let of = |holds: bool| if holds { Reached::Yes } else { Reached::No };
        match inner.as_slice() {
            [] => Reached::Yes,
            [one] => self.constant(*one).map_or(Reached::Maybe, of),
            [not, one] if self.name(*not) == Some("not") || self.is_sign(*not, '!') => self
                .constant(*one)
                .map_or(Reached::Maybe, |holds| of(!holds)),
            // `if __name__ == '__main__'`.
            [first, ..]
                if matches!(self.name(*first), Some("__name__" | "require" | "__FILE__")) =>
            {
                Reached::Yes
            }
            _ => Reached::Maybe,
        }
    }
}
