//! What `ALTER SESSION` does to one parameter of its login.
//!
//! Source: Snowflake's reference, "ALTER SESSION": `SET p = v [ p = v ... ]` and `UNSET p [ , p ... ]`.

use sqlparser::tokenizer::Token;

use super::Statement;
use super::lexer;

/// What becomes of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// It stays what it is.
    Kept,
    /// It becomes this.
    Value(String),
    /// It becomes what a login begins with.
    Unset,
    /// That is not sure.
    Untold,
}

impl Statement {
    /// Tells what an `ALTER SESSION` does to a parameter; any other statement counts as one of which it is not sure.
    #[must_use]
    pub fn assigns(&self, parameter: &str) -> Assigned {
        let Ok(tokens) = lexer::tokens(&self.text) else {
            return Assigned::Untold;
        };
        let means =
            |token: &Token| !matches!(token, Token::Whitespace(_) | Token::EOF | Token::SemiColon);
        let tokens: Vec<Token> = tokens
            .into_iter()
            .map(|token| token.token)
            .filter(means)
            .collect();
        let (Some(head), Some(rest)) = (tokens.get(..3), tokens.get(3..)) else {
            return Assigned::Untold;
        };
        match head {
            [alter, session, verb] if is(alter, "ALTER") && is(session, "SESSION") => {
                if is(verb, "SET") {
                    set(rest, parameter).unwrap_or(Assigned::Untold)
                } else if is(verb, "UNSET") {
                    unset(rest, parameter)
                } else {
                    Assigned::Untold
                }
            }
            _ => Assigned::Untold,
        }
    }
}

/// Reads pairs of names and values; none where something else stands there, or the parameter stands there twice.
fn set(mut rest: &[Token], parameter: &str) -> Option<Assigned> {
    let mut assigned = Assigned::Kept;
    while let [name, Token::Eq, value, after @ ..] = rest {
        let value = literal(value);
        if is(name, parameter) {
            if assigned != Assigned::Kept {
                return None;
            }
            assigned = Assigned::Value(value?);
        }
        rest = match after {
            [Token::Comma, after @ ..] => after,
            after => after,
        };
    }
    rest.is_empty().then_some(assigned)
}

fn unset(rest: &[Token], parameter: &str) -> Assigned {
    if rest.iter().any(|token| is(token, parameter)) {
        Assigned::Unset
    } else {
        Assigned::Kept
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a value in any other form is not one of which this is sure"
)]
fn literal(token: &Token) -> Option<String> {
    match token {
        Token::SingleQuotedString(text) | Token::Number(text, _) => Some(text.clone()),
        Token::DollarQuotedString(quoted) => Some(quoted.value.clone()),
        _ => None,
    }
}

fn is(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: Assigned) {
        let statement = Statement::read(sql, &Scope::new(&|_| false));
        assert_eq!(statement.assigns("QUERY_TAG"), expected, "{sql}");
    }

    #[test]
    fn a_parameter_is_set_unset_or_kept() {
        let value = |text: &str| Assigned::Value(text.to_owned());
        check("alter session set query_tag = 'it''s'", value("it's"));
        check(
            "/* QUERY_TAG = 'no' */ ALTER SESSION SET \"QUERY_TAG\"='a b';",
            value("a b"),
        );
        check(
            "alter session set timezone = 'UTC', query_tag = 'x' autocommit = true",
            value("x"),
        );
        check("alter session set query_tag = $$d$$", value("d"));
        check("alter session set query_tag = ''", value(""));
        check(
            "alter session set timezone = 'query_tag = 1'",
            Assigned::Kept,
        );
        check("alter session unset timezone, query_tag", Assigned::Unset);
        check("alter session unset timezone", Assigned::Kept);
    }

    #[test]
    fn what_is_not_sure_is_not_told() {
        for sql in [
            "alter session set query_tag = 'x' query_tag = 'y'",
            "alter session set query_tag = $x",
            "alter session set query_tag",
            "alter session set timezone 'UTC' query_tag = 'x'",
            "execute immediate 'alter session set query_tag = 1'",
            "begin alter session unset query_tag; end",
            "select 1",
            "alter session",
            "",
        ] {
            check(sql, Assigned::Untold);
        }
    }
}
