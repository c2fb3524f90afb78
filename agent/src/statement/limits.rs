//! Texts that are refused before they are lexed: what nests too deep, or is too long whatever its tokens are.
//!
//! One pass over the bytes, which ends where a limit is passed: a megabyte of brackets costs as much as a hundred. It
//! counts no more than the lexer and the parser would find, so that what they read is never refused here.

use super::lexer::TOKENS_MAX;
use super::parse::{DEPTH_MAX, Unreadable};
use crate::snowflake::count::STATEMENTS_MAX;

/// Most semicolons of a text: a block may have more than statements.
const SEMICOLONS_MAX: usize = 4 * STATEMENTS_MAX;

/// Most quotes in a row: a text in a text doubles them, and eight texts in each other are read.
const QUOTES_MAX: usize = 1 << 10;

/// Refuses what no reader of the text would take.
pub(super) fn check(text: &str) -> Result<(), Unreadable> {
    match passed(text.as_bytes()) {
        None => Ok(()),
        Some((_, problem)) => Err(problem),
    }
}

/// Gives the place at which a limit is passed, and which.
fn passed(text: &[u8]) -> Option<(usize, Unreadable)> {
    let (mut depth, mut cases, mut words, mut ends) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied();
        at += match (byte, next) {
            (b'\'' | b'"', _) => match quoted(text, at, byte == b'\'') {
                Some(length) => length,
                None => return Some((at, Unreadable::TooDeep)),
            },
            (b'$', Some(b'$')) => behind(text, at + 2, b"$$"),
            (b'-', Some(b'-')) | (b'/', Some(b'/')) => behind(text, at + 2, b"\n"),
            (b'/', Some(b'*')) => behind(text, at + 2, b"*/"),
            (b'(' | b'[' | b'{', _) => {
                depth += 1;
                1
            }
            (b')' | b']' | b'}', _) => {
                depth = depth.saturating_sub(1);
                1
            }
            (b';', _) => {
                (words, cases, ends) = (0, 0, ends + 1);
                1
            }
            (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => {
                let rest = text.get(at..).unwrap_or_default();
                let is_in = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_$@".contains(*byte);
                let length = rest.iter().take_while(is_in).count();
                // `x'ff'` is a literal.
                words += usize::from(rest.get(length) != Some(&b'\''));
                let word = rest.get(..length).unwrap_or_default();
                if word.eq_ignore_ascii_case(b"CASE") {
                    cases += 1;
                } else if word.eq_ignore_ascii_case(b"END") {
                    cases = cases.saturating_sub(1);
                }
                length
            }
            // Each is a token, or begins one.
            (b'+' | b'-' | b'*' | b'%', _) => {
                words += 1;
                1
            }
            // Part of no word that is counted: digits may have letters behind them.
            (b'0'..=b'9' | 0x80.., _) => {
                let rest = text.get(at..).unwrap_or_default();
                let is_in = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte >= 0x80;
                rest.iter().take_while(is_in).count()
            }
            (_, _) => 1,
        };
        let problem = if depth > DEPTH_MAX || cases > DEPTH_MAX {
            Unreadable::TooDeep
        } else if words > TOKENS_MAX {
            Unreadable::TooLong
        } else if ends > SEMICOLONS_MAX {
            Unreadable::TooMany
        } else {
            continue;
        };
        return Some((at, problem));
    }
    None
}

/// Gives how many bytes a text in quotes takes, which are doubled in it or escaped; `None` if too many stand in a row.
fn quoted(text: &[u8], at: usize, has_escapes: bool) -> Option<usize> {
    let quote = text.get(at).copied().unwrap_or_default();
    let (mut end, mut row) = (at + 1, 0_usize);
    while let Some(&byte) = text.get(end) {
        row = if byte == quote { row + 2 } else { 0 };
        if row > QUOTES_MAX {
            return None;
        }
        end += match byte {
            b'\\' if has_escapes => 2,
            _ if byte != quote => 1,
            _ if text.get(end + 1) == Some(&quote) => 2,
            _ => return Some(end + 1 - at),
        };
    }
    Some(text.len().saturating_sub(at))
}

/// Gives how many bytes there are from two before a place up to the end of what stands behind it.
fn behind(text: &[u8], from: usize, end: &[u8]) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let found = rest.windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |found| found + end.len()) + 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lexer;
    use super::*;

    #[test]
    fn what_is_refused_is_refused_where_the_limit_is_passed() {
        let ends = |text: &str| passed(text.as_bytes());
        let deep = |sign: &str| ends(&format!("select {}", sign.repeat(500_000)));
        for sign in ["(", "[", "{"] {
            assert_eq!(deep(sign), Some((7 + 101, Unreadable::TooDeep)), "{sign}");
        }
        assert_eq!(deep("case "), Some((7 + 504, Unreadable::TooDeep)));
        assert_eq!(deep("'"), Some((7, Unreadable::TooDeep)));
        assert_eq!(deep("a "), Some((7 + 19_999, Unreadable::TooLong)));
        assert_eq!(deep("; "), Some((7 + 8_001, Unreadable::TooMany)));
    }

    #[test]
    fn what_stands_in_quotes_and_comments_does_not_count() {
        let many = "(".repeat(500);
        for text in [
            format!("select '{many}\\'{many}''{many}' from t"),
            format!("select \"{many}\"\"{many}\" from t"),
            format!("select $${many}$$ from t -- {many}\n"),
            format!("/* {many} */ select 1 // {many}"),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
        let behind = format!("select '\\'' {many}");
        assert_eq!(check(&behind), Err(Unreadable::TooDeep));
    }

    proptest! {
        #[test]
        fn no_more_words_are_counted_than_the_lexer_finds(text in "[a-z0-9_$'\"\\\\ ;.*/(){}\n@:-]{0,40}") {
            let many = format!("{text} ").repeat(3_000);
            if lexer::tokens(&many).is_ok() && check(&many).is_err() {
                let nests = text.contains(['(', '{']);
                let parts = text.contains(';');
                prop_assert!(nests || parts, "{text}");
            }
        }
    }
}
