//! Which grants a config may give, and what is told about those that it may not.

use super::*;
use crate::config::typed::tests::{check, read_text};

const ISSUER: &str = "[[identity.issuer]]\nname = \"okta\"\nurl = \"https://acme.okta.com\"\naudience = \"icecore\"\n";
const OTHER: &str = "[[identity.issuer]]\nname = \"entra\"\nurl = \"https://login.acme.test\"\naudience = \"icecore\"\n";
const ACCOUNT: &str = "[[account]]\nhost = \"acme.snowflakecomputing.com\"\nuser = \"SVC\"\nrole = \"NONE\"\n\
    warehouse = \"WH\"\ncredential = { kind = \"pat\", token_file = \"/pat\" }\n";

fn grants(lines: &str) -> Vec<Grant> {
    let text = format!("{ISSUER}{ACCOUNT}[[account.grant]]\n{lines}");
    read_text(&text).unwrap().accounts.remove(0).grants
}

#[track_caller]
fn told(issuers: &str, lines: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|text| format!("account[0].grant[0].{text}"))
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(
        &format!("{issuers}{ACCOUNT}[[account.grant]]\n{lines}"),
        &expected,
    );
}

#[test]
fn what_a_grant_leaves_out_is_the_accounts() {
    let role = || "R".to_owned();
    let least = Grant {
        who: Who::HostUsers(vec![Pattern("ci".to_owned())]),
        user: "SVC".to_owned(),
        role: role(),
        warehouse: Some("WH".to_owned()),
        database: None,
        schema: None,
        statement_timeout: None,
        credential: None,
    };
    let found = grants("host_user = \"ci\"\nrole = \"R\"");
    assert_eq!(found, [least]);
    let full = grants(
        "group = [\"a\", \"b\"]\nsubject = \"*@acme.com\"\nclaims = { repository = \"acme/*\" }\nrole = \"R\"\nuser = \"U\"\n\
         warehouse = \"W2\"\ndatabase = \"D\"\nschema = \"S\"\nstatement_timeout = \"10m\"\n\
         credential = { kind = \"pat\", token_file = \"/other\" }\n[[account.grant]]\nissuer = \"okta\"\nrole = \"LAST\"",
    );
    let [first, last] = full.as_slice() else {
        panic!("{full:?}");
    };
    let pattern = |text: &str| vec![Pattern(text.to_owned())];
    let who = Issued {
        issuer: "okta".to_owned(),
        groups: vec!["a".to_owned(), "b".to_owned()],
        subjects: pattern("*@acme.com"),
        claims: BTreeMap::from([("repository".to_owned(), pattern("acme/*"))]),
    };
    assert_eq!(first.who, Who::Issued(who));
    assert_eq!((first.user.as_str(), first.role.as_str()), ("U", "R"));
    assert_eq!(first.warehouse.as_deref(), Some("W2"));
    assert_eq!(first.database.as_deref(), Some("D"));
    assert_eq!(first.schema.as_deref(), Some("S"));
    assert_eq!(first.statement_timeout, Some(Duration::from_secs(600)));
    assert!(first.credential.is_some());
    assert_eq!(last.role, "LAST");
}

#[test]
fn a_grant_says_whom_it_is_for() {
    let role = "role = \"R\"\n";
    told(
        ISSUER,
        role,
        &[
            "issuer: expected one of issuer, group, subject, claims and host_user: whom the grant is for, found none",
        ],
    );
    told(
        ISSUER,
        &format!("{role}host_user = \"ci\"\ngroup = \"a\""),
        &[
            "host_user: expected nothing beside it, found it beside what only a token shows, so that nobody fits",
        ],
    );
    told(
        ISSUER,
        &format!("{role}group = []\nsubject = \"\"\nclaims = {{ ref = 1, repositry = \"a\" }}"),
        &[
            "group: expected a text, or a list of 1 to 64 texts, none empty, found a list of 0",
            "subject: expected a text, or a list of 1 to 64 texts, none empty (`*`: any characters), found \"\"",
            "claims.ref: expected a text, or a list of 1 to 64 texts, none empty (`*`: any characters), found 1",
            "claims.repositry: expected one of the facts of a CI job: repository, repository_id, ref, workflow, \
             job_workflow, environment, event, actor, actor_id, runner_environment, found another (did you mean \
             `repository`?)",
        ],
    );
}

#[test]
fn an_issuer_is_named_unless_there_is_one() {
    let lines = "role = \"R\"\ngroup = \"a\"\n";
    let nothing = "found nothing: groups and subjects are an issuer's";
    told(ISSUER, lines, &[]);
    told(
        &format!("{ISSUER}{OTHER}"),
        lines,
        &[&format!(
            "issuer: expected one of the issuers okta, entra, {nothing}"
        )],
    );
    let none = "issuer: expected the name of an `[[identity.issuer]]` or `[[identity.saml]]`, of which this config has none";
    told("", lines, &[&format!("{none}, {nothing}")]);
    told(
        ISSUER,
        &format!("{lines}issuer = \"okto\""),
        &["issuer: expected one of the issuers okta, found \"okto\""],
    );
}

#[test]
fn what_a_grant_gives_is_checked() {
    told(
        ISSUER,
        "issuer = \"okta\"\nschema = \"S\"\nstatement_timeout = \"8d\"\nrolle = \"R\"\ncredential = 1",
        &[
            "role: expected a name of 1 to 255 characters without control characters; it is required, such as `role = \
             \"ANALYST\"`, found nothing",
            "statement_timeout: expected a duration from 1s to 604800s, found 691200s",
            "credential: expected a table such as { kind = \"key-pair\", private_key_file = \
             \"/etc/icecore/keys/acme.p8\" }, found something else, not shown here since it may be a secret",
            "database: expected a database, since `schema` is one of a database, found nothing",
            "rolle: expected one of the keys host_user, issuer, group, subject, claims, user, role, warehouse, database, \
             schema, statement_timeout, credential, found an unknown key (did you mean `role`?)",
        ],
    );
}
