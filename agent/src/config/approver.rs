//! An approver's own settings, on their own machine: which store, whom to believe, and where they log in.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::store::{STORE_URL, StoreUrl};
use super::trusted::read_toml;

/// Where the file is below a person's folder of settings, unless told.
pub const APPROVER_FILE: &str = "icecore/approvals.toml";

/// Least port that somebody who is no root may listen on; 0 stands for any that is free.
const PORT_MIN: u16 = 1024;

/// An approver's settings as they are written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The store in which requests lie, as a URL.
    pub store: Option<String>,
    /// The trust file: which hosts' requests are believed. Beside this file, unless its path is whole.
    pub trust: Option<PathBuf>,
    /// The file of their reader's key, where requests are encrypted.
    pub identity: Option<PathBuf>,
    /// Where they log in to say yes.
    pub issuer: Option<ApproverIssuer>,
}

/// The issuer that proves who decided, and the client that it knows for that alone.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ApproverIssuer {
    /// Its `iss`, to the letter.
    pub url: String,
    /// The client for approvals; a public one, and not that of logins.
    pub client_id: String,
    /// What is asked for beside `openid`, such as what brings the groups.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Roots trusted beside the host's own, for an issuer with a certificate of the house.
    pub ca_file: Option<PathBuf>,
    /// The port of 127.0.0.1 that the browser comes back to; 0 is any that is free.
    #[serde(default)]
    pub port: u16,
    /// Whether the issuer asks for the password again, even if it could do without (`prompt=login`).
    #[serde(default)]
    pub prompt_login: bool,
    /// Ways to log in that are asked for (`acr_values`), such as one with a second factor.
    #[serde(default)]
    pub acr_values: Vec<String>,
}

impl Approver {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub fn read_file(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::read(&text, folder)
    }

    /// Reads a text; paths in it begin in a folder.
    fn read(text: &str, folder: &Path) -> Result<Self, String> {
        let mut read: Self = read_toml(text)?;
        let place = |path: &mut PathBuf| *path = folder.join(&*path);
        read.trust.iter_mut().for_each(place);
        read.identity.iter_mut().for_each(place);
        if let Some(odd) = read.store.as_deref().filter(|store| !is_store_url(store)) {
            return Err(format!("store: expected {STORE_URL}, found `{odd}`"));
        }
        let Some(issuer) = &mut read.issuer else {
            return Ok(read);
        };
        issuer.ca_file.iter_mut().for_each(place);
        let visible = |text: &String| {
            (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let words = issuer.scopes.iter().chain(&issuer.acr_values);
        if !words.chain([&issuer.client_id]).all(visible) {
            let expected =
                "`client_id`, `scopes` and `acr_values` of 1 to 255 visible ASCII characters";
            return Err(format!("issuer: expected {expected}, found another text"));
        }
        if (1..PORT_MIN).contains(&issuer.port) {
            let found = issuer.port;
            return Err(format!(
                "issuer: expected a `port` of {PORT_MIN} or more, or 0 for any that is free, found {found}"
            ));
        }
        Ok(read)
    }
}

/// Tells whether a text is the URL of a store. A path is none: on another machine than the host it would be another store.
pub(crate) fn is_store_url(text: &str) -> bool {
    text.contains("://") && StoreUrl::read(text).is_some()
}

impl ApproverIssuer {
    /// Gives all scopes, as they are sent.
    #[must_use]
    pub fn scope(&self) -> String {
        let more = self.scopes.iter().map(String::as_str);
        let more = more.filter(|scope| *scope != "openid");
        std::iter::once("openid")
            .chain(more)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "store = \"s3://acme-audit\"\ntrust = \"trust.toml\"\n[issuer]\nurl = \"https://acme.okta.com\"\n\
                         client_id = \"0oa9\"\nscopes = [\"groups\"]\nca_file = \"/etc/acme.pem\"\nport = 8765\n";

    #[test]
    fn paths_begin_beside_the_file() {
        let read = Approver::read(WHOLE, Path::new("/home/ada/.config/icecore")).unwrap();
        let trust = read.trust.as_deref();
        assert_eq!(
            trust,
            Some(Path::new("/home/ada/.config/icecore/trust.toml"))
        );
        let issuer = read.issuer.unwrap();
        assert_eq!(issuer.ca_file.as_deref(), Some(Path::new("/etc/acme.pem")));
        assert_eq!(issuer.scope(), "openid groups");
    }

    #[track_caller]
    fn check(from: &str, to: &str, part: &str) {
        let error = Approver::read(&WHOLE.replace(from, to), Path::new("")).unwrap_err();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn what_is_misspelt_or_misfit_is_told() {
        check("store", "stor", "line 1: unknown field `stor`");
        check("s3://acme-audit", "/tmp/store", "store: expected a URL");
        check("s3://acme-audit", "ftp://acme", "found `ftp://acme`");
        check("8765", "80", "expected a `port` of 1024 or more");
        check("0oa9", "0o a9", "`client_id`, `scopes` and `acr_values`");
        check(
            "\"groups\"",
            "\"\"",
            "`client_id`, `scopes` and `acr_values`",
        );
        check(
            "url = \"https://acme.okta.com\"\n",
            "",
            "missing field `url`",
        );
    }
}
