//! Reads a chain: which of its documents may be believed, and why no others. Pure.
//!
//! A chain is believed from its genesis up to the first document that does not follow from the one before. Whether the
//! installation that signed the genesis is one of ours is for the caller to say.

use std::collections::BTreeMap;

use super::documents::{FORMAT_VERSION, Genesis, Hex, Listed, Manifest, installation_name, origin};
use super::envelope::{self, Sealed, key_id};
use super::keys::public_key;
use super::note::{Checkpoint, Note, NoteKey};
use super::problem::{Code, Problem};
use super::tree::Tree;
use crate::record::digest::{hex, sha256};
use crate::record::schema::is_tier;

/// What a digest must look like.
const SHA256_TEXT: &str = "a SHA-256 in 64 hexadecimal digits";

/// What of a chain may be believed.
#[derive(Debug, Default)]
pub struct ReadChain {
    /// Its genesis; none where it cannot be believed, and then nothing can.
    pub genesis: Option<Genesis>,
    /// SHA-256 of the genesis' file.
    pub genesis_sha256: Hex,
    /// Its manifests, from the first on.
    pub manifests: Vec<Believed>,
    /// What is wrong; what comes after the first break is not believed.
    pub problems: Vec<Problem>,
}

/// A manifest that follows from its genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    /// What it says.
    pub manifest: Manifest,
    /// SHA-256 of its file.
    pub sha256: Hex,
    /// Name of its file in the chain's folder.
    pub name: String,
    /// The key that signed it.
    pub key: [u8; 32],
}

impl ReadChain {
    /// Tells whether the chain ended in order.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.manifests
            .last()
            .is_some_and(|last| last.manifest.closed)
    }

    /// Lists the objects that the believed manifests vouch for.
    pub fn objects(&self) -> impl Iterator<Item = &Listed> {
        self.manifests
            .iter()
            .flat_map(|believed| &believed.manifest.objects)
    }
}

/// Reads what lies in `<org>/v1/chains/<chain>/`: the genesis, and the manifests as names and bytes.
#[must_use]
pub fn read<B: AsRef<[u8]>>(
    org: &str,
    chain: &str,
    genesis: Option<&[u8]>,
    files: &[(String, B)],
) -> ReadChain {
    let mut read = Reading {
        org,
        chain,
        problems: Vec::new(),
    };
    let Some((genesis, start)) = read.genesis(genesis) else {
        return ReadChain {
            problems: read.problems,
            ..ReadChain::default()
        };
    };
    let genesis_sha256 = start.prev_sha256.clone();
    let manifests = read.manifests(start, files);
    ReadChain {
        genesis: Some(genesis),
        genesis_sha256,
        manifests,
        problems: read.problems,
    }
}

/// Reads the name of a manifest's file: its number and the beginning of its SHA-256.
#[must_use]
pub fn manifest_name(name: &str) -> Option<(u64, &str)> {
    let (n, hash) = name
        .strip_prefix("m-")?
        .strip_suffix(".json")?
        .split_once('-')?;
    let n: u64 = n.parse().ok()?;
    (format!("m-{n:08}-{hash}.json") == name && is_hex(hash, 16)).then_some((n, hash))
}

/// What the next manifest must follow from.
pub(super) struct Place {
    n: u64,
    prev_sha256: Hex,
    tree_size: u64,
    root: Hex,
    pub(super) key: [u8; 32],
    pub(super) installation: [u8; 32],
    is_closed: bool,
}

/// Why a document is not believed: the code, what was expected and what was found.
pub(super) type Broken = (Code, String, String);

pub(super) fn broken<T>(
    code: Code,
    expected: impl ToString,
    found: impl ToString,
) -> Result<T, Broken> {
    Err((code, expected.to_string(), found.to_string()))
}

/// Compares one fact of a document.
pub(super) fn same<T: PartialEq + ToString>(
    code: Code,
    name: &str,
    expected: T,
    found: T,
) -> Result<(), Broken> {
    if expected == found {
        return Ok(());
    }
    let said = |value: T| format!("{name} {}", value.to_string());
    broken(code, said(expected), said(found))
}

