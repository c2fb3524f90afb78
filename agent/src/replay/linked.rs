//! Which of a statement's links holds, and which rows are of the use of a tool that it names. Pure.
//!
//! Links are numbered by what made them, in `link_id`. The last one holds, also where one before it was lost: then nothing that
//! is there says that an older one was superseded, and that may have had a better grade.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::record::entry::Entry;

/// Uses of tools by their ids and the model calls that asked for them: not all providers' ids are unique.
pub(super) type Uses<'a> = BTreeMap<(&'a str, Option<&'a str>), &'a Entry>;

/// Gives the number of a link among its statement's. Source: `prompt/linking/matching.rs`, `link_id`.
fn number(link: &Entry) -> Option<u64> {
    link.text("link_id")?.rsplit_once('.')?.1.parse().ok()
}

/// Puts the links of one statement into their order, the one that holds first.
pub(super) fn in_order(mut links: Vec<&Entry>) -> Vec<&Entry> {
    // Of two with one number the later row holds.
    links.reverse();
    links.sort_by_key(|link| Reverse(number(link)));
    links
}

/// Finds the link of each statement that holds.
pub(super) fn last_ones<'a>(
    links: impl Iterator<Item = &'a Entry>,
) -> BTreeMap<&'a str, &'a Entry> {
    let mut last: BTreeMap<&str, &Entry> = BTreeMap::new();
    for link in links {
        if let Some(statement) = link.text("statement_id") {
            let held = last.entry(statement).or_insert(link);
            if number(link) >= number(held) {
                *held = link;
            }
        }
    }
    last
}

/// Finds the rows of a session's uses of tools; of one use the last row tells most.
pub(super) fn uses<'a>(rows: impl Iterator<Item = &'a Entry>, session: Option<&str>) -> Uses<'a> {
    let own = rows.filter(|row| session.is_some() && row.text("session_id") == session);
    let named = |row: &'a Entry| Some(((row.text("tool_call_id")?, row.text("llm_call_id")), row));
    own.filter_map(named).collect()
}

/// Finds the row of the use that a link names; rows of before say nothing of the model call.
pub(super) fn of_link<'a>(uses: &Uses<'a>, link: &Entry) -> Option<&'a Entry> {
    let id = link.text("tool_call_id")?;
    let found = uses.get(&(id, link.text("llm_call_id")));
    found.or_else(|| uses.get(&(id, None))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::schema::Table;

    fn row(table: &str, values: &[(&str, &str)]) -> Entry {
        let mut row = Entry::empty(Table::by_name(table).unwrap());
        for (column, value) in values {
            row.set(column, (*value).to_owned());
        }
        row
    }

    fn link(id: &str, grade: &str) -> Entry {
        let values = [("link_id", id), ("statement_id", "s"), ("grade", grade)];
        row("links", &values)
    }

    #[test]
    fn the_last_link_holds_also_where_one_before_it_was_lost() {
        // `s.1` was lost: no row says that `s.0` is superseded.
        let mut links: Vec<Entry> = (2..=10)
            .map(|number| link(&format!("s.{number}"), "D"))
            .collect();
        links.push(link("s.11", "E"));
        links.push(link("s.0", "A"));
        let last = last_ones(links.iter());
        assert_eq!(last["s"].text("link_id"), Some("s.11"));
        let ordered = in_order(links.iter().collect());
        let ids: Vec<_> = ordered.iter().map(|link| link.text("link_id")).collect();
        let [first, second, .., last] = &ids[..] else {
            panic!("{ids:?}")
        };
        assert_eq!([*first, *second], [Some("s.11"), Some("s.10")]);
        assert_eq!(*last, Some("s.0"));
    }

    #[test]
    fn a_use_is_of_its_session_and_its_call() {
        let used = |session: &str, call: &str, args: &str| {
            let mut values = vec![("tool_call_id", "call_0"), ("args", args)];
            values.extend(Some(("llm_call_id", call)).filter(|_| !call.is_empty()));
            let mut row = row("tool_call_args", &values);
            row.set("session_id", session);
            row
        };
        let rows = [
            used("a", "c1", "first"),
            used("a", "c2", "second"),
            used("b", "c1", "another's"),
        ];
        let named = |rows: &[Entry], call| {
            let link = row(
                "links",
                &[("tool_call_id", "call_0"), ("llm_call_id", call)],
            );
            let found = uses(rows.iter(), Some("a"));
            let found = of_link(&found, &link).and_then(|row| row.text("args"));
            found.map(str::to_owned)
        };
        assert_eq!(named(&rows, "c1").as_deref(), Some("first"));
        assert_eq!(named(&rows, "c2").as_deref(), Some("second"));
        assert_eq!(named(&rows, "c3"), None);
        let before = [used("a", "", "of before"), used("b", "c1", "another's")];
        assert_eq!(named(&before, "c1").as_deref(), Some("of before"));
        assert_eq!(uses(rows.iter(), None).len(), 0);
    }
}
