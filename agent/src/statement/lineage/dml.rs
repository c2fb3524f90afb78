//! Statements that change rows.

use sqlparser::ast::{
    Assignment, Delete, FromTable, Insert, Merge, MergeAction, MergeClause, MergeInsertKind,
    MergeUpdateKind, MultiTableInsertIntoClause, MultiTableInsertValue, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind,
};

use super::Walk;
use super::flow::{Item, Source};
use super::scope::{Env, Frame};
use crate::statement::kind::Action;
use crate::statement::meaning::{Output, Use};
use crate::statement::object::Class;
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    pub(super) fn insert(&mut self, insert: &Insert) -> Result<(), Unreadable> {
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
                sources: vec![Source::unnamed(items.clone())],
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
        let object = self.target(Action::Write, name)?;
        // Only queries look a name up in more than one schema.
        self.is_target = true;
        let read = self.factor(factor, frame, None);
        self.is_target = false;
        read?;
        if object.class() == Class::Table {
            // Only tables are changed: what nothing else is known of is one.
            self.meaning.settle(&object);
            for item in frame
                .sources
                .iter_mut()
                .flat_map(|source| &mut source.items)
            {
                if let Item::Rest { object: rest, .. } = item
                    && rest.path() == object.path()
                {
                    *rest = object.clone();
                }
            }
        }
        Ok(())
    }

    pub(super) fn update(&mut self, update: &Update) -> Result<(), Unreadable> {
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

    pub(super) fn delete(&mut self, delete: &Delete) -> Result<(), Unreadable> {
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

    pub(super) fn merge(&mut self, merge: &Merge) -> Result<(), Unreadable> {
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
        let source = Frame {
            sources: frame.sources.get(1..).unwrap_or_default().to_vec(),
            ..Frame::default()
        };
        let source = Env {
            frame: &source,
            outer: None,
        };
        for clause in &merge.clauses {
            self.merge_clause(clause, env, source)?;
        }
        self.meaning.give(Output::Known(Vec::new()));
        Ok(())
    }

    fn merge_clause(
        &mut self,
        clause: &MergeClause,
        env: Env<'_>,
        source: Env<'_>,
    ) -> Result<(), Unreadable> {
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
                        // A row that is added has no other values than the source's.
                        all.into_iter()
                            .try_for_each(|expr| self.stored(expr, source))
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
}
