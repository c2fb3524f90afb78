//! Scripting blocks: whatever stands in one at any depth.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Statement, Visit, Visitor};

use super::scope::{Env, Frame};
use super::{Clause, Walk};
use crate::statement::kind::Action;
use crate::statement::meaning::Output;
use crate::statement::object::Object;
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Reads what a block holds; its variables and cursors are not followed.
    pub(super) fn block(&mut self, block: &Statement) -> Result<(), Unreadable> {
        self.meaning.touch(Action::Call, Object::account());
        self.doubt("variables and cursors of a block are not followed");
        self.blocks += 1;
        let mut inside = Inside::default();
        let _whole: ControlFlow<()> = block.visit(&mut inside);
        for statement in &inside.statements {
            self.statement(statement)?;
        }
        let frame = Frame::default();
        let env = Env {
            frame: &frame,
            outer: None,
        };
        for query in &inside.queries {
            self.stored_query(query)?;
        }
        for call in &inside.calls {
            self.value(call, env, Clause::Rows)?;
        }
        self.blocks -= 1;
        self.meaning.give(Output::Unknown("a block's result"));
        Ok(())
    }
}

/// What stands in a block, at any depth.
#[derive(Default)]
struct Inside {
    statements: Vec<Statement>,
    /// Queries that are no statement's own: of RETURN, LET, conditions and arguments.
    queries: Vec<Query>,
    calls: Vec<Expr>,
    /// How many statements that are read by themselves the walk is in.
    within: usize,
}

impl Visitor for Inside {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        if !is_block(statement) {
            if self.within == 0 {
                self.statements.push(statement.clone());
            }
            self.within += 1;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        if !is_block(statement) {
            self.within -= 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.within == 0 {
            self.queries.push(query.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.within == 0 && matches!(expr, Expr::Function(_)) {
            self.calls.push(expr.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Tells whether a statement is read by what stands in it.
fn is_block(statement: &Statement) -> bool {
    matches!(
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
    )
}
