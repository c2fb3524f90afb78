//! Which store commands read, and whom they believe of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::Exit;
use super::failure::Failure;
use crate::record::RecordError;
use crate::replay::ReadError;
use crate::verify::Trust;

/// Names the trust file where the command line names none.
const TRUST: &str = "ICECORE_TRUST";

/// What to do about a trust file that is not good.
pub(super) const TRUST_HINT: &str =
    "docs/verify.md shows one; `icecore enroll --pin` prints the lines of a host";

/// What to do about a reader's key that is not good.
const IDENTITY_HINT: &str =
    "--identity, or else ICECORE_IDENTITY, names a file that `icecore keys make` wrote";

/// What to do about a key to sign with that is not good.
const SIGNING_KEY_HINT: &str = "on a host it is the host's own; elsewhere name one that trust files pin, such as `icecore compact --key FILE` makes";

/// A store, and whom to believe of it.
#[derive(Debug, clap::Args)]
pub(super) struct Stored {
    /// The store, as a URL
    #[arg(
        long,
        value_name = "URL",
        default_value = "file:///var/lib/icecore/store"
    )]
    store: String,

    /// Whose keys are believed, as a TOML file (docs/verify.md) [env: ICECORE_TRUST]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

impl Stored {
    /// Gives the store's URL.
    pub(super) fn url(&self) -> &str {
        &self.store
    }

    /// Reads the trust file, that of `ICECORE_TRUST` where the command line names none.
    pub(super) fn trust(&self) -> Result<Option<Trust>, ReadError> {
        let file = self.trust.clone().or_else(trust_of_environment);
        file.as_deref().map(read_trust).transpose()
    }
}

/// Names the trust file that the environment does.
pub(super) fn trust_of_environment() -> Option<PathBuf> {
    let file = std::env::var_os(TRUST).filter(|file| !file.is_empty());
    file.map(PathBuf::from)
}

/// Reads a trust file.
pub(super) fn read_trust(path: &Path) -> Result<Trust, ReadError> {
    let failed = |cause: String| ReadError::Trust {
        path: path.display().to_string(),
        cause,
    };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    // A file of keys is beside the trust file, unless it says otherwise.
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = |name: &str| fs::read(folder.join(name)).map_err(|error| error.to_string());
    Trust::read(&text, &file).map_err(failed)
}

/// Says why a command that reads a store ended, in one way for all of them.
pub(super) fn failure(error: ReadError) -> Failure {
    if let ReadError::Store(RecordError::Setting {
        expected, found, ..
    }) = &error
    {
        // The record speaks of its settings; what these commands were given is an option.
        let text = format!("--store: expected {expected}, found `{found}`");
        return Failure::text(Exit::Usage, text);
    }
    let (exit, hint) = match &error {
        ReadError::Usage(_) => (Exit::Usage, None),
        ReadError::Trust { .. } => (Exit::Config, Some(TRUST_HINT)),
        ReadError::Identity(_) => (Exit::Config, Some(IDENTITY_HINT)),
        ReadError::SigningKey(_) => (Exit::Config, Some(SIGNING_KEY_HINT)),
        ReadError::Refused(_)
        | ReadError::Unknown(_)
        | ReadError::Ambiguous { .. }
        | ReadError::Step { .. } => (Exit::Refused, None),
        ReadError::There(_) => (Exit::Refused, Some("--force replaces it")),
        ReadError::Store(error) => (Exit::Unreachable, error.hint()),
        ReadError::File { .. } | ReadError::Write(_) => (Exit::Unreachable, None),
    };
    Failure::new(exit, error).hint(hint)
}
