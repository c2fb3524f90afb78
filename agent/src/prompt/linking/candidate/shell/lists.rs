//! Lists of words: of a loop, of a `case`, of an array.

use std::rc::Rc;

use super::parse::Parser;
use super::words::is_end;
use super::{Assigned, List, Word, Words};

impl Parser<'_> {
    pub(super) fn arms(&mut self) -> Vec<(Vec<Word>, List)> {
        let mut arms = Vec::new();
        while self.room > 0 {
            self.room -= 1;
            if self.eat_keyword("esac") || self.cursor.peek().is_none() {
                break;
            }
            self.cursor.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks(true);
                let (pattern, _) = self.word();
                patterns.push(pattern);
                self.blanks(false);
                if !self.cursor.eat("|") {
                    break;
                }
            }
            if !self.cursor.eat(")") {
                self.cursor.bump();
            }
            let body = self.items(&["esac"]);
            self.blanks(true);
            for end in [";;&", ";&", ";;"] {
                if self.cursor.eat(end) {
                    break;
                }
            }
            arms.push((patterns, Rc::from(body)));
        }
        arms
    }

    /// Reads words up to the end of the command.
    pub(super) fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.blanks(false);
            if self
                .cursor
                .peek()
                .is_none_or(|next| is_end(next) && !self.at_process())
            {
                return words;
            }
            words.push(self.word().0);
        }
    }

    /// Reads `name=value`, `name+=value` and `name=( .. )`.
    pub(super) fn assignment(&mut self) -> Option<Assigned> {
        let mut ahead = self.cursor.clone();
        let is_in = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let name = ahead.take_while(is_in).to_owned();
        if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
            return None;
        }
        if ahead.eat("[") {
            ahead.take_while(|letter| !matches!(letter, ']' | ' ' | '\n'));
            ahead.eat("]");
        }
        let is_added = ahead.eat("+=");
        if !is_added && !ahead.eat("=") {
            return None;
        }
        self.cursor = ahead;
        let value = if self.cursor.eat("(") {
            let mut words = Vec::new();
            loop {
                self.blanks(true);
                match self.cursor.peek() {
                    None => break,
                    Some(')') => {
                        self.cursor.bump();
                        break;
                    }
                    Some(next) if is_end(next) && !self.at_process() => {
                        self.cursor.bump();
                    }
                    Some(_) => words.push(self.word().0),
                }
            }
            Words::Array(words)
        } else {
            Words::One(self.word().0)
        };
        Some(Assigned {
            name,
            value,
            is_added,
        })
    }
}
