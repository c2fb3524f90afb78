//! Chunks of one answer as another proxy needs them. They hold what opens them: they are written down sealed, or not at
//! all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunks::{Chunk, host_of};
use super::secret::{Secret, revealed};

/// The chunks of one answer, which share their headers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptChunks {
    headers: Vec<(String, Text)>,
    chunks: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
struct Text(#[serde(with = "revealed")] Secret);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    index: i32,
    rows: Option<i64>,
    url: Text,
}

impl KeptChunks {
    /// Takes the chunks of one answer.
    #[must_use]
    pub fn of<'a>(chunks: impl IntoIterator<Item = &'a Chunk>) -> Self {
        let mut chunks = chunks.into_iter().peekable();
        let headers = chunks.peek().map_or(&[][..], |first| first.headers());
        let kept = |(name, value): &(String, Secret)| (name.clone(), Text(value.clone()));
        Self {
            headers: headers.iter().map(kept).collect(),
            chunks: chunks
                .map(|chunk| Kept {
                    index: chunk.index(),
                    rows: chunk.rows(),
                    url: Text(chunk.url().clone()),
                })
                .collect(),
        }
    }

    /// Gives the chunks; none if an address is no storage's.
    #[must_use]
    pub fn restore(self) -> Option<Vec<Chunk>> {
        let headers = self.headers.into_iter();
        let headers: Arc<[_]> = headers.map(|(name, Text(value))| (name, value)).collect();
        let restore = |Kept { index, rows, url }| {
            Some(Chunk {
                index,
                rows,
                host: host_of(url.0.reveal())?,
                url: url.0,
                headers: Arc::clone(&headers),
            })
        };
        self.chunks.into_iter().map(restore).collect()
    }
}
