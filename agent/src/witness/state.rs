//! What a witness knows: its key, and the latest checkpoint of each chain that it signed, in one folder.
//!
//! ```text
//! <dir>/lock                   held by the process that signs
//! <dir>/witness.key            the key: a seed of 32 bytes
//! <dir>/<sha256 of origin>.note  the latest checkpoint of a chain, with the witness's signature
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::pace::Pace;
use crate::record::chain::keys::SigningKey;
use crate::record::chain::note::{Checkpoint, Note, NoteKey};
use crate::record::chain::tree::{Tree, is_consistent};
use crate::record::chain::witness::Submission;
use crate::record::{RecordError, create_private_dirs, hex, replace, sha256};
use crate::verify::Trust;

/// How the origins of our chains begin.
const ORIGINS: &str = "icecore/";

/// What stands in the name of an installation's key where an origin has its organisation.
const INSTALLATION: &str = "installation";

/// Most chains on one page of the latest checkpoints.
const PAGE: usize = 500;

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// Its folder cannot be used.
    #[error("`{}`: {cause}", path.display())]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What is in the way.
        cause: String,
    },
    /// Its key cannot be used.
    #[error(transparent)]
    Key(#[from] RecordError),
}

/// Why a witness does not sign a checkpoint, as HTTP statuses say it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400.
    #[error("expected an old size, a proof, and a checkpoint that is not smaller")]
    Form,
    /// 403.
    #[error("expected a signature of a trusted installation, the one that began the chain")]
    Untrusted,
    /// 403: the installation is another organisation's.
    #[error("expected a chain of the organisation that its installation is of")]
    Org,
    /// 404.
    #[error("expected an origin `icecore/ORG/CHAIN`")]
    Origin,
    /// 409: another size is known.
    #[error("{0}")]
    Size(u64),
    /// 409: another tree of the same size is known.
    #[error("another root of the same size is known")]
    Root,
    /// 422.
    #[error("the proof does not show that the tree goes on from the one that is known")]
    Proof,
    /// 429: more than its share.
    #[error("expected fewer checkpoints and chains of one installation; try again later")]
    Pace,
    /// 500.
    #[error("the checkpoint could not be kept")]
    Disk,
}

/// What a witness knows; it has one writer.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    trust: Trust,
    key: SigningKey,
    name: String,
    seen: BTreeMap<String, Seen>,
    /// For which organisations installations began chains, where their pins name none.
    orgs: BTreeMap<[u8; 32], BTreeSet<String>>,
    pace: Pace,
    _lock: File,
}

#[derive(Clone, Debug)]
struct Seen {
    checkpoint: Checkpoint,
    /// Who began the chain, and alone goes on with it; nobody where that is an installation that is trusted no more.
    installation: Option<[u8; 32]>,
    note: String,
}

