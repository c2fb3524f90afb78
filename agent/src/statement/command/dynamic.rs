//! Dynamic tables: the query behind AS, or the statement by which they refresh themselves.
//!
//! Source: Snowflake's reference, "CREATE DYNAMIC TABLE": `REFRESH USING (..)` of an INSERT or MERGE into SELF.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Command, KIND};
use crate::statement::kind::Action;
use crate::statement::lineage::names::of_text;
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

impl Command<'_> {
    /// Reads what such a table is made of.
    pub(super) fn dynamic(
        &mut self,
        object: &Object,
        cursor: Cursor<'_>,
    ) -> Result<(), Unreadable> {
        let mut backfill = cursor.clone();
        if backfill.find("BACKFILL FROM") {
            let names = backfill.name()?;
            self.touch(Action::Read, Class::Table, names);
            self.meaning
                .doubt("all that is in the source of a backfill is in the table");
        }
        let mut from = cursor.clone();
        if from.find("START AT") && from.eat_sign(&Token::LParen) && from.eat("STREAM") {
            let _arrow = from.eat_sign(&Token::RArrow);
            let names = of_text(from.text().ok_or(KIND)?)?;
            self.touch(Action::Read, Class::Stream, names);
        }
        let mut refresh = cursor.clone();
        if !refresh.find("REFRESH USING") {
            return self.stored(cursor);
        }
        let start = refresh.clone();
        refresh.brackets();
        self.refreshed(object, start.cut(&refresh))
    }

    /// Reads the statement between brackets, where SELF is the table.
    fn refreshed(&mut self, object: &Object, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        cursor.skip();
        let start = cursor.clone();
        let is_insert = cursor.eat("INSERT INTO");
        if !is_insert && !cursor.eat("MERGE INTO") {
            return Err(KIND);
        }
        let head = start.until(&cursor);
        if !cursor.eat("SELF") {
            return Err(KIND);
        }
        let rest = cursor.rest_within(1);
        let is_called = !cursor.sees("USING");
        // Its columns may be called by that name; as rows of its own it would be taken for another table.
        while cursor.peek().is_some() {
            if cursor.sees("SELF") && cursor.after(1) != Some(&Token::Period) {
                return Err(KIND);
            }
            cursor.skip();
        }
        let alias = if is_insert || is_called {
            ""
        } else {
            "as SELF"
        };
        self.kept(&format!("{head} {} {alias} {rest}", object.path()))
    }
}
