//! Statements: what each does to which objects, and where the values of its columns go.
//!
//! One match without a wildcard: a statement that is new to the parser stops the build.

use sqlparser::ast::helpers::stmt_data_loading::StageLoadSelectItemKind;
use sqlparser::ast::visit_statements;
use sqlparser::ast::{
    Assignment, CopyIntoSnowflakeKind, CreateTable, CreateView, Delete, Expr, FromTable, Insert,
    Merge, MergeAction, MergeClause, MergeInsertKind, MergeUpdateKind, MultiTableInsertIntoClause,
    MultiTableInsertValue, ObjectName, Query, Set, Statement, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind,
};
use std::ops::ControlFlow;

use super::flow::Item;
use super::names::{names, stage_names};
use super::scope::{Env, Frame};
use super::{Clause, Walk};
use crate::statement::catalogue::Found;
use crate::statement::kind::{self, Action};
use crate::statement::meaning::{Output, Use};
use crate::statement::object::{Class, Object};
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
            Statement::CreateView(create) => self.create_view(create),
            Statement::CopyIntoSnowflake {
                kind,
                into,
                from_obj,
                from_query,
                from_transformations,
                partition,
                ..
            } => {
                let from = CopyFrom {
                    object: from_obj.as_ref(),
                    query: from_query.as_deref(),
                    items: from_transformations.as_deref(),
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
            | Statement::Return(_) => self.block(statement),
            Statement::Call(_)
            | Statement::Set(_)
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

    /// Reads what a block holds; its variables and cursors are not followed.
    fn block(&mut self, block: &Statement) -> Result<(), Unreadable> {
        self.meaning.touch(Action::Call, Object::account());
        self.doubt("variables and cursors of a block are not followed");
        let mut inside: Vec<Statement> = Vec::new();
        let _whole: ControlFlow<()> = visit_statements(block, |statement| {
            inside.push(statement.clone());
            ControlFlow::Continue(())
        });
        for statement in inside {
            let is_block = matches!(
                statement,
                Statement::StartTransaction { .. }
                    | Statement::Case(_)
                    | Statement::If(_)
                    | Statement::While(_)
                    | Statement::Declare { .. }
                    | Statement::Open(_)
                    | Statement::Close { .. }
                    | Statement::Fetch { .. }
                    | Statement::Raise(_)
                    | Statement::Return(_)
            );
            if !is_block {
                self.statement(&statement)?;
            }
        }
        self.meaning.give(Output::Unknown("a block's result"));
        Ok(())
    }

    /// Gives the object that a statement writes to; its class is a table's unless it is known to be another.
    fn target(&mut self, action: Action, name: &ObjectName) -> Result<Object, Unreadable> {
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
    fn stored_query(&mut self, query: &Query) -> Result<(), Unreadable> {
        let items = self.query(query, None)?;
        self.store(&items);
        Ok(())
    }

    fn stored(&mut self, expr: &Expr, env: Env<'_>) -> Result<(), Unreadable> {
        let flow = self.value(expr, env, Clause::List)?;
        self.note(&flow, Use::Store);
        Ok(())
    }

    fn insert(&mut self, insert: &Insert) -> Result<(), Unreadable> {
        let is_other = insert.or.is_some()
            || insert.ignore
            || !insert.assignments.is_empty()
            || insert.partitioned.is_some()
            || !insert.after_columns.is_empty()
            || insert.on.is_some()
            || insert.returning.is_some()
            || insert.output.is_some()
            || insert.replace_into
            || insert.priority.is_some()
            || insert.insert_alias.is_some()
            || insert.settings.is_some()
            || insert.format_clause.is_some();
        if is_other {
            return Err(Unreadable::Unsupported(
                "a form of INSERT that Snowflake does not have",
            ));
        }
        self.meaning.give(Output::Known(Vec::new()));
        let clauses = insert
            .multi_table_into_clauses
            .iter()
            .chain(
                insert
                    .multi_table_when_clauses
                    .iter()
                    .flat_map(|when| &when.into_clauses),
            )
            .chain(insert.multi_table_else_clause.iter().flatten());
        if insert.multi_table_insert_type.is_some() {
            let items = match &insert.source {
                Some(query) => self.query(query, None)?,
                None => Vec::new(),
            };
            let frame = Frame {
                sources: vec![super::flow::Source {
                    names: Vec::new(),
                    items: items.clone(),
                }],
                ..Frame::default()
            };
            let env = Env {
                frame: &frame,
                outer: None,
            };
            for when in &insert.multi_table_when_clauses {
                self.decide(&when.condition, env, Use::Where)?;
            }
            for clause in clauses {
                self.insert_clause(clause, &items, env)?;
            }
            return Ok(());
        }
        match &insert.table {
            TableObject::TableName(name) => self.target(Action::Write, name)?,
            TableObject::TableFunction(_) | TableObject::TableQuery(_) => {
                return Err(Unreadable::Unsupported("INSERT into what is no table"));
            }
        };
        match &insert.source {
            Some(query) => self.stored_query(query),
            None => Ok(()),
        }
    }

    fn insert_clause(
        &mut self,
        clause: &MultiTableInsertIntoClause,
        items: &[Item],
        env: Env<'_>,
    ) -> Result<(), Unreadable> {
        self.target(Action::Write, &clause.table_name)?;
        match &clause.values {
            None => self.store(items),
            Some(values) => {
                for value in &values.values {
                    match value {
                        MultiTableInsertValue::Expr(expr) => self.stored(expr, env)?,
                        MultiTableInsertValue::Default => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds the rows of what a statement changes, which it also writes.
    fn changed(&mut self, factor: &TableFactor, frame: &mut Frame) -> Result<(), Unreadable> {
        let TableFactor::Table {
            name, args: None, ..
        } = factor
        else {
            return Err(Unreadable::Unsupported("a change of what is no table"));
        };
        self.target(Action::Write, name)?;
        self.factor(factor, frame, None)
    }

    fn update(&mut self, update: &Update) -> Result<(), Unreadable> {
        let is_other = update.returning.is_some()
            || update.output.is_some()
            || update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
            || !update.table.joins.is_empty();
        if is_other {
            return Err(Unreadable::Unsupported(
                "a form of UPDATE that Snowflake does not have",
            ));
        }
        let mut frame = Frame::default();
        self.changed(&update.table.relation, &mut frame)?;
        match &update.from {
            None => {}
            Some(UpdateTableFromKind::BeforeSet(all) | UpdateTableFromKind::AfterSet(all)) => {
                self.others(all, &mut frame)?
            }
        }
        let env = Env {
            frame: &frame,
            outer: None,
        };
        self.assignments(&update.assignments, env)?;
        if let Some(condition) = &update.selection {
            self.decide(condition, env, Use::Where)?;
        }
        self.meaning.give(Output::Known(Vec::new()));
        Ok(())
    }

    fn assignments(&mut self, all: &[Assignment], env: Env<'_>) -> Result<(), Unreadable> {
        all.iter()
            .try_for_each(|assignment| self.stored(&assignment.value, env))
    }

    fn others(&mut self, all: &[TableWithJoins], frame: &mut Frame) -> Result<(), Unreadable> {
        all.iter()
            .try_for_each(|one| self.table_with_joins(one, frame, None))
    }

    fn delete(&mut self, delete: &Delete) -> Result<(), Unreadable> {
        let is_other = !delete.tables.is_empty()
            || delete.returning.is_some()
            || delete.output.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let ([from], false) = (from.as_slice(), is_other) else {
            return Err(Unreadable::Unsupported(
                "a form of DELETE that Snowflake does not have",
            ));
        };
        if !from.joins.is_empty() {
            return Err(Unreadable::Unsupported(
                "a form of DELETE that Snowflake does not have",
            ));
        }
        let mut frame = Frame::default();
        self.changed(&from.relation, &mut frame)?;
        if let Some(using) = &delete.using {
            self.others(using, &mut frame)?;
        }
        if let Some(condition) = &delete.selection {
            self.decide(
                condition,
                Env {
                    frame: &frame,
                    outer: None,
                },
                Use::Where,
            )?;
        }
        self.meaning.give(Output::Known(Vec::new()));
        Ok(())
    }

    fn merge(&mut self, merge: &Merge) -> Result<(), Unreadable> {
        if merge.output.is_some() {
            return Err(Unreadable::Unsupported("OUTPUT of MERGE"));
        }
        let mut frame = Frame::default();
        self.changed(&merge.table, &mut frame)?;
        self.factor(&merge.source, &mut frame, None)?;
        let env = Env {
            frame: &frame,
            outer: None,
        };
        self.decide(&merge.on, env, Use::Join)?;
        for clause in &merge.clauses {
            self.merge_clause(clause, env)?;
        }
        self.meaning.give(Output::Known(Vec::new()));
        Ok(())
    }

    fn merge_clause(&mut self, clause: &MergeClause, env: Env<'_>) -> Result<(), Unreadable> {
        if let Some(predicate) = &clause.predicate {
            self.decide(predicate, env, Use::Where)?;
        }
        match &clause.action {
            MergeAction::Delete { .. } | MergeAction::DoNothing { .. } => Ok(()),
            MergeAction::Insert(insert) => {
                if let Some(predicate) = &insert.insert_predicate {
                    self.decide(predicate, env, Use::Where)?;
                }
                match &insert.kind {
                    MergeInsertKind::Values(values) => {
                        let all = values.rows.iter().flat_map(|row| &row.content);
                        all.into_iter().try_for_each(|expr| self.stored(expr, env))
                    }
                    MergeInsertKind::Row => Err(Unreadable::Unsupported("INSERT ROW")),
                    MergeInsertKind::Wildcard => {
                        self.store(&env.items());
                        Ok(())
                    }
                }
            }
            MergeAction::Update(update) => {
                for predicate in update
                    .update_predicate
                    .iter()
                    .chain(&update.delete_predicate)
                {
                    self.decide(predicate, env, Use::Where)?;
                }
                match &update.kind {
                    MergeUpdateKind::Set(all) => self.assignments(all, env),
                    MergeUpdateKind::Wildcard => {
                        self.store(&env.items());
                        Ok(())
                    }
                }
            }
        }
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<(), Unreadable> {
        self.target(Action::Create, &create.name)?;
        if create.or_replace {
            self.target(Action::Drop, &create.name)?;
        }
        if let Some(source) = &create.clone {
            // All that is in it goes to the new table.
            let source = self.relation(source)?;
            self.store(&source.items);
        }
        let others = [
            create.with_aggregation_policy.is_some(),
            create.with_row_access_policy.is_some(),
            create.with_storage_lifecycle_policy.is_some(),
            create.with_tags.is_some(),
            create.location.is_some(),
            create.external,
            create.iceberg,
            create.external_volume.is_some(),
            create.catalog.is_some(),
            create.base_location.is_some(),
            create.like.is_some(),
        ];
        if others.contains(&true) {
            // Policies, tags, places outside: named in ways that are not followed yet.
            self.meaning.touch(Action::Create, Object::account());
        }
        if let Some(query) = &create.query {
            self.stored_query(query)?;
        }
        self.meaning.give(Output::Known(Vec::new()));
        Ok(())
    }

    fn create_view(&mut self, create: &CreateView) -> Result<(), Unreadable> {
        let names = names(&create.name)?;
        let view = Object::new(Class::View, self.catalogue.resolve(names));
        self.meaning.touch(Action::Create, view.clone());
        if create.or_replace || create.or_alter {
            self.meaning.touch(Action::Drop, view);
        }
        self.stored_query(&create.query)?;
        self.meaning.give(Output::Known(Vec::new()));
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
                let frame = Frame::default();
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
                if let Some(object) = from.object {
                    let source = self.relation(object)?;
                    self.store(&source.items);
                }
                if let Some(query) = from.query {
                    self.stored_query(query)?;
                }
                if let Some(partition) = partition {
                    // It becomes part of the files' names; which table's columns it may name was read above.
                    let frame = Frame::default();
                    let flow = self.value(
                        partition,
                        Env {
                            frame: &frame,
                            outer: None,
                        },
                        Clause::List,
                    )?;
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
            None => Object::account(),
        })
    }
}

/// What COPY takes rows from.
struct CopyFrom<'a> {
    object: Option<&'a ObjectName>,
    query: Option<&'a Query>,
    items: Option<&'a [StageLoadSelectItemKind]>,
}
