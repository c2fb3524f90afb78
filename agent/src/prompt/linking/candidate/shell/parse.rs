//! The grammar of a shell, as far as it decides what runs. What is wrong is passed over: a text may be cut.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::cursor::Cursor;
use super::words::is_end;
use super::{Body, Item, Join, List, Part, Pipeline, Word};

/// Deepest nesting that is read, and most commands of a text.
const DEPTH_MAX: usize = 24;
const COMMANDS_MAX: usize = 2048;

/// Reads a text.
pub(in crate::prompt::linking::candidate) fn parse(text: &str) -> List {
    let mut parser = Parser::new(text, 0, COMMANDS_MAX);
    Rc::from(parser.items(&[]))
}

/// A here-document whose lines are still to come.
pub(super) struct Pending {
    pub(super) body: Rc<RefCell<Word>>,
    pub(super) end: String,
    pub(super) is_quoted: bool,
    pub(super) strips_tabs: bool,
}

/// What reads a text.
pub(super) struct Parser<'t> {
    pub(super) cursor: Cursor<'t>,
    pub(super) pending: Vec<Pending>,
    depth: usize,
    /// How many commands may still be read.
    pub(super) room: usize,
}

/// Words that end a list, where a command may begin.
const CLOSING: [&str; 9] = ["then", "elif", "else", "fi", "do", "done", "esac", "}", ")"];

impl<'t> Parser<'t> {
    fn new(text: &'t str, depth: usize, room: usize) -> Self {
        Self {
            cursor: Cursor::new(text),
            pending: Vec::new(),
            depth,
            room,
        }
    }

    /// Reads a text within this one; none where it nests too deeply.
    pub(super) fn inner<T>(
        &mut self,
        text: &str,
        read: impl FnOnce(&mut Parser<'_>) -> T,
    ) -> Option<T> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        let mut parser = Parser::new(text, self.depth + 1, self.room);
        let found = read(&mut parser);
        self.room = parser.room;
        Some(found)
    }

    /// Reads the commands between brackets, behind the one that opens.
    pub(super) fn nested(&mut self) -> List {
        if self.depth >= DEPTH_MAX {
            self.cursor.until(")");
            return Rc::from(Vec::new());
        }
        let pending = std::mem::take(&mut self.pending);
        self.depth += 1;
        let list = self.items(&[")"]);
        self.depth -= 1;
        self.cursor.eat(")");
        self.pending = pending;
        Rc::from(list)
    }

    /// Passes over blanks, and over the ends of lines too where `lines` says so.
    pub(super) fn blanks(&mut self, lines: bool) {
        loop {
            match self.cursor.peek() {
                Some(' ' | '\t' | '\r') => {
                    self.cursor.bump();
                }
                Some('\\') if self.cursor.eat("\\\r\n") || self.cursor.eat("\\\n") => {}
                Some('#') => {
                    self.cursor.take_while(|letter| letter != '\n');
                }
                Some('\n') if lines => {
                    self.cursor.bump();
                    self.here_documents();
                }
                Some(_) | None => return,
            }
        }
    }

