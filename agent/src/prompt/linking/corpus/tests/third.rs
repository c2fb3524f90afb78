//! The third corpus: cases of other tools, other SQL and other tricks than the second has, written without a look at the matcher and
//! frozen before it met them. `tests/linking/third.py` writes them. What came out first is in `third.figures.json`; the matcher was mended
//! since, so that it is no more than a floor.

use serde::Deserialize;

use super::super::grade::Grade;
use super::held_out::played;
use super::world::Row;
use super::{matrix, print};

const CASES: &str = include_str!("../../../testdata/third.jsonl");
const FIGURES: &str = include_str!("../../../testdata/third.figures.json");

/// What came out first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    statements: usize,
    hostile: usize,
    proven: usize,
    proven_right: usize,
    direct: usize,
    direct_found: usize,
    hostile_strong: usize,
}

#[test]
fn the_third_corpus_is_linked_no_worse_than_at_first() {
    let rows = played(CASES, 3_000_000);
    let (ill, honest): (Vec<_>, Vec<_>) = rows.iter().partition(|(row, _)| row.is_hostile);
    println!("{} statements, {} of them hostile", rows.len(), ill.len());
    print(&matrix(honest.iter().map(|(row, _)| row)));
    print(&matrix(ill.iter().map(|(row, _)| row)));

    let is_right = |row: &Row| row.link.tool_call_id == row.label;
    let proven: Vec<_> = rows
        .iter()
        .filter(|(row, _)| row.link.grade == Grade::Proven)
        .collect();
    let wrong: Vec<_> = proven
        .iter()
        .filter(|(row, _)| !is_right(row))
        .map(|(row, sql)| (row.family, row.is_hostile, sql))
        .collect();
    let right = proven.len() - wrong.len();
    println!(
        "precision of A: {right} of {}; wrong: {wrong:#?}",
        proven.len()
    );

    let direct: Vec<_> = honest.iter().filter(|(row, _)| row.is_direct).collect();
    let missed: Vec<_> = direct
        .iter()
        .filter(|(row, _)| row.link.grade < Grade::Strong || !is_right(row))
        .map(|(row, sql)| (row.family, row.link.grade, sql))
        .collect();
    let found = direct.len() - missed.len();
    println!(
        "recall of A and B on direct SQL: {found} of {}; missed: {missed:#?}",
        direct.len()
    );

    let tricked: Vec<_> = ill
        .iter()
        .filter(|(row, _)| row.link.grade >= Grade::Strong)
        .map(|(row, sql)| (row.family, row.link.grade, sql))
        .collect();
    println!(
        "hostile with A or B: {} of {}: {tricked:#?}",
        tricked.len(),
        ill.len()
    );

    let first: Figures = serde_json::from_str(FIGURES).expect("figures");
    assert_eq!(
        (rows.len(), ill.len(), direct.len()),
        (first.statements, first.hostile, first.direct),
        "the corpus is not the one of the first output"
    );
    assert!(
        wrong.len() <= first.proven - first.proven_right,
        "{wrong:#?}"
    );
    assert!(right >= first.proven_right, "fewer are proven");
    assert!(found >= first.direct_found, "{missed:#?}");
    assert!(
        first.hostile_strong > 0 && tricked.is_empty() && wrong.is_empty(),
        "{tricked:#?}"
    );
}
