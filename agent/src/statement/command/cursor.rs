//! A place among a text's tokens, blanks and comments passed over.

use std::rc::Rc;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::statement::lineage::names::of_text;
use crate::statement::parse::Unreadable;
use crate::statement::places::Places;

/// A place among tokens; cheap to copy.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    /// Each with the byte at which it begins.
    tokens: Rc<[(&'t Token, usize)]>,
    at: usize,
    end: usize,
}

impl<'t> Cursor<'t> {
    /// Begins before the first token that means something.
    pub(super) fn new(text: &'t str, tokens: &'t [TokenWithSpan]) -> Self {
        let means =
            |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
        let mut places = Places::of(text);
        let tokens: Rc<[_]> = tokens
            .iter()
            .filter(means)
            .map(|token| (&token.token, places.byte_of(token.span.start)))
            .collect();
        Self {
            text,
            at: 0,
            end: tokens.len(),
            tokens,
        }
    }

    /// Lists the tokens that are left.
    fn left(&self) -> impl DoubleEndedIterator<Item = &'t Token> {
        let left = self.tokens.get(self.at..self.end).unwrap_or_default();
        left.iter().map(|(token, _)| *token)
    }

    /// Gives the token after the next `skipped` ones.
    pub(super) fn after(&self, skipped: usize) -> Option<&'t Token> {
        let place = self.at + skipped;
        let (token, _) = self.tokens.get(place).filter(|_| place < self.end)?;
        Some(token)
    }

    /// Gives the text from the next token up to another place's; all of it if the other is at the end.
    pub(super) fn until(&self, end: &Self) -> &'t str {
        let byte = |place: usize| {
            self.tokens
                .get(place)
                .map_or(self.text.len(), |(_, byte)| *byte)
        };
        self.text
            .get(byte(self.at)..byte(end.at))
            .unwrap_or_default()
    }

    /// Gives the text from the next token on.
    pub(super) fn rest(&self) -> &'t str {
        let mut end = self.clone();
        end.at = self.end;
        self.until(&end)
    }

    /// Gives the text from the next token on, without the last ones.
    pub(super) fn rest_within(&self, last: usize) -> &'t str {
        let mut end = self.clone();
        end.at = self.end.saturating_sub(last).max(self.at);
        self.until(&end)
    }

    /// Ends before another place.
    pub(super) fn cut(mut self, end: &Self) -> Self {
        self.end = self.end.min(end.at);
        self
    }

    /// Gives the next token.
    pub(super) fn peek(&self) -> Option<&'t Token> {
        self.after(0)
    }

    /// Tells whether nothing but a closing semicolon is left.
    pub(super) fn is_done(&self) -> bool {
        self.left().all(|token| *token == Token::SemiColon)
    }

    /// Tells whether a semicolon stands between tokens.
    pub(super) fn holds_several(&self) -> bool {
        let is_end = |token: &&Token| **token == Token::SemiColon;
        let ends = self.left().rev().take_while(is_end).count();
        self.left().filter(is_end).count() > ends
    }

    /// Passes over the next token.
    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    /// Tells whether the next tokens are these words, bare.
    pub(super) fn sees(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(skipped, word)| {
            self.after(skipped)
                .is_some_and(|token| is_word(token, word))
        })
    }

    /// Passes over these words, if they are the next tokens.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let sees = self.sees(words);
        if sees {
            self.at += words.split(' ').count();
        }
        sees
    }

    /// Passes over a sign, if it is the next token.
    pub(super) fn eat_sign(&mut self, sign: &Token) -> bool {
        let sees = self.peek() == Some(sign);
        if sees {
            self.at += 1;
        }
        sees
    }

    /// Reads a dotted name; `IDENTIFIER('...')` of a literal counts as what it holds.
    pub(super) fn name(&mut self) -> Result<Vec<String>, Unreadable> {
        if self.eat("IDENTIFIER") {
            let is_call = self.eat_sign(&Token::LParen);
            let text = self.text();
            return match (is_call, text, self.eat_sign(&Token::RParen)) {
                (true, Some(text), true) => of_text(text),
                (_, _, _) => Err(Unreadable::Unsupported("a name that is computed")),
            };
        }
        if let Some(Token::SingleQuotedString(text)) = self.peek() {
            // Some commands take their object's name as a text.
            self.skip();
            return of_text(text);
        }
        let names = self.dotted()?;
        if names.len() > 3 {
            return Err(Unreadable::Unsupported("a name of more than three parts"));
        }
        Ok(names)
    }

    /// Reads words with dots between them; `database..name` is of the schema `PUBLIC`.
    pub(super) fn dotted(&mut self) -> Result<Vec<String>, Unreadable> {
        let mut names = vec![self.part()?];
        while self.eat_sign(&Token::Period) {
            if names.len() == 1 && self.eat_sign(&Token::Period) {
                names.push("PUBLIC".to_owned());
            }
            names.push(self.part()?);
        }
        Ok(names)
    }

    /// Reads `[namespace.]stage`, the next token after `@`.
    pub(super) fn stage(&mut self) -> Result<Vec<String>, Unreadable> {
        let own = self.eat_sign(&Token::Mod);
        let mut names = vec![self.part()?];
        if own {
            if let Some(first) = names.first_mut() {
                first.insert(0, '%');
            }
            return Ok(names);
        }
        while self.eat_sign(&Token::Period) {
            let own = self.eat_sign(&Token::Mod);
            let part = self.part()?;
            names.push(if own { format!("%{part}") } else { part });
        }
        // A path may hold dots too; its first part ends the name.
        names.truncate(3);
        Ok(names)
    }

    fn part(&mut self) -> Result<String, Unreadable> {
        let Some(Token::Word(word)) = self.peek() else {
            return Err(Unreadable::Unsupported(
                "a command without the name of its object",
            ));
        };
        self.skip();
        match word.quote_style {
            None => Ok(word.value.to_ascii_uppercase()),
            Some('"') => Ok(word.value.clone()),
            Some(_) => Err(Unreadable::Unsupported("a name in other quotes than `\"`")),
        }
    }

    /// Reads a text in single quotes.
    pub(super) fn text(&mut self) -> Option<&'t str> {
        match self.peek() {
            Some(Token::SingleQuotedString(text)) => {
                self.skip();
                Some(text)
            }
            Some(Token::DollarQuotedString(text)) => {
                self.skip();
                Some(&text.value)
            }
            _ => None,
        }
    }

    /// Passes over what stands in brackets, if the next token opens some.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only brackets count")]
    pub(super) fn brackets(&mut self) {
        if self.peek() != Some(&Token::LParen) {
            return;
        }
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            self.skip();
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Goes to just behind these words, outside of brackets; stays where it is if they do not come.
    pub(super) fn find(&mut self, words: &str) -> bool {
        let start = self.at;
        while self.peek().is_some() {
            if self.eat(words) {
                return true;
            }
            if self.peek() == Some(&Token::LParen) {
                self.brackets();
            } else {
                self.skip();
            }
        }
        self.at = start;
        false
    }

    /// Tells whether any token that is left is this word, bare, at any depth.
    pub(super) fn holds(&self, word: &str) -> bool {
        self.left().any(|token| is_word(token, word))
    }

    /// Writes all of it, with `?` for each literal.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is no literal stays as it is"
    )]
    pub(super) fn normalized(&self) -> String {
        let texts: Vec<String> = self
            .tokens
            .iter()
            .map(|(token, _)| *token)
            .filter(|token| **token != Token::SemiColon)
            .map(|token| match token {
                Token::SingleQuotedString(_)
                | Token::DollarQuotedString(_)
                | Token::Number(..)
                | Token::HexStringLiteral(_) => "?".to_owned(),
                Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
                token => token.to_string(),
            })
            .collect();
        texts.join(" ")
    }
}

fn is_word(token: &Token, expected: &str) -> bool {
    let Token::Word(word) = token else {
        return false;
    };
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected)
}
