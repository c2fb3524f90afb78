//! What was tried from inside makes the lines.

use std::path::PathBuf;

use super::*;
use crate::cli::run::Captured;
use crate::control::{SessionSeen, SessionSummary};
use crate::id::SessionId;

fn attempt(line: &str, is_good: bool) -> Attempt {
    Attempt {
        line: line.to_owned(),
        what: "x".to_owned(),
        is_good,
        is_cut: false,
        ended: "y".to_owned(),
    }
}

fn ended(summary: Option<SessionSummary>) -> Ended {
    Ended {
        session: SessionId::new(),
        captured: Captured {
            code: Some(0),
            is_late: false,
            stdout: String::new(),
            stderr: String::new(),
        },
        summary,
        advisory: None,
    }
}

const NO_SECRETS: SecretFiles = SecretFiles {
    tried: Vec::new(),
    left_out: 0,
    unknown: Vec::new(),
};

fn outcomes(attempts: &[Attempt], summary: Option<SessionSummary>) -> Vec<(&'static str, Outcome)> {
    let held = Held::new(PathBuf::new());
    let lines = judge(
        attempts,
        &Plan::default(),
        &NO_SECRETS,
        &held,
        &ended(summary),
    );
    lines
        .into_iter()
        .map(|line| (line.name, line.outcome))
        .collect()
}

#[test]
fn one_bad_try_turns_its_line_and_no_other_red() {
    let seen = SessionSeen {
        handshakes: 1,
        ..SessionSeen::default()
    };
    let summary = SessionSummary {
        seen,
        ..SessionSummary::default()
    };
    let attempts = [
        attempt("canary", true),
        attempt("descriptors", false),
        attempt("io_uring", true),
    ];
    let found = outcomes(&attempts, Some(summary.clone()));
    for expected in [
        ("canary", Outcome::Ok),
        ("descriptors", Outcome::Failed),
        ("io_uring", Outcome::Ok),
        ("udp", Outcome::NotChecked),
        ("metadata", Outcome::NotChecked),
        ("secret files", Outcome::NotChecked),
    ] {
        assert!(found.contains(&expected), "{expected:?}: {found:?}");
    }
    // A proxy that was replaced meanwhile knows a part.
    let resumed = SessionSummary {
        resumed: true,
        ..summary
    };
    for summary in [None, Some(resumed)] {
        let found = outcomes(&attempts, summary);
        assert!(
            found.contains(&("canary", Outcome::NotChecked)),
            "{found:?}"
        );
    }
}

#[test]
fn fewer_files_than_there_are_prove_nothing() {
    let secrets = |tried: usize, left_out| SecretFiles {
        tried: vec![PathBuf::new(); tried],
        left_out,
        unknown: Vec::new(),
    };
    let one = [attempt("secret files", true)];
    let outcome = |secrets: &SecretFiles| of_secrets(&one, secrets).outcome;
    assert_eq!(outcome(&secrets(1, 0)), Outcome::Ok);
    assert_eq!(outcome(&secrets(2, 0)), Outcome::NotChecked);
    assert_eq!(outcome(&secrets(1, 1)), Outcome::NotChecked);
    let unknown = SecretFiles {
        unknown: vec!["x".to_owned()],
        ..secrets(1, 0)
    };
    assert_eq!(outcome(&unknown), Outcome::NotChecked);
    let bad = [attempt("secret files", false)];
    assert_eq!(of_secrets(&bad, &secrets(1, 1)).outcome, Outcome::Failed);
}

#[test]
fn what_is_no_list_of_tries_is_no_answer() {
    assert_eq!(read(""), None);
    assert_eq!(read("Traceback"), None);
    assert_eq!(read("[]\n"), Some(Vec::new()));
}
