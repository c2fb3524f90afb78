//! An approver's key on disk: a file of theirs alone, with the token by which they took it, for eight hours.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::approval::{Proof, Said};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::create;
use crate::config::read_secret_file;

/// How long a key speaks for whoever made it; hosts count no decision of an older one.
const LIFE: TimeDelta = TimeDelta::hours(8);

/// Longest file that is read.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// What the file says.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The key, as PKCS#8 in base64.
    key: String,
    id_token: String,
    made_at: DateTime<Utc>,
}

/// A key that signs decisions, before or after somebody took it for theirs.
pub(super) struct HeldKey {
    pkcs8: Zeroizing<Vec<u8>>,
    id_token: String,
}

impl HeldKey {
    /// Makes a key that nobody has taken yet; gives its public half too.
    pub(super) fn make() -> Result<(Self, Vec<u8>), Failure> {
        let random = || Failure::text(Exit::Unreachable, "the system gave no random bytes");
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| random())?;
        let key = Self {
            pkcs8: Zeroizing::new(made.as_ref().to_vec()),
            id_token: String::new(),
        };
        let public = key.pair()?.public_key().as_ref().to_vec();
        Ok((key, public))
    }

    fn pair(&self) -> Result<Ed25519KeyPair, Failure> {
        let pair = Ed25519KeyPair::from_pkcs8(&self.pkcs8);
        pair.map_err(|_| Failure::text(Exit::Config, "expected an Ed25519 key, found another"))
    }

    /// Writes it with the token by which somebody took it.
    pub(super) fn write(
        &self,
        path: &Path,
        is_forced: bool,
        id_token: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let failed = |error: anyhow::Error| Failure::new(Exit::Refused, error);
        let written = Written {
            key: STANDARD.encode(&self.pkcs8),
            id_token: id_token.to_owned(),
            made_at: now,
        };
        let text = serde_json::to_vec(&written).map_err(|error| failed(error.into()))?;
        let text = Zeroizing::new(text);
        let mut file = create(path, is_forced).map_err(|error| failed(error.into()))?;
        file.write_all(&text).map_err(|error| failed(error.into()))
    }

    /// Reads a key that still speaks for somebody.
    pub(super) fn read(path: &Path, now: DateTime<Utc>) -> Result<Self, Failure> {
        let wrong = |cause: String| {
            let text = format!("key `{}`: {cause}", path.display());
            Failure::text(Exit::Config, text)
                .hint(Some("icecore approvals login --key FILE --force"))
        };
        let path = path
            .canonicalize()
            .map_err(|error| wrong(error.to_string()))?;
        let text = read_secret_file(&path, FILE_MAX_BYTES).map_err(|untrusted| {
            wrong(format!(
                "expected {}, found {}",
                untrusted.expected, untrusted.found
            ))
        })?;
        // The error's own text may quote the key.
        let read: Result<Written, _> = serde_json::from_slice(&text);
        let read =
            read.map_err(|_| wrong("expected what `icecore approvals login` wrote".to_owned()))?;
        if now - read.made_at >= LIFE || now < read.made_at {
            let hours = LIFE.num_hours();
            let text = format!(
                "expected one made within {hours} hours, found one of {}",
                read.made_at
            );
            return Err(wrong(text));
        }
        let pkcs8 = STANDARD.decode(Zeroizing::new(read.key).as_bytes());
        let pkcs8 = pkcs8.map_err(|_| wrong("expected a key in base64".to_owned()))?;
        Ok(Self {
            pkcs8: Zeroizing::new(pkcs8),
            id_token: read.id_token,
        })
    }

    /// Signs what was said.
    pub(super) fn prove(&self, said: &Said) -> Result<Proof, Failure> {
        let pair = self.pair()?;
        let nonce = said
            .nonce()
            .map_err(|error| Failure::new(Exit::Bug, error))?;
        Ok(Proof::IdpKey {
            id_token: self.id_token.clone(),
            key: STANDARD.encode(pair.public_key()),
            signature: STANDARD.encode(pair.sign(nonce.as_bytes())),
        })
    }
}
