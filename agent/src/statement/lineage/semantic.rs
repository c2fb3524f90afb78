//! SEMANTIC_VIEW: metrics, dimensions and facts of a semantic view as rows.
//!
//! Source: Snowflake's reference, "SEMANTIC_VIEW". What the view makes them of is in its own definition, which is not read.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectName};

use super::Walk;
use super::flow::{Item, Source};
use super::names::{fold, names};
use super::scope::{Env, Frame};
use crate::statement::kind::Action;
use crate::statement::meaning::Use;
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Reads what is asked of a semantic view, each as a column of it.
    pub(super) fn semantic_view(
        &mut self,
        name: &ObjectName,
        parts: &[&Vec<Expr>],
        condition: Option<&Expr>,
        outer: Option<&Env<'_>>,
    ) -> Result<Source, Unreadable> {
        let names = names(name)?;
        if names.len() > 3 {
            return Err(Unreadable::Unsupported("a name of more than three parts"));
        }
        let path = self.catalogue.resolve(names);
        let view = Object::new(Class::View, path.clone());
        self.meaning.touch(Action::Read, view.clone());
        self.doubt("what a semantic view makes its columns of is not read");
        let rest = Item::Rest {
            object: view.clone(),
            without: BTreeSet::new(),
        };
        let mut frame = Frame::default();
        let asked = parts.iter().copied().flatten();
        for table in tables(asked.clone().chain(condition))? {
            let source = Source::named(vec![table], vec![rest.clone()]);
            frame.sources.push(source);
        }
        frame.sources.push(Source::unnamed(vec![rest.clone()]));
        let env = Env {
            frame: &frame,
            outer,
        };
        for expr in asked {
            if matches!(expr, Expr::QualifiedWildcard(..) | Expr::Wildcard(_)) {
                self.note(&rest.whole(), Use::Project);
            } else {
                self.decide(expr, env, Use::Project)?;
            }
        }
        if let Some(condition) = condition {
            self.decide(condition, env, Use::Where)?;
        }
        Ok(Source::named(path.names().to_vec(), vec![rest]))
    }
}

/// Lists the logical tables by which expressions call columns.
fn tables<'e>(all: impl Iterator<Item = &'e Expr>) -> Result<BTreeSet<String>, Unreadable> {
    let mut tables = BTreeSet::new();
    for expr in all {
        let seen = sqlparser::ast::visit_expressions(expr, |part| {
            if let Expr::CompoundIdentifier(names) = part
                && let [table, _] = names.as_slice()
            {
                match fold(table) {
                    Ok(table) => tables.insert(table),
                    Err(problem) => return ControlFlow::Break(problem),
                };
            }
            ControlFlow::Continue(())
        });
        if let ControlFlow::Break(problem) = seen {
            return Err(problem);
        }
    }
    Ok(tables)
}
