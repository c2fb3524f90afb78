//! Policies that read the time and what was used: asked each time, and never from what is kept.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::tests::{bundle, load_as};
use super::*;
use crate::snowflake::count::Count;
use crate::statement::Scope;

const READS: &str = r#"@id("reads") permit (principal, action, resource);"#;

/// 2026-11-26, a Thursday.
fn at(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_651_200 + hour * 3_600, 0).unwrap()
}

fn used(statements: u64) -> Used {
    Used::from(Stated {
        statements,
        ..Stated::default()
    })
}

fn catalogue() -> Catalogue {
    let text = r#"
        database = "DB"
        schema = "S"
        [tables]
        "DB.S.T" = ["ID NUMBER", "A TEXT PII=yes", "B TEXT PII=yes", "C TEXT PII=yes"]
    "#;
    Catalogue::described(text).unwrap()
}

fn judged(bundle: &Bundle, usage: &Usage<'_>, sql: &str) -> Verdict {
    let catalogue = catalogue();
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let scope = Scope::new(&|_| false).with(&catalogue);
    let statement = Statement::read_all(sql, Count::Any, &scope);
    let identity = principal.identity();
    explain(bundle, identity, "ACME", &catalogue, usage, &statement)
}

#[track_caller]
fn check(bundle: &Bundle, (hour, session): (i64, &Used), sql: &str, expected: &str) {
    let usage = Usage {
        now: at(hour),
        session: Ok(session),
        today: Ok(&Used::NONE),
        found: None,
        link: LinkGrade::UNKNOWN,
        discharged: None,
    };
    let verdict = judged(bundle, &usage, sql);
    assert_eq!(verdict.rules, [expected], "{sql}: {:?}", verdict.reason);
}

#[test]
fn the_time_is_that_of_each_statement() {
    let text = r#"
        @id("by-day") permit (principal, action, resource) when {
            context.time.hour >= 8 && context.time.hour < 18 && context.time.weekday == 4 &&
            context.time.date == "2026-11-26" && context.time.unix == 1795651200 + context.time.hour * 3600
        };"#;
    let bundle = bundle(text);
    assert!(bundle.reads_time() && !bundle.reads_use());
    for (hour, rule) in [
        (7, DEFAULT_RULE),
        (8, "by-day"),
        (18, DEFAULT_RULE),
        (9, "by-day"),
        (33, DEFAULT_RULE),
    ] {
        check(&bundle, (hour, &Used::NONE), "select 1", rule);
    }
}

#[test]
fn a_budget_lets_go_what_it_has_and_each_statement_of_a_text_counts() {
    let text = format!(
        r#"{READS} @id("ten") forbid (principal, action, resource) when {{ context.used.session.statements >= 10 }};"#
    );
    let bundle = bundle(&text);
    check(&bundle, (0, &used(9)), "select 1", "reads");
    check(&bundle, (0, &used(10)), "select 1", "ten");
    check(&bundle, (0, &used(8)), "select 1; begin", "reads");
    check(&bundle, (0, &used(9)), "select 1; begin", "ten");
    check(&bundle, (0, &used(0)), "select 1", "reads");
}

#[test]
fn a_statements_own_columns_count_before_it_runs() {
    let text = format!(
        r#"{READS} @id("two") forbid (principal, action == Icecore::Action::"project", resource) when {{ context.used.session.sensitive_columns > 2 }};"#
    );
    let bundle = bundle(&text);
    assert!(bundle.looks_at_tags() && bundle.looks_at_resources());
    check(
        &bundle,
        (0, &Used::NONE),
        "select id, a from t where b = 'x'",
        "reads",
    );
    check(
        &bundle,
        (0, &Used::NONE),
        "select a from t where b = c",
        "two",
    );
    check(
        &bundle,
        (0, &Used::NONE),
        "select a from t; select b from t; select c from t",
        "two",
    );
    // What is not known would not be counted.
    check(
        &bundle,
        (0, &Used::NONE),
        "select x from unknown",
        "unknown-tags",
    );
    check(
        &bundle,
        (0, &Used::NONE),
        "select s.f(id) from t",
        LINEAGE_RULE,
    );
}

