//! What statements have in common that differ in harmless literals alone, so that one yes may do for several of them.

use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::kind::Kind;
use super::lexer::tokens;

/// Gives the shape of one statement's text: two texts of one shape do the same but for the values that columns of tables are
/// to equal for any row to be read. Whatever else is in a text stays in its shape: names, limits, bounds, places, what is
/// written and which rows are. None where a kind of statement has no shape, or the text cannot be read.
#[must_use]
pub fn shape(kind: &str, text: &str) -> Option<String> {
    let varies = match kind {
        kind if kind == Kind::Query.name() => true,
        kind if WRITES.iter().any(|write| write.name() == kind) => false,
        // Code, copies, rights and objects: each is another act.
        _ => return None,
    };
    let tokens = tokens(text).ok()?;
    let blank = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
    let mut tokens: Vec<&Token> = tokens
        .iter()
        .filter(blank)
        .map(|token| &token.token)
        .collect();
    while tokens.last() == Some(&&Token::SemiColon) {
        tokens.pop();
    }
    let open = varies.then(|| open(&tokens)).flatten().unwrap_or_default();
    let mut shape = String::new();
    for (index, token) in tokens.iter().enumerate() {
        if !open.contains(&index) {
            // Its debug form tells any two tokens apart, quotes and case among them.
            shape.push_str(&format!("{token:?}"));
        } else if matches!(token, Token::Number(..)) {
            shape.push_str("?number");
        } else {
            // Beside a text another column is compared than beside a number: Snowflake casts it.
            shape.push_str("?text");
        }
        shape.push('\n');
    }
    Some(shape)
}

/// Kinds whose texts stay as they are: the same text may run again.
const WRITES: [Kind; 4] = [Kind::Insert, Kind::Update, Kind::Delete, Kind::Merge];

/// Words by which a row may be there because a condition does not hold, or a column is none of a table's.
const UNSURE: [&str; 14] = [
    "NOT",
    "CASE",
    "XOR",
    "EXCEPT",
    "MINUS",
    "INTERSECT",
    "UNION",
    "LEFT",
    "RIGHT",
    "FULL",
    "OUTER",
    "ASOF",
    "ANTI",
    "CONNECT",
];

/// Words that end a WHERE.
const ENDS: [&str; 7] = [
    "GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "FETCH",
];

/// A token and its place in the text.
type Placed<'a> = (usize, &'a Token);

/// Lists the places of the literals that a shape leaves out: each is what a column is to equal, as one of the conditions that
/// all must hold, in a text of a single SELECT from named tables. None where the text is not known to be such a one.
fn open(tokens: &[&Token]) -> Option<Vec<usize>> {
    let selects = tokens.iter().filter(|token| is_one_of(token, &["SELECT"]));
    let begins = tokens
        .first()
        .is_some_and(|first| is_one_of(first, &["SELECT"]));
    let outer = outer(tokens)?;
    let is_unsure = tokens.iter().any(|token| is_one_of(token, &UNSURE))
        || outer.iter().any(|(_, token)| is_one_of(token, &["OR"]));
    if !begins || selects.count() != 1 || is_unsure {
        return None;
    }
    let (from, to) = (sole(&outer, "FROM")?, sole(&outer, "WHERE")?);
    // Brackets there make rows: of functions, of VALUES, of names that are given to columns.
    if outer
        .get(from..to)?
        .iter()
        .any(|(_, token)| **token == Token::LParen)
    {
        return None;
    }
    let (starts, _) = outer.get(from)?;
    let listed = tokens.get(..*starts)?;
    let after = outer.get(to + 1..)?;
    let end = after.iter().position(|(_, token)| is_one_of(token, &ENDS));
    let conditions = after.get(..end.unwrap_or(after.len()))?;
    // The AND of a BETWEEN joins no conditions.
    let mut betweens = 0_usize;
    let joins = |(_, token): &Placed<'_>| {
        if is_one_of(token, &["BETWEEN"]) {
            betweens += 1;
        }
        let is_and = is_one_of(token, &["AND"]);
        let joins = is_and && betweens == 0;
        if is_and {
            betweens = betweens.saturating_sub(1);
        }
        joins
    };
    let compared = |condition| compared(condition, listed);
    Some(conditions.split(joins).filter_map(compared).collect())
}

/// Leaves out what stands in brackets, and keeps the brackets.
fn outer<'a>(tokens: &[&'a Token]) -> Option<Vec<Placed<'a>>> {
    let mut depth = 0_usize;
    let mut outer = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if matches!(token, Token::RParen | Token::RBracket | Token::RBrace) {
            depth = depth.checked_sub(1)?;
        }
        if depth == 0 {
            outer.push((index, *token));
        }
        if matches!(token, Token::LParen | Token::LBracket | Token::LBrace) {
            depth += 1;
        }
    }
    (depth == 0).then_some(outer)
}

/// Finds a word that stands once outside of brackets.
fn sole(outer: &[Placed<'_>], word: &str) -> Option<usize> {
    let is_it = |(_, token): &Placed<'_>| is_one_of(token, &[word]);
    let first = outer.iter().position(is_it)?;
    (outer.iter().rposition(is_it) == Some(first)).then_some(first)
}

/// Gives the place of the literal that a condition wants a column to equal, where it is nothing but that.
fn compared(condition: &[Placed<'_>], listed: &[&Token]) -> Option<usize> {
    let [
        left @ ..,
        (_, Token::Eq),
        (literal, Token::Number(..) | Token::SingleQuotedString(_)),
    ] = condition
    else {
        return None;
    };
    let [path @ .., (_, Token::Word(column))] = left else {
        return None;
    };
    let qualifies = |pair: &[Placed<'_>]| matches!(pair, [(_, Token::Word(_)), (_, Token::Period)]);
    let is_column = path.chunks(2).all(qualifies) && names_column(column);
    (is_column && !may_be_given(column, listed)).then_some(*literal)
}

fn is_one_of(token: &Token, words: &[&str]) -> bool {
    let Token::Word(word) = token else {
        return false;
    };
    word.quote_style.is_none() && words.iter().any(|one| word.value.eq_ignore_ascii_case(one))
}

/// Tells whether a word is a column's name: values that look like one would let every row through, or none. Quotes make
/// no difference, since what a query computes is named after its text.
fn names_column(word: &Word) -> bool {
    let value = word.value.to_ascii_uppercase();
    let is_value = ["TRUE", "FALSE", "NULL", "SYSDATE", "NEXTVAL", "LEVEL"].contains(&&*value)
        || value.starts_with("CURRENT_")
        || value.starts_with("LOCALTIME");
    let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    let is_name = value.chars().all(is_plain) && !value.starts_with(|c: char| c.is_numeric());
    is_name && !is_value
}

/// Tells whether what a query lists may give a name to something computed: Snowflake lets a WHERE use it.
fn may_be_given(column: &Word, listed: &[&Token]) -> bool {
    listed.iter().enumerate().skip(1).any(|(index, token)| {
        let is_it =
            matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(&column.value));
        let before = listed.get(index - 1);
        let names_nothing =
            index == 1 || matches!(before, Some(Token::Comma | Token::Period | Token::LParen));
        is_it && !names_nothing
    })
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
