//! What a session may have, and what another one still has then.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use serde_json::json;

use super::*;
use crate::control::{ModelsRead, Proof, Scope};
use crate::identity::Ci;
use crate::identity::tests::{asserted, job};
use crate::proxy::budget::EVENTS_MAX;
use crate::proxy::refusals::WayAround;

/// A session of a host user.
pub(in super::super) fn session() -> Session {
    session_of(Principal::host_user("agent".to_owned(), 1000))
}

/// A session of a repository, whose model calls are read.
pub(in super::super) fn session_read(models: ModelsRead, repository: &str) -> Session {
    let claimed = Ci {
        repository: Some(repository.to_owned()),
        ..Ci::default()
    };
    let facts = SessionFacts {
        models: Some(models),
        claimed_job: Some(claimed),
        ..facts()
    };
    let principal = Principal::host_user("agent".to_owned(), 1000);
    Session::new(facts, principal, Duration::from_secs(3600))
}

fn session_of(principal: Principal) -> Session {
    session_opened(DateTime::UNIX_EPOCH, principal)
}

fn session_opened(opened_at: DateTime<Utc>, principal: Principal) -> Session {
    let facts = SessionFacts {
        opened_at,
        ..facts()
    };
    Session::new(facts, principal, Duration::from_secs(3600))
}

fn facts() -> SessionFacts {
    SessionFacts {
        id: SessionId::new(),
        nonce: 1,
        cgroup_id: 1,
        uid: 1000,
        user: "agent".to_owned(),
        caller: None,
        by_login: false,
        shares_uid: Some("its caller has".to_owned()),
        allow_same_uid: false,
        scope: Scope::Command,
        pid: 1,
        start_ns: 1,
        exe: "/bin/true".to_owned(),
        argv_sha256: [0; 32],
        labels: BTreeMap::new(),
        claimed_job: None,
        opened_at: DateTime::UNIX_EPOCH,
        enforcement: Enforcement::Enforced,
        resumed: false,
        proof: Proof::Absent,
        models: None,
        models_unread: Vec::new(),
        prompts: Vec::new(),
    }
}

/// What a caller says of its job is in the record beside its own word for it, and in no principal.
#[test]
fn facts_of_a_job_are_verified_by_a_token_or_claimed() {
    let text = |text: &str| Some(text.to_owned());
    let claimed = Ci {
        provider: text("github"),
        repository: text("acme/app"),
        ..Ci::default()
    };
    let of = |principal: Principal| {
        let facts = SessionFacts {
            claimed_job: Some(claimed.clone()),
            ..facts()
        };
        Session::new(facts, principal, Duration::from_secs(3600))
    };
    let host = of(Principal::host_user("agent".to_owned(), 1000));
    let row = host.row(Phase::Open);
    assert_eq!(
        (row.ci_facts, row.ci_repository),
        (text("claimed"), text("acme/app"))
    );
    assert_eq!(*host.principal().identity().ci(), Ci::default());
    let row = of(job(json!({ "repository": "acme/other" }))).row(Phase::Open);
    assert_eq!(
        (row.ci_facts, row.ci_repository),
        (text("verified"), text("acme/other"))
    );
    assert_eq!(session().row(Phase::Open).ci_facts, None);
}

#[test]
fn a_session_acts_for_whom_a_token_showed_so_long_and_for_a_host_user_always() {
    let after = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
    let job = session_of(job(json!({})));
    assert!(!job.is_identity_over(after(3599)));
    assert!(job.is_identity_over(after(3600)));
    let host = session();
    assert!(!host.is_identity_over(after(1_000_000_000)));
    host.end_identity();
    assert!(host.is_identity_over(after(0)));
}

#[test]
fn a_session_ends_when_its_saml_provider_says_so_if_that_is_sooner() {
    let at = |time: &str| format!("2026-11-26T{time}Z").parse().unwrap();
    let session = session_opened(at("19:30:00"), asserted());
    assert!(!session.is_identity_over(at("19:59:59")));
    assert!(session.is_identity_over(at("20:00:00")));
    session.identify(asserted(), at("18:30:00"), Duration::from_secs(3600));
    assert!(session.is_identity_over(at("19:30:00")));
    session.identify(asserted(), at("19:30:00"), Duration::from_secs(3600));
    assert!(!session.is_identity_over(at("19:59:59")));
    assert!(session.is_identity_over(at("20:00:00")));
}

