//! What an issuer's settings ask of a token.

use super::*;

#[test]
fn issuer_and_audience_must_be_ours() {
    let issuer = issuer();
    refused(
        &issuer,
        json!({ "iss": "https://id.acme.test/" }),
        "token: expected one of the issuers `https://id.acme.test`, found \"https://id.acme.test/\"",
    );
    for (audience, shown) in [
        (json!("other"), "\"other\""),
        (json!([]), "[]"),
        (Value::Null, "none"),
        (json!("Icecore"), "\"Icecore\""),
    ] {
        refused(
            &issuer,
            json!({ "aud": audience }),
            &format!(
                "token of issuer `okta`: expected `aud` with one of [\"icecore\", \"icecore-2\"], found {shown}"
            ),
        );
    }
    assert!(shows(&issuer, &with(json!({ "aud": ["icecore", "icecore-2"] }))).is_ok());
    for party in [Value::Null, json!("client-2")] {
        let changes = json!({ "aud": ["icecore", "other"], "azp": party });
        let error = shows(&issuer, &with(changes)).unwrap_err().to_string();
        assert!(
            error.contains("expected `azp` of [\"client-1\"]"),
            "{error}"
        );
    }
    let both = json!({ "aud": ["icecore", "other"], "azp": "client-1" });
    assert!(shows(&issuer, &with(both)).is_ok());
}

#[test]
fn times_are_checked_with_the_leeway_and_no_more() {
    let issuer = Issuer {
        max_age: Some(Duration::from_secs(600)),
        ..issuer()
    };
    for (changes, good) in [
        (json!({ "exp": NOW_S - 59 }), true),
        (json!({ "exp": NOW_S - 60 }), false),
        (json!({ "iat": NOW_S + 60 }), true),
        (json!({ "iat": NOW_S + 61 }), false),
        (json!({ "nbf": NOW_S + 60 }), true),
        (json!({ "nbf": NOW_S + 61 }), false),
        (json!({ "nbf": null }), true),
        (json!({ "iat": NOW_S - 660 }), true),
        (json!({ "iat": NOW_S - 661 }), false),
        (json!({ "iat": null }), false),
        (json!({ "exp": null }), false),
        (json!({ "exp": "1900000000" }), false),
        (json!({ "exp": -1 }), false),
        (json!({ "exp": i64::MAX }), true),
        (json!({ "nbf": 1.5 }), false),
    ] {
        assert_eq!(
            shows(&issuer, &with(changes.clone())).is_ok(),
            good,
            "{changes}"
        );
    }
    refused(
        &issuer,
        json!({ "exp": NOW_S - 400 }),
        "token of issuer `okta`: expected `exp` in the future, found an expiry 400 s ago",
    );
}

#[test]
fn required_claims_must_have_one_of_their_values() {
    let require = |claim: &str, values: &[&str]| Issuer {
        require: BTreeMap::from([(
            claim.to_owned(),
            values
                .iter()
                .map(|&value| Pattern(value.to_owned()))
                .collect(),
        )]),
        ..issuer()
    };
    for (issuer, changes, good) in [
        (require("team", &["a", "b"]), json!({ "team": "b" }), true),
        (require("team", &["a", "b"]), json!({ "team": "c" }), false),
        (require("team", &["*"]), json!({}), false),
        (require("team", &["*"]), json!({ "team": "" }), false),
        (require("team", &["1"]), json!({ "team": 1 }), true),
        (require("mfa", &["true"]), json!({ "mfa": true }), true),
        (require("a.b", &["x"]), json!({ "a": { "b": "x" } }), true),
        (require("team", &["a"]), json!({ "team": ["a"] }), false),
    ] {
        assert_eq!(
            shows(&issuer, &with(changes.clone())).is_ok(),
            good,
            "{changes}"
        );
    }
    refused(
        &require("repository", &["acme/*"]),
        json!({ "repository": "evil/acme" }),
        "token of issuer `okta`: expected `repository` to be one of [\"acme/*\"], found \"evil/acme\"",
    );
    refused(
        &issuer(),
        json!({ "nonce": format!("{APPROVAL_NONCE}9f") }),
        "token of issuer `okta`: expected `nonce` of a session's token, found that of an approval, which opens no \
         session",
    );
    refused(
        &issuer(),
        json!({ "nonce": format!("{ENROLMENT_NONCE}9f") }),
        "token of issuer `okta`: expected `nonce` of a session's token, found that of an enrolment, which opens no \
         session",
    );
}

#[test]
fn stars_stand_for_any_characters() {
    for (pattern, value, fits) in [
        ("acme/*", "acme/app", true),
        ("acme/*", "acme", false),
        ("*", "", true),
        ("a*a", "a", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("repo:acme/app:*", "repo:acme/app:ref:refs/heads/x/y", true),
        ("x", "xx", false),
        ("*x", "xxy", false),
    ] {
        assert_eq!(
            Pattern(pattern.to_owned()).fits(value),
            fits,
            "{pattern} {value}"
        );
    }
}
