//! `WITH p AS PROCEDURE (..) .. CALL p(..)`: a procedure that is made for one call.
//!
//! Source: Snowflake's reference, "CALL (with anonymous procedure)".

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Command, KIND, done};
use crate::statement::kind::{Action, Kind};
use crate::statement::parse::Unreadable;

/// Tells whether such a call begins here.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    cursor.sees("WITH") && matches!(cursor.after(1), Some(Token::Word(_))) && {
        let mut after = cursor.clone();
        after.skip();
        after.skip();
        after.sees("AS PROCEDURE")
    }
}

impl Command<'_> {
    /// Reads the code as what runs now, and what it is called with.
    pub(super) fn anonymous(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Call;
        self.of_account(Action::Call);
        cursor.skip();
        let name = cursor.name()?;
        if !cursor.eat("AS PROCEDURE") {
            return Err(KIND);
        }
        let start = cursor.clone();
        let mut call = cursor.clone();
        while call.find("AS") {
            if let Some(Token::SingleQuotedString(_) | Token::DollarQuotedString(_)) = call.peek() {
                call.skip();
                break;
            }
        }
        let code = start.cut(&call);
        if !call.eat("CALL") || call.name()? != name || call.peek() != Some(&Token::LParen) {
            return Err(KIND);
        }
        let arguments = call.clone();
        call.brackets();
        let arguments = arguments.cut(&call);
        done(&call)?;
        self.arguments(arguments)?;
        self.run(code)
    }

    /// Reads the values that a call hands on.
    fn arguments(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        cursor.skip();
        let mut start = cursor.clone();
        while let Some(token) = cursor.peek() {
            let is_last = *token == Token::RParen;
            if is_last || *token == Token::Comma {
                let value = start.until(&cursor);
                if !value.trim().is_empty() {
                    self.expression(value)?;
                }
                cursor.skip();
                start = cursor.clone();
                if is_last {
                    return done(&cursor);
                }
            } else if *token == Token::RArrow {
                cursor.skip();
                start = cursor.clone();
            } else if *token == Token::LParen {
                cursor.brackets();
            } else {
                cursor.skip();
            }
        }
        Err(KIND)
    }
}
