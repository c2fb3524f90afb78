//! What the read-only pack allows, and that any doubt refuses.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::identity::Users;
use crate::identity::tests::job;
use crate::snowflake::count::Count;
use crate::statement::{Kind, Scope};

const READ_ONLY: &str = include_str!("../../../policies/read-only.cedar");

/// Loads a policy file on a host with two accounts and two users.
pub(super) fn load_as(text: &str) -> Result<Bundle, Vec<PolicyProblem>> {
    let (file, text) = ("test.cedar".to_owned(), text.to_owned());
    let source = Source { file, text };
    let names = Names {
        accounts: Some(&["ACME", "BETA"]),
        users: &Users::parse("root:x:0:0\nci:x:1001:1001\n"),
        issuers: Some(&["okta"]),
        approvers: None,
    };
    Bundle::load(&[source], &names)
}

pub(super) fn bundle(text: &str) -> Bundle {
    load_as(text).unwrap()
}

fn unread() -> Usage<'static> {
    Usage::unread(chrono::DateTime::UNIX_EPOCH)
}

pub(super) fn verdict(bundle: &Bundle, mode: Mode, sql: &str) -> Decision {
    let principal = Principal::host_user("ci".to_owned(), 1001);
    decide(
        bundle,
        mode,
        &principal,
        "ACME",
        &Catalogue::default(),
        &unread(),
        Statement::read(sql, &Scope::new(&|_| false)),
    )
}

#[track_caller]
fn refused_by(bundle: &Bundle, sql: &str, rule: &str) {
    match verdict(bundle, Mode::Enforce, sql) {
        Decision::Forbid(refusal) => assert_eq!(refusal.reason().rules(), [rule], "{sql}"),
        Decision::Allow(_) => panic!("allowed: {sql}"),
        Decision::Hold(held) => panic!("{sql}: {:?}", held.holds()),
    }
}

#[track_caller]
pub(super) fn problems(text: &str) -> Vec<String> {
    load_as(text)
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.to_string())
        .collect()
}

#[test]
fn the_read_only_pack_reads_and_no_more() {
    let bundle = bundle(READ_ONLY);
    for sql in [
        "select 1",
        "show tables",
        "explain select 1",
        "alter session set query_tag = 'x'",
        "begin",
        "commit",
    ] {
        match verdict(&bundle, Mode::Enforce, sql) {
            Decision::Allow(permit) => assert_eq!(permit.rules(), ["read-only"], "{sql}"),
            Decision::Forbid(refusal) => panic!("{sql}: {:?}", refusal.reason()),
            Decision::Hold(held) => panic!("{sql}: {:?}", held.holds()),
        }
    }
    for sql in [
        "drop table t",
        "insert into t values (1)",
        "create table t as select 1 a",
        "call p()",
        "select system$wait(1)",
        "copy into @s from t",
    ] {
        refused_by(&bundle, sql, DEFAULT_RULE);
    }
    refused_by(&bundle, "use role admin", "no-role-change");
    refused_by(&bundle, "selekt 1", UNREADABLE_RULE);
}

#[test]
fn the_policy_that_the_readme_shows_is_good() {
    let readme = include_str!("../../../README.md");
    let shown = readme.split("```cedar\n").nth(1).unwrap();
    let bundle = bundle(shown.split("```").next().unwrap());
    assert_eq!((bundle.len(), bundle.warnings()), (1, &[][..]));
}

/// Everything but one column, and what a login with a place would have seen of it.
#[track_caller]
fn but_one_column(sql: &str) -> Verdict {
    const BUT_ONE: &str = r#"
        @id("anything") permit (principal, action, resource);
        @id("no-price") forbid (principal, action == Icecore::Action::"project", resource == Icecore::Column::"ACME.DB.S.T.PRICE");
    "#;
    let catalogue = Catalogue::described(
        r#"
        database = "DB"
        schema = "S"
        [tables]
        "DB.S.T" = ["ID NUMBER", "PRICE NUMBER"]
        "#,
    );
    let catalogue = catalogue.unwrap();
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let scope = Scope::new(&|_| false).with(&catalogue);
    let statement = Statement::read_all(sql, Count::Any, &scope);
    explain(
        &bundle(BUT_ONE),
        principal.identity(),
        "ACME",
        &catalogue,
        &unread(),
        &statement,
    )
}

