//! One text, several statements: where each begins and ends, as the parser tells.

use std::ops::Range;

use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::dialect;
use super::lexer;
use super::parse::{DEPTH_MAX, Unreadable, unreadable};
use super::places::Places;
use crate::snowflake::count::STATEMENTS_MAX;

/// Cuts a text into its statements, each without the semicolon and the blanks around it.
///
/// Between two of them stand blanks, comments and semicolons alone. Semicolons inside a block `BEGIN .. END` part
/// nothing.
pub(super) fn split(text: &str) -> Result<Vec<Range<usize>>, Unreadable> {
    cut(text, ranges(lexer::tokens(text)?)?)
}

/// Gives the statements of a text that was cut.
pub(super) fn pieces<'t>(text: &'t str, cut: &[Range<usize>]) -> Vec<&'t str> {
    let pieces = cut.iter().filter_map(|range| text.get(range.clone()));
    pieces.collect()
}

/// Cuts a text at each semicolon, for commands that the parser does not know.
///
/// The semicolons of a block part it too, and none of its pieces can be read.
pub(super) fn split_at_semicolons(text: &str) -> Result<Vec<&str>, Unreadable> {
    let cut = cut(text, at_semicolons(&lexer::tokens(text)?)?)?;
    Ok(pieces(text, &cut))
}

fn cut(
    text: &str,
    ranges: Vec<(Location, Option<Location>)>,
) -> Result<Vec<Range<usize>>, Unreadable> {
    let mut places = Places::of(text);
    let mut parts = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        let start = places.byte_of(start);
        let end = end.map_or(text.len(), |end| places.byte_of(end));
        let part = text.get(start..end).ok_or(Unreadable::Syntax(None))?;
        parts.push(start..start + part.trim_end().len());
    }
    Ok(parts)
}

/// Finds where each statement begins and where the semicolon after it stands, if there is one.
fn ranges(tokens: Vec<TokenWithSpan>) -> Result<Vec<(Location, Option<Location>)>, Unreadable> {
    let mut parser = Parser::new(&SnowflakeDialect {})
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(dialect::spelled_out(tokens)?);
    let mut ranges = Vec::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let first = parser.peek_token_ref();
        if first.token == Token::EOF {
            return Ok(ranges);
        }
        if ranges.len() == STATEMENTS_MAX {
            return Err(Unreadable::TooMany);
        }
        let start = first.span.start;
        parser.parse_statement().map_err(unreadable)?;
        let after = parser.peek_token_ref();
        let end = if after.token == Token::EOF {
            None
        } else if after.token == Token::SemiColon {
            Some(after.span.start)
        } else {
            return Err(Unreadable::at(after.span.start));
        };
        ranges.push((start, end));
    }
}

fn at_semicolons(
    tokens: &[TokenWithSpan],
) -> Result<Vec<(Location, Option<Location>)>, Unreadable> {
    let mut ranges = Vec::new();
    let mut start = None;
    for token in tokens {
        if token.token == Token::SemiColon {
            ranges.extend(start.take().map(|start| (start, Some(token.span.start))));
        } else if !matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            start = start.or(Some(token.span.start));
        }
        if ranges.len() > STATEMENTS_MAX {
            return Err(Unreadable::TooMany);
        }
    }
    ranges.extend(start.map(|start| (start, None)));
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Result<Vec<&str>, Unreadable> {
        super::split(text).map(|cut| pieces(text, &cut))
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(split(text).unwrap(), expected, "{text}");
    }

    #[test]
    fn each_statement_has_its_own_text() {
        check("select 1", &["select 1"]);
        check(";; select 1 ;;; select 2;", &["select 1", "select 2"]);
        check("begin; commit", &["begin", "commit"]);
        check(
            "select ';' -- one;\n; /* two; */ select $$;$$\r\n;\tselect \"é;\";",
            &["select ';' -- one;", "select $$;$$", "select \"é;\""],
        );
        check(
            "begin select 1; select 2; end; select 3",
            &["begin select 1; select 2; end", "select 3"],
        );
        check(" -- nothing;", &[]);
    }

    #[test]
    fn what_does_not_end_at_a_semicolon_is_not_read() {
        for text in ["select 1 2", "select 1; use role r 5", "commit 5; select 1"] {
            assert!(
                matches!(split(text), Err(Unreadable::Syntax(_))),
                "{text}: {:?}",
                split(text)
            );
        }
    }

    #[test]
    fn there_is_a_most() {
        let text = "select 1;".repeat(STATEMENTS_MAX);
        assert_eq!(split(&text).map(|parts| parts.len()), Ok(STATEMENTS_MAX));
        assert_eq!(split(&format!("{text}select 1")), Err(Unreadable::TooMany));
    }

    /// Texts of whole statements and of what may stand between and inside them.
    fn text() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "select 1",
            "select 'a;b'",
            "select $$;$$",
            "begin",
            "commit",
            "end",
            "insert into t values (1)",
            "begin select 1; end",
            ";",
            ";",
            ";",
            "\n",
            "\r\n",
            " ",
            "-- c;\n",
            "/* ; */",
            "select \"é;\"",
            "(",
            "'",
            "use role r",
            "with a as (select 1 x) select x from a",
            "case",
            "then",
        ]);
        prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn parts_and_what_stands_between_them_are_the_text(text in text()) {
            let Ok(parts) = split(&text) else { return Ok(()) };
            let mut rest = text.as_str();
            for part in parts {
                let (before, after) = rest.split_once(part).unwrap();
                prop_assert!(is_between(before), "{before:?} before {part:?}");
                rest = after;
            }
            prop_assert!(is_between(rest), "{rest:?} at the end");
        }

        #[test]
        fn the_parser_finds_the_same_statements(text in text()) {
            let Ok(parts) = split(&text) else { return Ok(()) };
            let dialect = SnowflakeDialect {};
            let whole = Parser::parse_sql(&dialect, &text).unwrap();
            let each: Vec<_> = parts
                .iter()
                .flat_map(|part| {
                    let found = Parser::parse_sql(&dialect, part).unwrap();
                    assert_eq!(found.len(), 1, "{part}");
                    found
                })
                .collect();
            prop_assert_eq!(
                whole.iter().map(ToString::to_string).collect::<Vec<_>>(),
                each.iter().map(ToString::to_string).collect::<Vec<_>>()
            );
        }

        #[test]
        fn any_text_gives_parts_or_an_error(text in ".{0,80}") {
            drop(split(&text));
        }
    }

    fn is_between(text: &str) -> bool {
        use sqlparser::tokenizer::Tokenizer;
        let tokens = Tokenizer::new(&SnowflakeDialect {}, text)
            .tokenize()
            .unwrap();
        tokens
            .iter()
            .all(|token| matches!(token, Token::SemiColon | Token::Whitespace(_)))
    }
}
