//! CREATE TABLE: the rows that go into it, and what its columns rest on.

use sqlparser::ast::{
    ColumnDef, ColumnOption, ColumnPolicy, CreateTable, CreateTableLikeKind, ForeignKeyConstraint,
    ObjectName, TableConstraint, WrappedCollection,
};

use super::Walk;
use super::flow::{Flow, Item, Source};
use super::names::{fold, names};
use super::scope::{Env, Frame};
use crate::statement::kind::Action;
use crate::statement::meaning::Output;
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Reads CREATE TABLE.
    pub(super) fn create_table(&mut self, create: &CreateTable) -> Result<(), Unreadable> {
        self.target(Action::Create, &create.name)?;
        if create.or_replace {
            self.target(Action::Drop, &create.name)?;
        }
        let is_other = create.external
            || create.iceberg
            || create.dynamic
            || create.location.is_some()
            || create.inherits.is_some()
            || create.partition_of.is_some()
            || create.on_cluster.is_some()
            || create.with_connection.is_some();
        if is_other {
            return Err(Unreadable::Unsupported(
                "a form of CREATE TABLE that is not known",
            ));
        }
        if let Some(source) = &create.clone {
            // All that is in it goes to the new table.
            let source = self.relation(source)?;
            self.store(&source.items);
        }
        if let Some(version) = &create.version {
            let frame = Frame::default();
            let env = Env {
                frame: &frame,
                outer: None,
            };
            self.version(version, env)?;
        }
        match &create.like {
            Some(CreateTableLikeKind::Parenthesized(like) | CreateTableLikeKind::Plain(like)) => {
                self.relation(&like.name)?;
            }
            None => {}
        }
        let policies = create
            .with_aggregation_policy
            .iter()
            .chain(create.with_row_access_policy.iter().map(|row| &row.policy))
            .chain(
                create
                    .with_storage_lifecycle_policy
                    .iter()
                    .map(|life| &life.policy),
            )
            .chain(create.with_tags.iter().flatten().map(|tag| &tag.key));
        for policy in policies {
            self.named_elsewhere(policy)?;
        }
        self.columns(create)?;
        if let Some(query) = &create.query {
            self.stored_query(query)?;
        }
        self.meaning.give(Output::Known(Vec::new()));
        Ok(())
    }

    /// Reads what columns are made of and rest on.
    fn columns(&mut self, create: &CreateTable) -> Result<(), Unreadable> {
        let own: Vec<Item> = create
            .columns
            .iter()
            .map(|column| Ok(Item::named(&fold(&column.name)?, Flow::nothing())))
            .collect::<Result<_, Unreadable>>()?;
        let frame = Frame {
            sources: vec![Source::unnamed(own)],
            ..Frame::default()
        };
        let env = Env {
            frame: &frame,
            outer: None,
        };
        for column in &create.columns {
            self.column_options(column, env)?;
        }
        for constraint in &create.constraints {
            match constraint {
                TableConstraint::ForeignKey(key) => self.foreign_key(key)?,
                TableConstraint::Check(check) => self.stored(&check.expr, env)?,
                TableConstraint::Unique(_) | TableConstraint::PrimaryKey(_) => {}
                TableConstraint::Index(_)
                | TableConstraint::FulltextOrSpatial(_)
                | TableConstraint::PrimaryKeyUsingIndex(_)
                | TableConstraint::UniqueUsingIndex(_)
                | TableConstraint::Exclude(_) => {
                    return Err(Unreadable::Unsupported("a constraint that is not known"));
                }
            }
        }
        if let Some(WrappedCollection::NoWrapping(all) | WrappedCollection::Parentheses(all)) =
            &create.cluster_by
        {
            for expr in all {
                self.stored(expr, env)?;
            }
        }
        Ok(())
    }

    fn column_options(&mut self, column: &ColumnDef, env: Env<'_>) -> Result<(), Unreadable> {
        for option in &column.options {
            match &option.option {
                ColumnOption::Default(expr)
                | ColumnOption::Materialized(expr)
                | ColumnOption::Alias(expr)
                | ColumnOption::OnUpdate(expr) => self.stored(expr, env)?,
                ColumnOption::Ephemeral(expr)
                | ColumnOption::Generated {
                    generation_expr: expr,
                    ..
                } => {
                    if let Some(expr) = expr {
                        self.stored(expr, env)?;
                    }
                }
                ColumnOption::Check(check) => self.stored(&check.expr, env)?,
                ColumnOption::ForeignKey(key) => self.foreign_key(key)?,
                ColumnOption::Policy(
                    ColumnPolicy::MaskingPolicy(policy) | ColumnPolicy::ProjectionPolicy(policy),
                ) => self.named_elsewhere(&policy.policy_name)?,
                ColumnOption::Tags(tags) => {
                    for tag in &tags.tags {
                        self.named_elsewhere(&tag.key)?;
                    }
                }
                ColumnOption::Null
                | ColumnOption::NotNull
                | ColumnOption::PrimaryKey(_)
                | ColumnOption::Unique(_)
                | ColumnOption::CharacterSet(_)
                | ColumnOption::Collation(_)
                | ColumnOption::Comment(_)
                | ColumnOption::Identity(_) => {}
                ColumnOption::DialectSpecific(_)
                | ColumnOption::Options(_)
                | ColumnOption::OnConflict(_)
                | ColumnOption::Srid(_)
                | ColumnOption::Invisible => {
                    return Err(Unreadable::Unsupported(
                        "an option of a column that is not known",
                    ));
                }
            }
        }
        Ok(())
    }

    /// A reference tells what is in another table.
    fn foreign_key(&mut self, key: &ForeignKeyConstraint) -> Result<(), Unreadable> {
        let path = self.catalogue.resolve(names(&key.foreign_table)?);
        self.meaning
            .touch(Action::Read, Object::new(Class::Table, path));
        Ok(())
    }

    /// Asks about a policy, tag or the like that is named with its schema, which may be another's.
    fn named_elsewhere(&mut self, name: &ObjectName) -> Result<(), Unreadable> {
        let names = names(name)?;
        if names.len() > 1 {
            let path = self.catalogue.resolve(names);
            self.meaning
                .touch(Action::Read, Object::new(Class::Object, path));
        }
        Ok(())
    }
}
