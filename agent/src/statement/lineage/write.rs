//! Statements: what each does to which objects, and where the values of its columns go.
//!
//! One match without a wildcard: a statement that is new to the parser stops the build.

use sqlparser::ast::helpers::stmt_data_loading::StageLoadSelectItemKind;
use sqlparser::ast::{
    CopyIntoSnowflakeKind, Expr, Function, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    Query, Set, Statement,
};

use super::flow::Source;
use super::names::{fold, names, stage_names, stage_of_text};
use super::scope::{Env, Frame};
use super::{Clause, Walk};
use crate::statement::catalogue::Found;
use crate::statement::kind::{self, Action};
use crate::statement::meaning::{Column, Output, Use};
use crate::statement::object::{Class, Object, Path};
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Reads one statement.
    pub(super) fn statement(&mut self, statement: &Statement) -> Result<(), Unreadable> {
        match statement {
            Statement::Query(query) => {
                let items = self.query(query, None)?;
                self.deliver(items);
                Ok(())
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.merge(merge),
            Statement::CreateTable(create) => self.create_table(create),
            // Those are read by a grammar of our own.
            Statement::CreateView(_) => Err(Unreadable::Unsupported("CREATE VIEW in this place")),
            Statement::CopyIntoSnowflake {
                kind,
                into,
                from_obj,
                from_query,
                from_transformations,
                from_obj_alias,
                partition,
                validation_mode,
                ..
            } => {
                if validation_mode.is_some() {
                    self.doubt("rejected rows come back as they are in the file");
                }
                let from = CopyFrom {
                    object: from_obj.as_ref(),
                    query: from_query.as_deref(),
                    items: from_transformations.as_deref(),
                    alias: from_obj_alias.as_ref(),
                };
                self.copy(kind, into, &from, partition.as_deref())
            }
            // What a plan shows of a statement is what the statement is about.
            Statement::Explain { statement, .. } => {
                self.statement(statement)?;
                self.meaning.give(Output::Unknown("a plan"));
                Ok(())
            }
            Statement::Set(
                Set::SingleAssignment { values, .. } | Set::ParenthesizedAssignments { values, .. },
            ) => {
                let frame = Frame::default();
                for value in values {
                    let flow = self.value(
                        value,
                        Env {
                            frame: &frame,
                            outer: None,
                        },
                        Clause::List,
                    )?;
                    self.note(&flow, Use::Store);
                }
                self.of_account(statement);
                Ok(())
            }
            Statement::StartTransaction { statements, .. } if statements.is_empty() => {
                self.of_account(statement);
                Ok(())
            }
            Statement::StartTransaction { .. }
            | Statement::Case(_)
            | Statement::If(_)
            | Statement::While(_)
            | Statement::Declare { .. }
            | Statement::Open(_)
            | Statement::Close { .. }
            | Statement::Fetch { .. }
            | Statement::Raise(_)
            | Statement::Return(_) => Err(Unreadable::Unsupported("a block in this place")),
            Statement::Call(function) => self.call(function),
            Statement::Execute {
                immediate: true, ..
            } => Err(Unreadable::Unsupported(
                "EXECUTE IMMEDIATE of what is not one text in quotes",
            )),
            Statement::Set(_)
            | Statement::Analyze(_)
            | Statement::Truncate(_)
            | Statement::Msck(_)
            | Statement::Install { .. }
            | Statement::Load { .. }
            | Statement::Directory { .. }
            | Statement::Copy { .. }
            | Statement::CreateVirtualTable { .. }
            | Statement::CreateIndex(_)
            | Statement::CreateRole(_)
            | Statement::CreateSecret { .. }
            | Statement::CreateServer(_)
            | Statement::CreatePolicy(_)
            | Statement::CreateConnector(_)
            | Statement::CreateOperator(_)
            | Statement::CreateOperatorFamily(_)
            | Statement::CreateOperatorClass(_)
            | Statement::CreateTextSearch(_)
            | Statement::AlterTable(_)
            | Statement::AlterSchema(_)
            | Statement::AlterIndex { .. }
            | Statement::AlterView { .. }
            | Statement::AlterFunction(_)
            | Statement::AlterType(_)
            | Statement::AlterCollation(_)
            | Statement::AlterOperator(_)
            | Statement::AlterOperatorFamily(_)
            | Statement::AlterOperatorClass(_)
            | Statement::AlterTextSearch(_)
            | Statement::AlterRole { .. }
            | Statement::AlterPolicy(_)
            | Statement::AlterConnector { .. }
            | Statement::AlterSession { .. }
            | Statement::AttachDatabase { .. }
            | Statement::AttachDuckDBDatabase { .. }
            | Statement::DetachDuckDBDatabase { .. }
            | Statement::Drop { .. }
            | Statement::DropFunction(_)
            | Statement::DropDomain(_)
            | Statement::DropProcedure { .. }
            | Statement::DropSecret { .. }
            | Statement::DropPolicy(_)
            | Statement::DropConnector { .. }
            | Statement::CreateExtension(_)
            | Statement::CreateCollation(_)
            | Statement::DropExtension(_)
            | Statement::DropOperator(_)
            | Statement::DropOperatorFamily(_)
            | Statement::DropOperatorClass(_)
            | Statement::Flush { .. }
            | Statement::Discard { .. }
            | Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCatalogs { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowProcessList { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowCharset(_)
            | Statement::ShowObjects(_)
            | Statement::ShowTables { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowCollation { .. }
            | Statement::Use(_)
            | Statement::Comment { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::CreateSchema { .. }
            | Statement::CreateDatabase { .. }
            | Statement::CreateFunction(_)
            | Statement::CreateTrigger(_)
            | Statement::DropTrigger(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateMacro { .. }
            | Statement::CreateStage { .. }
            | Statement::CreateFileFormat { .. }
            | Statement::CreateWarehouse(_)
            | Statement::Assert { .. }
            | Statement::Grant(_)
            | Statement::Deny(_)
            | Statement::Revoke(_)
            | Statement::Deallocate { .. }
            | Statement::Execute { .. }
            | Statement::Prepare { .. }
            | Statement::Kill { .. }
            | Statement::ExplainTable { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Cache { .. }
            | Statement::UNCache { .. }
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateType { .. }
            | Statement::Pragma { .. }
            | Statement::Lock(_)
            | Statement::LockTables { .. }
            | Statement::UnlockTables
            | Statement::Unload { .. }
            | Statement::OptimizeTable { .. }
            | Statement::LISTEN { .. }
            | Statement::UNLISTEN { .. }
            | Statement::NOTIFY { .. }
            | Statement::LoadData { .. }
            | Statement::RenameTable(_)
            | Statement::List(_)
            | Statement::Put { .. }
            | Statement::Remove(_)
            | Statement::RaisError { .. }
            | Statement::Throw(_)
            | Statement::Print(_)
            | Statement::WaitFor(_)
            | Statement::ExportData(_)
            | Statement::CreateUser(_)
            | Statement::AlterUser(_)
            | Statement::Vacuum(_)
            | Statement::Reset(_) => {
                self.of_account(statement);
                Ok(())
            }
        }
    }

    /// Asks a statement's action of the whole account: what it touches is not told more closely.
    fn of_account(&mut self, statement: &Statement) {
        if let Some(action) = kind::of(statement).action() {
            self.meaning.touch(action, Object::account());
        }
        self.meaning
            .give(Output::Unknown("what it answers is not told by its text"));
    }

    /// Reads CALL: the procedure may do anything with its arguments, and give anything.
    fn call(&mut self, function: &Function) -> Result<(), Unreadable> {
        let frame = Frame::default();
        let env = Env {
            frame: &frame,
            outer: None,
        };
        let names = names(&function.name)?;
        if let FunctionArguments::List(list) = &function.args {
            for arg in &list.args {
                let flow = self.argument(arg, env, Clause::List)?;
                self.note(&flow, Use::Store);
            }
        }
        if let Some(minted) = Column::minted(&names) {
            self.meaning.use_column(Use::Project, minted);
        }
        match names.as_slice() {
            [single] if single.starts_with("SYSTEM$") => {
                let function = Object::new(Class::Function, Path::new(names));
                self.meaning.touch(Action::Call, function);
            }
            _ => {
                for path in self.paths(names) {
                    let procedure = Object::new(Class::Procedure, path);
                    self.meaning.touch(Action::Call, procedure);
                }
            }
        }
        self.meaning.hide("a procedure may do and give anything");
        self.meaning.give(Output::Unknown("a procedure's result"));
        Ok(())
    }

    /// Gives the object that a statement writes to; its class is a table's unless it is known to be another.
    pub(super) fn target(
        &mut self,
        action: Action,
        name: &ObjectName,
    ) -> Result<Object, Unreadable> {
        if stage_names(name).is_some() {
            return Err(Unreadable::Unsupported("a stage where a table is expected"));
        }
        let names = names(name)?;
        if names.len() > 3 {
            return Err(Unreadable::Unsupported("a name of more than three parts"));
        }
        let path = self.catalogue.resolve(names);
        let class = match self.catalogue.relation(&path) {
            Found::Relation(facts) => facts.class,
            Found::Unknown => Class::Table,
        };
        let object = Object::new(class, path);
        self.meaning.touch(action, object.clone());
        Ok(object)
    }

    /// Reads a query whose rows go elsewhere than to whoever asks.
    pub(super) fn stored_query(&mut self, query: &Query) -> Result<(), Unreadable> {
        let items = self.query(query, None)?;
        self.store(&items);
        Ok(())
    }

    pub(super) fn stored(&mut self, expr: &Expr, env: Env<'_>) -> Result<(), Unreadable> {
        let flow = self.value(expr, env, Clause::List)?;
        self.note(&flow, Use::Store);
        Ok(())
    }

    fn copy(
        &mut self,
        kind: &CopyIntoSnowflakeKind,
        into: &ObjectName,
        from: &CopyFrom<'_>,
        partition: Option<&Expr>,
    ) -> Result<(), Unreadable> {
        self.meaning
            .give(Output::Unknown("what COPY tells of files"));
        match kind {
            CopyIntoSnowflakeKind::Table => {
                self.target(Action::CopyIn, into)?;
                if let Some(object) = from.object {
                    let place = self.place(object)?;
                    self.meaning.touch(Action::Read, place);
                }
                if let Some(query) = from.query {
                    self.stored_query(query)?;
                }
                let alias: Vec<String> = from.alias.map(fold).transpose()?.into_iter().collect();
                let frame = Frame {
                    sources: vec![Source::named(alias, Vec::new())],
                    ..Frame::default()
                };
                for item in from.items.unwrap_or_default() {
                    match item {
                        StageLoadSelectItemKind::SelectItem(
                            sqlparser::ast::SelectItem::UnnamedExpr(expr)
                            | sqlparser::ast::SelectItem::ExprWithAlias { expr, .. },
                        ) => {
                            self.stored(
                                expr,
                                Env {
                                    frame: &frame,
                                    outer: None,
                                },
                            )?;
                        }
                        StageLoadSelectItemKind::SelectItem(_) => {
                            return Err(Unreadable::Unsupported("`*` of a staged file"));
                        }
                        StageLoadSelectItemKind::StageLoadSelectItem(_) => {}
                    }
                }
                Ok(())
            }
            CopyIntoSnowflakeKind::Location => {
                let place = self.place(into)?;
                self.meaning.touch(Action::Unload, place);
                let mut frame = Frame::default();
                if let Some(object) = from.object {
                    frame.sources.push(self.relation(object)?);
                }
                if let Some(query) = from.query {
                    let items = self.query(query, None)?;
                    frame.sources.push(Source::unnamed(items));
                }
                let env = Env {
                    frame: &frame,
                    outer: None,
                };
                self.store(&env.items());
                if let Some(partition) = partition {
                    // It becomes part of the files' names.
                    let flow = self.made([partition], env, Clause::List)?;
                    self.note(&flow, Use::Store);
                }
                Ok(())
            }
        }
    }

    /// Gives the stage that a place for files is; a place outside is asked of the account.
    fn place(&mut self, name: &ObjectName) -> Result<Object, Unreadable> {
        Ok(match stage_names(name) {
            Some(names) => Object::new(Class::Stage, self.catalogue.resolve(names)),
            // An address outside, or a stage in quotes.
            None => match name.0.as_slice() {
                [ObjectNamePart::Identifier(ident)] if ident.value.starts_with('@') => Object::new(
                    Class::Stage,
                    self.catalogue.resolve(stage_of_text(&ident.value)?),
                ),
                _ => Object::account(),
            },
        })
    }
}

/// What COPY takes rows from.
struct CopyFrom<'a> {
    object: Option<&'a ObjectName>,
    query: Option<&'a Query>,
    items: Option<&'a [StageLoadSelectItemKind]>,
    alias: Option<&'a Ident>,
}
