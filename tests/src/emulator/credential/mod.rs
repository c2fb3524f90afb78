//! Checks that a login carries the injected credential and nothing else.
//!
//! fakesnow accepts anything; without this check a test would prove nothing about the credential. Fields of each kind:
//! reference protocol 2.1.

mod jwt;

use serde_json::Value;

use super::answers::{self, Refusal};
use super::settings::{Account, Credential};

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

/// Why a login is refused: what the client is told, and the whole truth for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denied {
    /// Snowflake's words.
    pub(super) refusal: Refusal,
    /// What was expected and found.
    pub(super) why: String,
}

impl Denied {
    fn new(refusal: Refusal, why: impl Into<String>) -> Self {
        Self {
            refusal,
            why: why.into(),
        }
    }
}

/// Checks a login's body; `query_value` reads a parameter of its URL.
pub(super) fn check(
    account: &Account,
    body: &Value,
    query_value: impl Fn(&str) -> Option<String>,
) -> Result<(), Denied> {
    let refusal = refusal(&account.credential);
    let denied = |why: String| Denied::new(refusal, why);
    let data = body
        .get("data")
        .ok_or_else(|| Denied::new(answers::MALFORMED, "no `data`"))?;
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    let own = match account.credential {
        Credential::Password { .. } => "PASSWORD",
        Credential::KeyPair { .. }
        | Credential::Pat { .. }
        | Credential::Oauth { .. }
        | Credential::Workload { .. } => "TOKEN",
    };
    // Connector 5.2 names a second factor beside every password; only without a proxy may it come through.
    let is_workload = matches!(account.credential, Credential::Workload { .. });
    let may_come = |field: &str| {
        field == own
            || field == "PROVIDER" && is_workload && text(field) == "OIDC"
            || own == "PASSWORD" && field == "EXT_AUTHN_DUO_METHOD" && !account.secondary_roles_none
    };
    for field in CLIENT_CREDENTIAL_FIELDS.into_iter().chain(["TOKEN"]) {
        if !may_come(field) && data.get(field).is_some_and(|value| !value.is_null()) {
            return Err(denied(format!(
                "client credential field `{field}` came through"
            )));
        }
    }
    equal("ACCOUNT_NAME", text("ACCOUNT_NAME"), &account.name).map_err(denied)?;
    equal("LOGIN_NAME", text("LOGIN_NAME"), &account.user).map_err(denied)?;
    let authenticator = text("AUTHENTICATOR");
    let expected = match account.credential {
        Credential::KeyPair { .. } => "SNOWFLAKE_JWT",
        Credential::Pat { .. } => "PROGRAMMATIC_ACCESS_TOKEN",
        Credential::Oauth { .. } => "OAUTH",
        Credential::Workload { .. } => "WORKLOAD_IDENTITY",
        // A plain password goes without an authenticator, or with Snowflake's own.
        Credential::Password { .. } if authenticator.is_empty() => "",
        Credential::Password { .. } => "SNOWFLAKE",
    };
    equal("AUTHENTICATOR", authenticator, expected).map_err(denied)?;
    proves(account, text(own)).map_err(denied)?;
    role(account, &query_value("roleName").unwrap_or_default())?;
    if let Some(warehouse) = &account.warehouse {
        let asked = query_value("warehouse").unwrap_or_default();
        equal("warehouse", &asked, warehouse)
            .map_err(|why| Denied::new(answers::WAREHOUSE_UNKNOWN, why))?;
    }
    if account.secondary_roles_none {
        equal("SECONDARY_ROLES", text("SECONDARY_ROLES"), "NONE")
            .map_err(|why| Denied::new(answers::ROLE_UNKNOWN, why))?;
    }
    Ok(())
}

/// Checks a `Bearer` token of the SQL API; `kind` is what `X-Snowflake-Authorization-Token-Type` says.
pub(super) fn bearer(account: &Account, token: &str, kind: Option<&str>) -> Result<(), Denied> {
    let denied = |why: String| Denied::new(refusal(&account.credential), why);
    let expected = match account.credential {
        Credential::KeyPair { .. } => "KEYPAIR_JWT",
        Credential::Pat { .. } => "PROGRAMMATIC_ACCESS_TOKEN",
        Credential::Oauth { .. } => "OAUTH",
        Credential::Password { .. } | Credential::Workload { .. } => {
            return Err(denied("no bearer token of this kind".into()));
        }
    };
    if let Some(kind) = kind {
        equal("token type", kind, expected).map_err(denied)?;
    }
    proves(account, token).map_err(denied)
}

/// Checks the role that a login or a request asks for; no role at all is the user's default one.
pub(super) fn role(account: &Account, asked: &str) -> Result<(), Denied> {
    equal("roleName", asked, &account.role).map_err(|why| Denied::new(answers::ROLE_UNKNOWN, why))
}

/// Gives what Snowflake says of a wrong credential of this kind.
fn refusal(credential: &Credential) -> Refusal {
    match credential {
        Credential::KeyPair { .. } => answers::JWT_INVALID,
        Credential::Pat { .. } => answers::PAT_INVALID,
        Credential::Password { .. } => answers::PASSWORD_WRONG,
        Credential::Oauth { .. } | Credential::Workload { .. } => answers::OAUTH_INVALID,
    }
}

fn proves(account: &Account, shown: &str) -> Result<(), String> {
    match &account.credential {
        Credential::KeyPair { public_key_pem } => jwt::verify(account, public_key_pem, shown),
        Credential::Pat { token }
        | Credential::Oauth { token }
        | Credential::Workload { token } => same("token", shown, token),
        Credential::Password { password } => same("password", shown, password),
    }
}

/// Compares secrets, which the journal must not hold.
fn same(what: &str, shown: &str, expected: &str) -> Result<(), String> {
    if shown == expected && !shown.is_empty() {
        Ok(())
    } else {
        Err(format!("another {what} than the registered one"))
    }
}

fn equal(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(format!("{what}: expected `{expected}`, found `{found}`"))
    }
}

#[cfg(test)]
mod tests;
