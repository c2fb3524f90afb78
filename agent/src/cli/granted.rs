//! What `icecore check` tells of an account's grants: what each gives to whom, and which of them nobody can have.

use std::collections::BTreeMap;

use super::check::by;
use crate::config::{Account, Config, Grant, WithoutToken};
use crate::identity::{CiSystem, Issued, Issuer, Pattern, Users, Who};

/// Says what each grant gives to whom, one line each.
pub(super) fn lines(account: &Account) -> impl Iterator<Item = String> {
    account
        .grants
        .iter()
        .map(|grant| line(grant, account.user.as_str()))
}

fn line(grant: &Grant, account_user: &str) -> String {
    let mut gives = format!("role {}", grant.role);
    if grant.user != account_user {
        gives.push_str(&format!(", user {}", grant.user));
    }
    for (what, name) in [
        ("warehouse", &grant.warehouse),
        ("database", &grant.database),
        ("schema", &grant.schema),
    ] {
        if let Some(name) = name {
            gives.push_str(&format!(", {what} {name}"));
        }
    }
    if let Some(timeout) = grant.statement_timeout {
        gives.push_str(&format!(", statements up to {timeout:?}"));
    }
    if let Some(credential) = &grant.credential {
        gives.push_str(&format!(", by {}", by(credential)));
    }
    format!("              {} gets {gives}", grant.who)
}

/// Says which grants nobody can have as the config stands, and which are one user at Snowflake, one text each.
pub(super) fn warnings(config: &Config, users: &Users) -> Vec<String> {
    let mut warnings: Vec<String> = config.accounts.iter().flat_map(one_user).collect();
    warnings.extend(config.accounts.iter().flat_map(covered));
    for (account, grant) in config
        .accounts
        .iter()
        .flat_map(|account| account.grants.iter().map(move |grant| (account, grant)))
    {
        let reasons = match &grant.who {
            Who::HostUsers(names) => no_host_user(config, names, users),
            Who::Issued(issued) => {
                let mut issuers = config.identity.issuers.iter();
                match issuers.find(|issuer| issuer.name == issued.issuer) {
                    Some(issuer) => nobody_of(issuer, issued),
                    None => nobody_of_provider(issued),
                }
            }
        };
        let of = format!("account `{}`, grant of role {}", account.name, grant.role);
        warnings.extend(reasons.into_iter().map(|reason| format!("{of}: {reason}")));
    }
    warnings
}

/// Finds the grants of an account that an earlier one leaves nobody for.
fn covered(account: &Account) -> Vec<String> {
    let mut told = Vec::new();
    for (number, grant) in (1..).zip(&account.grants) {
        let earlier = (1..number).zip(&account.grants);
        let first = earlier
            .into_iter()
            .find(|(_, one)| one.who.covers(&grant.who));
        if let Some((first, one)) = first {
            told.push(format!(
                "account `{}`, grant {number} of role {}: nobody gets it: grant {first}, of role {}, comes first and fits all whom it fits",
                account.name, grant.role, one.role
            ));
        }
    }
    told
}

/// Finds the users of an account that more than one grant is.
fn one_user(account: &Account) -> Vec<String> {
    let mut grants: BTreeMap<&str, usize> = BTreeMap::new();
    for grant in &account.grants {
        *grants.entry(&grant.user).or_default() += 1;
    }
    let shared = grants.into_iter().filter(|(_, grants)| *grants > 1);
    shared
        .map(|(user, grants)| {
            format!(
                "account `{}`: {grants} grants are user {user}, whose history at Snowflake does not tell their principals apart; \
                 give each a `user` of its own if it should",
                account.name
            )
        })
        .collect()
}

fn no_host_user(config: &Config, names: &[Pattern], users: &Users) -> Vec<String> {
    if config.identity.without_token == WithoutToken::Refuse {
        let reason =
            "nobody gets it: what has no token is refused, so that nothing acts for a host user";
        return vec![reason.to_owned()];
    }
    let plain = names.iter().filter(|name| !name.0.contains('*'));
    plain
        .filter_map(|name| Some((name, users.stranger(&name.0)?)))
        .map(|(name, why)| format!("it names user `{}`, {why}", name.0))
        .collect()
}

/// Looks for what no token of an issuer shows: GitHub's have no groups, and only a CI system's have facts of a job.
fn nobody_of(issuer: &Issuer, issued: &Issued) -> Vec<String> {
    let mut reasons = Vec::new();
    let has_groups = issuer.ci != Some(CiSystem::GitHub) || issuer.groups_claim != "groups";
    for group in &issued.groups {
        if !has_groups && !issuer.members.contains_key(group) {
            reasons.push(format!(
                "nobody is in group `{group}`: tokens of `{}` have no groups, and its `members` do not name it",
                issuer.name
            ));
        }
    }
    if issuer.ci.is_none() && !issued.claims.is_empty() {
        reasons.push(format!(
            "nobody gets it: `claims` are facts of CI jobs, and issuer `{}` has no `ci`",
            issuer.name
        ));
    }
    reasons
}

