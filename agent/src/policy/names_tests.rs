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
        approvers: None,
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
             `Icecore::Account::\"ACMEE\"` (did you mean `Icecore::Account::\"ACME\"`?)",
        )],
    );
    check(
        "@id(\"a\") forbid (principal, action, resource) unless { resource == Icecore::Account::\"BETA\" };",
        &[],
    );
}

#[test]
fn accounts_and_users_are_left_alone_where_the_config_cannot_be_read() {
    let source = Source {
        file: "p.cedar".to_owned(),
        text: "@id(\"a\") permit (principal == Icecore::Principal::\"nobody-here\", action, \
            resource == Icecore::Account::\"X\");"
            .to_owned(),
    };
    let names = Names {
        accounts: None,
        users: &Users::default(),
        issuers: None,
        approvers: None,
    };
    assert!(load(&[source], &names).unwrap().warnings.is_empty());
}

#[test]
fn a_hold_for_a_group_that_the_config_has_not_is_an_error() {
    let source = || Source {
        file: "p.cedar".to_owned(),
        text: "@id(\"a\")\n@remedy(\"hold:data-owner\")\nforbid (principal, action, resource);"
            .to_owned(),
    };
    let users = Users::default();
    let names = |approvers| Names {
        accounts: None,
        users: &users,
        issuers: None,
        approvers,
    };
    let told = |approvers| {
        let problems = load(&[source()], &names(Some(approvers))).unwrap_err();
        problems[0].to_string()
    };
    assert_eq!(
        told(&["data-owners"][..]),
        "p.cedar: line 2, column 1: policy `a`: expected the name of an [[approvals.group]] (data-owners), found \
         `data-owner` (did you mean `data-owners`?)"
    );
    assert_eq!(
        told(&[][..]),
        "p.cedar: line 2, column 1: policy `a`: expected no `hold` where the config has no [approvals], found `data-owner`"
    );
    assert!(load(&[source()], &names(Some(&["data-owner"]))).is_ok());
    assert!(load(&[source()], &names(None)).is_ok());
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
fn a_user_that_the_host_has_not_is_told_once() {
    let policy = |id: &str| {
        format!(
            "@id(\"{id}\") permit (principal == Icecore::Principal::\"cii\", action, resource);\n"
        )
    };
    let told = told(&(policy("a") + &policy("b")));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].place, Some((1, 31)));
}

#[test]
fn objects_that_no_question_can_be_about_are_errors_wherever_they_stand() {
    for text in [
        "resource in Icecore::Schema::\"PROD.HR\");",
        "resource) when { resource in Icecore::Schema::\"PROD.HR\" };",
        "resource) unless { resource in [Icecore::Schema::\"PROD.HR\"] };",
        "resource is Icecore::Table in Icecore::Schema::\"PROD.HR\");",
    ] {
        let text = format!("@id(\"a\") forbid (principal, action, {text}");
        let at = text.find("Icecore::Schema").unwrap() + 1;
        let expected = format!(
            "p.cedar: line 1, column {at}: policy `a`: expected `ACCOUNT.DATABASE.SCHEMA`, found \
             `Icecore::Schema::\"PROD.HR\"`"
        );
        check(&text, &[(Gravity::Error, &expected)]);
    }
}

#[test]
fn what_cannot_be_a_principal_is_told_in_one_text() {
    for (principal, at, found) in [
        (
            "principal == Icecore::User::\"ACME.CI\", action, resource)",
            31,
            "Icecore::User::\"ACME.CI\"",
        ),
        (
            "principal in Icecore::Account::\"X\", action, resource)",
            31,
            "Icecore::Account::\"X\"",
        ),
        (
            "principal == Icecore::Pricipal::\"ci\", action, resource)",
            31,
            "Icecore::Pricipal::\"ci\"",
        ),
        (
            "principal is Icecore::User, action, resource)",
            1,
            "Icecore::User",
        ),
        (
            "principal, action, resource) when { principal == Icecore::User::\"ACME.CI\" }",
            67,
            "Icecore::User::\"ACME.CI\"",
        ),
    ] {
        let expected = format!(
            "p.cedar: line 1, column {at}: policy `a`: expected `Icecore::Principal` or `Icecore::Group` as the \
             principal, found `{found}`"
        );
        check(
            &format!("@id(\"a\") forbid ({principal};"),
            &[(Gravity::Error, &expected)],
        );
    }
}

