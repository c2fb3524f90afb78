//! The frozen corpora: cases that the matcher was not made with, written and frozen before it met them. `tests/linking/make.py` writes
//! them, and runs their commands for real; a label is what then issued the statement.
//!
//! Beside each stands a file of figures: how many statements it has, what came out `first`, and what came out once the matcher had been
//! `mended` for it. A corpus that is not mended shows no more than that the matcher got no worse, one that has no figures yet no more than
//! that it can be played.

use serde::Deserialize;

use super::outcome::{Figures, Outcome};
use super::player::played;

struct Frozen {
    name: &'static str,
    cases: &'static str,
    first_seed: u64,
    figures: &'static str,
}

const CORPORA: [Frozen; 3] = [
    Frozen {
        name: "held out",
        cases: include_str!("../../../testdata/held_out.jsonl"),
        first_seed: 1_000_000,
        figures: include_str!("../../../testdata/held_out.figures.json"),
    },
    Frozen {
        name: "third",
        cases: include_str!("../../../testdata/third.jsonl"),
        first_seed: 3_000_000,
        figures: include_str!("../../../testdata/third.figures.json"),
    },
    Frozen {
        name: "fourth",
        cases: include_str!("../../../testdata/fourth.jsonl"),
        first_seed: 4_000_000,
        figures: include_str!("../../../testdata/fourth.figures.json"),
    },
];

/// What is on record of a corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnRecord {
    statements: usize,
    hostile: usize,
    direct: usize,
    #[serde(default)]
    first: Option<Figures>,
    #[serde(default)]
    mended: Option<Figures>,
}

impl Frozen {
    /// Plays it, prints what came out, and tells what is worse than on record or, where it is mended, than promised.
    fn play(&self) -> Vec<String> {
        let record: OnRecord = serde_json::from_str(self.figures).expect("a file of figures");
        let rows = played(self.cases, self.first_seed);
        let outcome = Outcome::of(&rows);
        println!("\n{}:", self.name);
        outcome.print();
        assert_eq!(
            (rows.len(), outcome.ill.len(), outcome.direct.len()),
            (record.statements, record.hostile, record.direct),
            "`{}` is not the corpus of its figures",
            self.name
        );
        let last = record.mended.or(record.first);
        let mut worse = last.map_or_else(Vec::new, |last| outcome.figures.worse_than(last));
        if record.mended.is_some() {
            worse.extend(outcome.broken_promises());
        }
        worse
            .iter()
            .map(|worse| format!("{}: {worse}", self.name))
            .collect()
    }
}

#[test]
fn frozen_corpora_are_linked_no_worse_than_on_record() {
    let worse: Vec<String> = CORPORA.iter().flat_map(Frozen::play).collect();
    assert!(worse.is_empty(), "{worse:#?}");
}