#[test]
fn what_nobody_knows_refuses_where_it_is_read_and_nowhere_else() {
    let text = format!(
        r#"{READS} @id("ten") forbid (principal, action == Icecore::Action::"write", resource) when {{ context.used.today.statements >= 10 }};"#
    );
    let bundle = bundle(&text);
    let usage = Usage {
        now: at(0),
        session: Ok(&Used::NONE),
        today: Err("`/x` cannot be read; have it removed"),
        found: None,
        link: LinkGrade::UNKNOWN,
        discharged: None,
    };
    assert!(judged(&bundle, &usage, "select id from t").is_allowed());
    let verdict = judged(&bundle, &usage, "delete from t");
    assert_eq!(verdict.rules, [UNKNOWN_USE_RULE]);
    assert_eq!(
        verdict.reason.unwrap(),
        "policies of `write` look at what was used before, and that is not known: `/x` cannot be read; have it removed"
    );
}

#[test]
fn an_overflow_in_a_budget_refuses() {
    let text = format!(
        r#"{READS} @id("sum") forbid (principal, action, resource) when {{ context.used.session.rows + 1 > 10 }};"#
    );
    check(&bundle(&text), (0, &Used::MANY), "select 1", ERROR_RULE);
}

#[test]
fn a_denial_is_read_from_steady_and_volatile_policies_together() {
    let text = format!(
        r#"{READS}
        @id("held") @remedy("hold:owners") forbid (principal, action == Icecore::Action::"write", resource);
        @id("late") forbid (principal, action == Icecore::Action::"write", resource) when {{ context.time.hour >= 18 }};"#
    );
    let bundle = bundle(&text);
    check(
        &bundle,
        (9, &Used::NONE),
        "delete from t where id = 1",
        "held",
    );
    let usage = Usage {
        now: at(20),
        session: Ok(&Used::NONE),
        today: Ok(&Used::NONE),
        found: None,
        link: LinkGrade::UNKNOWN,
        discharged: None,
    };
    let verdict = judged(&bundle, &usage, "truncate table t");
    assert_eq!(verdict.rules, ["held", "late"]);
    let reason = verdict.reason.unwrap();
    assert!(!reason.contains("a yes of"), "{reason}");
}

#[test]
fn a_volatile_policy_that_looks_at_columns_is_asked_of_each() {
    let text = format!(
        r#"{READS} @id("late") forbid (principal, action == Icecore::Action::"project", resource == Icecore::Column::"ACME.DB.S.T.B") when {{ context.time.hour >= 18 }};"#
    );
    let bundle = bundle(&text);
    check(&bundle, (20, &Used::NONE), "select a, b, c from t", "late");
    check(&bundle, (20, &Used::NONE), "select a, c from t", "reads");
    check(&bundle, (9, &Used::NONE), "select a, b, c from t", "reads");
}

