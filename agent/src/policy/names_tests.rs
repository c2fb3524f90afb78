//! Which names in policies are told, as what, and where.

use proptest::prelude::*;

use super::*;
use crate::policy::load::{PolicyProblem, Source, load};

/// Loads a policy file on a host with two accounts and two users; gives errors and warnings alike.
fn told(text: &str) -> Vec<PolicyProblem> {
    let source = Source {
        file: "p.cedar".to_owned(),
        text: text.to_owned(),
    };
    let names = Names {
        accounts: Some(&["ACME", "BETA"]),
        users: &Users::parse("root:x:0:0\nci:x:1001:1001\n"),
        issuers: Some(&["okta"]),
    };
    match load(&[source], &names) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

#[track_caller]
fn check(text: &str, expected: &[(Gravity, &str)]) {
    let told = told(text);
    let lines: Vec<(Gravity, String)> = told
        .iter()
        .map(|problem| (problem.gravity, problem.to_string()))
        .collect();
    let lines: Vec<(Gravity, &str)> = lines.iter().map(|(g, t)| (*g, t.as_str())).collect();
    assert_eq!(lines, expected);
}

#[test]
fn accounts_that_the_config_has_not_are_errors() {
    check(
        "@id(\"a\")\npermit (principal, action,\n  resource == Icecore::Account::\"ACMEE\");",
        &[(
            Gravity::Error,
            "p.cedar: line 3, column 15: policy `a`: expected an account of the config (`ACME`, `BETA`), found \
             `Icecore::Account::\"ACMEE\"` (did you mean `ACME`?)",
        )],
    );
    check(
        "@id(\"a\") forbid (principal, action, resource) unless { resource == Icecore::Account::\"BETA\" };",
        &[],
    );
}

#[test]
fn accounts_are_left_alone_where_the_config_cannot_be_read() {
    let source = Source {
        file: "p.cedar".to_owned(),
        text: "@id(\"a\") permit (principal, action, resource == Icecore::Account::\"X\");"
            .to_owned(),
    };
    let names = Names {
        accounts: None,
        users: &Users::default(),
        issuers: None,
    };
    assert!(load(&[source], &names).unwrap().warnings.is_empty());
}

#[test]
fn users_that_the_host_has_not_are_warnings() {
    let policy = |user: &str| {
        format!(
            "@id(\"a\") permit (principal == Icecore::Principal::\"{user}\", action, resource);"
        )
    };
    check(
        &policy("cii"),
        &[(
            Gravity::Warning,
            "p.cedar: line 1, column 31: policy `a`: expected a user of this host, found \
             `Icecore::Principal::\"cii\"`, which this host does not have",
        )],
    );
    check(
        &policy("1001"),
        &[(
            Gravity::Warning,
            "p.cedar: line 1, column 31: policy `a`: expected a user of this host, found \
             `Icecore::Principal::\"1001\"`, who is called `ci` here",
        )],
    );
    check(&policy("ci"), &[]);
    check(&policy("4242"), &[]);
}

#[test]
fn groups_and_subjects_need_an_issuer_of_the_config() {
    let policy =
        |name: &str| format!("@id(\"a\") forbid (principal in Icecore::{name}, action, resource);");
    for good in ["Group::\"okta:staff\"", "Principal::\"okta:00u1\""] {
        check(&policy(good), &[]);
    }
    for (name, guess) in [
        ("Group::\"staff\"", ""),
        ("Group::\"oktaa:staff\"", " (did you mean `okta`?)"),
        ("Principal::\"github:repo:acme/app\"", ""),
    ] {
        let text = format!(
            "p.cedar: line 1, column 31: policy `a`: expected `ISSUER:NAME` with an issuer of the config (`okta`), found \
             `Icecore::{name}`{guess}"
        );
        check(&policy(name), &[(Gravity::Error, &text)]);
    }
}

#[test]
fn kinds_that_do_not_exist_are_errors_wherever_they_are_compared() {
    for condition in [
        "context.kind == \"qurey\"",
        "\"qurey\" == context[\"kind\"]",
        "context.kind != \"qurey\"",
        "[\"show\", \"qurey\"].contains(context.kind)",
        "[context.kind].containsAny([\"qurey\", \"show\"])",
        "[\"qurey\"].containsAll([context.kind])",
        "if context.kind == \"show\" then true else !(context.kind == \"qurey\")",
    ] {
        let text =
            format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};");
        let told = told(&text);
        assert_eq!(told.len(), 1, "{condition}: {told:?}");
        let found = told[0].to_string();
        assert!(
            found.contains("expected a kind of statement (query, show, ")
                && told[0].gravity == Gravity::Error,
            "{found}"
        );
        assert!(
            found.ends_with("found \"qurey\" (did you mean `query`?)"),
            "{found}"
        );
        let column = text.find("\"qurey\"").unwrap() + 1;
        assert_eq!(told[0].place, Some((1, column)), "{condition}");
    }
}

#[test]
fn other_texts_are_not_taken_for_kinds() {
    for condition in ["\"qurey\" != \"x\"", "![\"qurey\"].contains(\"x\")"] {
        check(
            &format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};"),
            &[],
        );
    }
}

#[test]
fn a_policy_that_never_applies_is_a_warning() {
    check(
        "@id(\"a\") forbid (principal, action, resource) when { [\"x\"].contains(\"y\") && false };",
        &[(
            Gravity::Warning,
            "p.cedar: line 1, column 1: for policy `a`, policy is impossible: the policy expression evaluates to false \
             for all valid requests",
        )],
    );
}

#[test]
fn unknown_actions_are_told_with_their_place_and_the_known_ones() {
    check(
        "@id(\"a\")\npermit (principal, action == Icecore::Action::\"raed\", resource);",
        &[(
            Gravity::Error,
            "p.cedar: line 2, column 30: for policy `a`, unrecognized action `Icecore::Action::\"raed\"` (did you mean \
             `read`?); there are read, project, filter, session, write, create, alter, drop, grant, call, copy_in, \
             unload, put, get, use_role, use_warehouse",
        )],
    );
}

#[test]
fn all_that_is_wrong_with_a_file_is_told_at_once_in_its_order() {
    let text = "permit (principal == Icecore::Principal::\"cii\", action, resource == Icecore::Account::\"X\");\n\
        @id(\"b\") @flag(\"x\") forbid (principal, action, resource) when { context.kind == \"shwo\" };";
    let places: Vec<_> = told(text)
        .into_iter()
        .map(|problem| (problem.gravity, problem.place))
        .collect();
    let error = |line, column| (Gravity::Error, Some((line, column)));
    assert_eq!(
        places,
        [
            error(1, 1),
            (Gravity::Warning, Some((1, 22))),
            error(1, 69),
            error(2, 1),
            error(2, 81),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_word_is_told_unless_a_statement_can_be_of_that_kind(word in "[a-z_]{1,12}", known in any::<prop::sample::Index>()) {
        let known = Kind::ALL[known.index(Kind::ALL.len())];
        for (word, exists) in [
            (known.name(), known.action().is_some()),
            (word.as_str(), Kind::ALL.iter().any(|kind| kind.name() == word && kind.action().is_some())),
        ] {
            let text = format!("@id(\"a\") permit (principal, action, resource) when {{ context.kind == \"{word}\" }};");
            prop_assert_eq!(told(&text).is_empty(), exists, "{}", word);
        }
    }
}
