//! Scripting blocks: each statement and each value in one is read by itself.
//!
//! Source: Snowflake's reference, "Snowflake Scripting reference". Variables and cursors are not followed: what they
//! hold counts as going elsewhere when it is set.

use sqlparser::tokenizer::Token;

use super::body::whole;
use super::cursor::Cursor;
use super::{Command, done};
use crate::snowflake::count::STATEMENTS_MAX;
use crate::statement::kind::{Action, Kind};
use crate::statement::parse::Unreadable;

/// Deepest nesting of a block's parts.
const DEPTH_MAX: usize = 50;

const FORM: Unreadable = Unreadable::Unsupported("a block in a form that is not known");

/// Words at which a list of statements ends.
const ENDS: [&str; 6] = ["END", "ELSE", "ELSEIF", "EXCEPTION", "WHEN", "UNTIL"];

/// Tells whether a block begins here, and no transaction.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    let mut after = cursor.clone();
    if !after.eat("BEGIN") {
        return cursor.sees("DECLARE");
    }
    let is_transaction = ["TRANSACTION", "WORK", "NAME"]
        .iter()
        .any(|word| after.sees(word));
    !is_transaction && !after.is_done() && after.peek() != Some(&Token::SemiColon)
}

impl Command<'_> {
    /// Reads a whole text that is a block.
    pub(super) fn block(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Call;
        self.in_block = true;
        self.of_account(Action::Call);
        self.meaning
            .doubt("variables and cursors of a block are not followed");
        self.block_at(&mut cursor, DEPTH_MAX)?;
        done(&cursor)
    }

    fn block_at(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Unreadable> {
        if cursor.eat("DECLARE") {
            while !cursor.sees("BEGIN") {
                self.declaration(cursor)?;
            }
        }
        if !cursor.eat("BEGIN") {
            return Err(FORM);
        }
        self.statements(cursor, depth)?;
        if cursor.eat("EXCEPTION") {
            while cursor.eat("WHEN") {
                self.pass_to(cursor, &["THEN"])?;
                self.statements(cursor, depth)?;
            }
        }
        if cursor.eat("END") { Ok(()) } else { Err(FORM) }
    }

    fn statements(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Unreadable> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Unreadable::TooDeep);
        };
        while !ENDS.iter().any(|word| cursor.sees(word)) {
            self.read += 1;
            if self.read > STATEMENTS_MAX {
                return Err(Unreadable::TooMany);
            }
            self.one(cursor, depth)?;
            if !cursor.eat_sign(&Token::SemiColon) {
                return Err(FORM);
            }
        }
        Ok(())
    }

    /// Reads one statement of a block, up to its semicolon.
    fn one(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Unreadable> {
        if begins(cursor) {
            return self.block_at(cursor, depth);
        }
        if cursor.eat("IF") {
            return self.branches(cursor, depth);
        }
        if cursor.eat("CASE") {
            return self.cases(cursor, depth);
        }
        if cursor.eat("FOR") {
            self.variable(cursor)?;
            if !cursor.eat("IN") {
                return Err(FORM);
            }
            let _backwards = cursor.eat("REVERSE");
            return self.repeated(cursor, depth);
        }
        if cursor.eat("WHILE") {
            return self.repeated(cursor, depth);
        }
        if cursor.eat("REPEAT") {
            self.statements(cursor, depth)?;
            if !cursor.eat("UNTIL") {
                return Err(FORM);
            }
            let condition = self.up_to(cursor, &["END"])?;
            self.condition(condition)?;
            return self.ended(cursor);
        }
        if cursor.eat("LOOP") {
            self.statements(cursor, depth)?;
            return self.ended(cursor);
        }
        if cursor.eat("LET") {
            return self.declared(cursor);
        }
        if cursor.eat("RETURN") {
            return self.returned(cursor);
        }
        let passing = [
            "RAISE", "BREAK", "EXIT", "CONTINUE", "ITERATE", "NULL", "FETCH", "CLOSE", "AWAIT",
            "CANCEL",
        ];
        if passing.iter().any(|word| cursor.eat(word)) {
            self.up_to(cursor, &[])?;
            return Ok(());
        }
        if cursor.eat("OPEN") {
            cursor.name()?;
            if cursor.eat("USING") {
                return self.value_up_to(cursor, &[]);
            }
            return Ok(());
        }
        if cursor.after(1) == Some(&Token::Assignment) {
            self.variable(cursor)?;
            cursor.skip();
            return self.value_up_to(cursor, &[]);
        }
        if cursor.sees("CALL") {
            return self.called(cursor);
        }
        let statement = self.up_to(cursor, &[])?;
        self.body(statement)
    }

    /// `CALL p(..) [INTO :name]`.
    fn called(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        let mut into = cursor.clone();
        let _statement = self.up_to(&mut into, &[])?;
        let mut here = cursor.clone().cut(&into);
        let start = here.clone();
        if here.find("INTO") {
            let mut before = start.clone();
            while !before.sees("INTO") {
                match before.peek() {
                    Some(Token::LParen) => before.brackets(),
                    _ => before.skip(),
                }
            }
            if !here.eat_sign(&Token::Colon) {
                return Err(FORM);
            }
            self.variable(&mut here)?;
            done(&here)?;
            *cursor = into;
            return self.body(start.until(&before));
        }
        let statement = self.up_to(cursor, &[])?;
        self.body(statement)
    }

    fn branches(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Unreadable> {
        loop {
            let condition = self.up_to(cursor, &["THEN"])?;
            self.condition(condition)?;
            cursor.skip();
            self.statements(cursor, depth)?;
            if !cursor.eat("ELSEIF") {
                break;
            }
        }
        if cursor.eat("ELSE") {
            self.statements(cursor, depth)?;
        }
        self.ended(cursor)
    }

    fn cases(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Unreadable> {
        if !cursor.sees("WHEN") {
            let value = self.up_to(cursor, &["WHEN"])?;
            self.condition(value)?;
        }
        while cursor.eat("WHEN") {
            let condition = self.up_to(cursor, &["THEN"])?;
            self.condition(condition)?;
            cursor.skip();
            self.statements(cursor, depth)?;
        }
        if cursor.eat("ELSE") {
            self.statements(cursor, depth)?;
        }
        self.ended(cursor)
    }

    /// Reads what decides how often statements run, and the statements.
    fn repeated(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Unreadable> {
        loop {
            let decides = self.up_to(cursor, &["TO", "DO", "LOOP"])?;
            self.condition(decides)?;
            if !cursor.eat("TO") {
                break;
            }
        }
        cursor.skip();
        self.statements(cursor, depth)?;
        self.ended(cursor)
    }

    /// Passes over `END IF`, `END LOOP label` and the like.
    fn ended(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        if !cursor.eat("END") {
            return Err(FORM);
        }
        for _ in 0..2 {
            if matches!(cursor.peek(), Some(Token::Word(_))) {
                cursor.skip();
            }
        }
        Ok(())
    }

    fn declaration(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        self.declared(cursor)?;
        if cursor.eat_sign(&Token::SemiColon) {
            Ok(())
        } else {
            Err(FORM)
        }
    }

    /// `name [type] [DEFAULT | :=] value`, `name CURSOR FOR query`, `name EXCEPTION (..)`.
    fn declared(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        self.variable(cursor)?;
        if cursor.eat("CURSOR FOR") {
            let query = self.up_to(cursor, &[])?;
            // A name is that of a RESULTSET, which was read where it was set.
            return if query.trim().contains(char::is_whitespace) {
                self.kept(query)
            } else {
                Ok(())
            };
        }
        let is_result = cursor.sees("RESULTSET");
        while let Some(token) = cursor.peek() {
            if *token == Token::SemiColon {
                return Ok(());
            }
            if cursor.eat("DEFAULT") || cursor.eat_sign(&Token::Assignment) {
                let _asynchronous = cursor.eat("ASYNC");
                let value = self.up_to(cursor, &[])?;
                return if is_result {
                    self.result(value)
                } else {
                    self.expression(value)
                };
            }
            cursor.skip();
        }
        Err(FORM)
    }

    fn returned(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        let mut table = cursor.clone();
        if table.eat("TABLE") && table.peek() == Some(&Token::LParen) {
            let start = table.clone();
            table.brackets();
            let inside = start.until(&table).trim();
            let inside = inside
                .strip_prefix('(')
                .and_then(|inside| inside.strip_suffix(')'));
            *cursor = table;
            return match inside.map(str::trim) {
                // A RESULTSET by its name, which was read where it was set.
                Some(name) if !name.contains(|letter: char| " \t\r\n(".contains(letter)) => Ok(()),
                Some(query) => self.body(query),
                None => Err(FORM),
            };
        }
        let value = self.up_to(cursor, &[])?;
        if value.trim().is_empty() {
            return Ok(());
        }
        self.body(&format!("select ({}\n)", whole(value)?))
    }

    /// Reads the statement in brackets whose rows a RESULTSET holds; the block may give them.
    fn result(&mut self, value: &str) -> Result<(), Unreadable> {
        let value = value.trim();
        let inside = value
            .strip_prefix('(')
            .and_then(|value| value.strip_suffix(')'));
        self.body(inside.ok_or(FORM)?)
    }

    fn condition(&mut self, text: &str) -> Result<(), Unreadable> {
        self.body(&format!("select 1 where ({}\n)", whole(text)?))
    }

    fn value_up_to(&mut self, cursor: &mut Cursor<'_>, words: &[&str]) -> Result<(), Unreadable> {
        let value = self.up_to(cursor, words)?;
        self.expression(value)
    }

    /// Notes a variable's name.
    fn variable(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        let [name] = <[String; 1]>::try_from(cursor.name()?).map_err(|_| FORM)?;
        self.names.insert(name);
        Ok(())
    }

    fn pass_to(&mut self, cursor: &mut Cursor<'_>, words: &[&str]) -> Result<(), Unreadable> {
        self.up_to(cursor, words)?;
        cursor.skip();
        Ok(())
    }

    /// Takes the text up to one of some words or a semicolon, outside of brackets and CASE.
    fn up_to<'t>(
        &mut self,
        cursor: &mut Cursor<'t>,
        words: &[&str],
    ) -> Result<&'t str, Unreadable> {
        let start = cursor.clone();
        let mut cases = 0_usize;
        while let Some(token) = cursor.peek() {
            let is_end = cases == 0 && words.iter().any(|word| cursor.sees(word));
            let is_over = *token == Token::SemiColon;
            if is_end || (is_over && words.is_empty()) {
                return Ok(start.until(cursor));
            }
            if is_over {
                break;
            }
            if *token == Token::LParen {
                cursor.brackets();
                continue;
            }
            if cursor.sees("CASE") {
                cases += 1;
            } else if cursor.sees("END") {
                cases = cases.saturating_sub(1);
            }
            cursor.skip();
        }
        Err(FORM)
    }
}
