//! Where an approver's requests lie, whom they believe, and where they log in: by the command line, else by their settings.

use std::env;
use std::path::{Path, PathBuf};

use crate::approval::Request;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::stored::{failure, read_trust, trust_of_environment};
use crate::clock::Clock;
use crate::config::{APPROVER_FILE, Approver, STORE_URL, is_store_url};
use crate::inbox::item::Item;
use crate::inbox::mail::{Mail, MailError};
use crate::inbox::step::{Issuer, StepError};
use crate::replay::terminal;

/// Where requests lie unless something else is said: on this host.
const STORE: &str = "file:///var/lib/icecore/store";

/// Fewest characters by which a request may be named: fewer would be one by chance.
const BEGIN_MIN: usize = 4;

/// Characters of a whole id. Source: RFC 9562 section 4.
const ID_CHARACTERS: usize = 36;

/// The file of an approver's settings.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// Your settings; ~/.config/icecore/approvals.toml unless given
    #[arg(long = "settings", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Which store, and whom to believe.
#[derive(Debug, clap::Args)]
pub(super) struct Whereabouts {
    #[command(flatten)]
    settings: Settings,

    /// The store in which requests lie, as a URL; else that of your settings, else this host's own
    #[arg(long, value_name = "URL", value_parser = store_url)]
    store: Option<String>,

    /// Whose requests are believed, as a TOML file; the same as for `icecore verify` [env: ICECORE_TRUST, where your settings name none]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// The file of your reader's key, where requests are encrypted; else that of your settings; `icecore keys make` makes one
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Reads the URL of a store.
fn store_url(text: &str) -> Result<String, String> {
    match is_store_url(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected {STORE_URL}")),
    }
}

/// Reads a request's id or the beginning of one, in whichever case.
pub(super) fn beginning(text: &str) -> Result<String, String> {
    let is_of_id = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    match (BEGIN_MIN..=ID_CHARACTERS).contains(&text.len()) && text.bytes().all(is_of_id) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "expected a request's id or at least {BEGIN_MIN} characters of its beginning, such as 01a21b69"
        )),
    }
}

impl Settings {
    /// Names the file, whether it is there or not.
    fn place(&self) -> PathBuf {
        let place = self.file.clone().or_else(own_file);
        place.unwrap_or_else(|| Path::new("~/.config").join(APPROVER_FILE))
    }

    /// Reads the settings; none where no file is.
    fn approver(&self) -> Result<Approver, Failure> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => match own_file().filter(|file| file.exists()) {
                Some(file) => file,
                None => return Ok(Approver::default()),
            },
        };
        Approver::read_file(&file).map_err(|cause| {
            let text = format!("settings `{}`: {cause}", file.display());
            Failure::text(Exit::Config, text).hint(Some("docs/approvals.md shows such a file"))
        })
    }

    /// Finds where to log in.
    pub(super) fn issuer(&self) -> Result<Issuer, Failure> {
        let Some(settings) = self.approver()?.issuer else {
            let place = self.place();
            let found = if place.exists() {
                "none"
            } else {
                "no such file"
            };
            let text = format!(
                "expected `[issuer]` with `url` and `client_id` in your settings `{}`, found {found}",
                place.display()
            );
            return Err(Failure::text(Exit::Config, text).hint(Some(
                "the client is one for approvals alone; docs/approvals.md shows such a file",
            )));
        };
        Issuer::of(&settings).map_err(|error| Failure::new(Exit::Config, error))
    }
}

impl Whereabouts {
    /// Opens the mailbox.
    pub(super) fn mail(&self, clock: Clock) -> Result<Mail, Failure> {
        let approver = self.settings.approver()?;
        let given = self.trust.clone().or(approver.trust);
        let Some(trust) = given.or_else(trust_of_environment) else {
            let text = "expected a trust file, found none: anybody who can write to the store could make up requests";
            return Err(Failure::text(Exit::Config, text).hint(Some(
                "--trust FILE, `trust` in your settings, or ICECORE_TRUST; `icecore enroll --pin` prints the lines of a host",
            )));
        };
        let given = self.store.clone().or(approver.store);
        let store = given.as_deref().unwrap_or(STORE);
        let identity = self.identity.clone().or(approver.identity);
        let trust = read_trust(&trust).map_err(failure)?;
        let opened = Mail::open(store, trust, identity.as_deref(), clock).map_err(unreachable);
        if given.is_some() {
            return opened;
        }
        let hint = format!(
            "nothing names where requests lie: give --store URL, or `store` in your settings `{}`",
            self.settings.place().display()
        );
        opened.map_err(|failure| failure.hint(Some(&hint)))
    }

