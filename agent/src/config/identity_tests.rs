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
            "identity.without_token: expected \"host\", found no [[identity.issuer]] and no [[identity.saml]], so that every \
             session would be refused"
        ]
    );
}

/// What a config does not say is the stricter of the two.
#[test]
fn a_token_is_used_once_and_shares_no_uid_unless_the_config_says_so() {
    let identity = read(OKTA).unwrap();
    assert_eq!(
        (identity.token_use, identity.allow_same_uid),
        (TokenUse::Once, false)
    );
    assert!(!identity.claimed_job_facts);
    let text = format!("[identity]\ntoken_use = \"host\"\nallow_same_uid = true\n{OKTA}");
    let identity = read(&text).unwrap();
    assert_eq!(
        (identity.token_use, identity.allow_same_uid),
        (TokenUse::Host, true)
    );
    let error = read("[identity]\ntoken_use = \"often\"").unwrap_err();
    assert_eq!(
        error,
        ["identity.token_use: expected \"once\" or \"host\", found \"often\""]
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

const ADFS: &str = "[[identity.saml]]\nname = \"adfs\"\nmetadata_file = \"/adfs.xml\"\naudience = \"icecore\"\n\
    recipient = \"https://icecore.acme.com/acs\"\n";

#[test]
fn a_saml_provider_is_read_and_makes_a_token_wanted_too() {
    let identity = read(ADFS).unwrap();
    assert_eq!(identity.without_token, WithoutToken::Refuse);
    assert!(identity.takes_tokens());
    let expected = SamlProvider {
        name: "adfs".to_owned(),
        metadata_file: "/adfs.xml".into(),
        audience: "icecore".to_owned(),
        recipient: "https://icecore.acme.com/acs".to_owned(),
        groups_attribute: "groups".to_owned(),
        subject_attribute: None,
        members: BTreeMap::new(),
        require: BTreeMap::new(),
        kind: Kind::Human,
        leeway: Duration::from_secs(60),
    };
    assert_eq!(identity.providers, std::slice::from_ref(&expected));
    let more = "groups_attribute = \"urn:groups\"\nsubject_attribute = \"mail\"\nkind = \"workload\"\nleeway = \"5m\"\n\
        members = { owners = [\"ada\"] }\nrequire = { \"urn:office\" = \"*-eu\" }";
    let changed = SamlProvider {
        groups_attribute: "urn:groups".to_owned(),
        subject_attribute: Some("mail".to_owned()),
        kind: Kind::Workload,
        leeway: Duration::from_secs(300),
        members: BTreeMap::from([("owners".to_owned(), vec!["ada".to_owned()])]),
        require: BTreeMap::from([("urn:office".to_owned(), vec![Pattern("*-eu".to_owned())])]),
        ..expected
    };
    assert_eq!(read(&format!("{ADFS}{more}")).unwrap().providers, [changed]);
}

#[test]
fn what_a_saml_provider_cannot_be_is_told() {
    let told = |text: &str, expected: &[&str]| assert_eq!(read(text).unwrap_err(), expected);
    told(
        "[[identity.saml]]",
        &[
            "identity.saml[0].name: expected 1 to 32 lower-case letters, digits and `-`, the first a letter; it is required, \
             such as `name = \"adfs\"`, found nothing",
            "identity.saml[0].metadata_file: expected an absolute path without `..`; it is required, such as `metadata_file \
             = \"/etc/icecore/adfs.xml\"`, found nothing",
            "identity.saml[0].audience: expected a text of 1 to 1024 visible ASCII characters; it is required, such as \
             `audience = \"https://icecore.acme.com\"`, found nothing",
            "identity.saml[0].recipient: expected a text of 1 to 1024 visible ASCII characters; it is required, such as \
             `recipient = \"https://icecore.acme.com/acs\"`, found nothing",
        ],
    );
    for (line, expected) in [
        (
            "leeway = \"301s\"",
            "identity.saml[0].leeway: expected a duration from 0s to 300s, found 301s",
        ),
        (
            "subject_attribute = \"\"",
            "identity.saml[0].subject_attribute: expected the name of an attribute, of 1 to 1024 characters, found \"\"",
        ),
        (
            "kind = \"robot\"",
            "identity.saml[0].kind: expected \"human\" or \"workload\", found \"robot\"",
        ),
        (
            "require = { team = [] }",
            "identity.saml[0].require.team: expected a text, or a list of 1 to 64 texts, none empty, found a list of 0",
        ),
    ] {
        told(&format!("{ADFS}{line}"), &[expected]);
    }
    let relative = ADFS.replace("/adfs.xml", "adfs.xml");
    told(
        &relative,
        &[
            "identity.saml[0].metadata_file: expected an absolute path without `..`, found \"adfs.xml\"",
        ],
    );
    // Its name leads groups as an issuer's does.
    told(
        &format!("{OKTA}{}", ADFS.replace("\"adfs\"", "\"okta\"")),
        &["identity.saml[0].name: expected one of its own for each issuer, found \"okta\" again"],
    );
}

#[test]
fn the_client_of_a_login_is_an_audience_and_a_party() {
    let issuer = |lines: &str| read(&format!("{OKTA}{lines}")).unwrap();
    let identity = issuer("login = { client_id = \"0oa1\", scopes = [\"groups\"], port = 8250 }");
    assert_eq!(identity.issuers[0].audiences, ["icecore", "0oa1"]);
    assert_eq!(identity.issuers[0].parties, ["icecore", "0oa1"]);
    let expected = SignIn {
        issuer: "okta".to_owned(),
        client_id: "0oa1".to_owned(),
        client_secret: None,
        scopes: vec!["groups".to_owned()],
        port: 8250,
    };
    assert_eq!(identity.sign_ins, [expected]);
    assert_eq!(identity.sign_ins[0].scope(), "openid groups");
    let identity = issuer("authorized_parties = \"p\"\nlogin = { client_id = \"icecore\" }");
    assert_eq!(identity.issuers[0].audiences, ["icecore"]);
    assert_eq!(identity.issuers[0].parties, ["p", "icecore"]);
    let alone = OKTA.replace("audience = \"icecore\"\n", "");
    let identity = read(&format!("{alone}login = {{ client_id = \"0oa1\" }}")).unwrap();
    assert_eq!(identity.issuers[0].audiences, ["0oa1"]);
    assert!(read(&alone).is_err());
    assert_eq!(issuer("").sign_ins, []);
}

#[test]
fn a_login_that_cannot_be_meant_is_told() {
    told(
        "login = { client_id = \"a b\" }",
        "identity.issuer[0].login.client_id: expected a text of 1 to 255 visible ASCII characters, found \"a b\"",
    );
    told(
        "login = { client_id = \"a\", port = 443 }",
        "identity.issuer[0].login.port: expected a port above 1023, or 0 for any that is free, found 443",
    );
    told(
        "login = { client_id = \"a\", scopes = [\"openid\"] }",
        "identity.issuer[0].login.scopes[0]: expected a scope of 1 to 128 visible ASCII characters; `openid` is asked for \
         anyhow, found \"openid\"",
    );
    told(
        "login = { client_id = \"a\", client_secret = \"s3cret\" }",
        "identity.issuer[0].login.client_secret: expected a table such as { source = \"vault\", ... }, found something \
         else, not shown here since it may be a secret",
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
