//! The login request: the client's credential goes out, ours comes in.

use std::time::Duration;

pub use super::granted::{GrantedLogin, RealTokens};
use super::json::{self, Object};
use super::parameters;
use super::secret::Secret;
use super::tag;

/// Fields that a login request's `data` may hold. Source: protocol reference 2.1.
const FIELDS: [&str; 26] = [
    "CLIENT_APP_ID",
    "CLIENT_APP_VERSION",
    "CLIENT_APP_VERSION_FULL",
    "SVN_REVISION",
    "ACCOUNT_NAME",
    "LOGIN_NAME",
    "PASSWORD",
    "AUTHENTICATOR",
    "TOKEN",
    "PROVIDER",
    "RAW_SAML_RESPONSE",
    "PROOF_KEY",
    "BROWSER_MODE_REDIRECT_PORT",
    "EXT_AUTHN_DUO_METHOD",
    "PASSCODE",
    "PASSCODE_IN_PASSWORD",
    "SESSION_PARAMETERS",
    "SECONDARY_ROLES",
    "CLIENT_ENVIRONMENT",
    "CLIENT_CAPABILITIES",
    "OAUTH_TYPE",
    "SPCS_TOKEN",
    "CHOSEN_NEW_PASSWORD",
    "UUID",
    "CLIENT_INFO",
    "PAT_TOKEN",
];

/// What a client sends to say who it is; none of it goes upstream.
const CLIENT_CREDENTIALS: [&str; 15] = [
    "PASSWORD",
    "AUTHENTICATOR",
    "TOKEN",
    "PROVIDER",
    "RAW_SAML_RESPONSE",
    "PROOF_KEY",
    "BROWSER_MODE_REDIRECT_PORT",
    "EXT_AUTHN_DUO_METHOD",
    "PASSCODE",
    "PASSCODE_IN_PASSWORD",
    "OAUTH_TYPE",
    "SPCS_TOKEN",
    "CHOSEN_NEW_PASSWORD",
    "PAT_TOKEN",
    "SECONDARY_ROLES",
];

/// Session parameters that drivers send and that are taken out without a word: they would make Snowflake mint a
/// credential for the client's cache, run more statements than are judged, or stage what is bound.
const STRIPPED_PARAMETERS: [&str; 5] = [
    "CLIENT_REQUEST_MFA_TOKEN",
    "CLIENT_STORE_TEMPORARY_CREDENTIAL",
    "CLIENT_USE_SECURE_STORAGE_FOR_TEMPORARY_CREDENTIAL",
    "MULTI_STATEMENT_COUNT",
    "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD",
];

/// Where a login request has the parameters that its session begins with.
const PARAMETERS: &str = "SESSION_PARAMETERS";

/// The session parameter that ends statements which take longer.
const TIMEOUT: &str = "STATEMENT_TIMEOUT_IN_SECONDS";

/// Why a login request or its answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The body is not JSON that every parser reads the same way.
    #[error("login body: {0}")]
    Json(#[from] serde_json::Error),
    /// A field that Icecore does not know.
    #[error("login body: field `{0}` is not known to Icecore")]
    UnknownField(String),
    /// The second step of a login that began elsewhere.
    #[error(
        "login body: `inFlightCtx` goes on with a login of several steps; the host's credential needs one: log in anew"
    )]
    SecondStep,
    /// A known field is absent or of another shape.
    #[error("login {part}: expected {expected}")]
    Shape {
        /// Which part of which message.
        part: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
}

/// Longest name or version of a client that is taken from its `User-Agent`.
const AGENT_MAX_BYTES: usize = 64;

/// What the record keeps of the client that logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientApp {
    /// `CLIENT_APP_ID`, such as `PythonConnector`.
    pub name: Option<String>,
    /// `CLIENT_APP_VERSION`.
    pub version: Option<String>,
}

/// A login request as judged, without any credential of the client's.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    data: Object,
    client: ClientApp,
    dropped: Vec<String>,
    shown: Option<Secret>,
}

