//! The gate takes one login only: each defect of an otherwise right one is refused.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::harness::certificates::LoginKey;
use crate::time;

struct Registered {
    account: Account,
    public_pem: String,
    private_pem: String,
}

impl Registered {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = LoginKey::make(folder.path()).unwrap();
        let account = Account {
            name: "ACME".into(),
            hosts: vec!["acme.snowflakecomputing.com".into()],
            user: "ICECORE_SVC".into(),
            role: "ANALYST".into(),
            warehouse: Some("WH".into()),
            credential: Credential::KeyPair {
                public_key_pem: key.public_pem.clone(),
            },
            secondary_roles_none: true,
        };
        Self {
            account,
            public_pem: key.public_pem,
            private_pem: std::fs::read_to_string(&key.private_file).unwrap(),
        }
    }

    fn claims(&self) -> Value {
        let now = time::since_epoch().as_secs();
        let fingerprint = jwt::fingerprint(&self.public_pem).unwrap();
        json!({
            "iss": format!("ACME.ICECORE_SVC.SHA256:{fingerprint}"),
            "sub": "ACME.ICECORE_SVC", "iat": now, "exp": now + 60,
        })
    }

    fn token(&self, claims: &Value) -> String {
        let key = EncodingKey::from_rsa_pem(self.private_pem.as_bytes()).unwrap();
        encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
    }

    fn check(&self, token: &str, edit: impl FnOnce(&mut Value), role: &str) -> Result<(), String> {
        let mut body = json!({"data": {
            "ACCOUNT_NAME": "ACME", "LOGIN_NAME": "ICECORE_SVC", "AUTHENTICATOR": "SNOWFLAKE_JWT",
            "TOKEN": token, "SECONDARY_ROLES": "NONE",
        }});
        edit(&mut body["data"]);
        let checked = check(&self.account, &body, |key| match key {
            "roleName" => Some(role.to_owned()),
            "warehouse" => Some("WH".to_owned()),
            _ => None,
        });
        checked.map_err(|denied| denied.why)
    }

    #[track_caller]
    fn refuses(&self, claims: &Value, why: &str) {
        let refused = self
            .check(&self.token(claims), |_| {}, "ANALYST")
            .unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn right_login_is_taken() {
    let registered = Registered::new();
    let token = registered.token(&registered.claims());
    assert_eq!(registered.check(&token, |_| {}, "ANALYST"), Ok(()));
}

#[test]
fn every_defect_of_a_token_is_refused() {
    let registered = Registered::new();
    let with = |key: &str, value: Value| {
        let mut claims = registered.claims();
        claims[key] = value;
        claims
    };
    let now = time::since_epoch().as_secs();
    registered.refuses(&with("exp", json!(now - 1)), "ExpiredSignature");
    registered.refuses(&with("exp", json!(now + 7200)), "JWT lives");
    registered.refuses(&with("iat", json!(now + 50)), "future");
    registered.refuses(&with("sub", json!("ACME.SOMEBODY")), "sub");
    registered.refuses(&with("iss", json!("ACME.ICECORE_SVC.SHA256:AAAA")), "iss");

    let other = Registered::new();
    registered
        .check(&other.token(&registered.claims()), |_| {}, "ANALYST")
        .unwrap_err();
    let secret = EncodingKey::from_secret(registered.public_pem.as_bytes());
    let forged = encode(
        &Header::new(Algorithm::HS256),
        &registered.claims(),
        &secret,
    )
    .unwrap();
    registered.check(&forged, |_| {}, "ANALYST").unwrap_err();
    registered.check("", |_| {}, "ANALYST").unwrap_err();
}

#[test]
fn every_client_credential_beside_the_token_is_refused() {
    let registered = Registered::new();
    let token = registered.token(&registered.claims());
    for field in CLIENT_CREDENTIAL_FIELDS {
        let refused = registered.check(&token, |data| data[field] = json!("x"), "ANALYST");
        assert!(refused.unwrap_err().contains(field));
    }
}

#[test]
fn another_role_or_secondary_roles_are_refused() {
    let registered = Registered::new();
    let token = registered.token(&registered.claims());
    registered
        .check(&token, |_| {}, "ACCOUNTADMIN")
        .unwrap_err();
    let all = |data: &mut Value| data["SECONDARY_ROLES"] = json!("ALL");
    registered.check(&token, all, "ANALYST").unwrap_err();
}

/// A login with `data` besides the account's name, for another kind of credential than a key pair.
#[track_caller]
fn check_kind(credential: &Credential, data: Value, expected: Result<(), Refusal>) {
    let account = Account {
        name: "ACME".into(),
        hosts: Vec::new(),
        user: "SVC".into(),
        role: "ANALYST".into(),
        warehouse: None,
        credential: credential.clone(),
        secondary_roles_none: true,
    };
    let mut body = json!({"data": data});
    for (key, value) in [
        ("ACCOUNT_NAME", "acme"),
        ("LOGIN_NAME", "svc"),
        ("SECONDARY_ROLES", "NONE"),
    ] {
        body["data"][key] = json!(value);
    }
    let found = check(&account, &body, |key| {
        (key == "roleName").then(|| "ANALYST".to_owned())
    });
    assert_eq!(found.map_err(|denied| denied.refusal), expected, "{body}");
}

#[test]
fn each_kind_opens_with_its_own_fields_alone() {
    let secret = || "s3cret".to_owned();
    let pat = Credential::Pat { token: secret() };
    let oauth = Credential::Oauth { token: secret() };
    let password = Credential::Password { password: secret() };
    let token = |kind: &str| json!({"AUTHENTICATOR": kind, "TOKEN": "s3cret"});

    check_kind(&pat, token("PROGRAMMATIC_ACCESS_TOKEN"), Ok(()));
    check_kind(&pat, token("OAUTH"), Err(answers::PAT_INVALID));
    check_kind(
        &pat,
        json!({"PASSWORD": "s3cret"}),
        Err(answers::PAT_INVALID),
    );
    check_kind(&oauth, token("OAUTH"), Ok(()));
    let other = json!({"AUTHENTICATOR": "OAUTH", "TOKEN": "other"});
    check_kind(&oauth, other, Err(answers::OAUTH_INVALID));
    check_kind(&password, json!({"PASSWORD": "s3cret"}), Ok(()));
    check_kind(
        &password,
        json!({"PASSWORD": "s3cret", "AUTHENTICATOR": "SNOWFLAKE"}),
        Ok(()),
    );
    check_kind(
        &password,
        json!({"PASSWORD": ""}),
        Err(answers::PASSWORD_WRONG),
    );
    let both = json!({"PASSWORD": "s3cret", "TOKEN": "x"});
    check_kind(&password, both, Err(answers::PASSWORD_WRONG));
}
