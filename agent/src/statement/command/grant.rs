//! GRANT and REVOKE: what is given, and to whom.
//!
//! Source: Snowflake's reference, "GRANT privileges", "GRANT ROLE", "GRANT OWNERSHIP", "GRANT ... TO SHARE".

use super::cursor::Cursor;
use super::{Command, KIND, classes};
use crate::statement::kind::{Action, Kind};
use crate::statement::object::Class;
use crate::statement::parse::Unreadable;

impl Command<'_> {
    /// Reads what is granted on what, and to which role, user or share.
    pub(super) fn grant(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Grant;
        let _only = cursor.eat("GRANT OPTION FOR");
        let mut of_role = cursor.clone();
        let gives_role = of_role.eat("ROLE");
        if gives_role {
            let names = of_role.name()?;
            self.touch(Action::Grant, Class::Role, names);
            cursor = of_role;
        } else if cursor.find("ON") {
            self.granted_on(&mut cursor)?;
        } else {
            // Roles of databases and applications, and what has no object.
            self.of_account(Action::Grant);
        }
        while cursor.find("TO") || cursor.find("FROM") {
            self.recipient(&mut cursor)?;
        }
        Ok(())
    }

    fn granted_on(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        if cursor.eat("ACCOUNT") {
            self.of_account(Action::Grant);
            return Ok(());
        }
        if cursor.eat("ALL") || cursor.eat("FUTURE") {
            classes::classes(cursor).ok_or(KIND)?;
            if !cursor.eat("IN") {
                return Err(KIND);
            }
            self.meaning
                .hide("rights change on all objects of a kind, which the text does not name");
        }
        self.named(cursor, Action::Grant).map(drop)
    }

    fn recipient(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        if let Some((_, class)) = classes::class(cursor) {
            let names = cursor.name()?;
            self.touch(Action::Grant, class, names);
        } else {
            // `TO name` is a role.
            let names = cursor.name()?;
            self.touch(Action::Grant, Class::Role, names);
        }
        Ok(())
    }
}
