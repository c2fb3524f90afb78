//! ALTER, and what clauses of commands say of other objects than the command's own.

use sqlparser::tokenizer::Token;

use super::create::CONDITION;
use super::cursor::Cursor;
use super::{Command, done};
use crate::statement::Use;
use crate::statement::kind::{Action, Kind};
use crate::statement::lineage::names::stage_of_text;
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

impl Command<'_> {
    /// Reads ALTER.
    pub(super) fn alter(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Alter;
        if cursor.sees("ACCOUNT") || cursor.sees("ORGANIZATION") {
            self.of_account(Action::Alter);
            if cursor.holds("TAG") {
                self.retag();
            }
            return Ok(());
        }
        let (words, object) = self.subject(&mut cursor, Action::Alter)?;
        self.alters(words);
        self.altered(&object, cursor)
    }

    /// Reads what an ALTER says of other objects than its own.
    fn altered(&mut self, object: &Object, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        for (words, action) in [("RENAME TO", Action::Create), ("SWAP WITH", Action::Alter)] {
            let mut here = cursor.clone();
            if here.eat(words) {
                let names = here.name()?;
                let other = self.touch(action, object.class(), names);
                self.moves(object.class());
                if object.has_columns() {
                    // Rules that name its columns do not name them there.
                    self.copied(object)?;
                    if action == Action::Alter {
                        self.copied(&other)?;
                    }
                }
                return done(&here);
            }
        }
        let mut column = cursor.clone();
        if object.has_columns() && column.eat("RENAME COLUMN") {
            let _perhaps = column.eat("IF EXISTS");
            let names = column.name()?;
            let column = object.column(names.last().map(String::as_str));
            self.meaning.use_column(Use::Store, column);
        }
        if object.class() == Class::Task && cursor.find("MODIFY AS") {
            return self.kept(cursor.rest());
        }
        // A table's column may be called so.
        let is_alert = object.class() == Class::Object;
        if is_alert && cursor.find("MODIFY ACTION") {
            return self.kept(cursor.rest());
        }
        let mut condition = cursor.clone();
        if is_alert && condition.find("MODIFY CONDITION") {
            self.meaning.doubt(CONDITION);
            return self.expression(condition.rest());
        }
        let mut when = cursor.clone();
        if object.class() == Class::Task && when.find("MODIFY WHEN") {
            return self.expression(when.rest());
        }
        let holds_columns = !matches!(object.class(), Class::Role | Class::User | Class::Warehouse);
        let changes = ["POLICY", "TAG", "TAGS"]
            .iter()
            .any(|word| cursor.holds(word));
        if holds_columns && changes {
            self.retag();
        }
        if object.class() == Class::Database
            && (cursor.holds("REPLICATION") || cursor.holds("FAILOVER"))
        {
            self.replicates();
        }
        let mut cluster = cursor.clone();
        if cluster.find("CLUSTER BY") {
            let start = cluster.clone();
            cluster.brackets();
            self.expression(start.until(&cluster))?;
        }
        if cursor.holds("SELECT") {
            return Err(Unreadable::Unsupported("a query inside of ALTER"));
        }
        if cursor.eat("SET BODY") {
            return self.policy_body(cursor);
        }
        self.made(object, cursor.clone())?;
        if object.class().depth() < 2 && cursor.holds("ACCOUNTS") {
            return Ok(());
        }
        self.others(cursor)
    }

    /// Reads other objects that clauses name: stages, and whatever is named with its schema.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these tokens begin a name"
    )]
    pub(super) fn others(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let mut is_comment = false;
        let mut is_reference = false;
        while let Some(token) = cursor.peek() {
            if cursor.eat("COMMENT") {
                is_comment = true;
                continue;
            }
            if cursor.eat("REFERENCES") {
                is_reference = true;
                continue;
            }
            match token {
                Token::AtSign => {
                    cursor.skip();
                    let names = cursor.stage()?;
                    self.touch(Action::Read, Class::Stage, names);
                }
                Token::SingleQuotedString(text) if text.starts_with('@') && !is_comment => {
                    cursor.skip();
                    let names = stage_of_text(text)?;
                    self.touch(Action::Read, Class::Stage, names);
                }
                Token::Word(_) if cursor.sees("IDENTIFIER") => {
                    let names = cursor.name()?;
                    self.touch(Action::Read, Class::Object, names);
                }
                Token::Word(_) if is_reference || cursor.after(1) == Some(&Token::Period) => {
                    let mut names = cursor.dotted()?;
                    let last = names.last().map(String::as_str);
                    if names.len() > 1 && matches!(last, Some("NEXTVAL" | "CURRVAL")) {
                        names.pop();
                    }
                    if names.len() > 3 {
                        return Err(Unreadable::Unsupported("a name of more than three parts"));
                    }
                    let class = if is_reference {
                        Class::Table
                    } else {
                        Class::Object
                    };
                    self.touch(Action::Read, class, names);
                    is_reference = false;
                }
                Token::Eq => cursor.skip(),
                _ => {
                    is_comment = false;
                    cursor.skip();
                }
            }
        }
        Ok(())
    }
}
