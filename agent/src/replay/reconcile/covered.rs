//! Whether exports reach over the time that was asked for: what they do not hold says nothing of Snowflake. Pure.

use super::export::{Export, ExportError};
use super::finding::{Finding, Kind, Report};
use super::{Settings, when};

const DAY_US: i64 = 86_400_000_000;

/// Exports of one list.
pub(super) struct List<'e> {
    /// Whose rows they are.
    pub(super) name: &'static str,
    pub(super) exports: &'e [Export],
    /// The columns of its time.
    pub(super) time: &'static [&'static str],
    /// Up to when it has all even where no row is as late.
    pub(super) reach_us: Option<i64>,
}

impl List<'_> {
    /// Finds files without any row, and time that was asked for before the first row or after the last.
    ///
    /// Days count, for a day's first query is seldom at midnight; where no row is of the time that was asked for, moments do.
    pub(super) fn check(
        &self,
        settings: &Settings,
        report: &mut Report,
    ) -> Result<(), ExportError> {
        for export in self.exports {
            if export.lines().next().is_none() {
                let why = "no row in it: an export that failed looks like one of a time without any; export it anew, with a day more on each side";
                report
                    .findings
                    .push(self.finding(&export.file, why.to_owned()));
            }
        }
        let mut times = Vec::new();
        for line in self.exports.iter().flat_map(Export::lines) {
            times.extend(line.time(self.time, settings.zone)?);
        }
        let (Some(first), Some(last)) = (times.iter().min().copied(), times.iter().max().copied())
        else {
            return Ok(());
        };
        let last = self.reach_us.map_or(last, |reach| reach.max(last));
        let is_any = times.iter().any(|at| settings.holds(*at));
        let unit = if is_any { DAY_US } else { 1 };
        let (from, to) = (settings.from_us, settings.to_us.map(|to| to - 1));
        let is_before = |one: i64, other: i64| one.div_euclid(unit) < other.div_euclid(unit);
        let is_early = from.or(to).is_some_and(|asked| is_before(asked, first));
        let is_late = to.or(from).is_some_and(|asked| is_before(last, asked));
        if is_early || is_late {
            let why = format!(
                "it reaches from {} to {}, and more was asked for: export it with a day more on each side, or narrow --from and --to; --exported-at says how late it is from",
                when(first),
                when(last)
            );
            let files: Vec<&str> = self.exports.iter().map(|one| one.file.as_str()).collect();
            report.findings.push(self.finding(&files.join(", "), why));
        }
        Ok(())
    }

    fn finding(&self, file: &str, why: String) -> Finding {
        Finding {
            kind: Kind::NotCovered,
            at: String::new(),
            id: file.to_owned(),
            who: self.name.to_owned(),
            why,
            text: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::reconcile::Zone;

    fn us(text: &str) -> i64 {
        let time: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
        time.timestamp_micros()
    }

    /// Checks an export with rows of these times; the range and the reach, if they are not empty.
    #[track_caller]
    fn check(rows: &[&str], (from, to): (&str, &str), reach: &str, expected: bool) {
        let text = format!("START_TIME,A\n{}", rows.join(",1\n"));
        let text = if rows.is_empty() { text } else { text + ",1\n" };
        let exports = [Export::read("f", text.into()).unwrap()];
        let given = |text: &str| (!text.is_empty()).then(|| us(text));
        let settings = Settings {
            from_us: given(from),
            to_us: given(to),
            lag_us: 0,
            exported_us: None,
            zone: Zone::Unknown,
            users: Vec::new(),
            workflows: Vec::new(),
            account: None,
        };
        let list = List {
            name: "queries",
            exports: &exports,
            time: &["START_TIME"],
            reach_us: given(reach),
        };
        let mut report = Report::default();
        list.check(&settings, &mut report).unwrap();
        assert_eq!(report.is_clean(), expected, "{rows:?} {report:#?}");
    }

    #[test]
    fn an_export_without_rows_is_no_clean_one() {
        check(&[], ("", ""), "", false);
        check(&[], ("", ""), "2026-11-09T00:00:00Z", false);
        check(&["2026-11-01T08:00:00Z"], ("", ""), "", true);
    }

    #[test]
    fn days_before_the_first_row_and_after_the_last_are_not_covered() {
        let rows = ["2026-11-02T08:00:00Z", "2026-11-04T20:00:00Z"];
        let range = |from: &'static str, to| (from, to);
        let (second, third, fifth) = (
            "2026-11-02T00:00:00Z",
            "2026-11-03T00:00:00Z",
            "2026-11-05T00:00:00Z",
        );
        check(&rows, range(second, fifth), "", true);
        // A quiet day between two rows.
        check(&rows, range(third, "2026-11-04T00:00:00Z"), "", true);
        check(&rows, range("2026-11-01T00:00:00Z", fifth), "", false);
        check(&rows, range(second, "2026-11-06T00:00:00Z"), "", false);
        let reach = "2026-11-05T23:00:00Z";
        check(&rows, range(second, "2026-11-06T00:00:00Z"), reach, true);
        // No row of the hours that were asked for, though of the day.
        let hours = range("2026-11-04T21:00:00Z", "2026-11-04T22:00:00Z");
        check(&rows, hours, "", false);
        check(&rows, range(fifth, ""), "", false);
        check(&rows, range("", second), "", false);
        check(&rows, range("", fifth), "", true);
    }
}
