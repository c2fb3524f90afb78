//! WITH: named queries, which may name themselves.

use sqlparser::ast::{Cte, SetExpr, SetOperator, SetQuantifier, With};

use super::flow::{Flow, Item};
use super::names::fold;
use super::query::renamed;
use super::scope::Env;
use super::{Named, Walk};
use crate::statement::parse::Unreadable;

/// How often a recursive query is read again until no more columns come to it.
const ROUNDS_MAX: usize = 16;

impl Walk<'_> {
    /// Reads the members of WITH.
    pub(super) fn with(&mut self, with: &With, outer: Option<&Env<'_>>) -> Result<(), Unreadable> {
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name)?;
            let items = self.cte(cte, &name, outer)?;
            self.ctes.push(Named { name, items });
        }
        Ok(())
    }

    /// Reads one member of WITH. Snowflake needs no RECURSIVE: whatever stands right of UNION ALL may name itself.
    fn cte(
        &mut self,
        cte: &Cte,
        name: &str,
        outer: Option<&Env<'_>>,
    ) -> Result<Vec<Item>, Unreadable> {
        if cte.from.is_some() {
            return Err(Unreadable::Unsupported("FROM of a common table expression"));
        }
        let columns: Vec<String> = cte
            .alias
            .columns
            .iter()
            .map(|column| fold(&column.name))
            .collect::<Result<_, _>>()?;
        let mut body = cte.query.body.as_ref();
        while let SetExpr::Query(inner) = body
            && inner.with.is_none()
        {
            body = inner.body.as_ref();
        }
        let SetExpr::SetOperation {
            left,
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All | SetQuantifier::AllByName,
            right: _,
        } = body
        else {
            return Ok(renamed(self.query(&cte.query, outer)?, &columns));
        };
        let known = self.ctes.len();
        if let Some(with) = &cte.query.with {
            self.with(with, outer)?;
        }
        let (anchor, _) = self.set(left, outer)?;
        self.ctes.truncate(known);
        let mut items = renamed(anchor, &columns);
        for _ in 0..ROUNDS_MAX {
            self.ctes.push(Named {
                name: name.to_owned(),
                items: items.clone(),
            });
            let next = self.query(&cte.query, outer);
            self.ctes.truncate(known);
            let next = both(&items, renamed(next?, &columns));
            if next == items {
                return Ok(items);
            }
            items = next;
        }
        Err(Unreadable::Unsupported(
            "a recursive query whose columns do not settle",
        ))
    }
}

/// Joins what two readings say of the columns: what came once stays. A name in the query may be a table's in one branch, and
/// the query's own in the next.
fn both(before: &[Item], next: Vec<Item>) -> Vec<Item> {
    let is_known = before.iter().chain(&next).all(Item::is_one);
    if is_known && before.len() == next.len() {
        let pairs = before.iter().zip(next);
        return pairs.map(|(before, next)| joined(before, next)).collect();
    }
    let mut all = vec![Item::Unplaced];
    for item in before.iter().chain(&next) {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}

fn joined(before: &Item, next: Item) -> Item {
    let (Item::One { flow: earlier, .. }, Item::One { name, flow }) = (before, next) else {
        return Item::Unplaced;
    };
    let mut flow: Flow = flow;
    flow.or(earlier.clone());
    Item::One { name, flow }
}
