//! Where one statement of a text ends and the next begins, told by Snowflake's own tokens.

use sqlparser::dialect::SnowflakeDialect;
use sqlparser::tokenizer::{Location, Token, Tokenizer};

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Part {
    /// Its text as it stands, without the semicolon and the blanks around it.
    pub(super) sql: String,
    /// How many binds by position it takes.
    pub(super) question_marks: usize,
}

/// Splits a text at the semicolons outside of quotes and comments; parts without a word are none.
///
/// A scripting block (`BEGIN ... END`, `DECLARE`) is one statement to its end, and so is what cannot be read.
#[must_use]
pub(super) fn parts(sql: &str) -> Vec<Part> {
    let tokens = Tokenizer::new(&SnowflakeDialect {}, sql).tokenize_with_location();
    let Ok(tokens) = tokens else {
        return vec![whole(sql)];
    };
    let places = Places::of(sql);
    let mut found = Vec::new();
    let mut begin = 0;
    let mut words: Vec<&Token> = Vec::new();
    for token in &tokens {
        if token.token == Token::SemiColon && !is_block(&words) {
            let end = places.offset(token.span.start);
            push(&mut found, sql.get(begin..end), &words);
            begin = places.offset(token.span.end);
            words.clear();
        } else if !matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            // Comments are blanks to the tokenizer.
            words.push(&token.token);
        }
    }
    push(&mut found, sql.get(begin..), &words);
    found
}

fn whole(sql: &str) -> Part {
    Part {
        sql: sql.to_owned(),
        question_marks: sql.matches('?').count(),
    }
}

fn push(found: &mut Vec<Part>, text: Option<&str>, words: &[&Token]) {
    if let Some(text) = text.filter(|_| !words.is_empty()) {
        let is_mark = |token: &&&Token| matches!(token, Token::Placeholder(mark) if mark == "?");
        found.push(Part {
            sql: text.trim().to_owned(),
            question_marks: words.iter().filter(is_mark).count(),
        });
    }
}

/// Tells whether a statement that begins with these words is a scripting block and not the start of a transaction.
fn is_block(words: &[&Token]) -> bool {
    let is = |token: Option<&&Token>, names: &[&str]| {
        let Some(Token::Word(word)) = token else {
            return false;
        };
        names
            .iter()
            .any(|name| word.value.eq_ignore_ascii_case(name))
    };
    if is(words.first(), &["declare"]) {
        return true;
    }
    is(words.first(), &["begin"])
        && words.len() > 1
        && !is(words.get(1), &["transaction", "work", "name"])
}

/// Where each line of a text begins; the tokenizer counts lines and characters from 1.
struct Places<'a> {
    lines: Vec<&'a str>,
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(sql: &'a str) -> Self {
        let lines: Vec<&str> = sql.split_inclusive('\n').collect();
        let mut starts = Vec::new();
        let mut at = 0;
        for line in &lines {
            starts.push(at);
            at += line.len();
        }
        starts.push(at);
        Self { lines, starts }
    }

    fn offset(&self, place: Location) -> usize {
        let line = usize::try_from(place.line.saturating_sub(1)).unwrap_or_default();
        let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or_default();
        let start = self.starts.get(line).or(self.starts.last());
        let text = self.lines.get(line).copied().unwrap_or_default();
        let within = text
            .char_indices()
            .nth(column)
            .map_or(text.len(), |(at, _)| at);
        start.copied().unwrap_or_default() + within
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let found = parts(sql);
        let texts: Vec<&str> = found.iter().map(|part| part.sql.as_str()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn semicolons_outside_of_quotes_and_comments_split() {
        check(
            "select 1; select 2 ;\n\nselect 3;",
            &["select 1", "select 2", "select 3"],
        );
        check("select ';'; select \";\" ", &["select ';'", "select \";\""]);
        check(
            "select 'it''s; é'; select 2",
            &["select 'it''s; é'", "select 2"],
        );
        check("select 'a\\';'; select 2", &["select 'a\\';'", "select 2"]);
        check(
            "select $$ a; b $$; select 2",
            &["select $$ a; b $$", "select 2"],
        );
        check(
            "select 1 -- no; not here\n; /* ; */ select 2 // ; \n",
            &["select 1 -- no; not here", "/* ; */ select 2 // ;"],
        );
    }

    #[test]
    fn empty_parts_do_not_count() {
        check("select 1;", &["select 1"]);
        check(";; select 1 ;; -- end\n", &["select 1"]);
        check(" -- nothing\n", &[]);
        check("", &[]);
    }

    #[test]
    fn a_block_is_one_statement_and_a_transaction_is_not() {
        check(
            "begin; insert into t values (1); commit",
            &["begin", "insert into t values (1)", "commit"],
        );
        check(
            "begin transaction; commit",
            &["begin transaction", "commit"],
        );
        check(
            "begin select 1; select 2; end;",
            &["begin select 1; select 2; end;"],
        );
        check(
            "declare x int; begin return x; end",
            &["declare x int; begin return x; end"],
        );
    }

    #[test]
    fn question_marks_are_counted_outside_of_quotes() {
        let found = parts("select ?, '?'; select ? -- ?");
        let marks: Vec<usize> = found.iter().map(|part| part.question_marks).collect();
        assert_eq!(marks, [1, 1]);
    }
}
