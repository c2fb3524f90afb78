//! What counts, and that no count ever turns back to few.

use super::*;
use crate::policy::verb::Verb;
use crate::statement::{Class, Path};

fn taken(columns: &[&str]) -> Taken {
    let column = |name: &&str| Ask {
        verb: Verb::Project,
        resource: Resource::Column {
            class: Class::Table,
            path: Path::new(["DB", "S", "T"].map(str::to_owned).to_vec()),
            name: (*name).to_owned(),
            tags: Some([("PII".to_owned(), "yes".to_owned())].into()),
            is_opaque: false,
        },
        is_stored: false,
    };
    let asks: Vec<Ask> = columns.iter().map(column).collect();
    let mut taken = Taken::default();
    taken.use_columns("ACME", &asks);
    taken.one();
    taken
}

#[track_caller]
fn check(used: &Used, taken: &Taken, expected: [u64; 5]) {
    assert_eq!(used.counts(taken).map(|(_, count)| count), expected);
}

#[test]
fn columns_count_once_those_of_the_statement_too() {
    let mut used = Used::default();
    used.let_go(&taken(&["A", "B", "B"]));
    used.let_go(&taken(&["B"]));
    check(&used, &Taken::default(), [2, 0, 0, 0, 2]);
    check(&used, &taken(&["B", "C"]), [3, 0, 0, 0, 3]);
    let text = serde_json::to_string(&used).unwrap();
    assert_eq!(serde_json::from_str::<Used>(&text).unwrap(), used);
}

#[test]
fn a_column_without_a_tag_or_with_unknown_ones_does_not_count() {
    let resource = |tags| Resource::Column {
        class: Class::Table,
        path: Path::new(vec!["T".to_owned()]),
        name: "A".to_owned(),
        tags,
        is_opaque: false,
    };
    let asks = [None, Some([].into())].map(|tags| Ask {
        verb: Verb::Project,
        resource: resource(tags),
        is_stored: false,
    });
    let mut taken = Taken::default();
    taken.use_columns("ACME", &asks);
    assert_eq!(taken, Taken::default());
}

#[test]
fn more_columns_than_are_told_apart_are_as_many_as_can_be() {
    let names: Vec<String> = (0..=COLUMNS_MAX)
        .map(|number| format!("C{number}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut used = Used::default();
    used.let_go(&taken(&names));
    used.let_go(&taken(&["A"]));
    check(&used, &taken(&["A"]), [3, 0, 0, 0, u64::MAX]);
}

#[test]
fn counts_stay_at_their_end_and_failures_end_with_a_success() {
    let mut used = Used::MANY;
    used.let_go(&taken(&["A"]));
    used.delivered(7, 7);
    used.failed();
    check(&used, &Taken::default(), [u64::MAX; 5]);
    let mut used = Used::default();
    used.failed();
    used.failed();
    used.delivered(2, 3);
    check(&used, &Taken::default(), [0, 2, 3, 2, 0]);
    used.succeeded();
    check(&used, &Taken::default(), [0, 2, 3, 0, 0]);
}
