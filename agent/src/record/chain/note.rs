//! Signed notes and checkpoints (C2SP `signed-note.md`, `tlog-checkpoint.md`, `tlog-cosignature.md`), with Ed25519. Pure.
//!
//! ```text
//! icecore/<org>/<chain>          origin
//! 42                             leaves
//! <base64 of the root>
//!
//! — <name of the key> <base64 of key id and signature>
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

use super::super::digest::sha256_of;
use super::tree::Hash;

/// A signature of the text alone.
const ED25519_KEY: u8 = 0x01;

/// A witness's signature of a time and the text.
const COSIGNATURE_KEY: u8 = 0x04;

/// Why text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a signed note.
    #[error("expected a signed note: text, an empty line, and lines of signatures")]
    Form,
    /// The text is not a checkpoint.
    #[error("expected a checkpoint: an origin, a count of leaves, and a root in base64")]
    Checkpoint,
    /// The key is not one.
    #[error("expected a key as `<name>+<8 hex digits>+<base64>`")]
    Key,
    /// No signature of the key is there.
    #[error("no signature of this key")]
    Unsigned,
    /// A signature of the key is there, of something else.
    #[error("the signature is not of this text")]
    Forged,
}

/// A public key that signs notes: `<name>+<key id>+<base64 of algorithm and key>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteKey {
    name: String,
    algorithm: u8,
    key: [u8; 32],
}

impl NoteKey {
    /// Names a key that signs checkpoints.
    #[must_use]
    pub fn signer(name: &str, key: [u8; 32]) -> Self {
        Self {
            name: name.to_owned(),
            algorithm: ED25519_KEY,
            key,
        }
    }

    /// Names a key of a witness.
    #[must_use]
    pub fn witness(name: &str, key: [u8; 32]) -> Self {
        Self {
            name: name.to_owned(),
            algorithm: COSIGNATURE_KEY,
            key,
        }
    }

    /// Reads a key.
    ///
    /// # Errors
    /// The text is not a key, or its id is not that of its key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::Key)?;
        let (id, key) = rest.split_once('+').ok_or(NoteError::Key)?;
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let (algorithm, key) = bytes.split_first().ok_or(NoteError::Key)?;
        let key = Self {
            name: name.to_owned(),
            algorithm: *algorithm,
            key: key.try_into().map_err(|_| NoteError::Key)?,
        };
        let known = matches!(key.algorithm, ED25519_KEY | COSIGNATURE_KEY);
        (known && is_name(name) && key.to_string().split('+').nth(1) == Some(id))
            .then_some(key)
            .ok_or(NoteError::Key)
    }

    /// Gives the key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the bare key.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Tells whether it is a witness's.
    #[must_use]
    pub fn is_witness(&self) -> bool {
        self.algorithm == COSIGNATURE_KEY
    }

    fn id(&self) -> [u8; 4] {
        let hash = sha256_of([self.name.as_bytes(), b"\n", &[self.algorithm], &self.key]);
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let mut key = vec![self.algorithm];
        key.extend_from_slice(&self.key);
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(|character: char| character.is_whitespace() || character == '+')
}

/// How far a chain's tree has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the chain.
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// The text is not a checkpoint of three lines, each written as we write it.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, ""] = *lines else {
            return Err(NoteError::Checkpoint);
        };
        let bytes = STANDARD.decode(root).map_err(|_| NoteError::Checkpoint)?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| NoteError::Checkpoint)?,
            root: bytes.try_into().map_err(|_| NoteError::Checkpoint)?,
        };
        (!origin.is_empty() && checkpoint.to_string() == text)
            .then_some(checkpoint)
            .ok_or(NoteError::Checkpoint)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{}\n", STANDARD.encode(root))
    }
}

/// A text and the lines that sign it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

impl Note {
    /// Begins a note that nobody has signed yet.
    #[must_use]
    pub fn new(text: &impl ToString) -> Self {
        Self {
            text: text.to_string(),
            signatures: Vec::new(),
        }
    }

    /// Gives what is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a signature.
    pub fn sign(&mut self, name: &str, key: &Ed25519KeyPair) {
        let public = public(key);
        let id = NoteKey::signer(name, public).id();
        let signature = key.sign(self.text.as_bytes()).as_ref().to_vec();
        self.signatures.push((name.to_owned(), id, signature));
    }

    /// Adds a witness's signature of what it saw, and when, in seconds since 1970.
    pub fn cosign(&mut self, name: &str, key: &Ed25519KeyPair, time_s: u64) {
        let id = NoteKey::witness(name, public(key)).id();
        let signed = key.sign(cosigned(time_s, &self.text).as_bytes());
        let mut signature = time_s.to_be_bytes().to_vec();
        signature.extend_from_slice(signed.as_ref());
        self.signatures.push((name.to_owned(), id, signature));
    }

    /// Adds lines of signatures, as a witness answers them.
    ///
    /// # Errors
    /// The text has a line that is not a signature.
    pub fn add(&mut self, lines: &str) -> Result<(), NoteError> {
        for line in lines.lines() {
            self.signatures.push(signature(line)?);
        }
        Ok(())
    }

