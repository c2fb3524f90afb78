//! CREATE and EXECUTE.

use sqlparser::tokenizer::Token;

use super::body::whole;
use super::cursor::Cursor;
use super::{Command, KIND, classes};
use crate::statement::kind::{Action, Kind};
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

/// Kinds of objects that hold no code, whatever their clauses say.
const WITHOUT_CODE: [&str; 19] = [
    "DCM PROJECT",
    "INTERACTIVE WAREHOUSE",
    "SCHEMA",
    "WAREHOUSE",
    "ROLE",
    "DATABASE ROLE",
    "USER",
    "SHARE",
    "SEQUENCE",
    "FILE FORMAT",
    "TAG",
    "STAGE",
    "DATABASE",
    "SECRET",
    "INDEX",
    "CONTACT",
    "GIT REPOSITORY",
    "IMAGE REPOSITORY",
    "NETWORK RULE",
];

/// Why the condition of an alert hides what becomes of columns.
pub(super) const CONDITION: &str =
    "what an alert does tells of the rows that its condition asks about";

impl Command<'_> {
    /// Reads CREATE; `None` for tables and views with a query, which the parser's grammar tells more of.
    pub(super) fn create(&mut self, mut cursor: Cursor<'_>) -> Option<Result<(), Unreadable>> {
        let mut again = Vec::new();
        if cursor.eat("OR REPLACE") {
            again.push(Action::Drop);
        } else if cursor.eat("OR ALTER") {
            again.push(Action::Alter);
        }
        let is_recursive = classes::modifiers(&mut cursor);
        let mut after = cursor.clone();
        let (words, class) = match classes::class(&mut after) {
            Some(found) => found,
            None => return Some(Err(KIND)),
        };
        match words {
            "VIEW" | "MATERIALIZED VIEW" | "INTERACTIVE MATERIALIZED VIEW" => {
                Some(self.view(after, &again, is_recursive))
            }
            "TABLE" if again == [Action::Alter] || after.holds("TEMPLATE") => {
                Some(self.created(after, words, class, &again))
            }
            "TABLE" => None,
            "INDEX" => Some(self.index(after)),
            _ => Some(self.created(after, words, class, &again)),
        }
    }

    /// `CREATE INDEX i ON t (..)`: a change of the table.
    fn index(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Create;
        if !cursor.find("ON") {
            return Err(KIND);
        }
        let names = cursor.name()?;
        self.touch(Action::Alter, Class::Table, names);
        Ok(())
    }

    /// Reads the rest of a CREATE whose kind is known.
    fn created(
        &mut self,
        mut cursor: Cursor<'_>,
        words: &str,
        class: Class,
        again: &[Action],
    ) -> Result<(), Unreadable> {
        self.kind = Kind::Create;
        let _perhaps = cursor.eat("IF NOT EXISTS");
        let start = cursor.clone();
        let names = cursor.name()?;
        let object = self.touch(Action::Create, class, names.clone());
        for action in again {
            self.touch(*action, class, names.clone());
            if *action == Action::Drop {
                self.removes(words);
            } else {
                self.alters(words);
            }
        }
        if class == Class::Account {
            self.alters(words);
        }
        if matches!(class, Class::Database | Class::Schema | Class::Table) {
            self.tagged(cursor.clone());
        }
        if class == Class::Table && again.contains(&Action::Alter) {
            self.reshaped(&cursor);
        }
        if words.contains("ICEBERG") {
            // Its files lie in a volume outside, and so does each row that is written to it.
            self.of_account(Action::Create);
            self.of_account(Action::Unload);
        }
        match (class, words) {
            (Class::Function | Class::Procedure, _) => self.code(words, cursor),
            (Class::Task, _) => self.task(cursor),
            (Class::Pipe, _) => {
                self.meaning
                    .doubt("what a pipe will load is not known to anybody");
                self.stored(cursor)
            }
            (Class::Object, "CORTEX SEARCH SERVICE") => self.stored(cursor),
            (Class::Table, "TABLE" | "EXTERNAL TABLE" | "ICEBERG TABLE")
                if cursor.find("USING TEMPLATE") =>
            {
                let start = cursor.clone();
                cursor.brackets();
                self.kept(start.until(&cursor))?;
                self.others(cursor)
            }
            (Class::Table, "TABLE" | "HYBRID TABLE") => {
                self.kept(&format!("create table {}", start.rest()))
            }
            (Class::Table, "EXTERNAL TABLE") => {
                self.columns(cursor.clone())?;
                self.plain(&object, words, cursor)
            }
            (Class::Table, words) if words.contains("DYNAMIC") && !cursor.clone().find("CLONE") => {
                self.dynamic(&object, cursor)
            }
            (Class::Table, "ICEBERG TABLE" | "INTERACTIVE TABLE") if has_query(&cursor) => {
                self.stored(cursor)
            }
            (Class::View, "SEMANTIC VIEW") => self.semantic_view(cursor),
            (Class::Object, "ALERT") => self.alert(cursor),
            (Class::Object, words) if words.ends_with("POLICY") => self.policy_body(cursor),
            (Class::Stream, _) => self.stream(&object, cursor),
            (_, words) => self.plain(&object, words, cursor),
        }
    }

    /// Reads a view: the query behind AS, and what stands before it.
    fn view(
        &mut self,
        mut cursor: Cursor<'_>,
        again: &[Action],
        is_recursive: bool,
    ) -> Result<(), Unreadable> {
        self.kind = Kind::Create;
        self.tagged(cursor.clone());
        let _perhaps = cursor.eat("IF NOT EXISTS");
        let start = cursor.clone();
        let names = cursor.name()?;
        let is_single = names.len() == 1;
        for action in [Action::Create].iter().chain(again) {
            self.touch(*action, Class::View, names.clone());
        }
        let name = start.until(&cursor);
        let head = cursor.clone();
        let mut columns = cursor.clone();
        columns.brackets();
        if !cursor.find("AS") {
            return Err(KIND);
        }
        let query = cursor.rest();
        if is_recursive {
            // `create recursive view v (a) as q` is `create view v as with recursive v (a) as (q) select * from v`.
            let columns = head.until(&columns);
            let query = whole(query.trim().trim_end_matches(';'))?;
            if !is_single {
                return Err(Unreadable::Unsupported(
                    "a recursive view that is named with its schema",
                ));
            }
            self.kept(&format!(
                "with recursive {name} {columns} as ({query}\n) select * from {name}"
            ))?;
        } else {
            self.kept(query)?;
        }
        self.others(head.cut(&cursor))
    }

    /// Reads a stream: the rows of what it is on, under its own name.
    fn stream(&mut self, object: &Object, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let source = if cursor.eat("CLONE") {
            let names = cursor.name()?;
            self.object(object.class(), names)
        } else if cursor.find("ON") {
            let (_, class) = classes::class(&mut cursor).ok_or(KIND)?;
            let names = cursor.name()?;
            self.object(class, names)
        } else {
            return Err(KIND);
        };
        if cursor.eat("AT") || cursor.eat("BEFORE") {
            self.meaning
                .doubt("a table as it was at another time may have had other columns");
        }
        if source.has_columns() {
            return self.copied(&source);
        }
        self.meaning.touch(Action::Read, source);
        Ok(())
    }

    /// Reads a CREATE without code: what it is a copy of, and what else it names.
    fn plain(
        &mut self,
        object: &Object,
        words: &str,
        cursor: Cursor<'_>,
    ) -> Result<(), Unreadable> {
        let mut clone = cursor.clone();
        let is_copied = matches!(object.class(), Class::Schema | Class::Table);
        if clone.find("CLONE") || (is_copied && clone.find("LIKE")) {
            let names = clone.name()?;
            let source = self.object(object.class(), names);
            self.meaning.touch(Action::Read, source);
            self.meaning
                .doubt("all that is in a clone's source is in the clone");
            self.moves(object.class());
            return Ok(());
        }
        let mut copy = cursor.clone();
        if copy.eat("FROM BACKUP SET") || copy.eat("FROM SNAPSHOT SET") {
            let names = copy.name()?;
            self.touch(Action::Read, Class::Object, names);
            self.moves(object.class());
            return Ok(());
        }
        if words == "DATABASE" && (cursor.sees("FROM") || cursor.holds("REPLICA")) {
            // A share or a database of another account.
            self.of_account(Action::Create);
            self.meaning
                .doubt("what a database of another account holds is not known");
            return Ok(());
        }
        let mut tables = cursor.clone();
        if object.class() == Class::Warehouse && tables.find("TABLES") {
            return self.tables(tables);
        }
        let mut integration = cursor.clone();
        if integration.find("STORAGE_INTEGRATION") && integration.eat_sign(&Token::Eq) {
            let names = integration.name()?;
            self.touch(Action::Read, Class::Integration, names);
        }
        if cursor.holds("SELECT") {
            return Err(Unreadable::Unsupported("a query where none is expected"));
        }
        let holds_none = WITHOUT_CODE.contains(&words)
            || words.ends_with("TABLE")
            || words.ends_with("INTEGRATION")
            || object.class() == Class::Account;
        if !holds_none {
            self.opaque();
        }
        if object.class() == Class::Account {
            // Names of other accounts have dots too.
            return Ok(());
        }
        self.others(cursor)
    }

    /// Reads the tables that a warehouse keeps ready, in brackets.
    fn tables(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        while cursor.eat_sign(&Token::LParen) || cursor.eat_sign(&Token::Comma) {
            let names = cursor.name()?;
            self.touch(Action::Read, Class::Table, names);
        }
        Ok(())
    }

    /// Reads what an external table's columns are made of.
    fn columns(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.names
            .extend(["VALUE", "METADATA$FILENAME"].map(str::to_owned));
        while cursor.peek().is_some() {
            if cursor.eat("AS") && cursor.peek() == Some(&Token::LParen) {
                let start = cursor.clone();
                cursor.brackets();
                self.expression(start.until(&cursor))?;
            } else {
                cursor.skip();
            }
        }
        Ok(())
    }

    /// Reads what stands behind AS as a statement.
    pub(super) fn stored(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let start = cursor.clone();
        let mut has_code = cursor.find("AS");
        if has_code && cursor.sees("USER") {
            self.as_user(cursor.clone())?;
            has_code = cursor.find("AS");
        }
        if !has_code {
            self.opaque();
            return self.others(start);
        }
        self.kept(cursor.rest())?;
        self.others(start.cut(&cursor))
    }

    /// `EXECUTE AS USER u [USE SECONDARY ROLES ..]`: by whose rights it runs later.
    fn as_user(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        cursor.skip();
        let names = cursor.name()?;
        self.touch(Action::UseRole, Class::User, names);
        if !cursor.eat("USE SECONDARY ROLES") {
            return Ok(());
        }
        if cursor.eat("ALL") || cursor.eat("NONE") {
            self.of_account(Action::UseRole);
            return Ok(());
        }
        loop {
            let names = cursor.name()?;
            self.touch(Action::UseRole, Class::Role, names);
            if !cursor.eat_sign(&Token::Comma) {
                return Ok(());
            }
        }
    }

    /// Reads a task: its condition, and the statement that it runs.
    fn task(&mut self, cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let mut condition = cursor.clone();
        if condition.find("WHEN") {
            let mut end = condition.clone();
            while !end.sees("AS") && end.peek().is_some() {
                match end.peek() {
                    Some(Token::LParen) => end.brackets(),
                    _ => end.skip(),
                }
            }
            self.expression(condition.until(&end))?;
        }
        self.stored(cursor)
    }

    /// `ALERT .. IF (EXISTS (<query>)) THEN <statement>`: both run later.
    fn alert(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        if cursor.eat("CLONE") || !cursor.find("IF") {
            self.opaque();
            return Ok(());
        }
        let start = cursor.clone();
        cursor.brackets();
        let mut inside = start.clone().cut(&cursor);
        inside.skip();
        let runs = inside.eat("EXISTS")
            && inside.eat_sign(&Token::LParen)
            && (inside.sees("SHOW") || inside.sees("CALL"));
        if runs {
            let condition = inside.rest_within(2);
            self.kept(condition)?;
        } else {
            self.expression(start.until(&cursor))?;
        }
        self.meaning.doubt(CONDITION);
        if !cursor.eat("THEN") {
            return Err(KIND);
        }
        self.kept(cursor.rest())
    }

    /// Reads which tables a semantic view is over: any of their columns may be told by it.
    fn semantic_view(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        if !cursor.find("TABLES") {
            return Err(KIND);
        }
        let mut end = cursor.clone();
        end.brackets();
        let mut tables = cursor.cut(&end);
        tables.skip();
        loop {
            let mut name = tables.dotted()?;
            if tables.eat("AS") {
                name = tables.name()?;
            }
            let table = self.object(Class::Table, name);
            self.copied(&table)?;
            while tables.peek().is_some_and(|token| *token != Token::Comma) {
                match tables.peek() {
                    Some(Token::LParen) => tables.brackets(),
                    _ => tables.skip(),
                }
            }
            if !tables.eat_sign(&Token::Comma) {
                break;
            }
        }
        self.meaning
            .doubt("the expressions of a semantic view are not read");
        Ok(())
    }

    /// Reads EXECUTE; `None` for what the parser's grammar tells more of.
    pub(super) fn execute(&mut self, mut cursor: Cursor<'_>) -> Option<Result<(), Unreadable>> {
        self.kind = Kind::Call;
        if cursor.eat("IMMEDIATE") {
            return Some(self.immediate(cursor));
        }
        let words = [
            "TASK",
            "ALERT",
            "NOTEBOOK",
            "DBT PROJECT",
            "DCM PROJECT",
            "MANAGED TASK",
        ];
        let sees = words.iter().any(|word| cursor.sees(word));
        sees.then(|| self.named(&mut cursor, Action::Call).map(drop))
    }

    fn immediate(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        const DYNAMIC: Unreadable =
            Unreadable::Unsupported("EXECUTE IMMEDIATE of what is not one text in quotes");
        let text = cursor.text().ok_or(DYNAMIC)?;
        if cursor.eat("USING") {
            cursor.brackets();
        }
        if !cursor.is_done() {
            return Err(DYNAMIC);
        }
        self.of_account(Action::Call);
        self.body(text)
    }
}

/// Tells whether a query stands behind AS.
fn has_query(cursor: &Cursor<'_>) -> bool {
    cursor.clone().find("AS")
}
