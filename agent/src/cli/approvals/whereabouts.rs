//! Where an approver's requests lie, whom they believe, and where they log in: by the command line, else by their settings.

use std::env;
use std::path::{Path, PathBuf};

use crate::approval::Request;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::stored::{failure, read_trust, trust_of_environment};
use crate::clock::Clock;
use crate::config::{APPROVER_FILE, Approver};
use crate::inbox::item::Item;
use crate::inbox::mail::{Mail, MailError};
use crate::inbox::step::{Issuer, StepError};

/// Where requests lie unless something else is said: on this host.
const STORE: &str = "file:///var/lib/icecore/store";

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
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// Whose requests are believed, as a TOML file; the same as for `icecore verify` [env: ICECORE_TRUST, where your settings name none]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// The file of your reader's key, where requests are encrypted; else that of your settings; `icecore keys make` makes one
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

impl Settings {
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
            let text =
                "expected `[issuer]` with `url` and `client_id` in your settings, found none";
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
        let store = self.store.clone().or(approver.store);
        let store = store.unwrap_or_else(|| STORE.to_owned());
        let identity = self.identity.clone().or(approver.identity);
        let trust = read_trust(&trust).map_err(failure)?;
        Mail::open(&store, trust, identity.as_deref(), clock).map_err(unreachable)
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