/// Who logs in upstream, and by what.
#[derive(Clone, Debug)]
pub struct Injected<'a> {
    /// `ACCOUNT_NAME`.
    pub account: &'a str,
    /// `LOGIN_NAME`.
    pub user: &'a str,
    /// The session's `STATEMENT_TIMEOUT_IN_SECONDS`, if one is pinned.
    pub statement_timeout: Option<Duration>,
    /// The credential itself.
    pub proof: &'a Proof,
}

/// What proves to Snowflake who logs in, by kind. Source: protocol reference 2.1, "Authenticator (wire)".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A JWT signed with the user's private key.
    Jwt(Secret),
    /// A programmatic access token.
    Pat(Secret),
    /// An OAuth access token.
    OAuth(Secret),
    /// The user's password.
    Password(Secret),
    /// A host's attestation of what it is, and the provider that vouches for it.
    Workload(&'static str, Secret),
}

impl Proof {
    /// Gives the recorded word of its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Jwt(_) => "keypair",
            Self::Pat(_) => "pat",
            Self::OAuth(_) => "oauth",
            Self::Password(_) => "password",
            Self::Workload(..) => "wif",
        }
    }

    /// Sets the fields of a login that carry it; a plain password goes without `AUTHENTICATOR`.
    fn set(&self, data: &mut Object) -> Result<(), serde_json::Error> {
        let (authenticator, token) = match self {
            Self::Jwt(token) => ("SNOWFLAKE_JWT", token),
            Self::Pat(token) => ("PROGRAMMATIC_ACCESS_TOKEN", token),
            Self::OAuth(token) => ("OAUTH", token),
            Self::Password(password) => return data.set("PASSWORD", password.reveal()),
            Self::Workload(provider, token) => {
                data.set("PROVIDER", provider)?;
                ("WORKLOAD_IDENTITY", token)
            }
        };
        data.set("AUTHENTICATOR", authenticator)?;
        data.set("TOKEN", token.reveal())
    }
}

impl LoginRequest {
    /// Reads a plain body and takes every credential field out of it.
    ///
    /// # Errors
    /// Not strict JSON, an unknown field, no `data` object, or the second step of a login: with our credential there is
    /// none.
    pub fn read(plain: &[u8]) -> Result<Self, LoginError> {
        json::check_strict(plain)?;
        let body = Object::read(plain)?;
        if let Some((unknown, _)) = body.members().find(|(key, _)| *key != "data") {
            return Err(match unknown {
                "inFlightCtx" => LoginError::SecondStep,
                _ => LoginError::UnknownField(unknown.to_owned()),
            });
        }
        let mut data: Object = body.read_as("data").ok_or(LoginError::Shape {
            part: "body",
            expected: "an object `data`",
        })?;
        if let Some((unknown, _)) = data.members().find(|(key, _)| !FIELDS.contains(key)) {
            return Err(LoginError::UnknownField(unknown.to_owned()));
        }
        let client = ClientApp {
            name: data.read_as("CLIENT_APP_ID"),
            version: data.read_as("CLIENT_APP_VERSION"),
        };
        let shown = shown(&data);
        for field in CLIENT_CREDENTIALS {
            data.remove(field);
        }
        strip_nested(&mut data, "CLIENT_ENVIRONMENT", &["OAUTH_TYPE"])?;
        strip_nested(&mut data, PARAMETERS, &STRIPPED_PARAMETERS)?;
        let dropped = drop_parameters(&mut data)?;
        Ok(Self {
            data,
            client,
            dropped,
            shown,
        })
    }

    /// Makes a request for a client that does not log in; its name and version are those of its `User-Agent`.
    ///
    /// # Errors
    /// None in practice: every value can be written as JSON.
    pub fn own(user_agent: Option<&str>) -> Result<Self, LoginError> {
        let (name, version) =
            app(user_agent.unwrap_or_default()).unwrap_or(("Icecore", env!("CARGO_PKG_VERSION")));
        let mut data = Object::default();
        data.set("CLIENT_APP_ID", name)?;
        data.set("CLIENT_APP_VERSION", version)?;
        data.set(PARAMETERS, &Object::default())?;
        let client = ClientApp {
            name: Some(name.to_owned()),
            version: Some(version.to_owned()),
        };
        Ok(Self {
            data,
            client,
            dropped: Vec::new(),
            shown: None,
        })
    }