impl State {
    /// Opens a folder, making it and a key where there are none.
    ///
    /// # Errors
    /// Another process holds it, it cannot be used, or something in it is not what this witness wrote.
    pub fn open(dir: &Path, name: &str, trust: Trust) -> Result<Self, WitnessError> {
        let failed = |path: &Path, cause: &dyn ToString| WitnessError::Folder {
            path: path.to_owned(),
            cause: cause.to_string(),
        };
        create_private_dirs(dir).map_err(|error| failed(dir, &error))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(|error| failed(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed(&path, &"another witness runs in this folder"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
        }
        let key = SigningKey::of_witness(dir)?;
        let mut state = Self {
            dir: dir.to_owned(),
            trust,
            key,
            name: name.to_owned(),
            seen: BTreeMap::new(),
            orgs: BTreeMap::new(),
            pace: Pace::default(),
            _lock: lock,
        };
        for entry in fs::read_dir(dir).map_err(|error| failed(dir, &error))? {
            let path = entry.map_err(|error| failed(dir, &error))?.path();
            if path.extension().is_some_and(|end| end == "note") {
                let text = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
                let seen = state.seen(text).ok_or_else(|| {
                    failed(
                        &path,
                        &"expected a checkpoint that this witness signed, found another text",
                    )
                })?;
                state.know(seen);
            }
        }
        Ok(state)
    }

    fn know(&mut self, seen: Seen) {
        let origin = seen.checkpoint.origin.clone();
        if let (Some(installation), Some(org)) = (seen.installation, org(&origin)) {
            let orgs = self.orgs.entry(installation).or_default();
            orgs.insert(org.to_owned());
        }
        self.seen.insert(origin, seen);
    }

    /// Tells whether an installation may have chains of an organisation signed: one that its pin names, or else the one of
    /// its first chain.
    fn is_of(&self, installation: &[u8; 32], org: &str) -> bool {
        if self.trust.is_bound(installation) {
            return self.trust.installation(org, installation).is_some();
        }
        let orgs = self.orgs.get(installation);
        orgs.is_none_or(|orgs| orgs.contains(org))
    }

    /// Gives its public key.
    #[must_use]
    pub fn public(&self) -> NoteKey {
        NoteKey::witness(&self.name, *self.key.public())
    }

    fn seen(&self, text: String) -> Option<Seen> {
        let note = Note::parse(&text).ok()?;
        note.verify(&self.public()).ok()?;
        let checkpoint = Checkpoint::parse(note.text()).ok()?;
        Some(Seen {
            checkpoint,
            installation: signer(&note, &self.trust),
            note: text,
        })
    }

    /// Signs a checkpoint that goes on from what is known, and gives the line of the signature once it is on disk.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn add(&mut self, body: &[u8], time_s: u64) -> Result<String, Refused> {
        let body = std::str::from_utf8(body).map_err(|_| Refused::Form)?;
        let submission = Submission::read(body).ok_or(Refused::Form)?;
        let note = Note::parse(&submission.note).map_err(|_| Refused::Form)?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|_| Refused::Form)?;
        let org = org(&checkpoint.origin).ok_or(Refused::Origin)?;
        let installation = signer(&note, &self.trust).ok_or(Refused::Untrusted)?;
        if !self.is_of(&installation, org) {
            return Err(Refused::Org);
        }
        let known = self.seen.get(&checkpoint.origin);
        // Who began a chain goes on with it, and nobody else.
        if known.is_some_and(|known| known.installation != Some(installation)) {
            return Err(Refused::Untrusted);
        }
        if !self.pace.takes_checkpoint(installation, time_s) {
            return Err(Refused::Pace);
        }
        if submission.old_size > checkpoint.size {
            return Err(Refused::Form);
        }
        let empty = Tree::default().root();
        let (size, root) = known.map_or((0, empty), |known| {
            (known.checkpoint.size, known.checkpoint.root)
        });
        if submission.old_size != size {
            return Err(Refused::Size(size));
        }
        if size == checkpoint.size && known.is_some() && root != checkpoint.root {
            return Err(Refused::Root);
        }
        let new = (checkpoint.size, &checkpoint.root);
        if !is_consistent((size, &root), new, &submission.proof) {
            return Err(Refused::Proof);
        }
        if known.is_none() && !self.pace.takes_chain(installation, time_s) {
            return Err(Refused::Pace);
        }
        self.keep(note, checkpoint, installation, time_s)
    }

    fn keep(
        &mut self,
        mut note: Note,
        checkpoint: Checkpoint,
        installation: [u8; 32],
        time_s: u64,
    ) -> Result<String, Refused> {
        note.cosign(&self.name, self.key.pair(), time_s);
        let line = note.last_line();
        let text = note.to_string();
        let name = format!("{}.note", hex(&sha256(checkpoint.origin.as_bytes())));
        let path = self.dir.join(name);
        let kept: io::Result<()> = replace(&path, text.as_bytes());
        if let Err(error) = kept {
            tracing::error!(path = %path.display(), %error, "checkpoint could not be kept");
            return Err(Refused::Disk);
        }
        let seen = Seen {
            installation: Some(installation),
            note: text,
            checkpoint,
        };
        self.know(seen);
        Ok(line)
    }

    /// Lists the latest checkpoints of the chains after an origin, and where the next page begins.
    #[must_use]
    pub fn page(&self, after: Option<&str>) -> (Vec<&str>, Option<&str>) {
        let all = self.seen.iter();
        let mut rest = all.filter(|(origin, _)| after.is_none_or(|after| origin.as_str() > after));
        let page: Vec<_> = rest.by_ref().take(PAGE).collect();
        let next = rest
            .next()
            .and(page.last())
            .map(|(origin, _)| origin.as_str());
        let notes = page.iter().map(|(_, seen)| seen.note.as_str());
        (notes.collect(), next)
    }
}

/// Reads the organisation of an origin; none where it is not one of our chains.
fn org(origin: &str) -> Option<&str> {
    let (org, chain) = origin.strip_prefix(ORIGINS)?.split_once('/')?;
    let is_chain = !org.is_empty() && !chain.is_empty() && !chain.contains('/');
    (is_chain && org != INSTALLATION).then_some(org)
}

/// Finds the trusted installation that signed a note.
fn signer(note: &Note, trust: &Trust) -> Option<[u8; 32]> {
    let mut keys = trust.installation_keys();
    keys.find(|(name, key)| note.verify(&NoteKey::signer(name, *key)).is_ok())
        .map(|(_, key)| key)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