    /// Gives the last signature's line.
    #[must_use]
    pub fn last_line(&self) -> String {
        self.signatures.last().map(line).unwrap_or_default()
    }

    /// Checks a signature of the text; of a witness, gives when it signed, in seconds since 1970.
    ///
    /// # Errors
    /// The key has not signed, or something else.
    pub fn verify(&self, key: &NoteKey) -> Result<Option<u64>, NoteError> {
        let mut found = NoteError::Unsigned;
        for (name, id, signature) in &self.signatures {
            if *name != key.name || *id != key.id() {
                continue;
            }
            let (time_s, message, signature) = if key.is_witness() {
                let Some((time, signature)) = signature.split_first_chunk::<8>() else {
                    continue;
                };
                let time_s = u64::from_be_bytes(*time);
                (Some(time_s), cosigned(time_s, &self.text), signature)
            } else {
                (None, self.text.clone(), signature.as_slice())
            };
            let public = UnparsedPublicKey::new(&ED25519, key.key);
            if public.verify(message.as_bytes(), signature).is_ok() {
                return Ok(time_s);
            }
            found = NoteError::Forged;
        }
        Err(found)
    }

    /// Reads a note.
    ///
    /// # Errors
    /// The text is not a note.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let end = text.rfind("\n\n").ok_or(NoteError::Form)?;
        let (body, lines) = text.split_at(end + 1);
        let lines = lines.strip_prefix('\n').ok_or(NoteError::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        if body.trim().is_empty() {
            return Err(NoteError::Form);
        }
        let signatures: Result<Vec<_>, _> = lines.split('\n').map(signature).collect();
        Ok(Self {
            text: body.to_owned(),
            signatures: signatures?,
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            f.write_str(&line(signature))?;
        }
        Ok(())
    }
}

fn cosigned(time_s: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

fn line((name, id, signature): &(String, [u8; 4], Vec<u8>)) -> String {
    let mut bytes = id.to_vec();
    bytes.extend_from_slice(signature);
    format!("\u{2014} {name} {}\n", STANDARD.encode(bytes))
}

fn signature(line: &str) -> Result<(String, [u8; 4], Vec<u8>), NoteError> {
    let line = line.strip_prefix("\u{2014} ").ok_or(NoteError::Form)?;
    let (name, base64) = line.split_once(' ').ok_or(NoteError::Form)?;
    let bytes = STANDARD.decode(base64).map_err(|_| NoteError::Form)?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Form)?;
    if !is_name(name) || signature.is_empty() {
        return Err(NoteError::Form);
    }
    Ok((name.to_owned(), *id, signature.to_vec()))
}

/// Gives a key pair's public half.
pub(in crate::record) fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    use ring::signature::KeyPair;
    let mut public = [0; 32];
    public.copy_from_slice(key.public_key().as_ref());
    public
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    #[test]
    fn a_note_is_signed_by_its_key_alone() {
        let checkpoint = Checkpoint {
            origin: "icecore/o/c".to_owned(),
            size: 7,
            root: [3; 32],
        };
        let mut note = Note::new(&checkpoint);
        note.sign("icecore/o/c", &key(1));
        note.cosign("w", &key(2), 1_700_000_000);
        let note = Note::parse(&note.to_string()).unwrap();
        assert_eq!(Checkpoint::parse(note.text()), Ok(checkpoint));
        let signer = NoteKey::signer("icecore/o/c", public(&key(1)));
        let witness = NoteKey::witness("w", public(&key(2)));
        assert_eq!(note.verify(&signer), Ok(None));
        assert_eq!(note.verify(&witness), Ok(Some(1_700_000_000)));
        let other = NoteKey::signer("icecore/o/c", public(&key(3)));
        assert_eq!(note.verify(&other), Err(NoteError::Unsigned));
        let mut forged = note.clone();
        forged.text = forged.text.replace("\n7\n", "\n8\n");
        assert_eq!(forged.verify(&signer), Err(NoteError::Forged));
        assert_eq!(forged.verify(&witness), Err(NoteError::Forged));
    }

    #[test]
    fn a_key_reads_back_and_one_with_another_id_is_none() {
        for key in [
            NoteKey::signer("a/b", public(&key(1))),
            NoteKey::witness("w", [9; 32]),
        ] {
            let text = key.to_string();
            assert_eq!(NoteKey::parse(&text), Ok(key));
            let other = text.replacen(|c: char| c.is_ascii_digit(), "x", 1);
            assert_eq!(NoteKey::parse(&other), Err(NoteError::Key));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_as_a_note_is_written_the_same(text in "\\PC{0,20}\n{0,3}(\u{2014} [a-z]{0,3} [A-Za-z0-9+/]{0,12}={0,2}\n){0,3}") {
            if let Ok(note) = Note::parse(&text) {
                prop_assert_eq!(Note::parse(&note.to_string()), Ok(note));
            }
        }

        #[test]
        fn whatever_is_read_as_a_checkpoint_is_written_the_same(text in "[a-z]{0,3}\n[+0-9]{0,3}\n[A-Za-z0-9+/=]{43,44}\n?") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
