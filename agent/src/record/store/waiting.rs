//! Frames that a store acknowledged and that no manifest covers yet.

use bytes::Bytes;

use crate::record::chain::acknowledged::{self, BelievedFrames};
use crate::record::chain::frames;
use crate::record::chain::read::ReadChain;

use super::Store;

/// How many files are read at a time, from the last one back.
const WINDOW: usize = 64;

/// What of one chain waits for a manifest.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// How many rows the chain's manifests vouch for: those below it are not told by frames.
    pub(crate) tree_size: u64,
    /// Believed files that may have later rows.
    pub(crate) files: Vec<BelievedFrames>,
}

impl Store {
    /// Reads a chain's files of frames from the last one back to the first that manifests do not cover whole.
    ///
    /// The names of the files come in `keys`; a chain that was closed has all its rows in its manifests.
    pub(crate) fn waiting(
        &self,
        (org, chain): (&str, &str),
        mut keys: Vec<String>,
        read: &ReadChain,
        refused: &mut Vec<String>,
    ) -> Option<Waiting> {
        if keys.is_empty() || read.is_closed() || read.genesis.is_none() {
            return None;
        }
        let last = read.manifests.last();
        let tree_size = last.map_or(0, |last| last.manifest.tree_size);
        keys.sort_unstable();
        let mut files: Vec<(String, Bytes)> = Vec::new();
        'back: for window in keys.rchunks(WINDOW) {
            let fetched: Vec<_> = self.get_many(window.to_vec()).collect();
            for (key, bytes) in fetched.into_iter().rev() {
                let bytes = match bytes {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        refused.push(format!("{key}: {error}"));
                        break 'back;
                    }
                };
                let end = frames::read(&bytes).map(|found| found.head.end());
                let is_covered = end.is_ok_and(|end| end <= tree_size);
                let name = key.rsplit('/').next().unwrap_or_default();
                files.push((name.to_owned(), bytes));
                // The last that is covered shows what the next one must follow.
                if is_covered {
                    break 'back;
                }
            }
        }
        let believed = acknowledged::read((org, chain), read, files);
        for problem in &believed.problems {
            refused.push(format!(
                "{org}/v1/chains/{chain}/{}: {problem}",
                problem.what
            ));
        }
        Some(Waiting {
            tree_size,
            files: believed.files,
        })
    }
}
