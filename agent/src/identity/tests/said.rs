//! What a token says of its subject: groups, scopes, agent, CI job.

use super::*;

#[test]
fn groups_come_from_the_claim_that_the_config_names() {
    let groups = |claim: &str, changes: Value| {
        let issuer = Issuer {
            groups_claim: claim.to_owned(),
            ..issuer()
        };
        let shown = shows(&issuer, &with(changes));
        shown.map(|principal| principal.identity().groups().collect::<Vec<_>>())
    };
    let nested = json!({ "realm_access": { "roles": ["a", "b"] } });
    assert_eq!(
        groups("realm_access.roles", nested).unwrap(),
        ["okta:a", "okta:b"]
    );
    let url = json!({ "https://acme.test/groups": ["a"] });
    assert_eq!(groups("https://acme.test/groups", url).unwrap(), ["okta:a"]);
    assert_eq!(
        groups("roles", json!({ "roles": "one" })).unwrap(),
        ["okta:one"]
    );
    assert!(groups("roles", json!({})).unwrap().is_empty());
    for odd in [
        json!([1]),
        json!({ "a": 1 }),
        json!(["a\u{1b}"]),
        json!([""]),
    ] {
        assert!(groups("groups", json!({ "groups": odd })).is_err());
    }
    let many: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
    assert!(groups("groups", json!({ "groups": many })).is_err());
}

#[test]
fn groups_that_entra_left_out_are_told_with_advice() {
    for changes in [
        json!({ "groups": null, "_claim_names": { "groups": "src1" } }),
        json!({ "groups": null, "hasgroups": true }),
        json!({ "groups": null, "hasgroups": "true" }),
    ] {
        let error = shows(&issuer(), &with(changes)).unwrap_err();
        assert!(matches!(error, IdentityError::Overage { .. }), "{error}");
        assert!(
            error
                .hint()
                .unwrap()
                .contains("groups assigned to the application")
        );
    }
}

#[test]
fn the_config_may_fill_groups_by_subject_and_verified_address() {
    let issuer = Issuer {
        members: BTreeMap::from([
            ("owners".to_owned(), vec!["ada@acme.test".to_owned()]),
            ("staff".to_owned(), vec!["00u1".to_owned()]),
        ]),
        ..issuer()
    };
    for (changes, expected) in [
        (
            json!({ "groups": null, "email": "ada@acme.test", "email_verified": true }),
            vec!["okta:owners", "okta:staff"],
        ),
        (
            json!({ "groups": null, "email": "ada@acme.test", "email_verified": false }),
            vec!["okta:staff"],
        ),
        (
            json!({ "groups": null, "email": "ada@acme.test", "sub": "x" }),
            vec![],
        ),
    ] {
        let principal = shows(&issuer, &with(changes)).unwrap();
        assert_eq!(principal.identity().groups().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn scopes_and_the_acting_agent_are_read() {
    let all =
        with(json!({ "scope": "read  write", "scp": ["read", "x"], "act": { "sub": "bot" } }));
    let principal = shows(&issuer(), &all).unwrap();
    let expected: BTreeSet<String> = ["read", "write", "x"].map(str::to_owned).into();
    assert_eq!(principal.identity().scopes(), &expected);
    assert_eq!(principal.identity().agent(), Some("bot"));
    assert!(shows(&issuer(), &with(json!({ "act": "bot" }))).is_err());
    assert!(shows(&issuer(), &with(json!({ "act": {} }))).is_err());
}

/// Shape: docs.github.com, "OpenID Connect reference".
#[test]
fn a_github_job_is_known_by_its_facts() {
    let issuer = Issuer {
        ci: Some(CiSystem::GitHub),
        kind: Kind::Workload,
        ..issuer()
    };
    let changes = json!({
        "sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app", "repository_id": "74",
        "ref": "refs/heads/main", "sha": "c0ffee", "run_id": "30433642", "run_attempt": "2",
        "workflow_ref": "acme/app/.github/workflows/a.yml@refs/heads/main",
        "job_workflow_ref": "acme/ci/.github/workflows/b.yml@refs/heads/main",
        "actor": "ada", "actor_id": "12", "event_name": "push", "environment": "prod",
        "runner_environment": "self-hosted",
    });
    let principal = shows(&issuer, &with(changes)).unwrap();
    let text = |text: &str| Some(text.to_owned());
    let expected = Ci {
        provider: text("github"),
        repository: text("acme/app"),
        repository_id: text("74"),
        git_ref: text("refs/heads/main"),
        sha: text("c0ffee"),
        workflow_ref: text("acme/app/.github/workflows/a.yml@refs/heads/main"),
        job_workflow_ref: text("acme/ci/.github/workflows/b.yml@refs/heads/main"),
        run_id: text("30433642"),
        run_attempt: Some(2),
        actor: text("ada"),
        actor_id: text("12"),
        event: text("push"),
        environment: text("prod"),
        runner_environment: text("self-hosted"),
    };
    assert_eq!(principal.identity().ci(), &expected);
    assert_eq!(principal.identity().kind(), Some(Kind::Workload));
    assert_eq!(
        principal.identity().name(),
        "okta:repo:acme/app:ref:refs/heads/main"
    );
}

#[test]
fn no_error_repeats_the_token() {
    let signer = Signer::ed();
    let good = signer.token(&header("EdDSA"), &claims().to_string());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for token in [
        format!("{signed}.{}", encode([7; 64])),
        format!("{signed}.{signature}!"),
        format!("{signed}.{signature}.{signature}"),
    ] {
        let error = judge(&issuer(), &signer.keys(), &token).unwrap_err();
        let told = format!("{error} {error:?}");
        for piece in token.split('.').filter(|piece| piece.len() > 8) {
            assert!(!told.contains(piece), "{told}");
        }
    }
}

#[test]
fn a_session_goes_on_by_a_later_token_of_its_own_job_alone() {
    let token = |changes: Value| job(changes);
    let held = token(json!({ "jti": "2", "run_id": "7" }));
    let later = token(json!({ "jti": "3", "run_id": "7" }));
    assert!(later.is_same_party(&held) && later.is_fresher_than(&held));
    let again = token(json!({ "jti": "2", "run_id": "7" }));
    assert!(!again.is_fresher_than(&held));
    let expiry = held.expires_at().unwrap().timestamp();
    let older = token(json!({ "jti": "1", "run_id": "7", "exp": expiry - 1 }));
    assert!(!older.is_fresher_than(&held));
    let other_run = token(json!({ "jti": "4", "run_id": "8" }));
    assert!(!other_run.is_same_party(&held));
}
