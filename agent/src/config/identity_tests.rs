//! Which identities a config may ask for, and what is told about those that it may not.

use super::*;
use crate::config::problem::Problems;
use crate::config::section::Section;

fn read(text: &str) -> Result<Identity, Vec<String>> {
    let problems = Problems::default();
    let mut root = Section::root(text.parse().unwrap(), &problems);
    let identity = identity(root.section("identity"), &problems);
    let settled = problems.settle(std::path::Path::new("/i.toml"), identity);
    settled.map_err(|errors| errors.problems.iter().map(ToString::to_string).collect())
}

const OKTA: &str = "[[identity.issuer]]\nname = \"okta\"\nurl = \"https://acme.okta.com\"\naudience = \"icecore\"\n";

#[track_caller]
fn told(line: &str, expected: &str) {
    assert_eq!(read(&format!("{OKTA}{line}")).unwrap_err(), [expected]);
}

#[test]
fn without_issuers_sessions_are_the_host_users_and_with_one_a_token_is_wanted() {
    assert_eq!(read("").unwrap().without_token, WithoutToken::Host);
    let identity = read(OKTA).unwrap();
    assert_eq!(identity.without_token, WithoutToken::Refuse);
    assert_eq!(identity.max_session_age, Duration::from_secs(12 * 3600));
    let issuer = &identity.issuers[0];
    assert_eq!(issuer.parties, ["icecore"]);
    assert_eq!(issuer.algorithms, Algorithm::ALL);
    assert_eq!((issuer.kind, issuer.ci), (Kind::Human, None));
    let both = format!("[identity]\nwithout_token = \"host\"\n{OKTA}");
    assert_eq!(read(&both).unwrap().without_token, WithoutToken::Host);
    assert_eq!(
        read("[identity]\nwithout_token = \"refuse\"").unwrap_err(),
        [
            "identity.without_token: expected \"host\", found no [[identity.issuer]], so that every session would be \
             refused"
        ]
    );
}

#[test]
fn tokens_in_band_are_taken_if_the_config_says_so_and_names_who_makes_them() {
    assert!(!read(OKTA).unwrap().in_band);
    let identity = read(&format!("[identity]\nin_band = true\n{OKTA}")).unwrap();
    assert_eq!(
        (identity.in_band, identity.without_token),
        (true, WithoutToken::Refuse)
    );
    assert_eq!(
        read("[identity]\nin_band = true").unwrap_err(),
        [
            "identity.in_band: expected false, found no [[identity.issuer]], so that no token would be taken"
        ]
    );
}

#[test]
fn a_public_ci_system_needs_to_be_told_whose_jobs_are_meant() {
    let github = "[[identity.issuer]]\nname = \"github\"\nurl = \"https://token.actions.githubusercontent.com\"\n\
        audience = \"icecore\"\n";
    let missing = "identity.issuer[0].require: expected a value for one of sub, repository, repository_id, \
        repository_owner, repository_owner_id, enterprise, enterprise_id, such as `require = { repository = \"acme/*\" }`, \
        found none that names an owner: a job of anybody's could open sessions here";
    for require in [
        "",
        "require = { ref = \"refs/heads/main\" }",
        "require = { repository = \"*\" }",
        "require = { repository = [\"acme/app\", \"*/*\"] }",
        "require = { repository_owner = \"acme*\" }",
        "require = { sub = \"repo:*:environment:prod\" }",
    ] {
        assert_eq!(read(&format!("{github}{require}")).unwrap_err(), [missing]);
    }
    let identity = read(&format!(
        "{github}require = {{ repository = [\"acme/*\"] }}"
    ))
    .unwrap();
    let issuer = &identity.issuers[0];
    assert_eq!(
        (issuer.kind, issuer.ci),
        (Kind::Workload, Some(CiSystem::GitHub))
    );
}

#[test]
fn what_cannot_be_meant_is_told() {
    told(
        "algorithms = [\"ES512\"]",
        "identity.issuer[0].algorithms[0]: expected one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA \
         (ES512 cannot be checked here; HMAC and `none` never are), found \"ES512\"",
    );
    told(
        "jwks_uri = \"http://id.acme.com/keys\"",
        "identity.issuer[0].jwks_uri: expected an https:// address without query (http:// for 127.0.0.1, [::1] and \
         localhost alone), found \"http://id.acme.com/keys\"",
    );
    told(
        "jwks_uri = \"https://id.acme.com/keys\"\njwks_file = \"/k\"",
        "identity.issuer[0].jwks_file: expected nothing beside `jwks_uri`, found a file",
    );
    told(
        "require = { team = [] }",
        "identity.issuer[0].require.team: expected a text, or a list of 1 to 64 texts, none empty, found a list of 0",
    );
    told(
        OKTA.replace("https://acme", "https://beta").as_str(),
        "identity.issuer[1].name: expected one of its own for each issuer, found \"okta\" again",
    );
    assert!(address(&Value::from("http://127.0.0.1:8080/x")).is_some());
    for bad in [
        "http://127.0.0.1.evil.test",
        "http://localhost@evil.test",
        "https://",
        "https://a?b",
    ] {
        assert_eq!(address(&Value::from(bad)), None, "{bad}");
    }
}