    /// Finds where to log in.
    pub(super) fn issuer(&self) -> Result<Issuer, Failure> {
        self.settings.issuer()
    }
}

/// Names the file of settings below the home of whoever calls (XDG Base Directory Specification).
fn own_file() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let of_home = || folder("HOME").map(|home| Path::new(&home).join(".config"));
    let config = folder("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.filter(|path| path.is_absolute()).or_else(of_home)?;
    Some(config.join(APPROVER_FILE))
}

/// Finds the one request whose id begins so.
pub(super) fn find(mail: &Mail, begin: &str) -> Result<(Item, Request), Failure> {
    let all = mail.list().map_err(unreachable)?;
    let mut named: Vec<Item> = all
        .into_iter()
        .filter(|item| item.is_named(begin))
        .collect();
    let (Some(item), true) = (named.pop(), named.is_empty()) else {
        let text = match named.is_empty() {
            true => format!(
                "expected the id of a request or its beginning, found `{begin}`, by which none begins"
            ),
            false => {
                format!("expected the id of one request, found `{begin}`, by which several begin")
            }
        };
        return Err(Failure::text(Exit::Refused, text).hint(Some("icecore approvals list")));
    };
    match item.request.clone() {
        Ok(request) => Ok((item, request)),
        Err(unbelieved) => Err(Failure::text(Exit::Refused, unbelieved.why)),
    }
}

/// Says so where a store has neither a request nor a record: it may be another folder than is meant.
pub(super) fn tell_if_bare(mail: &Mail) -> Result<(), Failure> {
    if mail.is_bare().map_err(unreachable)? {
        eprintln!(
            "icecore: `{}` has no request and no record of any host: expected the folder that the hosts' `record.store` names, \
             in which each organisation has `ORG/v1`",
            terminal(mail.store())
        );
    }
    Ok(())
}

/// Says that the store did not do what was asked.
pub(super) fn unreachable(error: MailError) -> Failure {
    let hint = error.hint();
    Failure::new(Exit::Unreachable, error).hint(hint)
}

/// Says why the issuer proved nothing.
pub(super) fn unproved(error: StepError) -> Failure {
    let hint = error.hint();
    let exit = match &error {
        StepError::Roots(_) | StepError::Client(_) => Exit::Config,
        StepError::Discovery { .. } | StepError::Unasked(_) | StepError::Random => {
            Exit::Unreachable
        }
        StepError::SignIn(_) | StepError::Token(_) | StepError::Login(_) => Exit::Refused,
    };
    Failure::new(exit, error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_four_characters_or_more_in_any_case() {
        assert_eq!(beginning("01A21D9E").unwrap(), "01a21d9e");
        assert_eq!(beginning("01a2").unwrap(), "01a2");
        let whole = "01a21b69-5340-75a2-9d8f-7587f9512ca5";
        assert_eq!(beginning(whole).unwrap(), whole);
        let longer = format!("{whole}0");
        for odd in ["", "0", "01a", "01a2 ", "%01a2", longer.as_str()] {
            assert!(beginning(odd).unwrap_err().contains("at least 4"), "{odd}");
        }
    }

    #[test]
    fn a_store_is_named_by_a_url_and_no_path() {
        for good in ["file:///var/lib/icecore/store", "s3://acme-audit/x"] {
            assert_eq!(store_url(good).unwrap(), good);
        }
        for odd in ["", "/tmp/store", "store", "ftp://acme/x", "file://"] {
            assert!(store_url(odd).unwrap_err().contains("a URL"), "{odd}");
        }
    }
}
