//! Reads a chain's files of frames: which may be believed, and why no others. Pure.

use bytes::Bytes;

use super::documents::FORMAT_VERSION;
use super::frames::{self, Head};
use super::keys::public_key;
use super::problem::{Code, Problem};
use super::read::{Broken, ReadChain, broken, same};
use crate::record::digest::{hex, sha256};

/// What of a chain's frames may be believed.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// The files, from the first that was given on.
    pub files: Vec<BelievedFrames>,
    /// What is wrong; what comes after the first break is not believed.
    pub problems: Vec<Problem>,
}

/// A file that follows from the one before it.
#[derive(Clone, Debug)]
pub struct BelievedFrames {
    /// What it says of itself.
    pub head: Head,
    /// Name of the file in the chain's folder.
    pub name: String,
    /// The frames, sealed where the head names a key.
    pub body: Bytes,
}

/// What the next file must follow from.
struct Place {
    /// The number and SHA-256 of the file before; none before the first that was given.
    before: Option<(u64, String)>,
    next_seq: u64,
    /// Which of the chain's keys signed last: it may be followed by a later one, not by an earlier one.
    key: usize,
}

/// Reads files of a chain in the order of their numbers; they may begin with any.
#[must_use]
pub fn read(
    (org, chain): (&str, &str),
    of: &ReadChain,
    mut files: Vec<(String, Bytes)>,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let Some(genesis) = &of.genesis else {
        return acknowledged;
    };
    let later = of.manifests.iter();
    let later = later.filter_map(|believed| believed.manifest.next_key.as_deref());
    let keys: Vec<[u8; 32]> = std::iter::once(genesis.key.as_str())
        .chain(later)
        .filter_map(public_key)
        .collect();
    let mut at = Place {
        before: None,
        next_seq: 0,
        key: 0,
    };
    files.sort_unstable_by_key(|(name, _)| (frames::number(name), name.clone()));
    for (name, bytes) in files {
        match file((org, chain), of, &keys, &mut at, &name, &bytes) {
            Ok(believed) => acknowledged.files.push(believed),
            Err((code, expected, found)) => {
                acknowledged.problems.push(Problem {
                    code,
                    chain: chain.to_owned(),
                    what: name,
                    expected,
                    found,
                });
                break;
            }
        }
    }
    acknowledged
}

fn file(
    (org, chain): (&str, &str),
    of: &ReadChain,
    keys: &[[u8; 32]],
    at: &mut Place,
    name: &str,
    bytes: &Bytes,
) -> Result<BelievedFrames, Broken> {
    let Some(n) = frames::number(name) else {
        return broken(Code::E20, "a name as of a file of frames", name);
    };
    if frames::name(n, bytes) != name {
        let expected = "frames named by their number and bytes";
        return broken(Code::E41, expected, "other bytes");
    }
    let found = match frames::read(bytes) {
        Ok(found) => found,
        Err(error) => return broken(Code::E20, "signed frames", error),
    };
    let head = found.head.clone();
    let signer = keys.iter().skip(at.key).position(|key| found.is_by(key));
    let Some(signer) = signer else {
        let expected = "a signature of a key that the chain had then";
        return broken(Code::E20, expected, format!("one by {}", head.signed_by));
    };
    if head.format_version > FORMAT_VERSION {
        let expected = format!("format version {FORMAT_VERSION} or earlier");
        return broken(Code::E20, expected, head.format_version);
    }
    same(Code::E20, "organisation", org, &head.org)?;
    same(Code::E20, "chain", chain, &head.chain)?;
    same(Code::E20, "number", n, head.n)?;
    let before = match &at.before {
        Some((before, _)) if *before == n => return broken(Code::E22, "one file", "another"),
        Some((before, _)) if before.saturating_add(1) != n => {
            let expected = format!("file {} before it", n.saturating_sub(1));
            return broken(Code::E21, expected, "none");
        }
        Some((_, sha256)) => Some(sha256),
        None if n == 0 => Some(&of.genesis_sha256),
        // Whoever asks for a part begins where they like.
        None => None,
    };
    if let Some(before) = before {
        let what = "SHA-256 of the file before";
        same(Code::E20, what, before, &head.prev_sha256)?;
    }
    if head.first_seq < at.next_seq {
        let expected = format!("rows from {} on", at.next_seq);
        return broken(Code::E20, expected, format!("rows from {}", head.first_seq));
    }
    at.before = Some((n, hex(&sha256(bytes))));
    at.next_seq = head.end();
    at.key += signer;
    Ok(BelievedFrames {
        body: bytes.slice_ref(found.body),
        head,
        name: name.to_owned(),
    })
}
