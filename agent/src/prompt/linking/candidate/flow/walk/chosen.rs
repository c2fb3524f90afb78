//! Which of several texts is taken: by a key, an index or a choice.

use super::super::super::source::{Language, Token};
use super::super::super::sqlish;
use super::{Value, Walk};

impl Walk<'_> {
    /// Gives those of a name's texts that its use takes: all of a list that is gone through, the one of a key. Where it cannot
    /// be told which of several it is, none.
    pub(super) fn chosen(&self, at: usize, value: &Value) -> Vec<usize> {
        let is_sql = |at: &&usize| match self.tokens.get(**at) {
            Some(Token::Text(text)) => sqlish::is_sqlish(text.marked().trim()),
            Some(Token::Name(_) | Token::Sign(_) | Token::Line(_)) | None => false,
        };
        let all = value.texts.clone();
        if !value.is_list || value.texts.iter().filter(is_sql).take(2).count() < 2 {
            return self.keyed(at, value).unwrap_or(all);
        }
        if let Some(found) = self.keyed(at, value) {
            return found;
        }
        if !self.is_sign(at + 1, '[') {
            return all;
        }
        let is_gone_through = self
            .name(at + 2)
            .is_some_and(|name| self.looped.contains(name))
            && self.is_sign(at + 3, ']');
        if is_gone_through { all } else { Vec::new() }
    }

    /// Gives the texts at a key that is written out: `q['a']`, `q.get('a')`, `q.a`; none where no key is, or no text has one.
    fn keyed(&self, at: usize, value: &Value) -> Option<Vec<usize>> {
        let key = if self.is_sign(at + 1, '[') && self.is_sign(at + 3, ']') {
            self.word(at + 2)
        } else if self.is_sign(at + 1, '.') && self.is_sign(at + 3, '(') {
            let is_get = matches!(self.name(at + 2), Some("get" | "pop" | "fetch"));
            is_get.then(|| self.word(at + 4)).flatten()
        } else if self.is_sign(at + 1, '.') {
            self.name(at + 2).map(str::to_owned)
        } else {
            None
        }?;
        let has_key = |text: &&usize| self.key(**text).is_some();
        if !value.texts.iter().any(|text| has_key(&text)) {
            return None;
        }
        let own = value.texts.iter().copied();
        Some(
            own.filter(|text| self.key(*text).as_ref() == Some(&key))
                .collect(),
        )
    }

    /// Gives the key before a text: `'a': '..'`, `a: '..'`, `'a' => '..'`.
    fn key(&self, text: usize) -> Option<String> {
        let before = text.checked_sub(1)?;
        if self.is_sign(before, ':') {
            return self.word(before.checked_sub(1)?);
        }
        let is_arrow = self.is_sign(before, '>') && self.is_sign(before.wrapping_sub(1), '=');
        is_arrow
            .then(|| self.word(before.checked_sub(2)?))
            .flatten()
    }

    fn word(&self, at: usize) -> Option<String> {
        match self.tokens.get(at)? {
            Token::Name(name) if !self.looped.contains(name) => Some(name.clone()),
            Token::Text(text) => text.whole().map(str::to_owned),
            Token::Name(_) | Token::Sign(_) | Token::Line(_) => None,
        }
    }

    /// Tells whether a choice may leave out what stands here: `full ? a : b`, `a if full else b`.
    pub(super) fn is_not_chosen(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else {
            return false;
        };
        if self.language == Language::Python {
            return self.name(before) == Some("else");
        }
        let condition = |sign: usize| sign.checked_sub(1).and_then(|at| self.constant(at));
        if self.is_sign(before, '?') {
            return condition(before) != Some(true);
        }
        if !self.is_sign(before, ':') {
            return false;
        }
        let from = self.start.max(at.saturating_sub(64));
        let asked = (from..before).rev().find(|place| {
            self.is_sign(*place, '?')
                && !self.is_sign(place + 1, '.')
                && !self.is_sign(place + 1, '?')
                && !self.is_sign(place.wrapping_sub(1), '?')
        });
        asked.is_some_and(|asked| condition(asked) != Some(false))
    }
}
