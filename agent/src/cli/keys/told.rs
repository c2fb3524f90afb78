//! Who does what with keys, as documents beside the record say it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::clock::Clock;
use crate::id::SessionId;
use crate::record::RecordError;
use crate::record::chain::keys::SigningKey;
use crate::record::encryption::{Act, By, Vault};
use crate::replay::{ReadError, terminal};

/// Who signs.
#[derive(Debug, clap::Args)]
pub(super) struct Signer {
    /// The key that signs what is done: an installation's, or an operator's own
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/lib/icecore/installation.key"
    )]
    signing_key: PathBuf,
}

impl Signer {
    /// Reads the key.
    pub(super) fn key(&self) -> Result<SigningKey, ReadError> {
        let read = SigningKey::read(&self.signing_key);
        let read = read.map_err(|error| ReadError::SigningKey(error.to_string()))?;
        read.ok_or_else(|| {
            let file = self.signing_key.display();
            ReadError::SigningKey(format!("`{file}`: expected a key, found no file"))
        })
    }
}

/// Tells who does something, why and when.
pub(super) fn act(key: Option<&SigningKey>, reason: &str, clock: Clock) -> Act {
    let uid = rustix::process::getuid().as_raw();
    let caller = std::env::var("SUDO_USER").map(|name| format!(", sudo by {name}"));
    Act {
        by: By {
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            user: format!("uid {uid}{}", caller.unwrap_or_default()),
            key: key.map(SigningKey::public_text),
        },
        at: clock.now(),
        reason: reason.to_owned(),
    }
}

/// Writes down that content was read, by organisation with the keys that opened it; where the store takes it not, says so.
pub(in crate::cli) fn tell_access(
    vault: &Vault,
    command: &str,
    session: Option<&str>,
    read: BTreeMap<String, Vec<String>>,
    clock: Clock,
) {
    let act = act(None, command, clock);
    for (org, keys) in read {
        if let Err(error) = vault.tell_access(&act.access(&org, session, keys)) {
            return tell_untold(&error);
        }
    }
}

/// Says that a reading could not be written down.
pub(in crate::cli) fn tell_untold(error: &RecordError) {
    let line = format!("icecore: this reading is not told in the store: {error}");
    eprintln!("{}", terminal(&line));
}

/// Reads a session's whole id.
pub(super) fn session_id(text: &str) -> Result<SessionId, ReadError> {
    text.parse()
        .map_err(|_| ReadError::Refused(format!("`{text}`: expected a session's id")))
}

/// Refuses an empty reason.
pub(in crate::cli) fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected why, found nothing".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}