struct Reading<'a> {
    org: &'a str,
    chain: &'a str,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn tell(&mut self, what: impl ToString, (code, expected, found): Broken) {
        self.problems.push(Problem {
            code,
            chain: self.chain.to_owned(),
            what: what.to_string(),
            expected,
            found,
        });
    }

    fn genesis(&mut self, bytes: Option<&[u8]>) -> Option<(Genesis, Place)> {
        let read = match bytes {
            Some(bytes) => genesis(self.org, self.chain, bytes),
            None => broken(Code::E10, "a genesis", "none"),
        };
        read.map_err(|broken| self.tell("genesis.json", broken))
            .ok()
    }

    fn manifests<B: AsRef<[u8]>>(&mut self, mut at: Place, files: &[(String, B)]) -> Vec<Believed> {
        let mut by_n: BTreeMap<u64, Vec<(&str, &[u8])>> = BTreeMap::new();
        for (name, bytes) in files {
            let bytes = bytes.as_ref();
            let sha256 = hex(&sha256(bytes));
            match manifest_name(name) {
                Some((n, hash)) if sha256.starts_with(hash) => {
                    by_n.entry(n).or_default().push((name, bytes));
                }
                Some((_, hash)) => self.tell(
                    name,
                    (Code::E20, format!("bytes with SHA-256 {hash}.."), sha256),
                ),
                None => self.tell(
                    name,
                    (
                        Code::E20,
                        "a name as of a manifest".to_owned(),
                        name.clone(),
                    ),
                ),
            }
        }
        let mut believed = Vec::new();
        for (n, files) in by_n {
            let (name, bytes) = match *files {
                [file] => file,
                _ => {
                    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
                    let what = format!("manifest {n}");
                    self.tell(what, (Code::E22, "one file".to_owned(), names.join(", ")));
                    break;
                }
            };
            if n != at.n {
                let what = format!("manifest {}", at.n);
                self.tell(
                    what,
                    (
                        Code::E21,
                        "a file".to_owned(),
                        format!("none before {name}"),
                    ),
                );
                break;
            }
            match self.manifest(&mut at, name, bytes) {
                Ok(manifest) => believed.push(manifest),
                Err(broken) => {
                    self.tell(name, broken);
                    break;
                }
            }
        }
        believed
    }

    fn manifest(&self, at: &mut Place, name: &str, bytes: &[u8]) -> Result<Believed, Broken> {
        let sealed: Sealed<Manifest> = opened(Code::E20, bytes)?;
        let manifest = signed(Code::E20, sealed, &at.key)?;
        format(manifest.format_version)?;
        same(Code::E20, "organisation", self.org, &manifest.org)?;
        same(Code::E20, "chain", self.chain, &manifest.chain)?;
        same(Code::E20, "number", at.n, manifest.n)?;
        same(
            Code::E20,
            "SHA-256 of the file before",
            &at.prev_sha256,
            &manifest.prev_sha256,
        )?;
        if at.is_closed {
            return broken(
                Code::E20,
                "nothing after the manifest that closed the chain",
                name,
            );
        }
        same(Code::E31, "first row", at.tree_size, manifest.first_seq)?;
        if manifest.tree_size < manifest.first_seq {
            let expected = format!("a tree of at least {} rows", manifest.first_seq);
            return broken(Code::E31, expected, manifest.tree_size);
        }
        // A row's place is a number of 63 bits.
        if i64::try_from(manifest.tree_size).is_err() {
            let expected = format!("a tree of at most {} rows", i64::MAX);
            return broken(Code::E31, expected, manifest.tree_size);
        }
        if manifest.tree_size == at.tree_size {
            same(Code::E31, "root of the same tree", &at.root, &manifest.root)?;
        }
        checkpoint(
            (self.org, self.chain),
            (&at.key, &at.installation),
            &manifest,
        )?;
        for object in &manifest.objects {
            self.object(&manifest, object)?;
        }
        // Each is the end of a key, and the name of a file in a pack.
        if let Some(other) = manifest.evidence.iter().find(|hash| !is_hex(hash, 64)) {
            return broken(Code::E20, SHA256_TEXT, other);
        }
        let key = at.key;
        if let Some(text) = &manifest.next_key {
            at.key = match public_key(text) {
                Some(key) => key,
                None => return broken(Code::E20, "a key of 32 bytes in base64", text),
            };
        }
        let sha256 = hex(&sha256(bytes));
        at.n += 1;
        at.prev_sha256.clone_from(&sha256);
        at.tree_size = manifest.tree_size;
        at.root.clone_from(&manifest.root);
        at.is_closed = manifest.closed;
        Ok(Believed {
            manifest,
            sha256,
            name: name.to_owned(),
            key,
        })
    }

    /// Refuses an object that is not of the chain: a writer's word counts for what it may write.
    fn object(&self, manifest: &Manifest, object: &Listed) -> Result<(), Broken> {
        let (org, chain) = (self.org, self.chain);
        let own = [
            format!("{org}/v1/{}/{chain}/", object.tier),
            format!("{org}/v1/chains/{chain}/"),
            format!("{org}/v1/evidence/"),
        ];
        let is_own = own.iter().any(|own| object.key.starts_with(own))
            && is_tier(&object.tier)
            && object
                .key
                .split('/')
                .all(|part| !matches!(part, "" | "." | ".."));
        if !is_own {
            return broken(Code::E20, "an object of the chain's own", &object.key);
        }
        if !is_hex(&object.sha256, 64) {
            return broken(Code::E20, SHA256_TEXT, &object.sha256);
        }
        let is_of_segment = |seq: &u64| (manifest.first_seq..manifest.tree_size).contains(seq);
        if ![&object.seq_min, &object.seq_max]
            .into_iter()
            .flatten()
            .all(is_of_segment)
        {
            let expected = format!(
                "rows from {} to below {}",
                manifest.first_seq, manifest.tree_size
            );
            let found = format!(
                "{:?} to {:?} in {}",
                object.seq_min, object.seq_max, object.key
            );
            return broken(Code::E51, expected, found);
        }
        Ok(())
    }
}

