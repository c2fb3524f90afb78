//! The list of ways out of a session: each row, how it is tried, what must be seen, and the test that shows it.
//!
//! Rows 1 to 29 are those of the table of escape holes that the kernel's side was designed by; rows `A` are attacks on the
//! host, rows `C` what an operator must be able to rely on. What a session can try by itself is a [`Way`], tried by the
//! programs in `tests/red` as an unprivileged user; everything else names its test. Each way has a twin: the nearest act
//! that is allowed, which must work, so that a refusal is no accident.

mod beyond;
mod host;
mod sockets;

use std::path::Path;

use serde::Deserialize;

/// All rows, in order.
pub const ALL: [&[Row]; 3] = [&sockets::ROWS, &beyond::ROWS, &host::ROWS];

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Its number.
    pub number: &'static str,
    /// The attack, in one sentence.
    pub attack: &'static str,
    /// What the red agent tries.
    pub ways: &'static [Way],
    /// Tests that show the rest, as `<file>::<function>`.
    pub shown_by: &'static [&'static str],
    /// What is not shown here, or is out of the model, and where that is said; empty if nothing is.
    pub said: &'static str,
}

/// What the red agent tries of a row, in a session.
#[derive(Debug)]
pub struct Way {
    /// Its name, by which the program in `tests/red` knows it; begins with the row's number.
    pub name: &'static str,
    /// What must be seen of it: the kernel's error, most often.
    pub seen: &'static str,
    /// Its twin.
    pub twin: Twin,
    /// In which sessions it is tried.
    pub within: Within,
}

/// The nearest act that is allowed.
#[derive(Debug)]
pub enum Twin {
    /// In the session too: what it is, and what must be seen of it.
    Allowed(&'static str, &'static str),
    /// The same act in no session, by a user: what must be seen of it there.
    Outside(u32, &'static str),
}

/// Who opens a session that something is tried in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// The unprivileged user itself, and root for that user.
    Each,
    /// Root for the user (`--user`).
    HandedOver,
    /// The user itself.
    ByItself,
}

/// What a program in `tests/red` tells of one way, by one line.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// The way's name.
    pub way: String,
    /// What was seen.
    pub seen: String,
    /// What was seen of the twin.
    pub twin: String,
}

const fn way(
    name: &'static str,
    seen: &'static str,
    twin: &'static str,
    twin_seen: &'static str,
) -> Way {
    Way {
        name,
        seen,
        twin: Twin::Allowed(twin, twin_seen),
        within: Within::Each,
    }
}

const fn outside(name: &'static str, seen: &'static str, uid: u32, there: &'static str) -> Way {
    Way {
        name,
        seen,
        twin: Twin::Outside(uid, there),
        within: Within::Each,
    }
}

/// Gives all ways.
pub fn ways() -> impl Iterator<Item = &'static Way> {
    let rows = ALL.iter().flat_map(|rows| rows.iter());
    rows.flat_map(|row| row.ways)
}

/// Compares what was told of the ways of one kind of session with the list; gives a table, and what is wrong.
///
/// `outside` is what the same acts came to in no session.
#[must_use]
pub fn compare(within: Within, told: &[Told], outside: &[Told]) -> (String, Vec<String>) {
    let (mut table, mut wrong) = (String::new(), Vec::new());
    let find = |told: &[Told], name: &str| told.iter().find(|told| told.way == name).cloned();
    for way in ways().filter(|way| way.within == Within::Each || way.within == within) {
        let Some(found) = find(told, way.name) else {
            wrong.push(format!("{}: not tried", way.name));
            continue;
        };
        let (what, expected, twin) = match way.twin {
            Twin::Allowed(what, expected) => (what, expected, found.twin),
            Twin::Outside(_, expected) => {
                let there = find(outside, way.name).map(|told| told.seen);
                let there = there.unwrap_or_else(|| "not tried".to_owned());
                ("the same in no session", expected, there)
            }
        };
        table.push_str(&format!("{} | {} | {what}: {twin}\n", way.name, found.seen));
        if found.seen != way.seen {
            let (name, seen) = (way.name, &found.seen);
            wrong.push(format!("{name}: expected `{}`, found `{seen}`", way.seen));
        }
        if twin != expected {
            wrong.push(format!(
                "{}, its twin ({what}): expected `{expected}`, found `{twin}`",
                way.name
            ));
        }
    }
    for told in told {
        if !ways().any(|way| way.name == told.way) {
            wrong.push(format!("{}: tried, but not in the list", told.way));
        }
    }
    (table, wrong)
}