#[test]
fn what_may_hide_a_forbidden_column_is_refused() {
    for (sql, rule) in [
        ("select price from t", "no-price"),
        ("select x from some_view", "unknown-relation"),
        ("select s.f(id) from t", LINEAGE_RULE),
        ("alter table t rename to u", "no-price"),
        (
            "alter table t swap with u; select id, price from t",
            "no-price",
        ),
        ("use schema other; select price from t", "unknown-relation"),
    ] {
        let verdict = but_one_column(sql);
        assert_eq!(verdict.rules, [rule], "{sql}: {:?}", verdict.reason);
    }
    assert!(but_one_column("select id from t").is_allowed());
}

#[test]
fn code_that_runs_unread_may_reach_a_forbidden_object() {
    let mixed = bundle(
        r#"
        @id("calls") permit (principal, action in [Icecore::Action::"call", Icecore::Action::"read"], resource);
        @id("no-drop") forbid (principal, action == Icecore::Action::"drop", resource in Icecore::Database::"ACME.OTHER");
        "#,
    );
    refused_by(&mixed, "call db.s.p()", HIDDEN_RULE);
    let lone =
        bundle(r#"@id("calls") permit (principal, action == Icecore::Action::"call", resource);"#);
    assert!(matches!(
        verdict(&lone, Mode::Enforce, "call db.s.p()"),
        Decision::Allow(_)
    ));
}

#[test]
fn a_refusal_says_what_is_allowed_instead() {
    let Decision::Forbid(refusal) = verdict(&bundle(READ_ONLY), Mode::Enforce, "drop table t")
    else {
        panic!()
    };
    assert_eq!(
        refusal.reason().text(),
        "no policy allows `drop` of table T, whose database or schema Icecore does not know; allowed there: read, session"
    );
}

#[test]
fn a_forbid_says_what_may_be_done_instead() {
    let bundle = bundle(
        r#"
        @id("all") permit (principal, action, resource);
        @id("no-drop") @reason("nothing goes away") @instead("rename it") forbid (principal, action == Icecore::Action::"drop", resource);
        "#,
    );
    let Decision::Forbid(refusal) = verdict(&bundle, Mode::Enforce, "drop table db.s.t") else {
        panic!()
    };
    assert_eq!(
        refusal.reason().text(),
        "nothing goes away (table DB.S.T); instead: rename it"
    );
}

#[test]
fn a_masked_column_may_be_used_as_a_policy_names_it() {
    let catalogue = Catalogue::described(
        "database = \"DB\"\nschema = \"S\"\n[tables]\n\"DB.S.T\" = [\"ID NUMBER\", \"E TEXT PII=email\"]",
    );
    let catalogue = catalogue.unwrap();
    let bundle = bundle(
        r#"
        @id("all") permit (principal, action, resource);
        @id("looks-up") @masked_use("equality") permit (principal, action == Icecore::Action::"filter", resource);
        @id("masks") @remedy("mask:null") forbid (principal, action == Icecore::Action::"project", resource) when { resource.hasTag("PII") };
        "#,
    );
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let explained = |sql| {
        let scope = Scope::new(&|_| false).with(&catalogue);
        let statement = Statement::read_all(sql, Count::Any, &scope);
        let identity = principal.identity();
        explain(&bundle, identity, "ACME", &catalogue, &unread(), &statement)
    };
    assert!(explained("select id from t where e = 'x'").is_allowed());
    let verdict = explained("select id from t where e > 'x' order by e");
    assert_eq!(verdict.rules, ["masks"]);
    assert_eq!(
        verdict.reason.unwrap(),
        "column DB.S.T.E is masked, and its use as where, order would tell of its values; of such uses allowed are equality"
    );
    for text in ["", "project", "equality, join", "all"] {
        let policy = format!(
            r#"@id("x") @masked_use("{text}") permit (principal, action == Icecore::Action::"filter", resource);"#
        );
        assert!(load_as(&policy).is_err(), "{text}");
    }
}

#[test]
fn no_policy_allows_nothing() {
    let empty = bundle("");
    refused_by(&empty, "select 1", DEFAULT_RULE);
}

#[test]
fn a_policy_that_fails_refuses() {
    let text = r#"@id("all") permit (principal, action, resource);
        @id("fails") forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };"#;
    refused_by(&bundle(text), "select 1", ERROR_RULE);
}

#[test]
fn observe_lets_through_and_says_what_enforce_would_do() {
    let Decision::Allow(permit) = verdict(&bundle(READ_ONLY), Mode::Observe, "drop table t") else {
        panic!()
    };
    assert_eq!(permit.overruled().unwrap().rules(), [DEFAULT_RULE]);
    let Decision::Allow(permit) = verdict(&bundle(READ_ONLY), Mode::Observe, "select 1") else {
        panic!()
    };
    assert!(permit.overruled().is_none());
}

