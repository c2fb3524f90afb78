//! What a text is once blanks and comments are set aside: by it texts are compared that are to be one statement. Evidence
//! for the record; no verdict hangs on it.
//!
//! The words are the lexer's own, so that a text which the lexer is not sure of has no form and equals none but itself.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::limits;
use super::texts::Text;
use super::{Scope, Statement, lexer, split};

/// What a word of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A name without quotes, or a keyword.
    Bare,
    /// A name in quotes.
    Quoted,
    /// A number or a text.
    Literal,
    /// Anything else.
    Sign,
}

/// One word of a text, written in one way whatever its escapes were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it is.
    pub class: Class,
    /// How it is written, quotes included.
    pub text: String,
}

/// The words of a text, without blanks, comments and the semicolons at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form(Vec<Word>);

impl Form {
    /// Reads a text; `None` if the lexer is not sure of it.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        limits::check(text).ok()?;
        let mut words: Vec<Word> = lexer::tokens(text).ok()?.iter().filter_map(word).collect();
        while words.last().is_some_and(|last| last.text == ";") {
            words.pop();
        }
        Some(Self(words))
    }

    /// Lists the words.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.0
    }

    /// Writes the words with one blank between any two. Read again it has the same words.
    #[must_use]
    pub fn normal(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }

    /// Tells whether bare names mean the same in any case: those behind a colon or in a stage's path do not.
    /// Source: Snowflake's reference, "Querying semi-structured data" and "Object identifiers".
    #[must_use]
    pub fn folds(&self) -> bool {
        let keeps_case = |word: &Word| matches!(word.text.as_str(), ":" | "@" | "[");
        !self.0.iter().any(keeps_case)
    }
}

/// Gives the form without literals that [`Statement::normalized`] gives of a single statement, at less cost for what is
/// about rows.
#[must_use]
pub fn normalized(text: &str) -> Option<String> {
    limits::check(text).ok()?;
    match Text::of(text, None) {
        Text::Unlexed(_) => None,
        Text::Rows(read) => read.ok().map(|tree| tree.normalized),
        Text::Other { .. } => {
            let scope = Scope::new(&|_| false);
            let statement = Statement::read(text, &scope);
            statement.normalized().map(str::to_owned)
        }
    }
}

/// Shortens a form without literals to what the record keeps and compares, `sql_fingerprint`: the first 8 bytes of its SHA-256.
#[must_use]
pub fn fingerprint(normalized: &str) -> i64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, normalized.as_bytes());
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    i64::from_be_bytes(head)
}

/// Cuts a text at its semicolons; nothing where the lexer is not sure of it.
#[must_use]
pub fn pieces(text: &str) -> Vec<&str> {
    if limits::check(text).is_err() {
        return Vec::new();
    }
    split::split_at_semicolons(text).unwrap_or_default()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the lexer's allow-list has let through nothing else that is written with quotes"
)]
fn word(token: &TokenWithSpan) -> Option<Word> {
    let (class, text) = match &token.token {
        Token::Whitespace(_) | Token::EOF => return None,
        Token::Word(word) => match word.quote_style {
            None => (Class::Bare, word.value.clone()),
            Some(_) => (
                Class::Quoted,
                format!("\"{}\"", word.value.replace('"', "\"\"")),
            ),
        },
        Token::SingleQuotedString(text) => (Class::Literal, quoted(text)),
        Token::DollarQuotedString(text) => (Class::Literal, format!("$${}$$", text.value)),
        Token::HexStringLiteral(text) => (Class::Literal, format!("X'{text}'")),
        Token::Number(..) => (Class::Literal, token.token.to_string()),
        other => (Class::Sign, other.to_string()),
    };
    Some(Word { class, text })
}

/// Writes a text between quotes so that it reads as itself, and holds no control character that the lexer would refuse.
fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => written.push_str("''"),
            '\\' => written.push_str("\\\\"),
            letter if (letter.is_control() || letter.is_whitespace()) && letter != ' ' => {
                written.push_str(&escaped(letter));
            }
            letter => written.push(letter),
        }
    }
    written.push('\'');
    written
}

/// Writes what Snowflake reads as one character; no blank or control character needs more than four digits.
fn escaped(letter: char) -> String {
    format!("\\u{:04x}", u32::from(letter))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blanks_comments_and_last_semicolons_are_set_aside() {
        let normal = |text: &str| Form::of(text).unwrap().normal();
        let plain = normal("select a,b from t where c='x  y'");
        assert_eq!(plain, "select a , b from t where c = 'x  y'");
        for text in [
            "select a, b\n  from t -- all of it\n where c = 'x  y';\n",
            "/* why */ select a,b from t where c='x  y' ; ;",
        ] {
            assert_eq!(normal(text), plain, "{text}");
        }
        for text in [
            "select a,b from t where c='x y'",
            "select a,b from t where c='X  Y'",
            "select \"a\",b from t where c='x  y'",
            "select A,b from t where c='x  y'",
        ] {
            assert_ne!(normal(text), plain, "{text}");
        }
    }

    #[test]
    fn the_form_without_literals_is_the_statements_own() {
        let scope = Scope::new(&|_| false);
        for text in [
            "select a from t where b in (1, 2)",
            "insert into t values ('x', 2)",
            "create table t (a int)",
            "show tables like 'x%'",
            "use role analyst",
            "put file:///tmp/a @s",
            "begin",
        ] {
            let statement = Statement::read(text, &scope);
            assert_eq!(
                normalized(text).as_deref(),
                statement.normalized(),
                "{text}"
            );
        }
        assert_eq!(normalized("it is no SQL"), None);
    }

    /// Words of which texts are made that the lexer reads in more than one way.
    fn text() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "select",
            "a",
            ".",
            "1",
            ".5",
            "1.",
            "e",
            "1e5",
            "$1",
            "$$x$$",
            "'a''b'",
            r"'\x41\\'",
            "\"q\"\"q\"",
            "x'ff'",
            ":",
            "::",
            "@s",
            "/",
            "*",
            "-",
            "--c\n",
            "/*c*/",
            ",",
            "(",
            ")",
            ";",
            "=",
            ">=",
            "||",
            "?",
            "[",
            "]",
            "\n",
            "\t",
            " ",
            " ",
            "m!f(",
            "identifier('a.b')(",
            "_b",
            "5a",
            "'\n'",
            r"'\n\0'",
        ]);
        prop::collection::vec(word, 0..14).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn a_normal_text_is_its_own_and_has_the_same_words(text in text()) {
            let Some(form) = Form::of(&text) else { return Ok(()) };
            let normal = form.normal();
            // Equal normal texts therefore have equal words: normalising equates no two texts whose words differ.
            let again = Form::of(&normal);
            prop_assert_eq!(again.as_ref(), Some(&form), "{}", normal);
            prop_assert_eq!(again.unwrap().normal(), normal);
        }

        #[test]
        fn any_text_has_a_form_or_none(text in ".{0,80}") {
            drop(Form::of(&text));
            drop(normalized(&text));
            drop(pieces(&text));
        }
    }
}