/// Finds tests of the list that are not in the tree, and rows that nothing shows or says.
#[must_use]
pub fn missing(root: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    for row in ALL.iter().flat_map(|rows| rows.iter()) {
        if row.ways.is_empty() && row.shown_by.is_empty() && row.said.is_empty() {
            missing.push(format!("row {}: shown by nothing", row.number));
        }
        for way in row.ways {
            if way.name.split(' ').next() != Some(row.number) {
                missing.push(format!("row {}: has way `{}`", row.number, way.name));
            }
        }
        for test in row.shown_by {
            if !is_test(root, test) {
                missing.push(format!("row {}: there is no test `{test}`", row.number));
            }
        }
    }
    missing
}

/// Tells whether a file has a test function, which stands right behind its attribute.
fn is_test(root: &Path, test: &str) -> bool {
    let Some((file, name)) = test.rsplit_once("::") else {
        return false;
    };
    let Ok(text) = std::fs::read_to_string(root.join(file)) else {
        return false;
    };
    let function = format!("fn {name}(");
    let mut lines = text.lines().map(str::trim_start);
    let mut is_marked = false;
    lines.any(|line| {
        let is_it = is_marked && line.trim_start_matches("async ").starts_with(&function);
        let is_mark = line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        // Other attributes may stand between.
        is_marked = is_mark || (is_marked && line.starts_with("#["));
        is_it
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::folder;

    #[test]
    fn every_row_is_there_once_and_its_tests_are_in_the_tree() {
        let missing = missing(&folder(".."));
        assert!(missing.is_empty(), "{missing:#?}");
        let kernels = sockets::ROWS.iter().chain(&beyond::ROWS);
        let numbers: Vec<&str> = kernels.map(|row| row.number).collect();
        let expected: Vec<String> = (1..=29).map(|number: u32| number.to_string()).collect();
        assert_eq!(numbers, expected);
        let mut names: Vec<&str> = ways().map(|way| way.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a way is there twice");
    }

    #[test]
    fn a_test_that_is_gone_is_found() {
        let root = folder("..");
        let known = "tests/tests/kernel/refused.rs::udp_443_is_denied";
        assert!(is_test(&root, known));
        for gone in [
            "tests/tests/kernel/refused.rs::udp_443_is",
            "tests/tests/kernel/gone.rs::udp_443_is_denied",
            "tests/src/red/rows/mod.rs::is_test",
            "udp_443_is_denied",
        ] {
            assert!(!is_test(&root, gone), "{gone}");
        }
    }

    #[test]
    fn an_attack_that_got_through_and_a_twin_that_did_not_are_both_wrong() {
        let way = ways().next().unwrap();
        let told = |seen: &str, twin: &str| Told {
            way: way.name.into(),
            seen: seen.into(),
            twin: twin.into(),
        };
        let of_it = |told: Told| {
            let (_, wrong) = compare(Within::ByItself, &[told], &[]);
            let its = wrong.iter().filter(|wrong| wrong.starts_with(way.name));
            its.count()
        };
        let Twin::Allowed(_, twin) = way.twin else {
            panic!("another twin");
        };
        assert_eq!(of_it(told(way.seen, twin)), 0);
        assert_eq!(of_it(told("ok", twin)), 1);
        assert_eq!(of_it(told("ok", "EPERM")), 2);
        let unknown = Told {
            way: "99 new".into(),
            ..told("EPERM", "ok")
        };
        let (_, wrong) = compare(Within::ByItself, &[unknown], &[]);
        assert!(wrong.contains(&"99 new: tried, but not in the list".to_owned()));
    }
}
