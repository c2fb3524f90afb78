//! UNION, INTERSECT, EXCEPT: the columns of two branches become one.

use sqlparser::ast::{SetOperator, SetQuantifier};

use super::Walk;
use super::flow::Item;
use crate::statement::meaning::Use;

impl Walk<'_> {
    /// Joins the columns of two branches; all operations but UNION ALL compare whole rows.
    pub(super) fn operation(
        &mut self,
        left: Vec<Item>,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: Vec<Item>,
    ) -> Vec<Item> {
        let is_by_name = matches!(
            quantifier,
            SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
        );
        let compares = op != SetOperator::Union
            || !matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        if compares {
            for item in left.iter().chain(&right) {
                self.note(&item.whole(), Use::Group);
            }
        }
        let is_known = left.iter().chain(&right).all(Item::is_one);
        if is_known && !is_by_name && left.len() == right.len() {
            let pairs = left.into_iter().zip(right);
            return pairs.map(|(left, right)| beside(left, &right)).collect();
        }
        if is_known && is_by_name {
            return by_name(left, right);
        }
        // Which column meets which cannot be told: each is made of all.
        let mut flow = super::flow::whole(&left).made();
        flow.add(super::flow::whole(&right));
        let of_all = |name| Item::One {
            name,
            flow: flow.clone(),
        };
        let items = left.into_iter().map(|item| match item {
            Item::One { name, .. } => of_all(name),
            Item::Rest { .. } | Item::Unplaced => of_all(None),
        });
        std::iter::once(Item::Unplaced).chain(items).collect()
    }
}

fn beside(left: Item, right: &Item) -> Item {
    match left {
        Item::One { name, mut flow } => {
            flow.or(right.whole());
            Item::One { name, flow }
        }
        Item::Rest { .. } | Item::Unplaced => left,
    }
}

/// Joins two branches by the names of their columns; a column that one of them lacks is null there.
fn by_name(left: Vec<Item>, right: Vec<Item>) -> Vec<Item> {
    let mut items: Vec<Item> = left
        .into_iter()
        .map(|item| match item {
            Item::One { name, flow } => {
                let same =
                    |other: &Item| matches!(other, Item::One { name: known, .. } if *known == name);
                let flow = if right.iter().any(same) {
                    flow
                } else {
                    flow.made()
                };
                Item::One { name, flow }
            }
            Item::Rest { .. } | Item::Unplaced => item,
        })
        .collect();
    for item in right {
        let Item::One { name, flow } = item else {
            continue;
        };
        let same = items.iter_mut().find_map(|known| match known {
            Item::One { name: known, flow } if *known == name => Some(flow),
            Item::One { .. } | Item::Rest { .. } | Item::Unplaced => None,
        });
        match same {
            Some(known) => known.or(flow),
            None => items.push(Item::One {
                name,
                flow: flow.made(),
            }),
        }
    }
    items
}
