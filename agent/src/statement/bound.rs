//! Binds that name what a statement is about: read as the text that the request binds to them.
//!
//! Source: Snowflake's reference, "Identifier literals" (`IDENTIFIER`, and `TABLE` in FROM, take a bind) and
//! "EXECUTE IMMEDIATE". A `?` is the next value from the text's start on, `:2` the second.

use std::collections::BTreeMap;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::Unreadable;
use super::shared;
use crate::snowflake::binds::{Bind, Binds};

/// Functions whose one argument names something, or is the id of a query.
const NAMING: [&str; 4] = ["IDENTIFIER", "TABLE", "RESULT_SCAN", "DIRECTORY"];

/// Options whose value names a file format.
const FORMATS: [&str; 2] = ["FILE_FORMAT", "FORMAT_NAME"];

/// Why a bind that names something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unbound {
    #[error("the request binds nothing to it")]
    Nothing,
    #[error("the request binds values of several rows to it")]
    Several,
    #[error("the request binds to it what is not one text")]
    Other,
    #[error("it stands inside of a text that holds other statements")]
    Within,
    #[error("the text has binds of both forms, `?` and `:1`, whose order is not sure")]
    Mixed,
    #[error(
        "the text has MATCH_RECOGNIZE, in whose pattern `?` is no bind, so that their order is not sure"
    )]
    Pattern,
}

/// Puts the texts in the places of the binds that name something; all others stay.
pub(super) fn named_by_binds(
    tokens: Vec<TokenWithSpan>,
    binds: Option<&Binds>,
) -> Result<Vec<TokenWithSpan>, Unreadable> {
    let places = meaning(&tokens);
    let token = |place: usize| places.get(place).and_then(|at| tokens.get(*at));
    let (mut marks, mut numbers, mut named) = (0, 0, Vec::new());
    for place in 0..places.len() {
        let Some(found) = token(place) else { continue };
        let number = match (&found.token, token(place + 1).map(|next| &next.token)) {
            (Token::Placeholder(mark), _) if mark == "?" => {
                marks += 1;
                Some((marks, 1))
            }
            (Token::Colon, Some(Token::Number(number, false))) => {
                numbers += 1;
                number.parse().ok().map(|number| (number, 2))
            }
            (_, _) => None,
        };
        if let Some((number, length)) = number
            && names_something(|back| Some(&token(place.checked_sub(back)?)?.token))
        {
            named.push((place, length, number));
        }
    }
    if named.is_empty() {
        return Ok(tokens);
    }
    let mut put = BTreeMap::new();
    for (place, length, number) in named {
        let text = match (binds, binds.and_then(|binds| binds.at(number))) {
            _ if marks > 0 && numbers > 0 => Err(Unbound::Mixed),
            _ if marks > 0 && has_pattern(&tokens) => Err(Unbound::Pattern),
            (None, _) => Err(Unbound::Within),
            (_, None) => Err(Unbound::Nothing),
            (_, Some(Bind::Several)) => Err(Unbound::Several),
            (_, Some(Bind::Other)) => Err(Unbound::Other),
            (_, Some(Bind::Text(text))) => Ok(text.clone()),
        };
        let text = text.map_err(|why| Unreadable::Bind { number, why })?;
        let all = places.get(place..place + length).unwrap_or_default();
        let text = std::iter::once(Some(text)).chain(std::iter::repeat(None));
        put.extend(all.iter().copied().zip(text));
    }
    let mut replaced = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.into_iter().enumerate() {
        match put.get(&at) {
            None => replaced.push(token),
            Some(Some(text)) => {
                let text = Token::SingleQuotedString(text.clone());
                replaced.push(TokenWithSpan::new(text, token.span));
            }
            // The number behind a colon.
            Some(None) => {}
        }
    }
    match shared::reached(&replaced) {
        Some(shared) => Err(Unreadable::Shared(shared)),
        None => Ok(replaced),
    }
}

/// Tells whether a text may hold a pattern of rows, where `?` says how often.
fn has_pattern(tokens: &[TokenWithSpan]) -> bool {
    tokens.iter().any(|token| {
        let Token::Word(word) = &token.token else {
            return false;
        };
        word.value.eq_ignore_ascii_case("MATCH_RECOGNIZE")
    })
}

/// Lists the places of the tokens that mean something.
fn meaning(tokens: &[TokenWithSpan]) -> Vec<usize> {
    let means = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let places = tokens.iter().enumerate();
    places
        .filter(|(_, token)| means(token))
        .map(|(at, _)| at)
        .collect()
}

/// Tells whether what stands here names something, by what stands before it.
fn names_something<'t>(before: impl Fn(usize) -> Option<&'t Token>) -> bool {
    let is_word = |back: usize, words: &[&str]| match before(back) {
        Some(Token::Word(word)) => {
            let is_it = |name: &&str| word.value.eq_ignore_ascii_case(name);
            word.quote_style.is_none() && words.iter().any(is_it)
        }
        Some(_) | None => false,
    };
    let is_sign = |sign: Token| before(1) == Some(&sign);
    (is_sign(Token::LParen) && is_word(2, &NAMING))
        || (is_word(1, &["IMMEDIATE"]) && is_word(2, &["EXECUTE"]))
        || ((is_sign(Token::RArrow) || is_sign(Token::Eq)) && is_word(2, &FORMATS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snowflake::json::Object;
    use crate::statement::lexer;

    const PIECES: [&str; 16] = [
        "identifier",
        "table",
        "result_scan",
        "execute",
        "immediate",
        "file_format",
        "=>",
        "=",
        "(",
        ")",
        "?",
        ":",
        "1",
        "'?'",
        "x",
        "-- ?\n",
    ];

    proptest! {
        #[test]
        fn what_names_something_is_a_text_or_refused(
            pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..20),
            bound in 0..4_usize,
        ) {
            let one = |number| format!(r#""{number}":{{"type":"TEXT","value":"t{number}"}}"#);
            let members: Vec<String> = (1..=bound).map(one).collect();
            let object = Object::read(format!("{{{}}}", members.join(",")).as_bytes()).unwrap();
            let binds = Binds::read(&object);
            let Ok(tokens) = lexer::tokens(&pieces.join(" ")) else {
                return Ok(());
            };
            let naming = |tokens: &[TokenWithSpan]| named_by_binds(tokens.to_vec(), None).is_err();
            match named_by_binds(tokens.clone(), Some(&binds)) {
                Ok(read) => prop_assert!(!naming(&read)),
                Err(_) => prop_assert!(naming(&tokens)),
            }
        }
    }
}