#[test]
fn problems_of_a_file_are_told_with_their_place() {
    assert!(
        problems("@id(\"a\")\npermit (principal, action resource);")[0]
            .starts_with("test.cedar: line 2, column 27: ")
    );
    assert!(problems("permit (principal, action, resource);")[0].contains("expected `@id(\"…\")`"));
    assert!(
        problems("@id(\"a\") @remedy(\"mask:hash\") forbid (principal, action, resource);")[0]
            .contains("`mask` on the action `project` alone")
    );
    assert!(
        problems("@id(\"a\") permit (principal, action == Icecore::Action::\"raed\", resource);")
            [0]
        .contains("raed")
    );
    let twice = "@id(\"a\") permit (principal, action, resource); @id(\"a\") forbid (principal, action, resource);";
    assert!(problems(twice)[0].contains("found it twice"));
}

fn policy(effect: &'static str) -> impl Strategy<Value = String> {
    let actions = proptest::sample::subsequence(
        vec!["read", "write", "create", "drop", "session", "call"],
        1..6,
    );
    let kind = proptest::sample::select(vec![
        "",
        " when { context.kind == \"query\" }",
        " unless { context.kind == \"drop\" }",
    ]);
    (actions, kind).prop_map(move |(actions, condition)| {
        let actions: Vec<String> = actions
            .iter()
            .map(|action| format!("Icecore::Action::\"{action}\""))
            .collect();
        format!(
            "{effect} (principal, action in [{}], resource){condition};",
            actions.join(", ")
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn adding_a_forbid_never_allows_more(
        permits in proptest::collection::vec(policy("permit"), 0..3),
        forbids in proptest::collection::vec(policy("forbid"), 0..2),
        added in policy("forbid"),
    ) {
        let text = |rules: &[String]| -> String {
            rules.iter().enumerate().map(|(n, rule)| format!("@id(\"r{n}\") {rule}\n")).collect()
        };
        let mut rules = [permits, forbids].concat();
        let before = bundle(&text(&rules));
        rules.push(added);
        let after = bundle(&text(&rules));
        for sql in ["select 1", "drop table t", "insert into t values (1)", "call p()", "begin"] {
            if matches!(verdict(&after, Mode::Enforce, sql), Decision::Allow(_)) {
                prop_assert!(matches!(verdict(&before, Mode::Enforce, sql), Decision::Allow(_)), "{}", sql);
            }
        }
        prop_assert!(Kind::Unknown.action().is_none());
    }
}

#[test]
fn a_remembered_verdict_answers_its_own_question_alone() {
    let bundle = bundle(
        r#"@id("ci-reads") permit (principal == Icecore::Principal::"ci", action == Icecore::Action::"read", resource == Icecore::Account::"ACME")
            when { context.kind == "query" };"#,
    );
    let allows = |user: &str, account: &str, sql: &str| {
        let principal = Principal::host_user(user.to_owned(), 1001);
        let statement = Statement::read(sql, &Scope::new(&|_| false));
        let decision = decide(
            &bundle,
            Mode::Enforce,
            &principal,
            account,
            &Catalogue::default(),
            &unread(),
            statement,
        );
        matches!(decision, Decision::Allow(_))
    };
    for _ in 0..2 {
        assert!(allows("ci", "ACME", "select 1"));
        assert!(!allows("other", "ACME", "select 1"));
        assert!(!allows("ci", "OTHER", "select 1"));
        assert!(!allows("ci", "ACME", "begin"));
        assert!(!allows("ci", "ACME", "show tables"));
    }
}

fn allows(bundle: &Bundle, principal: &Principal) -> bool {
    let statement = Statement::read("select 1", &Scope::new(&|_| false));
    let decision = decide(
        bundle,
        Mode::Enforce,
        principal,
        "ACME",
        &Catalogue::default(),
        &unread(),
        statement,
    );
    matches!(decision, Decision::Allow(_))
}

#[test]
fn groups_of_a_token_decide_and_no_host_user_is_in_one() {
    let bundle = bundle(
        r#"@id("analysts-read") permit (principal in Icecore::Group::"okta:analysts", action, resource);"#,
    );
    assert!(allows(
        &bundle,
        &job(json!({ "groups": ["x", "analysts"] }))
    ));
    assert!(!allows(
        &bundle,
        &job(json!({ "groups": ["okta:analysts"] }))
    ));
    assert!(!allows(
        &bundle,
        &job(json!({ "groups": null, "sub": "analysts" }))
    ));
    let host = Principal::host_user("okta:analysts".to_owned(), 1001);
    assert!(!allows(&bundle, &host));
}

#[test]
fn what_a_token_proved_decides_and_what_it_left_out_does_not() {
    let bundle = bundle(
        r#"@id("main-reads") permit (principal, action, resource) when {
            context.identity.verified && context.identity has repository && context.identity has ref &&
            context.identity.repository == "acme/app" && context.identity.ref == "refs/heads/main" &&
            context.identity.scopes.contains("snowflake")
        };"#,
    );
    let claims = |git_ref: &str, scope: &str| json!({ "repository": "acme/app", "ref": git_ref, "scope": scope });
    // Each is asked after the others: a verdict is remembered for its own facts alone.
    for _ in 0..2 {
        assert!(allows(
            &bundle,
            &job(claims("refs/heads/main", "snowflake"))
        ));
        assert!(!allows(
            &bundle,
            &job(claims("refs/heads/side", "snowflake"))
        ));
        assert!(!allows(&bundle, &job(claims("refs/heads/main", "other"))));
        assert!(!allows(&bundle, &job(json!({ "scope": "snowflake" }))));
        assert!(!allows(
            &bundle,
            &Principal::host_user("ci".to_owned(), 1001)
        ));
    }
}

#[test]
fn a_fact_that_may_be_absent_must_be_asked_for_first() {
    let text = r#"@id("a") permit (principal, action, resource) when { context.identity.repository == "acme/app" };"#;
    let told = problems(text);
    assert!(told[0].contains("repository"), "{told:?}");
}

fn batch(sql: &str, mode: Mode) -> Decision {
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let statement = Statement::read_all(sql, Count::Any, &Scope::new(&|_| false));
    decide(
        &bundle(READ_ONLY),
        mode,
        &principal,
        "ACME",
        &Catalogue::default(),
        &unread(),
        statement,
    )
}

#[test]
fn one_refused_statement_refuses_all_and_is_named() {
    for (sql, named) in [
        ("select 1; drop table t; select 2", "statement 2 of 3: "),
        ("select 1; select 2; use role admin", "statement 3 of 3: "),
        ("select 1; select db.s.f(1)", "statement 2 of 2: "),
        (
            "select 1; select * from table(result_scan('x'))",
            "statement 2 of 2: ",
        ),
    ] {
        match batch(sql, Mode::Enforce) {
            Decision::Forbid(refusal) => {
                assert!(
                    refusal.reason().text().starts_with(named),
                    "{:?}",
                    refusal.reason()
                );
            }
            Decision::Allow(_) => panic!("allowed: {sql}"),
            Decision::Hold(held) => panic!("{sql}: {:?}", held.holds()),
        }
    }
    match batch("begin; select 1; show tables; commit", Mode::Enforce) {
        Decision::Allow(permit) => assert_eq!(permit.rules(), ["read-only"]),
        Decision::Forbid(refusal) => panic!("{:?}", refusal.reason()),
        Decision::Hold(held) => panic!("{:?}", held.holds()),
    }
}

#[test]
fn observe_lets_a_refused_part_through_and_says_which() {
    match batch("select 1; drop table t", Mode::Observe) {
        Decision::Allow(permit) => {
            let overruled = permit.overruled().unwrap();
            assert!(
                overruled.text().starts_with("statement 2 of 2: "),
                "{overruled:?}"
            );
        }
        Decision::Forbid(refusal) => panic!("{:?}", refusal.reason()),
        Decision::Hold(held) => panic!("{:?}", held.holds()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn several_statements_are_allowed_where_each_is(picked in prop::collection::vec(0_usize..6, 2..6)) {
        let texts = ["select 1", "show tables", "drop table t", "use role r", "selekt", "select db.s.f(1)"];
        let bundle = bundle(READ_ONLY);
        let each = picked.iter().all(|at| {
            matches!(verdict(&bundle, Mode::Enforce, texts[*at]), Decision::Allow(_))
        });
        let text: Vec<&str> = picked.iter().map(|at| texts[*at]).collect();
        let together = matches!(batch(&text.join(";"), Mode::Enforce), Decision::Allow(_));
        prop_assert_eq!(each, together);
    }
}
