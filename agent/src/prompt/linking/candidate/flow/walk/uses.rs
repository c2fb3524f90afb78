//! Uses of texts, and of names that hold them.

use super::super::super::source::{Language, Token};
use super::super::super::sqlish;
use super::super::super::template::Template;
use super::super::{VALUES_MAX, calls};
use super::{Frame, Walk};

impl Walk<'_> {
    pub(super) fn text(&mut self, at: usize, text: &Template) {
        let value = vec![at];
        // A file that was written here holds what was written.
        let mut all = value;
        if let Some(written) = text.whole().and_then(|name| self.written.get(name)) {
            all.extend(written.iter().copied());
        }
        self.used(at, &all, false);
    }

    pub(super) fn named(&mut self, at: usize, name: &str) {
        // `s/a/b/` and `$q =~ s/a/b/` make another text of what they are about.
        if self.language == Language::Perl
            && matches!(name, "s" | "tr" | "y")
            && matches!(
                self.tokens.get(at + 1),
                Some(Token::Sign('/' | '{' | '|' | '!' | '#'))
            )
        {
            let bound = at
                .checked_sub(3)
                .filter(|_| self.is_sign(at.wrapping_sub(1), '~'));
            let about = bound.and_then(|at| self.name(at)).unwrap_or("_").to_owned();
            self.names.insert(about, Some(super::Value::default()));
            return;
        }
        // What stands behind it is data.
        if matches!(self.language, Language::Perl | Language::Ruby)
            && matches!(name, "__END__" | "__DATA__")
            && matches!(
                at.checked_sub(1).and_then(|before| self.tokens.get(before)),
                Some(Token::Line(_) | Token::Sign(';' | '}')) | None
            )
        {
            self.is_over = true;
        }
        match name {
            "and" => self.joined(at, true),
            "or" => self.joined(at, false),
            _ => {}
        }
        // A function's own name, a keyword's, and a name that gets a value are no uses.
        let is_key =
            self.is_sign(at + 1, '=') && !self.is_sign(at + 2, '=') && !self.is_sign(at + 2, '>');
        let is_call = self.is_sign(at + 1, '(');
        let is_field = self.is_sign(at.wrapping_sub(1), '.') && is_call;
        if is_key || is_field {
            return;
        }
        let value = match self.names.get(name) {
            Some(Some(value)) => value.clone(),
            Some(None) => return,
            None => match self.later.get(name) {
                Some(value) => value.clone(),
                None => return,
            },
        };
        if value.texts.is_empty() || is_call && !self.facts.functions.contains(name) {
            return;
        }
        let texts = self.chosen(at, &value);
        self.used(at, &texts, value.is_list);
    }

    /// Follows a use of texts.
    pub(super) fn used(&mut self, at: usize, texts: &[usize], is_list: bool) {
        if self.is_changed(at, is_list) {
            return;
        }
        let mut runs = None;
        let mut written = None;
        let mut is_in_list = false;
        for frame in self.frames.iter().rev() {
            match frame {
                Frame::Plain(open) => {
                    is_in_list = true;
                    // `[..].forEach(q => ..)`.
                    let close = self.facts.close.get(open).copied().unwrap_or(*open);
                    let is_gone_through = self.is_sign(close + 1, '.')
                        && matches!(self.name(close + 2), Some("map" | "forEach" | "each"))
                        && self.holds_runner(close + 3);
                    if is_gone_through {
                        runs = Some(true);
                        break;
                    }
                }
                // A function's head is no call of it.
                Frame::Call(open, _)
                    if matches!(
                        self.name(open.wrapping_sub(2)),
                        Some("def" | "function" | "fun" | "func" | "fn")
                    ) =>
                {
                    return;
                }
                Frame::Call(open, callee) => {
                    let name = callee.first().map(String::as_str).unwrap_or_default();
                    if self.is_runner(callee, *open) {
                        runs = Some(
                            !self.is_given_to_other(open + 1, at)
                                && !self.is_parameter(*open, at, texts),
                        );
                        break;
                    }
                    if is_write(name) && self.is_reached() {
                        written = Some(*open);
                    }
                    let is_passed = calls::is_same(name) || matches!(name, "Promise" | "all");
                    let is_passed = is_passed || self.facts.classes.contains(name);
                    if !is_passed && (calls::is_other(name) || self.is_foreign(callee)) {
                        runs = Some(false);
                        break;
                    }
                }
                Frame::Block(_) => break,
            }
        }
        if let Some(open) = written {
            self.written_to(open, texts);
        }
        let runs = runs.or_else(|| self.by_words(at));
        match runs {
            Some(true) if self.is_reached() => {
                self.runs = true;
                self.run.extend(texts.iter().copied());
            }
            Some(_) => {}
            None => {
                for text in texts {
                    if self.gathered.texts.len() < VALUES_MAX && !self.gathered.texts.contains(text)
                    {
                        self.gathered.texts.push(*text);
                    }
                }
                self.gathered.is_list |= is_in_list || is_list || self.gathered.texts.len() > 1;
            }
        }
    }

    /// Tells whether a call has a statement before a text, which is a value of that statement's then.
    fn is_parameter(&self, open: usize, at: usize, texts: &[usize]) -> bool {
        let is_sql = |at: &usize| match self.tokens.get(*at) {
            Some(Token::Text(text)) => sqlish::is_sqlish(text.marked().trim()),
            Some(Token::Name(_) | Token::Sign(_) | Token::Line(_)) | None => false,
        };
        // Several in a list are one beside the other.
        let list = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Plain(own) if *own > open => Some(*own),
            Frame::Plain(_) | Frame::Call(..) | Frame::Block(_) => None,
        });
        (open + 1..at.min(open + 64)).any(|place| {
            let is_beside = list.is_some_and(|list| place > list);
            let is_other = match self.tokens.get(place) {
                Some(Token::Text(_)) => is_sql(&place) && !texts.contains(&place),
                Some(Token::Name(name)) => {
                    let value = self.names.get(name).and_then(Option::as_ref);
                    value.is_some_and(|value| {
                        value
                            .texts
                            .iter()
                            .any(|text| is_sql(text) && !texts.contains(text))
                    })
                }
                Some(Token::Sign(_) | Token::Line(_)) | None => false,
            };
            is_other && !is_beside
        })
    }

    /// Tells whether something is made of a text where it stands.
    pub(super) fn is_changed(&self, at: usize, is_list: bool) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.tokens.get(before));
        if matches!(before, Some(Token::Sign('+' | '%' | '*'))) {
            return true;
        }
        if self.is_not_chosen(at) {
            return true;
        }
        let mut end = at + 1;
        // A call of the function that gives it.
        if self.is_sign(end, '(')
            && let Some(close) = self.facts.close.get(&end)
        {
            end = close + 1;
        }
        loop {
            match self.tokens.get(end) {
                Some(Token::Sign('.')) => match self.name(end + 1) {
                    Some(name) if calls::is_same(name) => {
                        end += 2;
                        if let (true, Some(close)) =
                            (self.is_sign(end, '('), self.facts.close.get(&end))
                        {
                            end = close + 1;
                        }
                    }
                    Some(_) if self.is_sign(end + 2, '(') => return true,
                    // A field of that name is another value.
                    Some("length" | "size" | "count") => return true,
                    Some(_) | None => return false,
                },
                Some(Token::Sign('[')) => return !is_list,
                Some(Token::Sign('+' | '%' | '*' | '=')) => {
                    let is_equal = self.is_sign(end, '=') && !self.is_sign(end + 1, '=');
                    return !is_equal && !self.is_sign(end + 1, '>');
                }
                Some(Token::Name(_) | Token::Text(_) | Token::Sign(_) | Token::Line(_)) | None => {
                    return false;
                }
            }
        }
    }

    /// Notes what is written to a file that the same statement names.
    pub(super) fn written_to(&mut self, open: usize, texts: &[usize]) {
        let before = (self.start..open).find_map(|at| self.file_name(at));
        let behind = (open + 1..open + 4).find_map(|at| self.file_name(at));
        let by_handle = self.dotted(open).get(1).cloned();
        let by_handle = by_handle.and_then(|handle| self.names.get(&handle).cloned().flatten());
        let by_handle =
            by_handle.and_then(|value| value.texts.iter().find_map(|at| self.file_name(*at)));
        let path = if self.is_sign(open.wrapping_sub(2), '.') {
            before.or(by_handle).or(behind)
        } else {
            behind
        };
        if let Some(path) = path
            && self.written.len() < 64
        {
            let texts = texts
                .iter()
                .filter(|at| self.file_name(**at).as_ref() != Some(&path))
                .copied()
                .collect();
            self.written.insert(path, texts);
        }
    }

    pub(super) fn file_name(&self, at: usize) -> Option<String> {
        match self.tokens.get(at) {
            Some(Token::Text(text)) => {
                let name = text.whole()?;
                let is_name =
                    name.contains('.') && !name.contains(char::is_whitespace) && name.len() < 256;
                is_name.then(|| name.to_owned())
            }
            Some(Token::Name(_) | Token::Sign(_) | Token::Line(_)) | None => None,
        }
    }
}

fn is_write(name: &str) -> bool {
    matches!(
        name,
        "write"
            | "write_text"
            | "writeFileSync"
            | "writeFile"
            | "file_put_contents"
            | "writeLines"
            | "writelines"
    )
}