    /// Names the session parameters that are not let through; the login goes on without them.
    #[must_use]
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// Gives the query tag that the login sets.
    #[must_use]
    pub fn query_tag(&self) -> Option<String> {
        tag::read(&self.data.read_as::<Object>(PARAMETERS)?)
    }

    /// Takes the password or token out by which the client may show whom it acts for; it never goes upstream.
    #[must_use]
    pub fn take_shown(&mut self) -> Option<Secret> {
        self.shown.take()
    }

    /// Gives what the client says of itself.
    #[must_use]
    pub fn client(&self) -> &ClientApp {
        &self.client
    }

    /// Writes the body to send upstream, with our credential and no secondary roles.
    ///
    /// # Errors
    /// None in practice: every value was JSON when it came in.
    pub fn write(&self, injected: &Injected<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let mut data = self.data.clone();
        data.set("ACCOUNT_NAME", injected.account)?;
        data.set("LOGIN_NAME", injected.user)?;
        injected.proof.set(&mut data)?;
        data.set("SECONDARY_ROLES", "NONE")?;
        if let Some(timeout) = injected.statement_timeout {
            let mut parameters: Object = data.read_as(PARAMETERS).unwrap_or_default();
            parameters.remove(TIMEOUT);
            parameters.set(TIMEOUT, &timeout.as_secs())?;
            data.set(PARAMETERS, &parameters)?;
        }
        let mut body = Object::default();
        body.set("data", &data)?;
        body.write()
    }
}

/// Finds the credential that may be an identity's token: the password, or what a driver takes as an access token.
///
/// What a driver signs with a key of its own, and what proves a cloud's workload or a browser's user to Snowflake, is none.
/// Source: protocol reference 2.1, "Authenticator (wire)"; Go leaves `AUTHENTICATOR` out of two OAuth flows, JDBC sends an
/// access token as the password.
fn shown(data: &Object) -> Option<Secret> {
    let authenticator: String = data.read_as("AUTHENTICATOR").unwrap_or_default();
    let fields: &[&str] = match authenticator.to_ascii_uppercase().as_str() {
        "" | "OAUTH" | "PROGRAMMATIC_ACCESS_TOKEN" => &["TOKEN", "PASSWORD"],
        "SNOWFLAKE" | "USERNAME_PASSWORD_MFA" => &["PASSWORD"],
        _ => &[],
    };
    let texts = fields
        .iter()
        .filter_map(|field| data.read_as::<String>(field));
    texts
        .filter(|text| !text.is_empty())
        .map(Secret::new)
        .next()
}

/// Reads the first product of a `User-Agent`, such as `PythonConnector/4.8.1 (Linux)`. Source: RFC 9110 section 10.1.5.
fn app(user_agent: &str) -> Option<(&str, &str)> {
    let (name, version) = user_agent
        .split_ascii_whitespace()
        .next()?
        .split_once('/')?;
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.len() <= AGENT_MAX_BYTES
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
    };
    (is_plain(name) && is_plain(version)).then_some((name, version))
}

/// Takes session parameters out that are not let through, and names them.
fn drop_parameters(data: &mut Object) -> Result<Vec<String>, LoginError> {
    let Some(mut nested) = data.read_as::<Object>(PARAMETERS) else {
        return Ok(Vec::new());
    };
    let names = nested.members().map(|(name, _)| name);
    let dropped: Vec<String> = names
        .filter(|name| !parameters::passes(name))
        .map(str::to_owned)
        .collect();
    for name in &dropped {
        nested.remove(name);
    }
    data.set(PARAMETERS, &nested)?;
    Ok(dropped
        .iter()
        .map(|name| parameters::shown(name).to_owned())
        .collect())
}

fn strip_nested(data: &mut Object, field: &'static str, names: &[&str]) -> Result<(), LoginError> {
    if !data.has_content(field) {
        return Ok(());
    }
    let mut nested: Object = data.read_as(field).ok_or(LoginError::Shape {
        part: field,
        expected: "an object",
    })?;
    if !nested.has_plain_names() {
        return Err(LoginError::Shape {
            part: field,
            expected: "names of ASCII letters alone, which every parser folds alike",
        });
    }
    for name in names {
        nested.remove(name);
    }
    data.set(field, &nested)?;
    Ok(())
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
