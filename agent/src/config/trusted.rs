//! The trust file: whose keys a verifier believes, as it is written.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A trust file as it is written; what its texts mean is for the verifier to say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFile {
    /// Installations that are pinned.
    #[serde(default)]
    pub installation: Vec<PinnedKey>,
    /// Installations that are believed no more, whoever enrolled them.
    #[serde(default)]
    pub revoked: Vec<PinnedKey>,
    /// Witnesses that are believed.
    #[serde(default)]
    pub witness: Vec<PinnedKey>,
    /// People who may enrol installations.
    #[serde(default)]
    pub operator: Vec<Operator>,
}

/// A key and what it is called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedKey {
    /// What reports call it.
    pub name: String,
    /// The key.
    pub key: String,
}

/// Who may enrol installations: what an ID token must say, and the keys that sign such tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: Option<String>,
    /// The e-mail address, which the issuer must have verified.
    pub email: Option<String>,
    /// A group.
    pub group: Option<String>,
    /// The audience.
    pub audience: String,
    /// The issuer's keys: a file, or a JWKS itself.
    pub jwks: String,
}

impl TrustFile {
    /// Reads a trust file's text.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub fn read(text: &str) -> Result<Self, String> {
        read_toml(text)
    }
}

/// Reads a TOML text whose members are known; what is wrong with it stands on one line.
pub(super) fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or_default();
            before.matches('\n').count() + 1
        });
        let line = line
            .map(|line| format!("line {line}: "))
            .unwrap_or_default();
        format!("{line}{}", error.message())
    })
}
