//! `*` and what EXCLUDE, ILIKE, REPLACE and RENAME leave of it.

use std::collections::BTreeSet;

use sqlparser::ast::{ExcludeSelectItem, ObjectName, RenameSelectItem, WildcardAdditionalOptions};

use super::flow::{Flow, Item};
use super::names::{fold, names};
use super::scope::Env;
use super::{Clause, Walk};
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Reads what EXCLUDE, ILIKE, REPLACE and RENAME leave of `*`.
    pub(super) fn starred(
        &mut self,
        items: Vec<Item>,
        options: &WildcardAdditionalOptions,
        env: Env<'_>,
    ) -> Result<Vec<Item>, Unreadable> {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        if opt_except.is_some() || opt_alias.is_some() {
            return Err(Unreadable::Unsupported(
                "a form of `*` that Snowflake does not have",
            ));
        }
        let mut items = items;
        if let Some(ilike) = opt_ilike {
            let pattern = &ilike.pattern;
            if pattern.contains('\\') {
                return Err(Unreadable::Unsupported("ILIKE of `*` with a backslash"));
            }
            // Which of the unknown columns fit cannot be told, nor how Snowflake folds other letters: all are kept.
            let fits = |item: &Item| match item {
                Item::One {
                    name: Some(name), ..
                } if name.is_ascii() && pattern.is_ascii() => {
                    like(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase())
                }
                Item::One { .. } | Item::Rest { .. } | Item::Unplaced => true,
            };
            items.retain(fits);
        }
        if let Some(exclude) = opt_exclude {
            items = without(items, &excluded(exclude)?);
        }
        if let Some(replace) = opt_replace {
            for element in &replace.items {
                let name = fold(&element.column_name)?;
                let flow = self.value(&element.expr, env, Clause::List)?;
                items = replaced(items, &name, &flow);
            }
        }
        if let Some(rename) = opt_rename {
            let all = match rename {
                RenameSelectItem::Single(one) => std::slice::from_ref(one),
                RenameSelectItem::Multiple(all) => all,
            };
            for one in all {
                items = renamed_one(items, &fold(&one.ident)?, &fold(&one.alias)?);
            }
        }
        Ok(items)
    }
}

pub(super) fn excluded(exclude: &ExcludeSelectItem) -> Result<BTreeSet<String>, Unreadable> {
    let last = |name: &ObjectName| {
        let mut names = names(name)?;
        names
            .pop()
            .ok_or(Unreadable::Unsupported("EXCLUDE of nothing"))
    };
    match exclude {
        ExcludeSelectItem::Single(one) => Ok(BTreeSet::from([last(one)?])),
        ExcludeSelectItem::Multiple(all) => all.iter().map(last).collect(),
    }
}

pub(super) fn without(items: Vec<Item>, excluded: &BTreeSet<String>) -> Vec<Item> {
    let kept = items.into_iter().filter_map(|item| match item {
        Item::One {
            name: Some(name), ..
        } if excluded.contains(&name) => None,
        Item::One { .. } | Item::Unplaced => Some(item),
        Item::Rest {
            object,
            mut without,
        } => {
            without.extend(excluded.iter().cloned());
            Some(Item::Rest { object, without })
        }
    });
    kept.collect()
}

fn replaced(items: Vec<Item>, wanted: &str, by: &Flow) -> Vec<Item> {
    let mut replaced = Vec::new();
    for item in items {
        match item {
            Item::One {
                name: Some(name), ..
            } if name == wanted => replaced.push(Item::named(&name, by.clone())),
            Item::One { .. } | Item::Unplaced => replaced.push(item),
            Item::Rest {
                object,
                mut without,
            } => {
                if without.insert(wanted.to_owned()) {
                    replaced.push(Item::named(wanted, by.clone()));
                }
                replaced.push(Item::Rest { object, without });
            }
        }
    }
    replaced
}

fn renamed_one(items: Vec<Item>, old: &str, new: &str) -> Vec<Item> {
    let mut renamed = Vec::new();
    for item in items {
        match item {
            Item::One {
                name: Some(name),
                flow,
            } if name == old => renamed.push(Item::named(new, flow)),
            Item::One { .. } | Item::Unplaced => renamed.push(item),
            Item::Rest {
                object,
                mut without,
            } => {
                if without.insert(old.to_owned()) {
                    renamed.push(Item::named(new, Flow::of(object.column(Some(old)))));
                }
                renamed.push(Item::Rest { object, without });
            }
        }
    }
    renamed
}

/// Tells whether a text fits a pattern with `%` and `_`.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut of) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while of < text.len() {
        match pattern.get(at) {
            Some('%') => {
                retry = Some((at + 1, of));
                at += 1;
            }
            Some(&letter) if letter == '_' || Some(&letter) == text.get(of) => {
                at += 1;
                of += 1;
            }
            Some(_) | None => match retry {
                Some((from, start)) => {
                    at = from;
                    of = start + 1;
                    retry = Some((from, of));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(at..)
        .is_some_and(|rest| rest.iter().all(|&letter| letter == '%'))
}
