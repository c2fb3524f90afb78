//! What statements have in common that differ in harmless literals alone, so that one yes may do for several of them.

use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::kind::Kind;
use super::lexer::tokens;

/// Gives the shape of one statement's text: two texts of one shape do the same but for the values that columns are compared
/// with for equality in what a query reads. Whatever else is in a text stays in its shape: names, limits, bounds, places,
/// what is written and which rows are. None where a kind of statement has no shape, or the text cannot be read.
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
    let before = |index: usize, back: usize| {
        let index = index.checked_sub(back)?;
        tokens.get(index).copied()
    };
    // Where conditions are not all to hold, another value may let every row through.
    let all_hold = !tokens.iter().any(|token| is_one_of(token, &LOOSENS));
    let mut shape = String::new();
    for (index, token) in tokens.iter().enumerate() {
        let is_compared = matches!(before(index, 1), Some(Token::Eq))
            && matches!(before(index, 2), Some(Token::Word(word)) if names_column(word))
            && tokens.get(index + 1).is_none_or(|next| ends(next));
        let is_value = matches!(token, Token::Number(..) | Token::SingleQuotedString(_));
        if varies && all_hold && is_compared && is_value {
            shape.push('?');
        } else {
            // Its debug form tells any two tokens apart, quotes and case among them.
            shape.push_str(&format!("{token:?}"));
        }
        shape.push('\n');
    }
    Some(shape)
}

/// Kinds whose texts stay as they are: the same text may run again.
const WRITES: [Kind; 4] = [Kind::Insert, Kind::Update, Kind::Delete, Kind::Merge];

/// Words by which a condition need not hold for a row to be there.
const LOOSENS: [&str; 6] = ["OR", "NOT", "CASE", "IFF", "DECODE", "XOR"];

fn is_one_of(token: &Token, words: &[&str]) -> bool {
    let Token::Word(word) = token else {
        return false;
    };
    word.quote_style.is_none() && words.iter().any(|one| word.value.eq_ignore_ascii_case(one))
}

/// Tells whether a word before `=` is a name: values that look like one would let every row through, or none.
fn names_column(word: &Word) -> bool {
    let value = word.value.to_ascii_uppercase();
    let is_value = ["TRUE", "FALSE", "NULL", "SYSDATE"].contains(&&*value)
        || value.starts_with("CURRENT_")
        || value.starts_with("LOCALTIME");
    word.quote_style.is_some() || !is_value
}

/// Tells whether a comparison ends before a token, so that the literal is all of its right side.
fn ends(token: &Token) -> bool {
    let Token::Word(word) = token else {
        return *token == Token::RParen;
    };
    let ends = ["AND", "OR", "GROUP", "ORDER", "LIMIT", "QUALIFY", "HAVING"];
    word.quote_style.is_none() && ends.iter().any(|end| word.value.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, text: &str) -> Option<String> {
        shape(kind.name(), text)
    }

    #[track_caller]
    fn same(one: &str, other: &str) {
        assert_eq!(
            of(Kind::Query, one),
            of(Kind::Query, other),
            "{one} / {other}"
        );
    }

    #[track_caller]
    fn another(kind: Kind, one: &str, other: &str) {
        let shapes = (of(kind, one), of(kind, other));
        assert!(shapes.0.is_some() && shapes.1.is_some());
        assert_ne!(shapes.0, shapes.1, "{one} / {other}");
    }

    #[test]
    fn queries_that_compare_columns_with_other_values_are_of_one_shape() {
        same(
            "select a from t where id = 7",
            "select a  from t where id = 8;",
        );
        same(
            "select a from t where (t.id = 7 and name = 'x') limit 3",
            "select a from t where (t.id = 9 and name = 'it''s') limit 3 -- reason: other",
        );
    }

    #[test]
    fn what_else_differs_makes_another_shape() {
        for (one, other) in [
            (
                "select a from t where id = 7",
                "select a from t where id = 7 or 1 = 1",
            ),
            (
                "select a from t where id = 7",
                "select a from t where id = id",
            ),
            (
                "select a from t where id = 7",
                "select a from t where \"id\" = 7",
            ),
            ("select a from t where 1 = 7", "select a from t where 1 = 1"),
            (
                "select a from t where id = 7 + 1",
                "select a from t where id = 8 + 1",
            ),
            (
                "select a from t where id = 7 or false = 1",
                "select a from t where id = 7 or false = 0",
            ),
            (
                "select a from t where true = 0",
                "select a from t where true = 1",
            ),
            (
                "select a from t where not id = 7",
                "select a from t where not id = 8",
            ),
            (
                "select a from t limit 10",
                "select a from t limit 1000000000",
            ),
            ("select top 10 a from t", "select top 99 a from t"),
            ("select a from t sample (1)", "select a from t sample (99)"),
            (
                "select a from t where d > '2026-01-01'",
                "select a from t where d > '1970-01-01'",
            ),
            (
                "select a from t where d between 1 and 2",
                "select a from t where d between 1 and 9",
            ),
            ("select a from table('a')", "select a from table('b')"),
            ("select f('a') from t", "select f('b') from t"),
            ("select f(x => 'a') from t", "select f(x => 'b') from t"),
            (
                "select a from t where n like 'a%'",
                "select a from t where n like '%'",
            ),
            (
                "select a from t where id in (7)",
                "select a from t where id in (8)",
            ),
            (
                "select a from t where f(id) = 7",
                "select a from t where f(id) = 8",
            ),
        ] {
            another(Kind::Query, one, other);
        }
        another(
            Kind::Delete,
            "delete from t where id = 7",
            "delete from t where id = 8",
        );
        another(
            Kind::Insert,
            "insert into t values (1)",
            "insert into t values (2)",
        );
    }

    #[test]
    fn code_copies_rights_and_objects_have_no_shape() {
        for kind in [
            Kind::Call,
            Kind::CopyIn,
            Kind::Unload,
            Kind::Grant,
            Kind::Create,
            Kind::Drop,
            Kind::Unknown,
        ] {
            assert_eq!(of(kind, "select 1"), None, "{kind:?}");
        }
        assert_eq!(of(Kind::Query, "select 'a"), None);
    }
}
