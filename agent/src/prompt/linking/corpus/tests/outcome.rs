//! What became of a corpus: matrices of its grades, its figures, and whether these keep what is promised.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::grade::Grade;
use super::world::Row;

const GRADES: [Grade; 6] = [
    Grade::Proven,
    Grade::Strong,
    Grade::Probable,
    Grade::Possible,
    Grade::Session,
    Grade::Unknown,
];

/// The figures of a corpus, as a file beside its cases has them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Figures {
    /// Statements with A.
    pub(super) proven: usize,
    /// Those of them that name the use that they are labelled with.
    pub(super) proven_right: usize,
    /// Honest statements of direct SQL with A or B and the right use.
    pub(super) direct_found: usize,
    /// Hostile statements with A or B.
    pub(super) hostile_strong: usize,
}

impl Figures {
    fn proven_wrong(self) -> usize {
        self.proven - self.proven_right
    }
}

/// A corpus that has met the matcher.
pub(super) struct Outcome<'r> {
    pub(super) honest: Vec<&'r Row>,
    pub(super) ill: Vec<&'r Row>,
    pub(super) direct: Vec<&'r Row>,
    /// Statements with A that name another use than their own.
    wrong: Vec<&'r Row>,
    /// Direct ones without A or B, or with another use.
    missed: Vec<&'r Row>,
    /// Hostile ones with A or B.
    tricked: Vec<&'r Row>,
    pub(super) figures: Figures,
}

impl<'r> Outcome<'r> {
    pub(super) fn of(rows: &'r [Row]) -> Self {
        let is_right = |row: &&Row| row.link.tool_call_id == row.label;
        let is_strong = |row: &&Row| row.link.grade >= Grade::Strong;
        let (ill, honest): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_hostile);
        let all = |keeps: &dyn Fn(&&Row) -> bool, of: &[&'r Row]| -> Vec<&'r Row> {
            of.iter().copied().filter(|row| keeps(row)).collect()
        };
        let direct = all(&|row| row.is_direct, &honest);
        let proven: Vec<&Row> = (rows.iter())
            .filter(|row| row.link.grade == Grade::Proven)
            .collect();
        let wrong = all(&|row| !is_right(row), &proven);
        let missed = all(&|row| !is_strong(row) || !is_right(row), &direct);
        let tricked = all(&is_strong, &ill);
        let figures = Figures {
            proven: proven.len(),
            proven_right: proven.len() - wrong.len(),
            direct_found: direct.len() - missed.len(),
            hostile_strong: tricked.len(),
        };
        Self {
            honest,
            ill,
            direct,
            wrong,
            missed,
            tricked,
            figures,
        }
    }

    /// Prints the matrices, and each mistake.
    pub(super) fn print(&self) {
        let (honest, ill) = (self.honest.len(), self.ill.len());
        println!("{} statements, {ill} of them hostile", honest + ill);
        print(&self.honest);
        print(&self.ill);
        let mistakes = |rows: &[&Row]| -> Vec<(&'static str, Grade, String)> {
            rows.iter()
                .map(|row| (row.family, row.link.grade, row.sql.clone()))
                .collect()
        };
        let Figures {
            proven,
            proven_right,
            direct_found,
            hostile_strong,
        } = self.figures;
        println!(
            "precision of A: {proven_right} of {proven}; wrong: {:#?}",
            mistakes(&self.wrong)
        );
        println!(
            "recall of A and B on direct SQL: {direct_found} of {}; missed: {:#?}",
            self.direct.len(),
            mistakes(&self.missed)
        );
        println!(
            "hostile with A or B: {hostile_strong} of {ill}: {:#?}",
            mistakes(&self.tricked)
        );
        println!(
            "for a file of figures: {{\"proven\": {proven}, \"proven_right\": {proven_right}, \"direct_found\": {direct_found}, \"hostile_strong\": {hostile_strong}}}"
        );
    }

    /// Tells what of the promise does not hold: precision of A 0.995, recall of A and B on direct SQL 0.90, no hostile one with A or B.
    pub(super) fn broken_promises(&self) -> Vec<String> {
        let (figures, direct) = (self.figures, self.direct.len());
        let mut broken = Vec::new();
        if 1000 * figures.proven_right < 995 * figures.proven {
            broken.push(format!(
                "expected 0.995 of those with A to be right, found {figures:?}"
            ));
        }
        if 10 * figures.direct_found < 9 * direct {
            broken.push(format!(
                "expected 0.9 of {direct} direct ones with A or B, found {figures:?}"
            ));
        }
        if figures.hostile_strong > 0 {
            broken.push(format!(
                "expected no hostile one with A or B, found {figures:?}"
            ));
        }
        broken
    }
}

impl Figures {
    /// Tells in what these are worse than those on record.
    pub(super) fn worse_than(self, record: Self) -> Vec<String> {
        [
            (
                "wrong ones with A",
                self.proven_wrong() <= record.proven_wrong(),
            ),
            (
                "right ones with A",
                self.proven_right >= record.proven_right,
            ),
            (
                "direct ones with A or B",
                self.direct_found >= record.direct_found,
            ),
            (
                "hostile ones with A or B",
                self.hostile_strong <= record.hostile_strong,
            ),
        ]
        .into_iter()
        .filter(|(_, holds)| !holds)
        .map(|(what, _)| format!("{what}: expected nothing worse than {record:?}, found {self:?}"))
        .collect()
    }
}

/// Prints how many statements of each family have each grade, and how many of these name the use that they are labelled with.
fn print(rows: &[&Row]) {
    let mut matrix: BTreeMap<&'static str, [(usize, usize); 6]> = BTreeMap::new();
    for row in rows {
        let mut grades = GRADES.iter();
        let at = grades.position(|grade| *grade == row.link.grade).unwrap();
        let count = &mut matrix.entry(row.family).or_default()[at];
        count.0 += 1;
        count.1 += usize::from(row.link.tool_call_id == row.label);
    }
    let line = |name: &str, cells: [String; 6]| {
        let cells: String = cells.map(|cell| format!(" {cell:>9}")).concat();
        println!("{name:<34}{cells}");
    };
    let grades = ["A", "B", "C", "D", "E", "U"].map(str::to_owned);
    line("statements / use is right", grades);
    let mut totals = [(0, 0); 6];
    for (family, counts) in &matrix {
        let cell = |(all, right): (usize, usize)| match all {
            0 => "-".to_owned(),
            _ => format!("{all}/{right}"),
        };
        line(family, counts.map(cell));
        for (total, (all, right)) in totals.iter_mut().zip(counts) {
            *total = (total.0 + all, total.1 + right);
        }
    }
    line("all", totals.map(|(all, right)| format!("{all}/{right}")));
}

#[test]
fn worse_figures_are_told_and_better_ones_are_not() {
    let record = Figures {
        proven: 10,
        proven_right: 9,
        direct_found: 8,
        hostile_strong: 1,
    };
    assert_eq!(record.worse_than(record), [""; 0]);
    let better = Figures {
        proven: 10,
        proven_right: 10,
        direct_found: 9,
        hostile_strong: 0,
    };
    assert_eq!(better.worse_than(record), [""; 0]);
    assert_eq!(record.worse_than(better).len(), 4);
}
