//! Tests of the login request and its answer.

use super::*;

const LOGIN: &str = r#"{"data":{"CLIENT_APP_ID":"PythonConnector","CLIENT_APP_VERSION":"4.8.1","ACCOUNT_NAME":"other","LOGIN_NAME":"agent","PASSWORD":"hunter2","TOKEN":"tok","AUTHENTICATOR":"OAUTH","SECONDARY_ROLES":"ALL","SESSION_PARAMETERS":{"CLIENT_STORE_TEMPORARY_CREDENTIAL":true,"QUERY_TAG":"t"},"CLIENT_ENVIRONMENT":{"OS":"Linux","OAUTH_TYPE":"x"},"EXT_AUTHN_DUO_METHOD":"push"}}"#;

#[test]
fn no_client_credential_goes_upstream() {
    let request = LoginRequest::read(LOGIN.as_bytes()).unwrap();
    let written = |kind: fn(Secret) -> Proof| {
        let injected = Injected {
            account: "ACME",
            user: "SVC",
            statement_timeout: None,
            proof: &kind(Secret::new("minted".to_owned())),
        };
        String::from_utf8(request.write(&injected).unwrap()).unwrap()
    };
    let expected = |proof: &str| {
        format!(
            r#"{{"data":{{"CLIENT_APP_ID":"PythonConnector","CLIENT_APP_VERSION":"4.8.1","ACCOUNT_NAME":"ACME","LOGIN_NAME":"SVC","SESSION_PARAMETERS":{{"QUERY_TAG":"t"}},"CLIENT_ENVIRONMENT":{{"OS":"Linux"}},{proof},"SECONDARY_ROLES":"NONE"}}}}"#
        )
    };
    let token = |kind: &str| expected(&format!(r#""AUTHENTICATOR":"{kind}","TOKEN":"minted""#));
    assert_eq!(written(Proof::Jwt), token("SNOWFLAKE_JWT"));
    assert_eq!(written(Proof::Pat), token("PROGRAMMATIC_ACCESS_TOKEN"));
    assert_eq!(written(Proof::OAuth), token("OAUTH"));
    assert_eq!(written(Proof::Password), expected(r#""PASSWORD":"minted""#));
}

#[test]
fn a_password_or_access_token_may_show_an_identity_and_no_other_credential_does() {
    let check = |data: &str, expected: Option<&str>| {
        let request = LoginRequest::read(format!("{{\"data\":{{{data}}}}}").as_bytes());
        let mut request = request.unwrap();
        let shown = request.take_shown();
        assert_eq!(shown.as_ref().map(Secret::reveal), expected, "{data}");
        assert_eq!(request.take_shown(), None);
    };
    check(r#""PASSWORD":"p""#, Some("p"));
    check(r#""PASSWORD":"p","AUTHENTICATOR":"snowflake""#, Some("p"));
    check(
        r#""PASSWORD":"","TOKEN":"t","AUTHENTICATOR":"OAUTH""#,
        Some("t"),
    );
    check(r#""PASSWORD":"p","AUTHENTICATOR":"oauth""#, Some("p"));
    check(r#""TOKEN":"t","OAUTH_TYPE":"x""#, Some("t"));
    check(
        r#""TOKEN":"t","AUTHENTICATOR":"PROGRAMMATIC_ACCESS_TOKEN""#,
        Some("t"),
    );
    for kind in [
        "SNOWFLAKE_JWT",
        "WORKLOAD_IDENTITY",
        "EXTERNALBROWSER",
        "ID_TOKEN",
        "x",
    ] {
        check(
            &format!(r#""PASSWORD":"p","TOKEN":"t","AUTHENTICATOR":"{kind}""#),
            None,
        );
    }
    check(r#""PASSWORD":{"a":1}"#, None);
    check("", None);
}

#[test]
fn parameters_that_are_not_let_through_are_dropped_and_named() {
    let body = r#"{"data":{"SESSION_PARAMETERS":{"QUERY_TAG":"t","search_path":"x","AUTOCOMMIT":true,"CLIENT_STAGE_ARRAY_BINDING_THRESHOLD":1,"QUOTED_IDENTIFIERS_IGNORE_CASE":true}}}"#;
    let request = LoginRequest::read(body.as_bytes()).unwrap();
    assert_eq!(
        request.dropped(),
        ["search_path", "QUOTED_IDENTIFIERS_IGNORE_CASE"]
    );
    let written = request
        .write(&Injected {
            account: "ACME",
            user: "SVC",
            statement_timeout: None,
            proof: &Proof::Pat(Secret::new("t".to_owned())),
        })
        .unwrap();
    let written = String::from_utf8(written).unwrap();
    let kept = r#""SESSION_PARAMETERS":{"QUERY_TAG":"t","AUTOCOMMIT":true}"#;
    assert!(written.contains(kept), "{written}");
}

#[test]
fn a_pinned_statement_timeout_takes_the_place_of_the_clients() {
    for parameters in [
        r#""SESSION_PARAMETERS":{"Statement_Timeout_In_Seconds":9,"QUERY_TAG":"t"}"#,
        r#""SESSION_PARAMETERS":null"#,
        r#""CLIENT_APP_ID":"x""#,
    ] {
        let request = LoginRequest::read(format!("{{\"data\":{{{parameters}}}}}").as_bytes());
        let written = request.unwrap().write(&Injected {
            account: "ACME",
            user: "SVC",
            statement_timeout: Some(Duration::from_secs(600)),
            proof: &Proof::Pat(Secret::new("t".to_owned())),
        });
        let written: serde_json::Value = serde_json::from_slice(&written.unwrap()).unwrap();
        let mut sent = written["data"]["SESSION_PARAMETERS"].clone();
        sent.as_object_mut().unwrap().remove("QUERY_TAG");
        assert_eq!(
            sent,
            serde_json::json!({"STATEMENT_TIMEOUT_IN_SECONDS": 600}),
            "{parameters}"
        );
    }
}

#[test]
fn a_client_that_does_not_log_in_is_named_by_its_user_agent() {
    let client = |agent| LoginRequest::own(agent).unwrap().client().clone();
    let named = client(Some("PythonConnector/4.8.1 (Linux) CPython/3.11.7"));
    assert_eq!(named.name.as_deref(), Some("PythonConnector"));
    assert_eq!(named.version.as_deref(), Some("4.8.1"));
    for agent in [None, Some(""), Some("curl"), Some("a/\"b"), Some("/1")] {
        assert_eq!(client(agent).name.as_deref(), Some("Icecore"), "{agent:?}");
    }
}

#[test]
fn unknown_fields_and_second_steps_are_refused() {
    for body in [
        r#"{"data":{"NEW_WAY_IN":"x"}}"#,
        r#"{"data":{},"inFlightCtx":"x"}"#,
        r#"{"data":1}"#,
        "{}",
    ] {
        assert!(LoginRequest::read(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn real_tokens_never_reach_the_client() {
    let data = Object::read(br#"{"token":"REAL-S","masterToken":"REAL-M","validityInSeconds":3600,"masterValidityInSeconds":14400,"idToken":"REAL-I","mfaToken":"REAL-F","sessionId":1172562260498123,"sessionInfo":{"roleName":"R"},"parameters":[{"name":"CLIENT_STAGE_ARRAY_BINDING_THRESHOLD","value":65280},{"name":"TIMEZONE","value":"UTC"}]}"#).unwrap();
    let granted = GrantedLogin::read_login(data).unwrap();
    assert_eq!(granted.tokens().session.reveal(), "REAL-S");
    assert_eq!(granted.sf_session_id(), Some(1_172_562_260_498_123));
    let written = granted
        .write(
            &Secret::new("o-s".to_owned()),
            &Secret::new("o-m".to_owned()),
        )
        .unwrap();
    let text = String::from_utf8(written.write().unwrap()).unwrap();
    assert!(!text.contains("REAL"), "{text}");
    assert!(
        text.contains(r#"{"name":"CLIENT_STAGE_ARRAY_BINDING_THRESHOLD","value":0}"#),
        "{text}"
    );
}

#[test]
fn an_answer_without_tokens_is_an_error() {
    let data = Object::read(
        br#"{"token":"","masterToken":"m","validityInSeconds":1,"masterValidityInSeconds":1}"#,
    );
    assert!(GrantedLogin::read_login(data.unwrap()).is_err());
}
