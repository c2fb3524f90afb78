//! Changes of what rules rest on: tags and policies, the names of objects inside of others, and what columns are made of.
//!
//! Source: Snowflake's reference, "CREATE TAG", "CREATE TABLE" (virtual columns), "ALTER TABLE", "CREATE REPLICATION
//! GROUP", "Introduction to data metric functions"; read 2026-11.

use sqlparser::tokenizer::Token;

use super::Command;
use super::body::{quoted, whole};
use super::cursor::Cursor;
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

/// Kinds of objects by which columns are told apart or hidden.
const OF_COLUMNS: [&str; 7] = [
    "TAG",
    "MASKING POLICY",
    "ROW ACCESS POLICY",
    "AGGREGATION POLICY",
    "PROJECTION POLICY",
    "JOIN POLICY",
    "PRIVACY POLICY",
];

/// Kinds of objects that carry databases to other accounts.
const GROUPS: [&str; 2] = ["REPLICATION GROUP", "FAILOVER GROUP"];

/// Clauses that may stand behind what a virtual column is made of.
const BEHIND: [&str; 5] = ["VIRTUAL", "NOT NULL", "COMMENT", "WITH", "UNIQUE"];

const UNBOUNDED: &str = "a column is made of more than what is in brackets";

const TAGS: &str = "tags and policies change, on which rules about columns may rest";

impl Command<'_> {
    /// Says that tags or policies change.
    pub(super) fn retag(&mut self) {
        self.meaning.doubt(TAGS);
    }

    /// Says what rests on an object of this kind that is altered.
    pub(super) fn alters(&mut self, words: &str) {
        if OF_COLUMNS.contains(&words) {
            self.retag();
        }
        if GROUPS.contains(&words) {
            self.replicates();
        }
    }

    /// Says what rests on an object of this kind that goes, is replaced or comes back.
    pub(super) fn removes(&mut self, words: &str) {
        if OF_COLUMNS.contains(&words) {
            self.retag();
        }
        if matches!(words, "DATABASE" | "SCHEMA") {
            self.meaning.doubt(
                "tags, views and columns change with the database or schema that they are in",
            );
        }
    }

    /// Says that what is in an object gets other names, or is copied under others.
    pub(super) fn moves(&mut self, class: Class) {
        if matches!(class, Class::Database | Class::Schema) {
            self.meaning
                .hide("what is in a database or schema gets names that rules do not have");
        }
    }

    /// Says that databases are carried to other accounts.
    pub(super) fn replicates(&mut self) {
        self.meaning
            .hide("which objects are carried to another account is not told by the text");
    }

    /// Reads whether a CREATE gives tags to what may have columns, or to a column.
    pub(super) fn tagged(&mut self, mut cursor: Cursor<'_>) {
        while cursor.peek().is_some() {
            if cursor.eat("TAG") && cursor.peek() == Some(&Token::LParen) {
                return self.retag();
            }
            cursor.skip();
        }
    }

    /// Reads which columns a CREATE OR ALTER makes of others: the table may have rows.
    pub(super) fn reshaped(&mut self, columns: &Cursor<'_>) {
        let mut end = columns.clone();
        end.brackets();
        let columns = columns.clone().cut(&end);
        if columns.holds("AS") || columns.holds("CHECK") {
            self.meaning
                .doubt("columns and checks of a table with rows tell of its other columns");
        }
    }

    /// Reads what ALTER makes of the columns of a table with rows: virtual columns, checks, values of new rows.
    pub(super) fn made(
        &mut self,
        object: &Object,
        mut cursor: Cursor<'_>,
    ) -> Result<(), Unreadable> {
        let metric = ["ADD", "MODIFY"].map(|word| format!("{word} DATA METRIC FUNCTION"));
        if metric.iter().any(|words| cursor.clone().find(words)) {
            self.meaning
                .doubt("what a data metric function counts tells of the rows");
        }
        while cursor.peek().is_some() {
            let opens = cursor.after(1) == Some(&Token::LParen);
            if cursor.eat("CLUSTER BY") {
                cursor.brackets();
            } else if opens && cursor.sees("CHECK") {
                self.of_rows(object, &mut cursor)?;
            } else if opens && cursor.sees("AS") {
                self.of_rows(object, &mut cursor)?;
                if object.has_columns() && !ends_column(&cursor) {
                    self.meaning.doubt(UNBOUNDED);
                }
            } else if object.has_columns() && cursor.eat("AS") {
                self.meaning.doubt(UNBOUNDED);
            } else if cursor.eat("DEFAULT") {
                self.default(&mut cursor)?;
            } else {
                cursor.skip();
            }
        }
        Ok(())
    }

    /// Reads the value of new rows: a call in it runs whenever a row is added.
    fn default(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        let start = cursor.clone();
        let _value = cursor.dotted();
        if cursor.peek() != Some(&Token::LParen) {
            return Ok(());
        }
        cursor.brackets();
        self.expression(start.until(cursor))
    }

    /// Reads a word and an expression in brackets over the rows of an object.
    fn of_rows(&mut self, object: &Object, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        cursor.skip();
        let start = cursor.clone();
        cursor.brackets();
        let text = start.until(cursor);
        if !object.has_columns() {
            return self.expression(text);
        }
        let text = whole(text)?;
        self.kept(&format!("select {text}\nfrom {}", quoted(object)))
    }
}

/// Tells whether the expression of a column ends here, so that all of it stood in brackets.
fn ends_column(cursor: &Cursor<'_>) -> bool {
    let is_apart = matches!(cursor.peek(), None | Some(Token::Comma | Token::SemiColon));
    is_apart || BEHIND.iter().any(|words| cursor.sees(words))
}
