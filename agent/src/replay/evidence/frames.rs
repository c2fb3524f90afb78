//! Files of frames that a pack needs: those with rows of the session that no object has.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::objects::Objects;
use crate::record::{RecordError, Store, acknowledged};
use crate::replay::archive::Archive;

impl Objects {
    /// Reads the files, one after the other from the first with such a row to the last, and notes whose rows they have too.
    pub(super) fn frames(
        &mut self,
        archive: &Archive,
        store: &Store,
        session: &str,
    ) -> Result<BTreeMap<String, Bytes>, RecordError> {
        let mut places: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        let rows = archive.acknowledged().iter();
        for row in rows.filter(|row| row.text("session_id") == Some(session)) {
            let [org, chain] =
                ["org_id", "chain_id"].map(|column| row.text(column).unwrap_or_default());
            let Some(seq) = row.int("seq").and_then(|seq| u64::try_from(seq).ok()) else {
                continue;
            };
            let place = places
                .entry((org.to_owned(), chain.to_owned()))
                .or_insert((seq, seq));
            *place = (place.0.min(seq), place.1.max(seq));
        }
        let mut frames = BTreeMap::new();
        for (id, (first, last)) in places {
            let Some(chain) = archive.chains().chains.get(&id) else {
                continue;
            };
            let of = (id.0.as_str(), id.1.as_str());
            let waiting = store.waiting(of, chain.frames(), &chain.read, &mut self.left_out);
            let files = waiting.into_iter().flat_map(|waiting| waiting.files);
            for file in files.filter(|file| file.head.first_seq <= last && file.head.end() > first)
            {
                // What cannot be read is told by the archive, which has no row of it.
                let rows = acknowledged(&file, archive.ring()).unwrap_or_default();
                self.note_sessions(rows.iter().map(|row| &row.entry), session);
                let key = format!("{}/v1/chains/{}/{}", id.0, id.1, file.name);
                let bytes = store.get(&key)?;
                frames.insert(key, bytes);
            }
        }
        Ok(frames)
    }
}
