//! Which approvals a config may ask for, and what is told about those that it may not.

use std::time::Duration;

use super::*;
use crate::config::NotifyTo;
use crate::config::identity::identity;

fn read(text: &str) -> Result<Option<Approvals>, Vec<String>> {
    let problems = Problems::default();
    let mut root = Section::root(text.parse().unwrap(), &problems);
    let identity = identity(root.section("identity"), &problems);
    let approvals = approvals(root.section("approvals"), &identity, &problems);
    let settled = problems.settle(std::path::Path::new("/i.toml"), approvals);
    settled.map_err(|errors| errors.problems.iter().map(ToString::to_string).collect())
}

const ISSUER: &str =
    "[approvals.issuer]\nname = \"okta\"\nurl = \"https://acme.okta.com\"\naudience = \"0oa2\"\n";
const GROUP: &str = "[[approvals.group]]\nname = \"data-owners\"\nmembers = \"okta:00u1\"\n";

#[test]
fn without_the_section_nobody_is_asked() {
    assert_eq!(read("").unwrap(), None);
}

#[test]
fn a_group_asks_for_the_strongest_proof_unless_it_says_otherwise() {
    let approvals = read(&format!("{ISSUER}{GROUP}")).unwrap().unwrap();
    let group = &approvals.rules.groups["data-owners"];
    assert_eq!(group.proof, Grade::IdpPerDecision);
    assert_eq!((group.approvers, group.break_glass), (1, false));
    assert_eq!(group.expires_after, Duration::from_secs(4 * 3600));
    assert_eq!((&group.hours, group.grant_max), (&None, None));
    assert!(approvals.rules.explain);
    let hours = "hours = { from = \"08:00\", to = \"18:30\", utc_offset = \"-03:30\" }\n";
    let approvals = read(&format!("{ISSUER}{GROUP}{hours}")).unwrap().unwrap();
    let hours = approvals.rules.groups["data-owners"].hours.clone().unwrap();
    assert_eq!((hours.from_minute, hours.to_minute), (480, 1110));
    assert_eq!((hours.offset_minutes, hours.days.len()), (-210, 5));
}

#[test]
fn what_could_say_yes_by_mistake_is_told() {
    let session = "[[identity.issuer]]\nname = \"okta\"\nurl = \"https://acme.okta.com\"\naudience = \"0oa2\"\n";
    let ci = "[approvals.issuer]\nname = \"gh\"\nurl = \"https://token.actions.githubusercontent.com\"\naudience = \"0oa2\"\nrequire = { repository = \"acme/x\" }\n";
    let other = session.replace("acme", "other").replace("0oa2", "icecore");
    let saml = "[[identity.saml]]\nname = \"okta\"\nmetadata_file = \"/etc/icecore/okta.xml\"\naudience = \"https://icecore.acme.com\"\nrecipient = \"https://icecore.acme.com/acs\"\n";
    for (text, expected) in [
        (
            format!("{saml}{ISSUER}{GROUP}"),
            "approvals.issuer.name: expected a name of its own, or the same issuer's, found an [[identity.saml]] of this name, whose subjects are others",
        ),
        (
            format!("{other}{ISSUER}{GROUP}"),
            "approvals.issuer.name: expected a name of its own, or the same issuer's, found another [[identity.issuer]] of this name",
        ),
        (
            format!("{session}{ISSUER}{GROUP}"),
            "approvals.issuer.audience: expected an audience of approvals' own, found one that tokens of [[identity.issuer]] `okta` for sessions have too",
        ),
        (
            format!("{ci}{}", GROUP.replace("okta:", "gh:")),
            "approvals.issuer: expected an issuer of people, found one of programs",
        ),
        (
            format!("{ISSUER}{GROUP}proof = \"chat\"\n"),
            "approvals.slack_signing_secret_file: expected the signing secret of the Slack app, since a group takes `chat` for proof, found none",
        ),
        (
            format!("{ISSUER}{GROUP}approvers = 2\n"),
            "approvals.group[0].approvers: expected at most 1, since `members` names no more and there are no `groups`, found 2",
        ),
        (
            format!("{ISSUER}{GROUP}break_glass = true\nproof = \"idp-key\"\n"),
            "approvals.group[0].proof: expected \"idp-per-decision\" for whoever may say yes alone, found \"idp-key\"",
        ),
        (
            format!("{ISSUER}{GROUP}[approvals.people]\n\"github:eve\" = \"gh:eve\"\n"),
            "approvals.people.\"github:eve\": expected a person, as ISSUER:SUBJECT of the approvers' issuer, found \"gh:eve\"",
        ),
        (
            format!("{ISSUER}{}", GROUP.replace("okta:", "gh:")),
            "approvals.group[0].members: expected names of the approvers' issuer, each as okta:NAME, found \"gh:00u1\"",
        ),
        (
            format!("{ISSUER}{GROUP}{GROUP}"),
            "approvals.group[1].name: expected one of its own for each group, found \"data-owners\" again",
        ),
        (
            ISSUER.to_owned(),
            "approvals.group: expected at least one [[approvals.group]], found none",
        ),
    ] {
        assert_eq!(read(&text).unwrap_err(), [expected]);
    }
    let error = read(GROUP).unwrap_err();
    assert!(
        error[0].starts_with("approvals.issuer: expected whose ID tokens"),
        "{error:?}"
    );
}

