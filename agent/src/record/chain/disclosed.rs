//! Reads the few documents of a chain that show one of its checkpoints to somebody who has no others. Pure.
//!
//! The genesis names the chain's first key; each manifest that names the next one leads on; the last has the checkpoint.

use super::documents::{Genesis, Manifest};
use super::envelope::Sealed;
use super::keys::public_key;
use super::note::Note;
use super::problem::{Code, Problem};
use super::read::{Broken, broken, checkpoint, format, genesis, opened, same, signed};

/// A checkpoint and whose it is.
#[derive(Clone, Debug)]
pub struct Disclosed {
    /// The chain's beginning.
    pub genesis: Genesis,
    /// The key of the installation that signed it.
    pub installation: [u8; 32],
    /// The manifest with the checkpoint.
    pub manifest: Manifest,
    /// The checkpoint, signed.
    pub checkpoint: Note,
}

/// Reads a genesis and manifests, each but the last naming the key of the next.
///
/// # Errors
/// The first document that does not follow.
pub fn disclosed<M: AsRef<str>>(
    org: &str,
    chain: &str,
    genesis: &str,
    manifests: &[M],
) -> Result<Disclosed, Problem> {
    let mut what = "genesis.json".to_owned();
    let read = walk((org, chain), genesis, manifests, &mut what);
    read.map_err(|(code, expected, found)| Problem {
        code,
        chain: chain.to_owned(),
        what,
        expected,
        found,
    })
}

fn walk<M: AsRef<str>>(
    (org, chain): (&str, &str),
    text: &str,
    manifests: &[M],
    what: &mut String,
) -> Result<Disclosed, Broken> {
    let (genesis, mut at) = genesis(org, chain, text.as_bytes())?;
    let mut next_n = 0;
    let Some((last, before)) = manifests.split_last() else {
        return broken(Code::E21, "a manifest", "none");
    };
    let read = |text: &str, key: &[u8; 32], next_n: u64| {
        let sealed: Sealed<Manifest> = opened(Code::E20, text.as_bytes())?;
        let manifest = signed(Code::E20, sealed, key)?;
        format(manifest.format_version)?;
        same(Code::E20, "organisation", org, &manifest.org)?;
        same(Code::E20, "chain", chain, &manifest.chain)?;
        if manifest.n < next_n {
            return broken(
                Code::E20,
                format!("number {next_n} or a later one"),
                manifest.n,
            );
        }
        Ok(manifest)
    };
    for (place, text) in before.iter().enumerate() {
        *what = format!("manifest {} of {}", place + 1, manifests.len());
        let manifest = read(text.as_ref(), &at.key, next_n)?;
        let next_key = manifest.next_key.as_deref();
        let Some(key) = next_key.and_then(public_key) else {
            let found = next_key.unwrap_or("none");
            return broken(Code::E20, "a manifest that names the next key", found);
        };
        at.key = key;
        next_n = manifest.n + 1;
    }
    *what = format!("manifest {} of {}", manifests.len(), manifests.len());
    let manifest = read(last.as_ref(), &at.key, next_n)?;
    let checkpoint = checkpoint((org, chain), (&at.key, &at.installation), &manifest)?;
    Ok(Disclosed {
        genesis,
        installation: at.installation,
        manifest,
        checkpoint,
    })
}
