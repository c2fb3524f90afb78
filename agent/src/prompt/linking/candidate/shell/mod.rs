//! A shell's text as what it is made of: commands with their words, and what decides whether they run.
//!
//! Read as bash reads it, as far as texts are concerned. Source: POSIX.1-2024, Shell Command Language, 2.2 "Quoting", 2.6 "Word
//! Expansions", 2.7.4 "Here-Document", 2.9 "Shell Commands"; bash(1), "QUOTING" for `$'..'`, "Here Strings", "Arrays".

mod lists;
mod parse;
mod redirects;
mod words;

use std::rc::Rc;

pub(super) use parse::parse;

/// Commands in a row.
pub(super) type List = Rc<[Item]>;

/// One command of a list, with those that its success decides on.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) chain: Vec<(Join, Pipeline)>,
    /// Whether the shell does not wait for it.
    pub(super) is_background: bool,
}

/// What a command of a chain waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// Nothing.
    First,
    /// `&&`.
    And,
    /// `||`.
    Or,
}

/// Commands of which each reads what the one before it writes.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) is_negated: bool,
    pub(super) parts: Vec<Part>,
}

/// One command with its redirections.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) body: Body,
    pub(super) redirects: Vec<Redirect>,
}

/// What a command is.
#[derive(Debug)]
pub(super) enum Body {
    Simple {
        values: Vec<Assigned>,
        words: Vec<Word>,
    },
    Group(List),
    Subshell(List),
    /// Tests with what each is for, and what is left.
    If(Vec<(List, List)>, List),
    Loop {
        is_until: bool,
        test: List,
        body: List,
    },
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: List,
    },
    Case(Word, Vec<(Vec<Word>, List)>),
    Function(String, Rc<Part>),
    /// `[[ .. ]]`.
    Test(Vec<Word>),
    /// `(( .. ))`.
    Arithmetic(String),
}

/// A value that a variable is given.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) name: String,
    pub(super) value: Words,
    /// Whether it is added to what the variable had.
    pub(super) is_added: bool,
}

/// One word, or the words of an array.
#[derive(Debug)]
pub(super) enum Words {
    One(Word),
    Array(Vec<Word>),
}

/// Where a command reads or writes.
#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) descriptor: Option<u32>,
    pub(super) to: Target,
}

/// What a descriptor becomes.
#[derive(Debug)]
pub(super) enum Target {
    /// A here-document or a here-string.
    Text(Rc<std::cell::RefCell<Word>>),
    Read(Word),
    Write {
        path: Word,
        is_added: bool,
    },
    /// `<&3`, `>&2`.
    Copy(Word),
}

/// A word, in pieces that are put together when it is used.
#[derive(Clone, Debug, Default)]
pub(super) struct Word(pub(super) Vec<Piece>);

/// A piece of a word.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(String),
    Variable(String),
    /// `${q[0]}`.
    Element(String, String),
    /// `"$@"`, `${q[@]}`: each value is a word.
    All(String),
    /// `${q:-else}`.
    Default(String, Word),
    Commands(List),
    /// `<(..)`, `>(..)`.
    Process(List),
    /// What is not known, such as what is made of a variable: `${q/a/b}`.
    Unknown,
}

impl Word {
    /// Gives the text, if nothing of it is put in later.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, letter: char) {
        self.push_str(letter.encode_utf8(&mut [0; 4]));
    }

    fn push_str(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.0.last_mut() {
            last.push_str(text);
        } else {
            self.0.push(Piece::Text(text.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests;
