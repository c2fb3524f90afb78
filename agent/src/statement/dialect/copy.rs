//! COPY INTO: its options, which say how files are read or written and not what goes where.
//!
//! Those that name objects are read by `command::of_copy`; what the parser reads of the others says nothing more.

use sqlparser::tokenizer::Token;

use super::words::Words;

/// Leaves out `NAME = value`, but for the validation that answers with rows.
pub(super) fn read(words: &mut Words<'_>, at: usize) {
    if !words.sees(at, "COPY INTO") {
        return;
    }
    if let Some(Token::SingleQuotedString(text)) = words.token(at + 2)
        && text.starts_with('@')
    {
        // A stage in quotes: the parser takes a text for a place only where it looks like an address.
        words.put(
            at + 2,
            vec![Token::SingleQuotedString(format!("{text}/://"))],
        );
    }
    let mut is_source = false;
    let mut place = at + 2;
    while place < words.len() && !words.is(place, &Token::SemiColon) {
        if words.sees(place, "FROM") {
            is_source = true;
            elements(words, place + 1);
        }
        // A path may hold such signs too: `@stage/day=1/`.
        let is_option = is_source
            && words.is_name(place)
            && !words.is_joined(place)
            && words.is(place + 1, &Token::Eq)
            && !words.sees(place, "VALIDATION_MODE");
        if let Some(end) = value_end(words, place + 2).filter(|_| is_option) {
            words.leave_out(place, end);
            place = end;
            continue;
        }
        place = words.end_of(place).unwrap_or(place) + 1;
    }
}

/// Writes an element of a file's column, `$1.name`, as the parser knows it: `$1:name`.
fn elements(words: &mut Words<'_>, open: usize) {
    let end = words.end_of(open).unwrap_or(open);
    for place in open..end {
        let is_column = matches!(words.token(place), Some(Token::Placeholder(_)));
        if is_column && words.is(place + 1, &Token::Period) && words.is_name(place + 2) {
            words.put(place + 1, vec![Token::Colon]);
        }
    }
}

/// Gives the place behind an option's value.
fn value_end(words: &Words<'_>, at: usize) -> Option<usize> {
    if words.is(at, &Token::LParen) {
        return words.end_of(at).map(|end| end + 1);
    }
    if words.is_name(at) {
        let mut end = at + 1;
        while words.is(end, &Token::Period) && words.is_name(end + 1) {
            end += 2;
        }
        return Some(end);
    }
    matches!(
        words.token(at)?,
        Token::SingleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::Number(..)
            | Token::Placeholder(_)
    )
    .then_some(at + 1)
}