#[test]
fn tags_are_looked_at_in_vain_but_of_columns() {
    let policy = |actions: &str| {
        format!(
            "@id(\"a\") forbid (principal, action{actions}, resource) when {{ resource.hasTag(\"PII\") }};"
        )
    };
    check(
        &policy(" == Icecore::Action::\"read\""),
        &[(
            Gravity::Warning,
            "p.cedar: line 1, column 1: policy `a`: expected an action of columns (`project`, `filter`) where tags are \
             looked at, found others, and nothing but columns has tags here",
        )],
    );
    for actions in [
        "",
        " == Icecore::Action::\"filter\"",
        " in [Icecore::Action::\"read\", Icecore::Action::\"project\"]",
    ] {
        check(&policy(actions), &[]);
    }
}

#[test]
fn a_problem_of_several_actions_is_told_once() {
    check(
        "@id(\"a\") forbid (principal, action, resource) when { context.knd == \"query\" };",
        &[(
            Gravity::Error,
            "p.cedar: line 1, column 54: for policy `a`, attribute `knd` in context not found (did you mean `kind`?)",
        )],
    );
}

#[test]
fn names_of_own_rules_are_no_ids() {
    for rule in crate::policy::RULES {
        let expected = format!(
            "p.cedar: line 1, column 1: policy `{rule}`: expected an id of its own, found the name of a rule of Icecore's"
        );
        check(
            &format!("@id(\"{rule}\") forbid (principal, action, resource);"),
            &[(Gravity::Error, &expected)],
        );
    }
}

#[test]
fn what_an_annotation_has_wrong_is_told_where_it_stands() {
    let is_told = |annotation: &str, policy: &str, expected: &str| {
        let expected = format!("p.cedar: line 2, column 1: policy `a`: {expected}");
        check(
            &format!("@id(\"a\")\n@{annotation}\n{policy}, resource);"),
            &[(Gravity::Error, &expected)],
        );
    };
    let forbid = "forbid (principal, action == Icecore::Action::\"project\"";
    let permit = "permit (principal, action == Icecore::Action::\"filter\"";
    is_told(
        "reasn(\"x\")",
        forbid,
        "annotation `@reasn` has no effect in this version (did you mean `@reason`?)",
    );
    is_told(
        "remedy(\"maks:null\")",
        forbid,
        "expected a remedy `mask:TRANSFORM` or `hold:GROUP`, found \"maks:null\"",
    );
    is_told(
        "in_transaction(\"hold\")",
        forbid,
        "expected `@in_transaction` beside `@remedy(\"hold:GROUP\")`, found it without",
    );
    is_told(
        "masked_use(\"equality joni\")",
        permit,
        "expected names of uses in `@masked_use` (where, equality, join, group, order, window, argument, \
         count_distinct), found \"joni\" (did you mean `join`?)",
    );
    is_told(
        "masked_use(\"join\")",
        "permit (principal, action == Icecore::Action::\"project\"",
        "expected `@masked_use` on the action `filter` alone, found other actions",
    );
    is_told(
        "masked_use(\"join\")",
        "forbid (principal, action == Icecore::Action::\"filter\"",
        "expected `@masked_use` on a permit, found it on a forbid",
    );
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
            error(2, 10),
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

#[test]
fn words_that_are_no_detectors_are_errors_beside_what_was_found() {
    let with = |condition: &str| {
        format!("@id(\"a\") forbid (principal, action, resource) when {{ {condition} }};")
    };
    check(
        &with("context.found.contains(\"crad\")"),
        &[(
            Gravity::Error,
            "p.cedar: line 1, column 77: policy `a`: expected a detector (email, phone, card, iban, person, ip, key, \
             jwt, pem, snowflake), found \"crad\" (did you mean `card`?)",
        )],
    );
    for condition in [
        "context.found.containsAny([\"card\", \"mail\"])",
        "[\"cards\"].containsAny(context.found)",
        "context[\"found\"] == [\"minted\"]",
    ] {
        let told = told(&with(condition));
        assert!(
            told.iter()
                .any(|one| one.text.contains("expected a detector")),
            "{condition}"
        );
    }
    check(
        &with("context.found.containsAny([\"card\", \"iban\"])"),
        &[],
    );
}