/// Looks for what no SAML assertion shows.
fn nobody_of_provider(issued: &Issued) -> Vec<String> {
    if issued.claims.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "nobody gets it: `claims` are facts of CI jobs, and `{}` is a SAML provider",
        issued.issuer
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_for_tests;

    const CONFIG: &str = r#"
[identity]
without_token = "WITHOUT"
[[identity.issuer]]
name = "okta"
url = "https://acme.okta.com"
audience = "icecore"
[[identity.issuer]]
name = "github"
url = "https://token.actions.githubusercontent.com"
audience = "icecore"
require = { repository = "acme/*" }
members = { owners = ["repo:acme/app:ref:refs/heads/main"] }
[[identity.saml]]
name = "adfs"
metadata_file = "/adfs.xml"
audience = "icecore"
recipient = "https://icecore.acme.com/acs"
[[account]]
host = "acme.snowflakecomputing.com"
user = "SVC"
role = "NONE"
credential = { kind = "pat", token_file = "/pat" }
[[account.grant]]
role = "A"
"#;

    #[track_caller]
    fn check(without: &str, grant: &str, line: &str, expected: &[&str]) {
        let text = CONFIG.replace("WITHOUT", without);
        let config = read_for_tests(&format!("{text}{grant}"));
        let users = Users::parse("ci:x:1000:1000::/:\n");
        let lines: Vec<String> = lines(&config.accounts[0]).collect();
        assert_eq!(lines, [format!("              {line}")]);
        let of = "account `ACME`, grant of role A: ";
        let expected: Vec<String> = expected.iter().map(|text| format!("{of}{text}")).collect();
        assert_eq!(warnings(&config, &users), expected, "{grant}");
    }

    #[test]
    fn a_grant_behind_one_that_fits_all_its_people_is_warned_of() {
        let warned = |first: &str, second: &str| {
            let text = CONFIG.replace("WITHOUT", "refuse");
            let (text, _) = text.split_once("[[account.grant]]").unwrap();
            let grants = [first, second].map(|who| {
                format!(
                    "[[account.grant]]\nrole = \"R\"\nuser = \"U{}\"\n{who}\n",
                    who.len()
                )
            });
            let config = read_for_tests(&format!("{text}{}", grants.concat()));
            let told = warnings(&config, &Users::parse(""));
            told.iter()
                .any(|one| one.contains("grant 2 of role R: nobody gets it: grant 1"))
        };
        let okta = "issuer = \"okta\"";
        let of = |more: &str| format!("{okta}\n{more}");
        assert!(warned(okta, &of("group = \"a\"")));
        assert!(warned(
            &of("group = [\"a\", \"b\"]"),
            &of("group = \"a\"\nsubject = \"x\"")
        ));
        assert!(!warned(&of("group = \"a\""), okta));
        assert!(!warned(&of("group = \"a\""), &of("group = \"b\"")));
        assert!(!warned(
            okta,
            "issuer = \"github\"\nclaims = { ref = \"main\" }"
        ));
    }

    #[test]
    fn grants_that_are_one_user_are_warned_of() {
        let grants = |users: [&str; 3]| {
            let grants = users.map(|user| {
                format!("[[account.grant]]\nrole = \"B\"\nissuer = \"okta\"\nuser = \"{user}\"\n")
            });
            let text = CONFIG.replace("WITHOUT", "refuse");
            let (text, _) = text.split_once("[[account.grant]]").unwrap();
            let config = read_for_tests(&format!("{text}{}", grants.concat()));
            let mut told = warnings(&config, &Users::parse(""));
            told.retain(|one| one.contains("grants are user"));
            told
        };
        assert_eq!(grants(["ADA", "BOB", "EVE"]), [""; 0]);
        let told = grants(["ADA", "EVE", "ADA"]);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("account `ACME`: 2 grants are user ADA"),
            "{told:?}"
        );
    }

    #[test]
    fn each_grant_is_told_in_a_line_and_those_that_nobody_can_have_are_warned_of() {
        check(
            "host",
            "host_user = [\"ci\", \"b-*\"]\nwarehouse = \"WH\"\nstatement_timeout = \"10m\"",
            "host user ci or b-* gets role A, warehouse WH, statements up to 600s",
            &[],
        );
        check(
            "host",
            "host_user = \"cii\"",
            "host user cii gets role A",
            &["it names user `cii`, which this host does not have"],
        );
        check(
            "refuse",
            "host_user = \"ci\"",
            "host user ci gets role A",
            &["nobody gets it: what has no token is refused, so that nothing acts for a host user"],
        );
        check(
            "refuse",
            "issuer = \"okta\"\ngroup = [\"a\", \"b\"]\nuser = \"ADA\"\ndatabase = \"D\"",
            "whom okta vouches for, group a or b gets role A, user ADA, database D",
            &[],
        );
        check(
            "refuse",
            "issuer = \"okta\"\nclaims = { ref = \"refs/heads/main\" }",
            "whom okta vouches for, ref refs/heads/main gets role A",
            &["nobody gets it: `claims` are facts of CI jobs, and issuer `okta` has no `ci`"],
        );
        check(
            "refuse",
            "issuer = \"adfs\"\nclaims = { ref = \"refs/heads/main\" }",
            "whom adfs vouches for, ref refs/heads/main gets role A",
            &["nobody gets it: `claims` are facts of CI jobs, and `adfs` is a SAML provider"],
        );
        check(
            "refuse",
            "issuer = \"adfs\"\ngroup = \"analysts\"",
            "whom adfs vouches for, group analysts gets role A",
            &[],
        );
        check(
            "refuse",
            "issuer = \"github\"\ngroup = [\"owners\", \"staff\"]",
            "whom github vouches for, group owners or staff gets role A",
            &[
                "nobody is in group `staff`: tokens of `github` have no groups, and its `members` do not name it",
            ],
        );
    }
}