#[test]
fn how_many_are_in_a_group_of_the_issuer_is_not_known() {
    let more = format!("{ISSUER}{GROUP}groups = \"okta:owners\"\napprovers = 3\n");
    let approvals = read(&more).unwrap().unwrap();
    assert_eq!(approvals.rules.groups["data-owners"].approvers, 3);
}

#[test]
fn who_is_told_is_read_with_the_place_of_its_secret() {
    let all = r##"
[[approvals.notify]]
kind = "slack"
channel = "#approvals"
token = { source = "env", variable = "SLACK_BOT" }
groups = ["data-owners"]
inbox_url = "https://inbox.acme.test/{id}"
[[approvals.notify]]
kind = "teams"
workflow_file = "/keys/teams"
statement = false
[[approvals.notify]]
kind = "webhook"
url = "https://hooks.acme.test/icecore"
secret_file = "/keys/hook"
"##;
    let told = read(&format!("{ISSUER}{GROUP}{all}"))
        .unwrap()
        .unwrap()
        .notify;
    let kinds: Vec<_> = told
        .iter()
        .map(|one| (one.to.kind(), one.to.secret().setting))
        .collect();
    let expected = [
        ("slack", "token"),
        ("teams", "workflow_file"),
        ("webhook", "secret_file"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        told[0].inbox_url.as_deref(),
        Some("https://inbox.acme.test/{id}")
    );
    assert!(told[0].groups.contains("data-owners") && told[1].groups.is_empty());
    assert_eq!((told[0].statement, told[1].statement), (None, Some(false)));
    let NotifyTo::Slack { api, .. } = &told[0].to else {
        panic!("{told:?}");
    };
    assert_eq!(api, "https://slack.com/api");
}

#[test]
fn who_cannot_be_told_is_told_of() {
    for (table, expected) in [
        (
            "kind = \"mail\"",
            "approvals.notify[0].kind: expected \"slack\", \"teams\" or \"webhook\", found \"mail\"",
        ),
        (
            "kind = \"teams\"\nworkflow = \"https://x.test/?sig=CANARY\"",
            "approvals.notify[0].workflow: expected a table such as { source = \"vault\", ... }, found something else, not shown here since it may be a secret",
        ),
        (
            "kind = \"teams\"\nworkflow_file = \"/k\"\ngroups = [\"nobody\"]",
            "approvals.notify[0].groups[0]: expected the name of an [[approvals.group]], found \"nobody\"",
        ),
        (
            "kind = \"webhook\"\nurl = \"ftp://x.test\"\nsecret_file = \"/k\"",
            "approvals.notify[0].url: expected an address such as \"https://hooks.acme.example/icecore\", without a user name or a fragment, found \"ftp://x.test\"",
        ),
    ] {
        let text = format!("{ISSUER}{GROUP}[[approvals.notify]]\n{table}\n");
        assert_eq!(read(&text).unwrap_err()[0], expected);
    }
}
