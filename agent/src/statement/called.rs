//! Calls in forms that the parser's grammar lacks, written as calls of the names that they are of.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lineage::names::of_text;
use super::parse::Unreadable;

/// Writes `model!method(` as the call of one name, `"MODEL!METHOD"`, in the model's schema.
///
/// Source: Snowflake's reference, "Model methods" and "CREATE SNOWFLAKE.ML.FORECAST". What has blanks around the sign, or a
/// method in quotes, stays as it is, and is refused.
pub(super) fn methods(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens
        .iter()
        .any(|token| token.token == Token::ExclamationMark)
    {
        return tokens;
    }
    let mut written: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut ahead = tokens.as_slice();
    while let [token, rest @ ..] = ahead {
        ahead = rest;
        let method = match rest {
            [sign, method, open, ..]
                if sign.token == Token::ExclamationMark && open.token == Token::LParen =>
            {
                bare(&method.token)
            }
            _ => None,
        };
        match (&token.token, method) {
            (Token::Word(object), Some(method)) => {
                let object = match object.quote_style {
                    None => object.value.to_ascii_uppercase(),
                    Some(_) => object.value.clone(),
                };
                let name = format!("{object}!{method}");
                let name = Token::make_word(&name, Some('"'));
                written.push(TokenWithSpan::new(name, token.span));
                ahead = rest.get(2..).unwrap_or_default();
            }
            (_, _) => written.push(token.clone()),
        }
    }
    written
}

/// Writes `IDENTIFIER('name')(` as `"NAME"(`, which means the same of a function, procedure or table.
pub(super) fn named_by_texts(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Unreadable> {
    let is_identifier = |token: &TokenWithSpan| bare(&token.token).as_deref() == Some("IDENTIFIER");
    if !tokens.iter().any(is_identifier) {
        return Ok(tokens);
    }
    let mut written: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut ahead = tokens.as_slice();
    while let [token, rest @ ..] = ahead {
        ahead = rest;
        let mut next = (0..).zip(rest);
        let mut meaning = std::iter::from_fn(|| {
            next.find(|(_, token)| !matches!(token.token, Token::Whitespace(_)))
        });
        let found = [
            meaning.next(),
            meaning.next(),
            meaning.next(),
            meaning.next(),
        ];
        if let [
            Some((_, open)),
            Some((_, text)),
            Some((end, close)),
            Some((_, call)),
        ] = found
            && is_identifier(token)
            && let Token::SingleQuotedString(text) = &text.token
            && open.token == Token::LParen
            && close.token == Token::RParen
            && call.token == Token::LParen
        {
            for (place, name) in of_text(text)?.iter().enumerate() {
                if place > 0 {
                    written.push(TokenWithSpan::new(Token::Period, token.span));
                }
                let name = Token::make_word(name, Some('"'));
                written.push(TokenWithSpan::new(name, token.span));
            }
            ahead = rest.get(end + 1..).unwrap_or_default();
        } else {
            written.push(token.clone());
        }
    }
    Ok(written)
}

/// Gives a word without quotes as Snowflake folds it.
fn bare(token: &Token) -> Option<String> {
    let Token::Word(word) = token else {
        return None;
    };
    let is_bare = word.quote_style.is_none();
    is_bare.then(|| word.value.to_ascii_uppercase())
}