/// Checks that a manifest's checkpoint is of its tree, signed by the chain's key and by the installation's.
pub(super) fn checkpoint(
    (org, chain): (&str, &str),
    (key, installation): (&[u8; 32], &[u8; 32]),
    manifest: &Manifest,
) -> Result<Note, Broken> {
    let unread = |error| {
        (
            Code::E30,
            "a signed checkpoint".to_owned(),
            format!("{error}"),
        )
    };
    let note = Note::parse(&manifest.checkpoint).map_err(unread)?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(unread)?;
    let origin = origin(org, chain);
    let name = installation_name(&key_id(installation));
    for key in [
        NoteKey::signer(&origin, *key),
        NoteKey::signer(&name, *installation),
    ] {
        if let Err(error) = note.verify(&key) {
            return broken(Code::E30, format!("a signature of {key}"), error);
        }
    }
    same(Code::E30, "origin", &origin, &checkpoint.origin)?;
    same(Code::E31, "tree size", manifest.tree_size, checkpoint.size)?;
    same(Code::E31, "root", &manifest.root, &hex(&checkpoint.root))?;
    Ok(note)
}

pub(super) fn genesis(org: &str, chain: &str, bytes: &[u8]) -> Result<(Genesis, Place), Broken> {
    let sealed: Sealed<Genesis> = opened(Code::E10, bytes)?;
    let Some(installation) = public_key(&sealed.claimed().installation) else {
        let found = &sealed.claimed().installation;
        return broken(
            Code::E10,
            "an installation's key of 32 bytes in base64",
            found,
        );
    };
    let genesis = signed(Code::E10, sealed, &installation)?;
    format(genesis.format_version)?;
    same(Code::E20, "organisation", org, &genesis.org)?;
    same(Code::E20, "chain", chain, &genesis.chain)?;
    let Some(key) = public_key(&genesis.key) else {
        return broken(Code::E20, "a key of 32 bytes in base64", &genesis.key);
    };
    let place = Place {
        n: 0,
        prev_sha256: hex(&sha256(bytes)),
        tree_size: 0,
        root: hex(&Tree::default().root()),
        key,
        installation,
        is_closed: false,
    };
    Ok((genesis, place))
}

pub(super) fn opened<T: envelope::Signed>(code: Code, bytes: &[u8]) -> Result<Sealed<T>, Broken> {
    envelope::open(bytes).or_else(|error| broken(code, "a signed document", error))
}

pub(super) fn signed<T>(code: Code, sealed: Sealed<T>, key: &[u8; 32]) -> Result<T, Broken> {
    let signed = sealed.verify(key);
    signed.or_else(|error| {
        broken(
            code,
            format!("a signature of the key {}", key_id(key)),
            error,
        )
    })
}

pub(super) fn format(found: u32) -> Result<(), Broken> {
    if found <= FORMAT_VERSION {
        return Ok(());
    }
    broken(
        Code::E20,
        format!("format version {FORMAT_VERSION} at most"),
        found,
    )
}

pub(super) fn is_hex(text: &str, len: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    text.len() == len && text.bytes().all(is_digit)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
