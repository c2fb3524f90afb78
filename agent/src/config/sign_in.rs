//! The table `login` of an issuer: as which client engineers sign in there.

use serde::Serialize;
use toml::Value;

use super::section::{List, Section};
use super::source::{self, SecretAt};

/// As which client engineers sign in at an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignIn {
    /// The config's name of the issuer.
    pub issuer: String,
    /// The client's name at the issuer; ID tokens are for it.
    pub client_id: String,
    /// Its secret, if the issuer gave it one.
    pub client_secret: Option<SecretAt>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The port of 127.0.0.1 that the browser comes back to; 0 is any that is free.
    pub port: u16,
}

impl SignIn {
    /// Gives all scopes, as they are sent.
    #[must_use]
    pub fn scope(&self) -> String {
        let all = std::iter::once("openid").chain(self.scopes.iter().map(String::as_str));
        all.collect::<Vec<_>>().join(" ")
    }
}

const TABLE: &str =
    "a table such as { client_id = \"0oa1\", scopes = [\"email\", \"offline_access\"] }";
const CLIENT_ID: &str = "a text of 1 to 255 visible ASCII characters";
const PORT: &str = "a port above 1023, or 0 for any that is free";
const SCOPE: &str = "a scope of 1 to 128 visible ASCII characters; `openid` is asked for anyhow";
const SCOPES: List = List {
    of: "scopes",
    member: SCOPE,
    count: 0..=32,
};

/// Reads the table of the issuer with this name, if it is there.
pub(super) fn sign_in(section: &mut Section<'_>, issuer: &str) -> Option<SignIn> {
    let table = section.optional("login", TABLE, |value| value.as_table().cloned())?;
    let mut section = section.inside("login", table);
    let sign_in = SignIn {
        issuer: issuer.to_owned(),
        client_id: section.required("client_id", CLIENT_ID, "\"0oa1\"", |value| {
            visible(value, 255)
        }),
        client_secret: source::optional(&mut section, "client_secret", "client_secret_file"),
        scopes: section
            .list("scopes", &SCOPES, |value| {
                visible(value, 128).filter(|scope| scope != "openid")
            })
            .unwrap_or_default(),
        port: section.optional("port", PORT, port).unwrap_or(0),
    };
    section.finish();
    Some(sign_in)
}

fn visible(value: &Value, most: usize) -> Option<String> {
    let text = value.as_str()?;
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// Whoever signs in is no root, and only root listens below 1024.
fn port(value: &Value) -> Option<u16> {
    let port = u16::try_from(value.as_integer()?).ok()?;
    (port == 0 || port > 1023).then_some(port)
}
