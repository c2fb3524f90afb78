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
        let of_environment = || std::env::var_os(TRUST).filter(|file| !file.is_empty());
        let file = self
            .trust
            .clone()
            .or_else(|| of_environment().map(PathBuf::from));
        file.as_deref().map(read_trust).transpose()
    }
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

/// Says why a store cannot be checked.
pub(super) fn unreachable(error: ReadError) -> Failure {
    let (exit, hint) = match &error {
        ReadError::Store(RecordError::Setting { .. }) => (Exit::Usage, None),
        ReadError::Store(error) => (Exit::Unreachable, error.hint()),
        ReadError::Trust { .. } => (Exit::Config, Some(TRUST_HINT)),
        ReadError::Identity(_)
        | ReadError::Refused(_)
        | ReadError::Unknown(_)
        | ReadError::Ambiguous { .. }
        | ReadError::Step { .. }
        | ReadError::There(_)
        | ReadError::File { .. }
        | ReadError::Write(_) => (Exit::Unreachable, None),
    };
    Failure::new(exit, error).hint(hint)
}
