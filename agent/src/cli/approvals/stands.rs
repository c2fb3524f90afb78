//! How a request stands, in lines below its card. Pure.

use chrono::{DateTime, Utc};

use crate::approval::{Answer, Decision, Outcome, Request, State};
use crate::inbox::item::{Item, Standing, span};
use crate::replay::terminal;

/// Says how a request stands, who signed it, when and how it ended, and what was said to it.
pub(super) fn lines(item: &Item, request: &Request, now: DateTime<Utc>) -> String {
    let standing = item.standing(request, now);
    let mut lines = format!("Stands: {}", standing.told());
    if standing.is_open() {
        lines.push_str(&format!("; expires in {}", span(request.expires_at - now)));
    }
    let host = terminal(&item.signed_by);
    lines.push_str(&format!("\nSigned by: {host}, a host of your trust file\n"));
    if let Some(outcome) = &item.outcome {
        lines.push_str(&format!(
            "Ended: {}, {}; {}\n",
            seconds(outcome.at),
            ended(outcome),
            ran(outcome.state)
        ));
    }
    let Some(counts) = counts(standing) else {
        return lines;
    };
    for decision in &item.decisions {
        lines.push_str(&format!("Said: {}\n", word(decision)));
    }
    if !item.decisions.is_empty() {
        lines.push_str(&format!("  {counts}\n"));
    }
    lines
}

/// Says how it ended, by whom and why, on a line.
pub(super) fn ended(outcome: &Outcome) -> String {
    let mut line = outcome.state.as_str().to_owned();
    if !outcome.by.is_empty() {
        let link = match outcome.state {
            // People said yes to it, and the host found it to be another.
            State::Void => "after a yes of",
            State::Requested
            | State::Approved
            | State::Denied
            | State::Expired
            | State::Withdrawn => "by",
        };
        line.push_str(&format!(" {link} {}", terminal(&outcome.by.join(", "))));
    }
    if let Some(reason) = &outcome.reason {
        line.push_str(&format!(": {}", terminal(reason)));
    }
    line
}

/// Says what became of the statement. A host puts the end of an approved one once the statement runs by it.
fn ran(state: State) -> &'static str {
    match state {
        State::Approved => "its host let the statement run",
        State::Denied | State::Expired | State::Withdrawn | State::Void => {
            "the statement did not run"
        }
        State::Requested => "the statement waits",
    }
}

/// Says what words beside it are worth; none where the host has said whose counted.
fn counts(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Waiting { .. } | Standing::Over => {
            Some("who said it, and whether it counts, the host finds out")
        }
        Standing::Ended(State::Expired) => Some("it was not enough, or did not count"),
        Standing::Ended(
            State::Requested | State::Approved | State::Denied | State::Withdrawn | State::Void,
        ) => None,
    }
}

/// Says a word with its time and the face that it came through, as whoever put it there wrote them.
fn word(decision: &Decision) -> String {
    let said = &decision.said;
    let answer = match said.answer {
        Answer::Approve => "yes",
        Answer::Deny => "no",
    };
    let face = terminal(&said.face);
    let mut line = format!("{answer}, {}, through `{face}`", seconds(said.decided_at));
    if let Some(reason) = &said.reason {
        line.push_str(&format!(", with the reason: {}", terminal(reason)));
    }
    line
}

fn seconds(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{FORMAT_VERSION, Proof, Said};
    use crate::inbox::card::tests::request;

    fn item(state: Option<(State, &[&str], Option<&str>)>) -> Item {
        let request = request();
        let outcome = state.map(|(state, by, reason)| Outcome {
            format_version: FORMAT_VERSION,
            request: request.id,
            digest: String::new(),
            state,
            decisions: Vec::new(),
            by: by.iter().map(|one| (*one).to_owned()).collect(),
            reason: reason.map(str::to_owned),
            at: "2026-11-27T08:30:00.5Z".parse().unwrap(),
        });
        let said = Said {
            format_version: FORMAT_VERSION,
            request: request.id,
            digest: String::new(),
            answer: Answer::Approve,
            reason: Some("the order\nis known".to_owned()),
            grant_s: None,
            decided_at: "2026-11-27T08:29:00Z".parse().unwrap(),
            face: "cli".to_owned(),
        };
        let proof = Proof::IdpPerDecision {
            id_token: String::new(),
        };
        Item {
            request: Ok(request),
            signed_by: "runner-7".to_owned(),
            decisions: vec![Decision { said, proof }],
            outcome,
        }
    }

    #[track_caller]
    fn check(state: Option<(State, &[&str], Option<&str>)>, expected: &[&str]) {
        let (item, request) = (item(state), request());
        let told = lines(&item, &request, "2026-11-27T08:40:00Z".parse().unwrap());
        let told: Vec<&str> = told.lines().collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_word_is_nobodys_while_it_waits_and_an_end_has_its_time_and_what_ran() {
        let signed = "Signed by: runner-7, a host of your trust file";
        let said = "Said: yes, 2026-11-27 08:29:00 UTC, through `cli`, with the reason: the order\\nis known";
        check(
            None,
            &[
                "Stands: waits; 1 said yes; expires in 20 min",
                signed,
                said,
                "  who said it, and whether it counts, the host finds out",
            ],
        );
        check(
            Some((State::Approved, &["corp:olga"], None)),
            &[
                "Stands: approved",
                signed,
                "Ended: 2026-11-27 08:30:00 UTC, approved by corp:olga; its host let the statement run",
            ],
        );
        check(
            Some((State::Void, &["corp:olga"], Some("the role was A"))),
            &[
                "Stands: void",
                signed,
                "Ended: 2026-11-27 08:30:00 UTC, void after a yes of corp:olga: the role was A; the statement did not run",
            ],
        );
        check(
            Some((State::Expired, &[], None)),
            &[
                "Stands: expired",
                signed,
                "Ended: 2026-11-27 08:30:00 UTC, expired; the statement did not run",
                said,
                "  it was not enough, or did not count",
            ],
        );
    }
}
