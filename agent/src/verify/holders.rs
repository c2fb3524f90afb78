//! Which chains can have rows of one statement, so that the objects of others are not read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use super::chain;
use super::layout::Layout;
use super::objects::Objects;
use super::prove::began;
use crate::record::chain::read::ReadChain;
use crate::record::encryption::KeyRing;
use crate::record::{Key, RecordError, rows_of};

/// How far the time in a statement's id may be from that in its first row: both are of the same moment.
const BEGINNING: TimeDelta = TimeDelta::hours(1);

/// Finds the chains that have rows of a statement under the day on which it began, and those that can have taken over more:
/// of the same hosts, or linked with them. None where no chain has it there: then each can have it.
pub(super) fn holders<'l>(
    objects: &dyn Objects,
    ring: &Arc<KeyRing>,
    (org, layout): (&str, &'l Layout),
    statement: &str,
) -> Result<Option<BTreeSet<&'l str>>, RecordError> {
    let Some(began) = began(statement) else {
        return Ok(None);
    };
    let days = [began - BEGINNING, began + BEGINNING].map(|at| at.date_naive());
    let statements = BTreeSet::from([statement.to_owned()]);
    let mut reads: BTreeMap<&str, ReadChain> = BTreeMap::new();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for (name, files) in &layout.chains {
        let read = chain::documents(objects, (org, name), files)?;
        let of_table = read.objects().filter(|object| object.table == "statements");
        let keys = of_table.filter_map(|object| Key::parse(&object.key));
        for key in keys.filter(|key| days.contains(&key.day)) {
            let rows = rows_of(&key, objects.get(&key.to_string())?, ring, &statements);
            if rows.is_ok_and(|rows| !rows.is_empty()) {
                found.insert(name);
                break;
            }
        }
        reads.insert(name, read);
    }
    let mut hosts: BTreeSet<&str> = BTreeSet::new();
    loop {
        let known = (found.len(), hosts.len());
        for (name, read) in &reads {
            let Some(genesis) = &read.genesis else {
                continue;
            };
            let before = genesis.previous.as_ref();
            if found.contains(name)
                || hosts.contains(&*genesis.host_id)
                || before.is_some_and(|before| found.contains(&*before.chain))
            {
                found.insert(name);
                hosts.insert(&genesis.host_id);
            }
        }
        if (found.len(), hosts.len()) == known {
            return Ok((!found.is_empty()).then_some(found));
        }
    }
}
