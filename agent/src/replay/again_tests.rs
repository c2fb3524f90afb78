//! Statements of a host's user judged again, and those of which nothing can be told.

use chrono::{DateTime, Utc};

use super::*;
use crate::clock::Clock;
use crate::id::{LoginId, SessionId, StatementId};
use crate::identity::Users;
use crate::policy::{Names, Source};
use crate::record::{
    Decision, Enforcement, LoginRow, Mode, Phase, Recorder, Row, SessionRow, Settings,
    StatementRow, StatementTextRow, Status,
};

const SESSION: [u8; 16] = [7; 16];

fn at(second: u8) -> Option<DateTime<Utc>> {
    Some(format!("2026-01-02T03:04:{second:02}Z").parse().unwrap())
}

/// One recorded statement: its kind, its decision, and its text unless that was erased.
type Told = (&'static str, Decision, Option<&'static str>);

fn rows(number: u8, (kind, decision, text): Told) -> Vec<Row> {
    let session_id = Some(SessionId::from_bytes(SESSION));
    let statement_id = Some(StatementId::from_bytes([number; 16]));
    let row = StatementRow {
        session_id,
        statement_id,
        login_id: Some(LoginId::from_bytes([8; 16])),
        is_final: true,
        started_at: at(number),
        decided_at: at(number),
        sql_mac: Some([3; 32]),
        sql_kind: Some(kind.to_owned()),
        parse_ok: true,
        database_ctx: Some("DB".to_owned()),
        schema_ctx: Some("S".to_owned()),
        decision: Some(decision),
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        status: Status::Success,
        ..StatementRow::default()
    };
    let text = text.map(|text| {
        Row::from(StatementTextRow {
            session_id,
            statement_id,
            sql_text: Some(text.to_owned()),
            ..StatementTextRow::default()
        })
    });
    std::iter::once(Row::from(row)).chain(text).collect()
}

/// Records statements of the user `ci` and says of each what the policies would have done.
fn judged(policies: &str, principal: &str, told: &[Told]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("file://{}/store", dir.path().display());
    let settings = Settings::new(
        dir.path().join("state"),
        crate::record::StoreAt::read(&store).unwrap(),
    );
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let session = SessionRow {
        session_id: Some(SessionId::from_bytes(SESSION)),
        phase: Phase::Open,
        opened_at: at(0),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        user: Some("ci".into()),
        uid: Some(1001),
        ..SessionRow::default()
    };
    let login = LoginRow {
        session_id: Some(SessionId::from_bytes(SESSION)),
        login_id: Some(LoginId::from_bytes([8; 16])),
        opened_at: at(0),
        account: Some("ACME".into()),
        principal: Some(principal.to_owned()),
        ..LoginRow::default()
    };
    let mut all = vec![Row::from(session), Row::from(login)];
    all.extend(
        (1..)
            .zip(told)
            .flat_map(|(number, told)| rows(number, *told)),
    );
    drop(recorder.commit_blocking(all).unwrap());
    recorder.flush_blocking().unwrap();
    let archive = Archive::read(&settings.store.to_string()).unwrap();
    let source = Source {
        file: "test.cedar".to_owned(),
        text: policies.to_owned(),
    };
    let names = Names {
        accounts: None,
        users: &Users::parse("ci:x:1001:1001\n"),
        issuers: None,
        approvers: None,
    };
    let bundle = Bundle::load(&[source], &names).unwrap();
    let records = Records::of(&archive, Wanted::default());
    let judge = |row: &&Entry| match records.judge(&bundle, &Catalogue::default(), row) {
        Again::Same => "same".to_owned(),
        Again::Allowed(verdict) => format!("allowed by {}", verdict.rules.join(" ")),
        Again::Refused(verdict) => format!("refused by {}", verdict.rules.join(" ")),
        Again::Untold(why) => format!("{why:?}"),
    };
    records.statements().iter().map(judge).collect()
}

const HOST_USER: &str = "host user ci (uid 1001)";

const CI_DROPS: &str = r#"@id("ci-drops") permit (principal == Icecore::Principal::"ci",
    action in [Icecore::Action::"drop", Icecore::Action::"session"], resource);"#;

#[test]
fn statements_are_judged_as_the_recorded_users() {
    let told = [
        ("query", Decision::Allow, Some("select 1")),
        ("drop", Decision::Block, Some("drop table t")),
        ("drop", Decision::Flag, Some("drop table t")),
        ("session", Decision::Allow, Some("begin")),
        ("batch", Decision::Allow, Some("begin; select 1")),
        ("batch", Decision::Block, Some("begin; drop table t")),
    ];
    assert_eq!(
        judged(CI_DROPS, HOST_USER, &told),
        [
            "refused by default-deny",
            "allowed by ci-drops",
            "allowed by ci-drops",
            "same",
            "refused by default-deny",
            "allowed by ci-drops",
        ]
    );
}

#[test]
fn what_the_record_does_not_have_is_not_guessed() {
    let told = [
        ("query", Decision::Allow, None),
        ("drop", Decision::Allow, Some("select 1")),
        ("query", Decision::Error, Some("select 1")),
        ("query", Decision::Allow, Some("select a from t")),
    ];
    let looks = r#"@id("t") permit (principal, action, resource in Icecore::Account::"ACME");"#;
    assert_eq!(
        judged(looks, HOST_USER, &told),
        ["Text", "Reading", "Decision", "Names"]
    );
    // A token's event, with the groups, is missing.
    let of_token = judged(looks, "idp:ada of https://idp.example", &told[3..]);
    assert_eq!(of_token, ["Asker"]);
}
