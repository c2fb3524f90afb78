//! A driver's word is no proof: what the proxy had of it is.

use super::super::line::Outcome;
use super::*;
use crate::cli::run::Captured;
use crate::control::{SessionSeen, SessionSummary};
use crate::id::SessionId;

fn ended(stdout: &str, summary: Option<SessionSummary>) -> Ended {
    Ended {
        session: SessionId::new(),
        captured: Captured {
            code: Some(0),
            is_late: false,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        },
        summary,
        advisory: None,
    }
}

/// What the proxy had: handshakes, those that were broken off, requests.
fn had(handshakes: u64, failed_handshakes: u64, requests: u64) -> SessionSummary {
    SessionSummary {
        seen: SessionSeen {
            handshakes,
            failed_handshakes,
            requests,
            ..SessionSeen::default()
        },
        ..SessionSummary::default()
    }
}

fn with_statement(refused: u64) -> SessionSummary {
    SessionSummary {
        statements: 1,
        allowed: 1 - refused,
        refused,
        ..had(1, 0, 2)
    }
}

#[track_caller]
fn check(stdout: &str, summary: SessionSummary, expected: Outcome) -> Line {
    let line = judge("`/venv`", Runtime::Python, &ended(stdout, Some(summary)));
    assert_eq!(line.outcome, expected, "{line:?}");
    line
}

fn said(stage: &str, error: Option<&str>) -> String {
    let said = serde_json::json!({"stage": stage, "version": "c 1", "error": error});
    format!("warning: x\n{said}\n")
}

#[test]
fn a_drivers_word_is_no_proof_without_the_proxys() {
    check(&said("done", None), with_statement(0), Outcome::Ok);
    check(&said("done", None), had(0, 0, 0), Outcome::Failed);
    let refused = said("query", Some("Icecore refused it"));
    let line = check(&refused, with_statement(1), Outcome::Ok);
    assert!(line.found.contains("a policy refused it"), "{line:?}");
    check(
        &said("query", Some("no warehouse")),
        with_statement(0),
        Outcome::Ok,
    );
    check(
        &said("query", Some("broken pipe")),
        had(0, 0, 0),
        Outcome::Failed,
    );
    let untold = judge(
        "`/venv`",
        Runtime::Python,
        &ended(&said("done", None), None),
    );
    assert_eq!(untold.outcome, Outcome::NotChecked, "{untold:?}");
}

#[test]
fn the_name_in_an_error_shows_no_trust() {
    let named = said("login", Some("Icecore: no grant"));
    check(&named, had(0, 0, 0), Outcome::Failed);
    check(&named, had(0, 3, 0), Outcome::Failed);
    // A handshake alone is none either: some look at the certificate after it.
    check(&named, had(1, 0, 0), Outcome::Failed);
    let line = check(&named, had(1, 0, 1), Outcome::Warning);
    assert!(
        line.found
            .contains("trusts the proxy, which had 1 of its requests"),
        "{line:?}"
    );
    // Nor does another text hide it.
    check(
        &said("login", Some("390100: no")),
        had(1, 0, 1),
        Outcome::Warning,
    );
}

#[test]
fn what_is_not_trusted_fails_and_what_cannot_be_run_is_not_known() {
    let untrusted = "SSLError: certificate verify failed: unable to get local issuer";
    for had in [had(0, 0, 0), had(0, 2, 0)] {
        let line = check(&said("login", Some(untrusted)), had, Outcome::Failed);
        assert!(line.found.contains("does not trust the proxy"), "{line:?}");
    }
    let silent = check(
        &said("login", Some("timeout")),
        had(0, 1, 0),
        Outcome::Failed,
    );
    assert!(
        silent.found.contains("does not trust the proxy"),
        "{silent:?}"
    );
    check(
        &said("import", Some("ImportError: x")),
        had(0, 0, 0),
        Outcome::NotChecked,
    );
    check("Segmentation fault", had(0, 0, 0), Outcome::NotChecked);
    check("", had(0, 0, 0), Outcome::NotChecked);
}

#[test]
fn a_driver_that_prints_a_line_of_its_own_is_heard_by_its_last() {
    let forged = format!("{}{}", said("done", None), said("login", Some("x")));
    check(&forged, had(0, 0, 0), Outcome::Failed);
}

#[test]
fn a_virtual_machine_that_the_proxy_had_nothing_of_proves_nothing() {
    let said = said("tls", None);
    let outcome = |summary| of_virtual_machine("java", &ended(&said, summary)).outcome;
    assert_eq!(outcome(Some(had(1, 0, 1))), Outcome::Ok);
    assert_eq!(outcome(Some(had(1, 0, 0))), Outcome::Failed);
    assert_eq!(outcome(Some(had(0, 0, 0))), Outcome::Failed);
    assert_eq!(outcome(None), Outcome::NotChecked);
}
