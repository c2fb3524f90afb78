//! Code that CREATE keeps: of functions, procedures and policies.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Command, KIND};
use crate::statement::kind::Action;
use crate::statement::object::Object;
use crate::statement::parse::Unreadable;

impl Command<'_> {
    /// Reads a function's or procedure's code: SQL is read, all else is code that nobody reads here.
    pub(super) fn code(&mut self, words: &str, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.parameters(&cursor);
        let start = cursor.clone();
        let language = {
            let mut here = cursor.clone();
            !here.find("LANGUAGE") || here.eat("SQL")
        };
        let is_sql = language
            && words != "EXTERNAL FUNCTION"
            && !cursor.holds("IMPORTS")
            && !cursor.holds("HANDLER");
        let mut has_code = cursor.find("AS");
        let rights = ["CALLER", "OWNER", "RESTRICTED CALLER"];
        while has_code && rights.iter().any(|word| cursor.sees(word)) {
            has_code = cursor.find("AS");
        }
        let head = start.clone().cut(&cursor);
        let mut body = cursor.clone();
        match (is_sql && has_code, body.text()) {
            (true, Some(text)) => {
                super::done(&body)?;
                self.sql(text)?;
            }
            (false, _) if start.holds_several() => return Err(KIND),
            (true, None) => self.sql(cursor.rest())?,
            (false, _) => self.opaque(),
        }
        let mut clauses = if has_code { head } else { start };
        clauses.brackets();
        self.others(clauses)
    }

    /// Reads the code of a procedure that is called at once.
    pub(super) fn run(&mut self, cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let kind = self.kind;
        self.code("PROCEDURE", cursor)?;
        self.kind = self.kind.max(kind);
        self.of_account(Action::Call);
        self.meaning.hide("a procedure may do and give anything");
        Ok(())
    }

    /// Reads a body in SQL: a block or statement, a query, or an expression. Nobody calls it yet.
    fn sql(&mut self, text: &str) -> Result<(), Unreadable> {
        let text = text.trim().trim_end_matches(';');
        let kind = self.kind;
        let read = match self.inner(text) {
            Ok(parsed) => {
                self.keep(parsed);
                Ok(())
            }
            Err(Unreadable::Syntax(_)) => self.expression(text),
            Err(problem) => Err(problem),
        };
        self.kind = kind;
        self.meaning.forget(Action::Call, &Object::account());
        read
    }

    /// Reads the expression behind `->` of a policy, which runs with its owner's rights whenever others read.
    pub(super) fn policy_body(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        if cursor.eat("AS") {
            self.parameters(&cursor);
        }
        while cursor.peek().is_some_and(|token| *token != Token::Arrow) {
            cursor.skip();
        }
        if !cursor.eat_sign(&Token::Arrow) {
            return self.others(cursor);
        }
        let mut end = cursor.clone();
        while end.peek().is_some() && !ends_policy(&end) {
            match end.peek() {
                Some(Token::LParen) => end.brackets(),
                _ => end.skip(),
            }
        }
        let before = self.meaning.columns().len();
        self.expression(cursor.until(&end))?;
        if self.meaning.columns().len() > before {
            self.meaning
                .doubt("what a policy shows tells of the rows that it asks about");
        }
        Ok(())
    }

    /// Notes the names of parameters, which stand in brackets next.
    fn parameters(&mut self, cursor: &Cursor<'_>) {
        let mut end = cursor.clone();
        end.brackets();
        let mut inside = cursor.clone().cut(&end);
        let mut begins = true;
        while let Some(token) = inside.peek() {
            if let (true, Token::Word(word)) = (begins, token) {
                self.names.insert(match word.quote_style {
                    None => word.value.to_ascii_uppercase(),
                    Some(_) => word.value.clone(),
                });
            }
            begins = matches!(token, Token::LParen | Token::Comma);
            inside.skip();
        }
    }
}

/// Tells whether a policy's expression ends here.
fn ends_policy(cursor: &Cursor<'_>) -> bool {
    let is_clause = cursor.sees("COMMENT") || cursor.sees("EXEMPT_OTHER_POLICIES");
    is_clause && cursor.after(1) == Some(&Token::Eq)
}
