//! Whom grants are for, and the law that a grant takes nothing from those before it.

use proptest::prelude::*;

use super::*;
use crate::identity::{Ci, Principal};

fn of_host(user: &str) -> Identity {
    let principal = Principal::host_user(user.to_owned(), 1000);
    Identity::clone(principal.identity())
}

fn of_issuer(issuer: &str, subject: &str, groups: &[&str], repository: Option<&str>) -> Identity {
    Identity {
        protocol: Protocol::Oidc,
        issuer_name: Some(issuer.to_owned()),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        ci: Ci {
            repository: repository.map(str::to_owned),
            git_ref: repository.map(|_| "refs/heads/main".to_owned()),
            ..Ci::default()
        },
        uid: None,
        ..of_host(subject)
    }
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|&text| Pattern(text.to_owned())).collect()
}

fn issued(groups: &[&str], subjects: &[&str], claims: &[(&str, &[&str])]) -> Who {
    Who::Issued(Issued {
        issuer: "okta".to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        subjects: patterns(subjects),
        claims: claims
            .iter()
            .map(|(name, texts)| ((*name).to_owned(), patterns(texts)))
            .collect(),
    })
}

#[test]
fn a_grant_is_for_whom_every_matcher_fits() {
    let ada = of_issuer("okta", "ada@acme.com", &["analysts"], None);
    let stranger = of_issuer("other", "ada@acme.com", &["analysts"], None);
    let job = of_issuer("okta", "repo:acme/app", &[], Some("acme/app"));
    let no_job = of_issuer("okta", "repo:acme/app", &[], None);
    let app: &[(&str, &[&str])] = &[("repository", &["acme/*"]), ("ref", &["refs/heads/main"])];
    let side: &[(&str, &[&str])] = &[("repository", &["acme/*"]), ("ref", &["refs/heads/side"])];
    for (who, identity, fits) in [
        (issued(&[], &[], &[]), &ada, true),
        (issued(&[], &[], &[]), &stranger, false),
        (issued(&["owners", "analysts"], &[], &[]), &ada, true),
        (issued(&["owners"], &[], &[]), &ada, false),
        (issued(&["analyst"], &[], &[]), &ada, false),
        (issued(&["analysts"], &[], &[]), &stranger, false),
        (issued(&["analysts"], &["*@acme.com"], &[]), &ada, true),
        (issued(&["analysts"], &["*@evil.com"], &[]), &ada, false),
        (issued(&["owners"], &["*@acme.com"], &[]), &ada, false),
        (issued(&[], &[], app), &job, true),
        (issued(&[], &[], side), &job, false),
        (issued(&[], &[], app), &no_job, false),
        (issued(&[], &[], &[("actor", &["*"])]), &job, false),
        (issued(&[], &[], &[("absent", &["*"])]), &job, false),
    ] {
        assert_eq!(who.fits(identity), fits, "{who}: {identity:?}");
    }
}

#[test]
fn a_host_user_and_a_token_of_the_same_name_are_two() {
    let named = Who::HostUsers(patterns(&["ci", "build-*"]));
    for (identity, fits) in [
        (of_host("ci"), true),
        (of_host("build-7"), true),
        (of_host("cia"), false),
        (of_issuer("okta", "ci", &[], None), false),
    ] {
        assert_eq!(named.fits(&identity), fits, "{identity:?}");
    }
    let nobodys_issuer = Who::Issued(Issued::default());
    assert!(!nobodys_issuer.fits(&of_host("ci")));
    assert!(!issued(&[], &["*"], &[]).fits(&of_host("ci")));
}

#[test]
fn the_first_that_fits_counts() {
    let ada = of_issuer("okta", "ada", &["analysts", "owners"], None);
    let owners = issued(&["owners"], &[], &[]);
    let analysts = issued(&["analysts"], &[], &[]);
    let visitors = issued(&["visitors"], &[], &[]);
    assert_eq!(first_grant([&visitors, &owners, &analysts], &ada), Some(1));
    assert_eq!(first_grant([&analysts, &owners], &ada), Some(0));
    assert_eq!(first_grant([&visitors], &ada), None);
    assert_eq!(first_grant([], &ada), None);
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab"]).prop_map(str::to_owned)
}

fn some_patterns() -> impl Strategy<Value = Vec<Pattern>> {
    let pattern = prop::sample::select(vec!["a", "b", "*", "a*"]);
    prop::collection::vec(pattern.prop_map(|text| Pattern(text.to_owned())), 0..3)
}

fn some_who() -> impl Strategy<Value = Who> {
    let claims = prop::collection::btree_map(
        prop::sample::select(vec!["repository".to_owned(), "ref".to_owned()]),
        some_patterns(),
        0..3,
    );
    let groups = prop::collection::vec(word(), 0..3);
    let issued = (word(), groups, some_patterns(), claims);
    prop_oneof![
        some_patterns().prop_map(Who::HostUsers),
        issued.prop_map(|(issuer, groups, subjects, claims)| {
            Who::Issued(Issued {
                issuer,
                groups,
                subjects,
                claims,
            })
        }),
    ]
}

fn some_identity() -> impl Strategy<Value = Identity> {
    let issued = (
        word(),
        word(),
        prop::collection::btree_set(word(), 0..3),
        prop::option::of(word()),
    );
    prop_oneof![
        word().prop_map(|user| of_host(&user)),
        issued.prop_map(|(issuer, subject, groups, repository)| Identity {
            groups,
            ..of_issuer(&issuer, &subject, &[], repository.as_deref())
        }),
    ]
}

proptest! {
    #[test]
    fn a_grant_at_the_end_changes_nothing_that_an_earlier_one_gave(
        grants in prop::collection::vec(some_who(), 0..5), last in some_who(), identity in some_identity(),
    ) {
        let before = first_grant(&grants, &identity);
        let longer: Vec<Who> = grants.into_iter().chain([last.clone()]).collect();
        let after = first_grant(&longer, &identity);
        match before {
            Some(index) => prop_assert_eq!(after, Some(index)),
            None => prop_assert_eq!(after, last.fits(&identity).then_some(longer.len() - 1)),
        }
    }

    #[test]
    fn one_more_matcher_never_fits_more(who in some_who(), group in word(), identity in some_identity()) {
        let Who::Issued(issued) = who else { return Ok(()) };
        let mut narrower = issued.clone();
        narrower.claims.entry("repository".to_owned()).or_insert_with(|| vec![Pattern(group)]);
        if Who::Issued(narrower).fits(&identity) {
            prop_assert!(Who::Issued(issued).fits(&identity));
        }
    }
}
