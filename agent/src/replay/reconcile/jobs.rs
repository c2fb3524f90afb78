//! Runs of CI jobs beside sessions of the record.

use super::export::{Export, ExportError, Line};
use super::finding::{Finding, Kind, Report};
use super::recorded::Recorded;
use super::{Settings, when};
use crate::record::entry::Entry;

/// A run's id: in a plain list, in `gh run list --json`, in GitHub's API. A job's page has both its own and its run's.
const RUN: [&str; 4] = ["RUN_ID", "DATABASEID", "ID", "CI_RUN_ID"];
const ATTEMPT: [&str; 3] = ["RUN_ATTEMPT", "ATTEMPT", "CI_RUN_ATTEMPT"];
const REPOSITORY: [&str; 3] = ["REPOSITORY.FULL_NAME", "REPOSITORY", "CI_REPOSITORY"];
const WORKFLOW: [&str; 4] = ["WORKFLOWNAME", "WORKFLOW_NAME", "WORKFLOW", "NAME"];
pub(super) const STARTED: [&str; 5] = [
    "STARTEDAT",
    "RUN_STARTED_AT",
    "STARTED_AT",
    "CREATEDAT",
    "CREATED_AT",
];

/// States and ends of runs in which no job ran.
const NOT_RUN: [&str; 6] = [
    "queued",
    "waiting",
    "requested",
    "pending",
    "skipped",
    "action_required",
];

/// Compares runs with sessions.
pub(super) fn compare(
    exports: &[Export],
    recorded: &Recorded<'_>,
    settings: &Settings,
    report: &mut Report,
) -> Result<(), ExportError> {
    for line in exports.iter().flat_map(Export::lines) {
        let run = line.required(&RUN)?;
        let at_us = line.time(&STARTED, settings.zone)?;
        let workflow = line.text(&WORKFLOW).unwrap_or_default();
        let has_run = ["STATUS", "CONCLUSION"].iter().all(|column| {
            let text = line.text(&[column]).unwrap_or_default().to_lowercase();
            !NOT_RUN.contains(&text.as_str())
        });
        let is_held = at_us.is_none_or(|at_us| settings.holds(at_us));
        if !has_run || !is_held || !settings.is_of_workflow(workflow) {
            report.counts.left_out += 1;
            continue;
        }
        report.counts.runs += 1;
        let sessions = recorded.by_run.get(run).map_or(&[][..], Vec::as_slice);
        let repository = repository(&line);
        let is_of = |session: &&&Entry| is_same(session, &line, repository.as_deref());
        let mut sessions = sessions.iter().filter(is_of).peekable();
        let verified = sessions
            .clone()
            .any(|row| row.text("ci_facts") == Some("verified"));
        if verified {
            report.counts.runs_recorded += 1;
            continue;
        }
        let (kind, why) = if let Some(session) = sessions.peek() {
            let id = session.text("session_id").unwrap_or("?");
            let why = format!("session {id} claims to be of it; no token showed so");
            (Kind::Assumed, why)
        } else if at_us.is_some_and(|at_us| recorded.may_lack(at_us)) {
            let why = "later than the record's newest row: `icecore flush` on the hosts, and again";
            (Kind::Undecided, why.to_owned())
        } else {
            (
                Kind::JobWithoutSession,
                "no session names this run".to_owned(),
            )
        };
        report.findings.push(Finding {
            kind,
            at: at_us.map(when).unwrap_or_default(),
            id: run.to_owned(),
            who: repository.unwrap_or_default(),
            why,
            text: workflow.to_owned(),
        });
    }
    Ok(())
}

/// Tells whether a session is of a run's attempt and repository, as far as both say.
fn is_same(session: &Entry, line: &Line<'_>, repository: Option<&str>) -> bool {
    let attempt: Option<i64> = line.text(&ATTEMPT).and_then(|text| text.parse().ok());
    let is_attempt = match (attempt, session.int("ci_run_attempt")) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    };
    let is_repository = match (repository, session.text("ci_repository")) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, _) | (_, None) => true,
    };
    is_attempt && is_repository
}

/// Gives a run's repository; of `gh run list`, from the run's address.
fn repository(line: &Line<'_>) -> Option<String> {
    let named = line.text(&REPOSITORY).map(str::to_owned);
    named.or_else(|| {
        let address = line.text(&["URL", "HTML_URL"])?;
        let (before, _) = address.split_once("/actions/runs/")?;
        let mut parts = before.rsplit('/');
        let (name, owner) = (parts.next()?, parts.next()?);
        Some(format!("{owner}/{name}"))
    })
}
