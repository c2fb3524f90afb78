//! CREATE and EXECUTE.

use super::cursor::Cursor;
use super::{Command, KIND, classes};
use crate::statement::kind::{Action, Kind};
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

impl Command<'_> {
    /// Reads CREATE; `None` for tables and views with a query, which the parser's grammar tells more of.
    pub(super) fn create(&mut self, mut cursor: Cursor<'_>) -> Option<Result<(), Unreadable>> {
        let replaces = cursor.eat("OR REPLACE") || cursor.eat("OR ALTER");
        classes::modifiers(&mut cursor);
        let mut after = cursor.clone();
        let (words, class) = match classes::class(&mut after) {
            Some(found) => found,
            None => return Some(Err(KIND)),
        };
        if matches!(words, "TABLE" | "VIEW" | "MATERIALIZED VIEW") {
            return None;
        }
        Some(self.created(after, words, class, replaces))
    }

    /// Reads the rest of a CREATE whose kind is known.
    pub(super) fn created(
        &mut self,
        mut cursor: Cursor<'_>,
        words: &str,
        class: Class,
        replaces: bool,
    ) -> Result<(), Unreadable> {
        self.kind = Kind::Create;
        let _perhaps = cursor.eat("IF NOT EXISTS");
        let names = cursor.name()?;
        let object = self.touch(Action::Create, class, names.clone());
        if replaces {
            self.touch(Action::Drop, class, names);
        }
        match class {
            Class::Function | Class::Procedure => self.code(&object, cursor),
            Class::Task | Class::Pipe => self.stored(cursor),
            Class::Table if words.contains("DYNAMIC") => self.stored(cursor),
            Class::Object if words == "ALERT" => {
                // Condition and action are statements; both run later.
                let mut condition = cursor.clone();
                if condition.find("IF") || condition.find("THEN") {
                    self.opaque();
                }
                Ok(())
            }
            Class::Object if words.contains("POLICY") || words == "TAG" => {
                self.of_account(Action::Create);
                Ok(())
            }
            Class::Object if words == "CORTEX SEARCH SERVICE" => self.stored(cursor),
            Class::Stream => {
                if cursor.find("ON") {
                    let (_, class) = classes::class(&mut cursor).ok_or(KIND)?;
                    let names = cursor.name()?;
                    let source = self.object(class, names);
                    self.copied(&source);
                    return Ok(());
                }
                Err(KIND)
            }
            _ => self.plain(&object, cursor),
        }
    }

    /// Reads a CREATE without code: what it is a copy of, and which integrations it uses.
    fn plain(&mut self, object: &Object, cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let mut clone = cursor.clone();
        if clone.find("CLONE") {
            let names = clone.name()?;
            let source = self.object(object.class(), names);
            self.meaning.touch(Action::Read, source.clone());
            self.meaning
                .doubt("all that is in a clone's source is in the clone");
        }
        let mut integration = cursor.clone();
        if integration.find("STORAGE_INTEGRATION") {
            integration.skip();
            let names = integration.name()?;
            self.touch(Action::Read, Class::Integration, names);
        }
        if cursor.holds("SELECT") || cursor.holds("POLICY") {
            self.of_account(Action::Create);
        }
        if cursor.holds("SELECT") {
            return Err(Unreadable::Unsupported("a query where none is expected"));
        }
        Ok(())
    }

    /// Reads what stands behind AS as a statement.
    fn stored(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        if cursor.find("AS") {
            let text = cursor.rest();
            self.body(&text)?;
            self.meaning.set_stored();
            return Ok(());
        }
        self.opaque();
        Ok(())
    }

    /// Reads a function's or procedure's code: SQL is read, all else is code that nobody reads here.
    fn code(&mut self, object: &Object, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.meaning.touch(Action::Call, object.clone());
        self.kind = self.kind.max(Kind::Call);
        let language = {
            let mut here = cursor.clone();
            !here.find("LANGUAGE") || here.eat("SQL")
        };
        let has_code = cursor.find("AS");
        let text = cursor.text();
        match (language && !cursor.holds("IMPORTS"), has_code, text) {
            (true, true, Some(text)) => match self.expression(text) {
                Ok(()) => Ok(()),
                Err(_) => self.body(text),
            },
            (_, _, _) => {
                self.opaque();
                Ok(())
            }
        }
    }

    /// Reads the body of a function that is an expression.
    fn expression(&mut self, text: &str) -> Result<(), Unreadable> {
        self.body(&format!("select ({})", text.trim().trim_end_matches(';')))
    }

    /// Reads EXECUTE; `None` for what the parser's grammar tells more of.
    pub(super) fn execute(&mut self, mut cursor: Cursor<'_>) -> Option<Result<(), Unreadable>> {
        self.kind = Kind::Call;
        if cursor.eat("IMMEDIATE") {
            return Some(self.immediate(cursor));
        }
        let words = ["TASK", "ALERT", "NOTEBOOK", "DBT PROJECT", "MANAGED TASK"];
        let sees = words.iter().any(|word| cursor.sees(word));
        sees.then(|| self.named(&mut cursor, Action::Call).map(drop))
    }

    fn immediate(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let Some(text) = cursor.text() else {
            return Err(Unreadable::Unsupported(
                "EXECUTE IMMEDIATE of what is not one text in quotes",
            ));
        };
        if cursor.eat("USING") {
            cursor.brackets();
        }
        super::done(&cursor)?;
        self.of_account(Action::Call);
        self.body(text)
    }
}
