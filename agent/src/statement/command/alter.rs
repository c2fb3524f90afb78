//! ALTER, and what clauses of commands say of other objects than the command's own.

use sqlparser::tokenizer::Token;

use super::create::CONDITION;
use super::cursor::Cursor;
use super::{Command, done};
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
            return Ok(());
        }
        let object = self.named(&mut cursor, Action::Alter)?;
        self.altered(&object, cursor)
    }

    /// Reads what an ALTER says of other objects than its own.
    fn altered(&mut self, object: &Object, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        for (words, action) in [("RENAME TO", Action::Create), ("SWAP WITH", Action::Alter)] {
            let mut here = cursor.clone();
            if here.eat(words) {
                let names = here.name()?;
                self.touch(action, object.class(), names);
                return done(&here);
            }
        }
        if object.class() == Class::Task && cursor.find("MODIFY AS") {
            return self.kept(cursor.rest());
        }
        if cursor.find("MODIFY ACTION") {
            return self.kept(cursor.rest());
        }
        let mut condition = cursor.clone();
        if condition.find("MODIFY CONDITION") {
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
            self.meaning
                .doubt("tags and policies change, on which rules about columns may rest");
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
        self.calls(cursor.clone())?;
        if object.class().depth() < 2 && cursor.holds("ACCOUNTS") {
            return Ok(());
        }
        self.others(cursor)
    }

    /// Reads the values that new columns are given: a call in one runs whenever a row is added.
    fn calls(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        while cursor.peek().is_some() {
            if cursor.eat("DEFAULT")
                || (cursor.sees("AS") && cursor.after(1) == Some(&Token::LParen))
            {
                let _word = cursor.eat("AS");
                let start = cursor.clone();
                let _value = cursor.dotted();
                if cursor.peek() == Some(&Token::LParen) {
                    cursor.brackets();
                    self.expression(start.until(&cursor))?;
                }
                continue;
            }
            cursor.skip();
        }
        Ok(())
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