#[test]
fn the_row_of_a_session_names_whom_a_token_showed() {
    let claims = json!({
        "sub": "repo:acme/app", "repository": "acme/app", "run_id": "7", "run_attempt": "2", "act": { "sub": "bot" },
    });
    let row = session_of(job(claims)).row(Phase::Open);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(row.idp_issuer, text("https://id.acme.test"));
    assert_eq!(row.idp_subject, text("repo:acme/app"));
    assert_eq!(row.idp_protocol, text("oidc"));
    assert_eq!(row.principal_type, text("workload"));
    assert_eq!(row.ci_repository, text("acme/app"));
    assert_eq!((row.ci_run_id, row.ci_run_attempt), (text("7"), Some(2)));
    assert_eq!(row.agent_id, text("bot"));
    assert!(row.id_token_jti_sha256.is_some());
    let row = session_of(asserted()).row(Phase::Open);
    assert_eq!(row.idp_issuer, text("https://idp.example"));
    assert_eq!(row.idp_subject, text("ada@example.com"));
    assert_eq!(row.idp_protocol, text("saml"));
    assert!(row.id_token_jti_sha256.is_some());
    let host = session().row(Phase::Open);
    assert_eq!(
        (host.idp_issuer, host.idp_protocol, host.idp_subject),
        (None, None, None)
    );
}

#[test]
fn a_session_has_its_share_of_statements_and_another_has_its_own() {
    let (one, other) = (session(), session());
    let taken: Vec<_> = (0..STATEMENTS_OPEN_MAX)
        .map_while(|_| one.take_statement())
        .collect();
    assert_eq!(taken.len(), STATEMENTS_OPEN_MAX);
    assert!(one.take_statement().is_none());
    assert!(other.take_statement().is_some());
    drop(taken);
    assert!(one.take_statement().is_some());
}

#[tokio::test]
async fn a_session_has_its_share_of_requests_and_large_bodies_and_another_has_its_own() {
    let (one, other) = (session(), session());
    let taken: Vec<_> = (0..=REQUESTS_OPEN_MAX)
        .map_while(|_| one.take_request())
        .collect();
    assert_eq!(taken.len(), REQUESTS_OPEN_MAX);
    assert!(other.take_request().is_some());
    drop(taken);
    assert!(one.take_request().is_some());
    let moment = Duration::from_millis(1);
    let mut bodies = Vec::new();
    while let Some(place) = one.take_large_body(moment).await {
        bodies.push(place);
    }
    assert_eq!(bodies.len(), LARGE_BODIES_MAX);
    assert!(other.take_large_body(moment).await.is_some());
}

#[test]
fn refusals_that_find_no_room_are_counted_as_left_out() {
    let session = session();
    let refuse = || {
        let refusal = Refusal {
            way: WayAround::GovernedAddress,
            destination: ([127, 77, 0, 1], 443).into(),
            opening: "tls",
            name: None,
            exe: None,
        };
        session.refuse_way(refusal, &Peer::default(), 0)
    };
    let severe = |_| {
        let row = EventRow {
            event_code: "AU003",
            severity: Severity::High,
            ..EventRow::default()
        };
        session.admit(row)
    };
    assert!(refuse().is_some());
    let told: Vec<_> = (0..2 * EVENTS_MAX).filter_map(severe).collect();
    let gaps = told.iter().filter(|row| row.event_code == code::GAP);
    assert_eq!((told.len(), gaps.count()), (EVENTS_MAX, 1));
    for _ in 0..5 {
        assert_eq!(refuse(), None);
    }
    let last = session.last_counts(1);
    let details: Vec<_> = last.iter().map(|row| row.detail.clone()).collect();
    let left_out = json!({
        "events_left_out": EVENTS_MAX + 1 + 5,
        "by": [
            { "event_code": "AU003", "severity": 4, "events": EVENTS_MAX + 1 },
            { "event_code": code::BYPASS_ATTEMPT, "severity": 4, "events": 5 },
        ],
    });
    assert_eq!(details, [Some(left_out)]);
    let summary = session.summary("enforce", true);
    assert_eq!(summary.events, (1 + 2 * EVENTS_MAX + 5) as u64);
}