fn policy(effect: &'static str) -> impl Strategy<Value = String> {
    let actions = vec!["read", "write", "session", "project"];
    let actions = proptest::sample::subsequence(actions, 1..4);
    let condition = proptest::sample::select(vec![
        "true",
        r#"context.kind == "query""#,
        "context.time.hour < 12",
        "context.time.hour > 6",
        "context.used.session.statements < 5",
        "context.used.session.statements >= 5",
        "context.used.today.failures > 2",
        "context.used.session.sensitive_columns > 1",
        "context.used == context.used && context.time.weekday == 4",
        r#"resource in Icecore::Database::"ACME.DB" && context.time.hour < 12"#,
    ]);
    let remedy = proptest::sample::select(if effect == "forbid" {
        vec!["", r#"@remedy("hold:owners") "#]
    } else {
        vec![""]
    });
    (actions, condition, remedy).prop_map(move |(actions, condition, remedy)| {
        let actions: Vec<String> = actions
            .iter()
            .map(|action| format!("Icecore::Action::\"{action}\""))
            .collect();
        let actions = actions.join(", ");
        format!(
            "{remedy}{effect} (principal, action in [{actions}], resource) when {{ {condition} }};"
        )
    })
}

fn policies() -> impl Strategy<Value = Vec<String>> {
    let permits = proptest::collection::vec(policy("permit"), 0..4);
    let forbids = proptest::collection::vec(policy("forbid"), 0..3);
    (permits, forbids).prop_map(|(permits, forbids)| [permits, forbids].concat())
}

fn numbered(rules: &[String]) -> Bundle {
    let rules = rules.iter().enumerate();
    let text: String = rules
        .map(|(n, rule)| format!("@id(\"r{n}\") {rule}\n"))
        .collect();
    bundle(&text)
}

const STATEMENTS: [&str; 6] = [
    "select 1",
    "show tables",
    "select a, b from t where c = 'x'",
    "delete from t",
    "begin; select id from t; commit",
    "select x from unknown",
];

fn situation() -> impl Strategy<Value = (usize, i64, Used, Used)> {
    let used = (0..9_u64, 0..5_u64, 0..3_u64).prop_map(|(statements, failures, columns)| {
        Used::from(Stated {
            statements,
            failures,
            sensitive_columns: columns,
            ..Stated::default()
        })
    });
    (0..STATEMENTS.len(), 0..24_i64, used.clone(), used)
}

fn ask(bundle: &Bundle, (sql, hour, session, today): &(usize, i64, Used, Used)) -> Verdict {
    let usage = Usage {
        now: at(*hour),
        session: Ok(session),
        today: Ok(today),
        found: None,
        link: LinkGrade::UNKNOWN,
        discharged: None,
    };
    judged(bundle, &usage, STATEMENTS[*sql])
}

#[test]
fn a_text_is_judged_by_what_it_holds_each_time() {
    let text = format!(
        r#"{READS} @id("cards") forbid (principal, action, resource) when {{ context.found.contains("card") }};"#
    );
    let bundle = bundle(&text);
    assert!(bundle.reads_found() && !bundle.reads_time() && !bundle.reads_use());
    let card = BTreeSet::from([Detector::Card]);
    let (email, none) = (BTreeSet::from([Detector::Email]), BTreeSet::new());
    for (found, rule) in [
        (Some(&none), "reads"),
        (Some(&card), "cards"),
        (Some(&email), "reads"),
        (None, ERROR_RULE),
        (Some(&card), "cards"),
        (Some(&none), "reads"),
    ] {
        for sql in ["select id from t", "select id from t; select 1"] {
            let verdict = judged(&bundle, &Usage::unread(at(0)).holding(found), sql);
            assert_eq!(verdict.rules, [rule], "{sql} {found:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_kept_verdict_is_that_of_policies_which_keep_nothing(
        rules in policies(),
        situations in proptest::collection::vec(situation(), 1..12),
    ) {
        let kept = numbered(&rules);
        for situation in &situations {
            prop_assert_eq!(ask(&kept, situation), ask(&numbered(&rules), situation));
        }
    }

    #[test]
    fn adding_a_forbid_never_allows_more_whatever_it_reads(
        rules in policies(),
        added in policy("forbid"),
        situations in proptest::collection::vec(situation(), 1..8),
    ) {
        let before = numbered(&rules);
        let after = numbered(&[rules, vec![added]].concat());
        for situation in &situations {
            if ask(&after, situation).is_allowed() {
                prop_assert!(ask(&before, situation).is_allowed());
            }
        }
    }
}

#[test]
fn where_a_statement_comes_from_refuses_or_holds() {
    let text = format!(
        r#"{READS} @id("sure") forbid (principal, action, resource) when {{ context.link.rank < 3 || context.link.mismatch }};"#
    );
    let bundle = bundle(&text);
    assert!(bundle.reads_link() && !bundle.reads_time());
    for (letter, mismatch, rule) in [
        ("A", false, "reads"),
        ("C", false, "reads"),
        ("D", false, "sure"),
        ("U", false, "sure"),
        ("A", true, "sure"),
    ] {
        let link = LinkGrade::of(letter, mismatch).unwrap();
        let verdict = judged(&bundle, &Usage::unread(at(0)).linked(link), "select 1");
        assert_eq!(verdict.rules, [rule], "{letter} {:?}", verdict.reason);
    }
    // Where nobody looked, nothing is known.
    let verdict = judged(&bundle, &Usage::unread(at(0)), "select 1");
    assert_eq!(verdict.rules, ["sure"]);
}

#[test]
fn what_permits_or_masks_may_not_read_where_a_statement_comes_from() {
    for (policy, found) in [
        (
            r#"@id("p") permit (principal, action, resource) when { context.link.rank >= 3 };"#,
            "in a permit",
        ),
        (
            r#"@id("p") permit (principal, action, resource) unless { context has link && context.link.grade == "U" };"#,
            "in a permit",
        ),
        (
            r#"@id("p") permit (principal, action, resource) when { {c: context}.c.link.rank > 1 };"#,
            "in a permit",
        ),
        (
            r#"@id("p") @remedy("mask:null") forbid (principal, action == Icecore::Action::"project", resource) when { context.link.rank < 3 };"#,
            "in one that masks",
        ),
    ] {
        let problems = load_as(policy).unwrap_err();
        assert!(
            problems.iter().any(|one| one.text.contains(found)),
            "{policy}: {problems:?}"
        );
    }
}
