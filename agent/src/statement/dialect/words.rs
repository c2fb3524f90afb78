//! The tokens of a text without blanks and comments, and what is to stand in their place.

use std::collections::{BTreeMap, HashMap};

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// Most tokens between the brackets of a form: what is in them may be looked through once for each form.
const SPAN_MAX: usize = 10_000;

/// Tokens by their place among those that mean something.
pub(super) struct Words<'t> {
    tokens: &'t [TokenWithSpan],
    means: Vec<usize>,
    /// Where the bracket is closed that opens at a place.
    ends: HashMap<usize, usize>,
    /// What stands in a token's place, by its place among all.
    put: BTreeMap<usize, Vec<Token>>,
}

impl<'t> Words<'t> {
    /// Passes over blanks and comments.
    pub(super) fn new(tokens: &'t [TokenWithSpan]) -> Self {
        let means = |(_, token): &(usize, &TokenWithSpan)| {
            !matches!(token.token, Token::Whitespace(_) | Token::EOF)
        };
        let means = tokens.iter().enumerate().filter(means);
        let means: Vec<usize> = means.map(|(place, _)| place).collect();
        let (mut ends, mut opened) = (HashMap::new(), Vec::new());
        for (at, token) in means
            .iter()
            .filter_map(|place| tokens.get(*place))
            .enumerate()
        {
            if matches!(token.token, Token::LParen | Token::LBrace) {
                opened.push(at);
            } else if matches!(token.token, Token::RParen | Token::RBrace) {
                if let Some(open) = opened.pop().filter(|open| at - open <= SPAN_MAX) {
                    ends.insert(open, at);
                }
            } else if token.token == Token::SemiColon {
                opened.clear();
            }
        }
        Self {
            tokens,
            means,
            ends,
            put: BTreeMap::new(),
        }
    }

    /// Tells how many tokens mean something.
    pub(super) fn len(&self) -> usize {
        self.means.len()
    }

    /// Gives a token.
    pub(super) fn token(&self, at: usize) -> Option<&'t Token> {
        let place = self.means.get(at)?;
        Some(&self.tokens.get(*place)?.token)
    }

    /// Tells whether this token stands there.
    pub(super) fn is(&self, at: usize, token: &Token) -> bool {
        self.token(at) == Some(token)
    }

    /// Tells whether these words stand there, bare.
    pub(super) fn sees(&self, at: usize, words: &str) -> bool {
        (at..).zip(words.split(' ')).all(|(at, expected)| {
            matches!(self.token(at), Some(Token::Word(word))
                if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
        })
    }

    /// Tells whether a word stands there, bare or quoted.
    pub(super) fn is_name(&self, at: usize) -> bool {
        matches!(self.token(at), Some(Token::Word(_)))
    }

    /// Tells whether a text in quotes stands there.
    pub(super) fn is_text(&self, at: usize) -> bool {
        matches!(self.token(at), Some(Token::SingleQuotedString(_)))
    }

    /// Tells whether nothing stands between a token and the one before it.
    pub(super) fn is_joined(&self, at: usize) -> bool {
        let before = self.means.get(at).and_then(|place| place.checked_sub(1));
        let before = before.and_then(|place| self.tokens.get(place));
        before.is_some_and(|token| !matches!(token.token, Token::Whitespace(_)))
    }

    /// Gives the place of the bracket that closes the one here; `None` if none opens here, none closes it, or it is far.
    pub(super) fn end_of(&self, at: usize) -> Option<usize> {
        self.ends.get(&at).copied()
    }

    /// Puts other tokens in a token's place.
    pub(super) fn put(&mut self, at: usize, tokens: Vec<Token>) {
        if let Some(place) = self.means.get(at) {
            self.put.insert(*place, tokens);
        }
    }

    /// Leaves out tokens from one place up to another.
    pub(super) fn leave_out(&mut self, from: usize, to: usize) {
        for at in from..to {
            self.put(at, Vec::new());
        }
    }

    /// Moves tokens behind another.
    pub(super) fn move_behind(&mut self, moved: &[usize], behind: usize) {
        let places = std::iter::once(behind).chain(moved.iter().copied());
        let all: Vec<Token> = places.filter_map(|at| self.token(at)).cloned().collect();
        for at in moved {
            self.leave_out(*at, at + 1);
        }
        self.put(behind, all);
    }

    /// Writes all tokens with what was put in their place; `None` if nothing was.
    pub(super) fn written(self) -> Option<Vec<TokenWithSpan>> {
        if self.put.is_empty() {
            return None;
        }
        let mut written = Vec::with_capacity(self.tokens.len());
        for (place, token) in self.tokens.iter().enumerate() {
            let Some(put) = self.put.get(&place) else {
                written.push(token.clone());
                continue;
            };
            // Words that were apart stay so.
            written.push(TokenWithSpan::new(
                Token::Whitespace(Whitespace::Space),
                token.span,
            ));
            written.extend(
                put.iter()
                    .map(|put| TokenWithSpan::new(put.clone(), token.span)),
            );
        }
        Some(written)
    }
}
