//! Where commands read and write: redirections and here-documents.

use std::cell::RefCell;
use std::rc::Rc;

use super::parse::{Parser, Pending};
use super::{Redirect, Target, Word};

impl Parser<'_> {
    /// Takes the digits before a redirection.
    pub(super) fn descriptor(&mut self) -> Option<u32> {
        let mut ahead = self.cursor.clone();
        let digits = ahead.take_while(|letter| letter.is_ascii_digit());
        let is_one = !digits.is_empty() && matches!(ahead.peek(), Some('<' | '>'));
        if !is_one {
            return None;
        }
        self.cursor = ahead;
        digits.parse().ok()
    }

    /// Reads a redirection, if one stands here.
    pub(super) fn redirection(
        &mut self,
        descriptor: Option<u32>,
        redirects: &mut Vec<Redirect>,
    ) -> bool {
        if self.at_process() {
            return false;
        }
        let both = self.cursor.is_at("&>");
        if both {
            self.cursor.bump();
        } else if !self.cursor.is_at("<") && !self.cursor.is_at(">") {
            return false;
        }
        let to = if self.cursor.eat("<<<") {
            self.blanks(false);
            let (mut word, _) = self.word();
            word.push('\n');
            Target::Text(Rc::new(RefCell::new(word)))
        } else if self.cursor.eat("<<") {
            let strips_tabs = self.cursor.eat("-");
            self.blanks(false);
            let (end, is_quoted) = self.word();
            let body = Rc::new(RefCell::new(Word::default()));
            self.pending.push(Pending {
                body: Rc::clone(&body),
                end: end.plain().unwrap_or_default().to_owned(),
                is_quoted,
                strips_tabs,
            });
            Target::Text(body)
        } else {
            let reads = self.cursor.bump() == Some('<');
            let is_added = !reads && self.cursor.eat(">");
            let is_copy = self.cursor.eat("&");
            while matches!(self.cursor.peek(), Some('>' | '|')) {
                self.cursor.bump();
            }
            self.blanks(false);
            let (path, _) = self.word();
            if is_copy {
                Target::Copy(path)
            } else if reads {
                Target::Read(path)
            } else {
                Target::Write { path, is_added }
            }
        };
        redirects.push(Redirect { descriptor, to });
        true
    }

    /// Reads the here-documents whose lines begin here.
    pub(super) fn here_documents(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            while let Some(line) = self.cursor.line() {
                let line = if pending.strips_tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == pending.end {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let mut word = Word::default();
            if pending.is_quoted {
                word.push_str(&body);
            } else {
                // Its variables are expanded, and quotes are none.
                let read = self.inner(&body, |parser| {
                    let mut word = Word::default();
                    parser.quoted(None, &mut word);
                    word
                });
                word = read.unwrap_or_default();
            }
            *pending.body.borrow_mut() = word;
        }
    }
}