    /// Gives the word that stands here as it is written, if it is one of some.
    fn keyword(&self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| {
            let mut ahead = self.cursor.clone();
            ahead.eat(word) && (*word == ")" || ahead.peek().is_none_or(is_end))
        })
    }

    pub(super) fn eat_keyword(&mut self, word: &'static str) -> bool {
        self.blanks(true);
        let is_here = self.keyword(&[word]).is_some();
        if is_here {
            self.cursor.eat(word);
        }
        is_here
    }

    /// Reads commands up to one of some words, which stays, or to the end.
    pub(super) fn items(&mut self, ends: &[&'static str]) -> Vec<Item> {
        let mut items = Vec::new();
        loop {
            self.blanks(true);
            let Some(next) = self.cursor.peek() else {
                return items;
            };
            if self.room == 0 || self.keyword(ends).is_some() {
                return items;
            }
            if self.keyword(&CLOSING).is_some() && !ends.is_empty() {
                return items;
            }
            if let Some(stray) = self.keyword(&CLOSING) {
                self.cursor.eat(stray);
                continue;
            }
            if matches!(next, ';' | '&' | '|' | ')') {
                // `;;` ends an arm of `case`.
                if next == ';' && self.cursor.is_at(";;") && ends.contains(&"esac") {
                    return items;
                }
                self.cursor.bump();
                continue;
            }
            let before = self.cursor.left();
            let mut chain = vec![(Join::First, self.pipeline())];
            loop {
                self.blanks(false);
                let join = if self.cursor.eat("&&") {
                    Join::And
                } else if self.cursor.eat("||") {
                    Join::Or
                } else {
                    break;
                };
                self.blanks(true);
                chain.push((join, self.pipeline()));
            }
            if self.cursor.left() == before {
                self.cursor.bump();
            }
            let is_background = self.cursor.is_at("&") && !self.cursor.is_at("&&");
            items.push(Item {
                chain,
                is_background,
            });
        }
    }

    fn pipeline(&mut self) -> Pipeline {
        let mut is_negated = false;
        while self.keyword(&["!"]).is_some() {
            self.cursor.eat("!");
            self.blanks(false);
            is_negated = !is_negated;
        }
        let mut parts = vec![self.part()];
        loop {
            self.blanks(false);
            if !self.cursor.is_at("|") || self.cursor.is_at("||") {
                return Pipeline { is_negated, parts };
            }
            self.cursor.bump();
            self.cursor.eat("&");
            self.blanks(true);
            parts.push(self.part());
        }
    }

    fn part(&mut self) -> Part {
        self.room = self.room.saturating_sub(1);
        let may_nest = self.depth < DEPTH_MAX;
        self.depth += 1;
        let found = if may_nest { self.compound() } else { None };
        self.depth -= 1;
        let Some(body) = found else {
            return self.simple();
        };
        let mut redirects = Vec::new();
        loop {
            self.blanks(false);
            let descriptor = self.descriptor();
            if !self.redirection(descriptor, &mut redirects) {
                return Part { body, redirects };
            }
        }
    }

    /// Reads a list up to a word, and takes the word.
    fn list_to(&mut self, end: &'static str) -> List {
        let list = self.items(&[end]);
        self.cursor.eat(end);
        Rc::from(list)
    }

    /// Reads what is no simple command, if one begins here.
    fn compound(&mut self) -> Option<Body> {
        if self.cursor.eat("((") {
            return Some(Body::Arithmetic(self.cursor.until("))").to_owned()));
        }
        if self.cursor.eat("(") {
            return Some(Body::Subshell(self.list_to(")")));
        }
        let known = [
            "{", "if", "while", "until", "for", "select", "case", "function", "[[",
        ];
        let word = self.keyword(&known)?;
        self.cursor.eat(word);
        Some(match word {
            "{" => Body::Group(self.list_to("}")),
            "if" => {
                let mut tests = Vec::new();
                loop {
                    let test = self.list_to("then");
                    let body: List = Rc::from(self.items(&["elif", "else", "fi"]));
                    tests.push((test, body));
                    if !self.eat_keyword("elif") {
                        break;
                    }
                }
                let rest = if self.eat_keyword("else") {
                    self.items(&["fi"])
                } else {
                    Vec::new()
                };
                self.eat_keyword("fi");
                Body::If(tests, Rc::from(rest))
            }
            "while" | "until" => {
                let test = self.list_to("do");
                Body::Loop {
                    is_until: word == "until",
                    test,
                    body: self.list_to("done"),
                }
            }
            "for" | "select" => {
                self.blanks(false);
                if self.cursor.eat("((") {
                    let _head = self.cursor.until("))");
                    self.cursor
                        .take_while(|letter| matches!(letter, ' ' | ';' | '\n'));
                    self.eat_keyword("do");
                    return Some(Body::Group(self.list_to("done")));
                }
                let (name, _) = self.word();
                let name = name.plain().unwrap_or_default().to_owned();
                let words = self.eat_keyword("in").then(|| self.words());
                self.cursor
                    .take_while(|letter| matches!(letter, ' ' | ';' | '\n'));
                self.here_documents();
                self.eat_keyword("do");
                Body::For {
                    name,
                    words,
                    body: self.list_to("done"),
                }
            }
            "case" => {
                self.blanks(false);
                let (word, _) = self.word();
                self.eat_keyword("in");
                Body::Case(word, self.arms())
            }
            "[[" => {
                let mut words = Vec::new();
                loop {
                    self.blanks(true);
                    if self.cursor.peek().is_none() || self.cursor.eat("]]") {
                        return Some(Body::Test(words));
                    }
                    let (word, _) = self.word();
                    let mut word = word;
                    if word.0.is_empty() {
                        // A sign that would end a word elsewhere.
                        self.cursor
                            .bump()
                            .into_iter()
                            .for_each(|letter| word.push(letter));
                    }
                    words.push(word);
                }
            }
            _ => {
                self.blanks(false);
                let (name, _) = self.word();
                self.blanks(false);
                self.cursor.eat("()");
                self.blanks(true);
                let name = name.plain().unwrap_or_default().to_owned();
                Body::Function(name, Rc::new(self.part()))
            }
        })
    }

    pub(super) fn at_process(&self) -> bool {
        self.cursor.is_at("<(") || self.cursor.is_at(">(")
    }

    fn simple(&mut self) -> Part {
        let (mut values, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.blanks(false);
            let descriptor = self.descriptor();
            if self.redirection(descriptor, &mut redirects) {
                continue;
            }
            let Some(next) = self.cursor.peek() else {
                break;
            };
            if is_end(next) && !self.at_process() {
                break;
            }
            if words.is_empty()
                && let Some(value) = self.assignment()
            {
                values.push(value);
                continue;
            }
            let (word, is_quoted) = self.word();
            if words.is_empty() && values.is_empty() && !is_quoted && self.cursor.is_at("(") {
                let mut ahead = self.cursor.clone();
                ahead.bump();
                ahead.take_while(|letter| letter == ' ');
                if ahead.eat(")") {
                    self.cursor = ahead;
                    self.blanks(true);
                    let name = word.plain().unwrap_or_default().to_owned();
                    let may_nest = self.depth < DEPTH_MAX;
                    self.depth += 1;
                    let body = if may_nest { self.part() } else { empty() };
                    self.depth -= 1;
                    return Part {
                        body: Body::Function(name, Rc::new(body)),
                        redirects,
                    };
                }
            }
            words.push(word);
        }
        Part {
            body: Body::Simple { values, words },
            redirects,
        }
    }
}

fn empty() -> Part {
    Part {
        body: Body::Group(Rc::from(Vec::new())),
        redirects: Vec::new(),
    }
}
