//! Checks that a login carries the injected credential and nothing else.
//!
//! fakesnow accepts anything; without this check a test would prove nothing about the credential.
//! Claims: reference Snowflake key-pair authentication (`iss = ACCOUNT.USER.SHA256:<fingerprint>`, life at most one hour).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::settings::Account;
use crate::time;

/// Longest life of a key-pair token, in seconds.
const LIFE_MAX_SECONDS: u64 = 3600;
/// How far the two clocks may differ, in seconds.
const SKEW_SECONDS: u64 = 30;

/// Fields of a login that are a client's credential: none may come through a proxy that swaps credentials.
pub const CLIENT_CREDENTIAL_FIELDS: [&str; 13] = [
    "PASSWORD",
    "PASSCODE",
    "EXT_AUTHN_DUO_METHOD",
    "RAW_SAML_RESPONSE",
    "PROOF_KEY",
    "BROWSER_MODE_REDIRECT_PORT",
    "PROVIDER",
    "SPCS_TOKEN",
    "OAUTH_TYPE",
    "CHOSEN_NEW_PASSWORD",
    "ID_TOKEN",
    "MFA_TOKEN",
    "CLIENT_SECRET",
];

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: u64,
    exp: u64,
}

/// Says what is wrong with a login, in words for the journal; `Ok` if all of it is as registered.
///
/// `query_value` reads a parameter of the login's URL.
pub(super) fn check(
    account: &Account,
    body: &Value,
    query_value: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let data = body.get("data").ok_or("no `data`")?;
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    for field in CLIENT_CREDENTIAL_FIELDS {
        if data.get(field).is_some_and(|value| !value.is_null()) {
            return Err(format!("client credential field `{field}` came through"));
        }
    }
    equal("AUTHENTICATOR", text("AUTHENTICATOR"), "SNOWFLAKE_JWT")?;
    equal("ACCOUNT_NAME", text("ACCOUNT_NAME"), &account.name)?;
    equal("LOGIN_NAME", text("LOGIN_NAME"), &account.user)?;
    let asked = |key: &str| query_value(key).unwrap_or_default();
    equal("roleName", &asked("roleName"), &account.role)?;
    if let Some(warehouse) = &account.warehouse {
        equal("warehouse", &asked("warehouse"), warehouse)?;
    }
    if account.secondary_roles_none {
        equal("SECONDARY_ROLES", text("SECONDARY_ROLES"), "NONE")?;
    }
    verify(account, text("TOKEN"))
}

fn verify(account: &Account, token: &str) -> Result<(), String> {
    let key = DecodingKey::from_rsa_pem(account.public_key_pem.as_bytes())
        .map_err(|error| format!("registered key: {error}"))?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = 0;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|error| format!("JWT: {error}"))?
        .claims;
    let name = format!("{}.{}", account.name, account.user);
    let fingerprint = fingerprint(&account.public_key_pem)?;
    equal("iss", &claims.iss, &format!("{name}.SHA256:{fingerprint}"))?;
    equal("sub", &claims.sub, &name)?;
    if claims.exp.saturating_sub(claims.iat) > LIFE_MAX_SECONDS {
        return Err(format!(
            "JWT lives {} s",
            claims.exp.saturating_sub(claims.iat)
        ));
    }
    if claims.iat > time::since_epoch().as_secs().saturating_add(SKEW_SECONDS) {
        return Err("JWT is issued in the future".into());
    }
    Ok(())
}

/// Gives the fingerprint of a public key as Snowflake writes it: base64 of the SHA-256 of its SPKI DER.
fn fingerprint(public_key_pem: &str) -> Result<String, String> {
    let base64: String = public_key_pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = STANDARD
        .decode(base64)
        .map_err(|error| format!("registered key: {error}"))?;
    Ok(STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, &der)))
}

fn equal(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(format!("{what}: expected `{expected}`, found `{found}`"))
    }
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
