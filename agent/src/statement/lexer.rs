//! Which texts two lexers read the same way: what is judged must be what Snowflake runs.
//!
//! The tokens are an allow-list. What the parser knows and Snowflake does not (or reads otherwise) is refused here,
//! before a tree could hide it: the pipe `->>`, tagged dollar quotes, `#` comments, odd line ends and blanks.

use sqlparser::dialect::SnowflakeDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::called;
use super::literal::{unescaped, unquoted};
use super::parse::Unreadable;
use super::shared;

/// Most tokens beside literals, commas and brackets up to a semicolon; a longer chain of operators costs the parser a
/// stack, and none goes past a semicolon.
pub(super) const TOKENS_MAX: usize = 10_000;

/// Splits a text into tokens, or says why it is not sure what they are.
pub(super) fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, Unreadable> {
    check_blanks(text)?;
    let mut tokens = Tokenizer::new(&SnowflakeDialect {}, text)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|error| Unreadable::Syntax(Some((error.location.line, error.location.column))))?;
    for token in &mut tokens {
        read_quoted(&mut token.token)?;
    }
    if let Some(shared) = shared::reached(&tokens) {
        return Err(Unreadable::Shared(shared));
    }
    let tokens = called::methods(tokens);
    let mut counted = 0;
    for token in &tokens {
        if weighs(&token.token)? {
            counted += 1;
        }
        if counted > TOKENS_MAX {
            return Err(Unreadable::TooLong);
        }
        if token.token == Token::SemiColon {
            counted = 0;
        }
    }
    Ok(tokens)
}

/// Lists what a text's literals, quoted names and comments hold.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "no other token that is let through holds what its author chose"
)]
pub(super) fn literals(text: &str) -> Result<Vec<String>, Unreadable> {
    let literal = |token: TokenWithSpan| match token.token {
        Token::Number(text, _)
        | Token::SingleQuotedString(text)
        | Token::HexStringLiteral(text)
        | Token::Whitespace(Whitespace::MultiLineComment(text)) => Some(text),
        Token::Whitespace(Whitespace::SingleLineComment { comment, .. }) => Some(comment),
        Token::DollarQuotedString(quoted) => Some(quoted.value),
        Token::Word(word) if word.quote_style.is_some() => Some(word.value),
        _ => None,
    };
    Ok(tokens(text)?.into_iter().filter_map(literal).collect())
}

/// Replaces what stands between quotes by what it means.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "no other token that is let through has quotes with escapes"
)]
fn read_quoted(token: &mut Token) -> Result<(), Unreadable> {
    match token {
        Token::SingleQuotedString(text) => *text = unescaped(text)?,
        Token::Word(word) if word.quote_style == Some('"') => word.value = unquoted(&word.value),
        _ => {}
    }
    Ok(())
}

/// Refuses blanks and line ends that one lexer may take for another thing than the next, wherever they stand.
pub(super) fn check_blanks(text: &str) -> Result<(), Unreadable> {
    let is_usual = |byte: u8| matches!(byte, b'\t' | b'\n' | b' '..=b'~');
    if text.bytes().all(is_usual) {
        return Ok(());
    }
    let mut previous = None;
    for next in text.chars().map(Some).chain([None]) {
        if previous == Some('\r') && next != Some('\n') {
            return Err(Unreadable::Unsupported(
                "a carriage return without a line feed",
            ));
        }
        if let Some(next) = next {
            let plain = matches!(next, ' ' | '\t' | '\n' | '\r');
            if !plain && (next.is_whitespace() || next.is_control()) {
                return Err(Unreadable::Unsupported(
                    "a control character or an unusual blank",
                ));
            }
        }
        previous = next;
    }
    Ok(())
}

/// Tells whether a token counts towards the limit; a token that Snowflake does not have is refused.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an allow-list: a token that is new to the parser is refused"
)]
fn weighs(token: &Token) -> Result<bool, Unreadable> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && !word.value.is_ascii() => Err(
            Unreadable::Unsupported("a letter outside ASCII in a bare name"),
        ),
        Token::DollarQuotedString(quoted) if quoted.tag.is_some() => {
            Err(Unreadable::Unsupported("a dollar quote with a tag"))
        }
        Token::Whitespace(Whitespace::SingleLineComment { prefix, .. }) if prefix == "#" => {
            Err(Unreadable::Unsupported("a comment that begins with `#`"))
        }
        Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.contains("/*") => {
            Err(Unreadable::Unsupported("a comment inside a comment"))
        }
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::HexStringLiteral(_)
        | Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::Whitespace(_)
        | Token::EOF => Ok(false),
        Token::Word(_)
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::Period
        | Token::Colon
        | Token::DoubleColon
        | Token::Assignment
        | Token::SemiColon
        | Token::LBracket
        | Token::RBracket
        | Token::LBrace
        | Token::RBrace
        | Token::RArrow
        | Token::Arrow
        | Token::AtSign
        | Token::Question
        // In the patterns of MATCH_RECOGNIZE alone, which `dialect` sees to.
        | Token::Caret
        | Token::Pipe
        | Token::Placeholder(_) => Ok(true),
        _ => Err(Unreadable::Unsupported(
            "a sign that is not of Snowflake's SQL, or a pipe",
        )),
    }
}

/// Tells whether a text holds nothing but names, literals and dots, as a plain SHOW does.
pub(super) fn is_plain(tokens: &[TokenWithSpan]) -> bool {
    tokens.iter().all(|token| {
        matches!(
            token.token,
            Token::Word(_)
                | Token::Period
                | Token::Number(..)
                | Token::SingleQuotedString(_)
                | Token::SemiColon
                | Token::Whitespace(_)
                | Token::EOF
        )
    })
}
