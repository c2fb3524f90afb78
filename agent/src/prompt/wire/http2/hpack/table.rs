//! HPACK's table: fixed entries, then the dynamic ones, the newest first. Source: RFC 7541 sections 2.3 and 4.

use std::collections::VecDeque;

use bytes::Bytes;

use super::statics::STATIC;

/// What an entry counts beside its name and value. Source: RFC 7541 section 4.1.
const ENTRY_OVERHEAD_BYTES: usize = 32;

/// The table of one direction.
pub(super) struct Table {
    entries: VecDeque<(Bytes, Bytes)>,
    used_bytes: usize,
    size_bytes: usize,
}

/// Entries may be credentials: only their number is shown.
impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Table({} entries)", self.entries.len())
    }
}

impl Table {
    pub(super) fn new(size_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            used_bytes: 0,
            size_bytes,
        }
    }

    /// The entry of an index, the first being 1.
    pub(super) fn find(&self, index: usize) -> Result<(&[u8], &[u8]), &'static str> {
        let unknown = "an index is outside of the table";
        let at = index.checked_sub(1).ok_or(unknown)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        let at = at.checked_sub(STATIC.len()).ok_or(unknown)?;
        let (name, value) = self.entries.get(at).ok_or(unknown)?;
        Ok((name, value))
    }

    /// An entry's name. It is shared, not copied: a few bytes may name a long one any number of times.
    pub(super) fn name(&self, index: usize) -> Result<Bytes, &'static str> {
        let dynamic = index.checked_sub(STATIC.len().saturating_add(1));
        match dynamic.and_then(|at| self.entries.get(at)) {
            Some((name, _)) => Ok(name.clone()),
            None => Ok(Bytes::copy_from_slice(self.find(index)?.0)),
        }
    }

    /// Adds an entry; one larger than the table empties it. Source: RFC 7541 section 4.4.
    pub(super) fn add(&mut self, name: Bytes, value: Bytes) {
        let bytes = size(&name, &value);
        self.evict(self.size_bytes.saturating_sub(bytes));
        if bytes <= self.size_bytes {
            self.used_bytes = self.used_bytes.saturating_add(bytes);
            self.entries.push_front((name, value));
        }
    }

    pub(super) fn resize(&mut self, size_bytes: usize) {
        self.size_bytes = size_bytes;
        self.evict(size_bytes);
    }

    #[cfg(test)]
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    fn evict(&mut self, room_bytes: usize) {
        while self.used_bytes > room_bytes {
            let Some((name, value)) = self.entries.pop_back() else {
                return;
            };
            self.used_bytes = self.used_bytes.saturating_sub(size(&name, &value));
        }
    }
}

fn size(name: &[u8], value: &[u8]) -> usize {
    name.len()
        .saturating_add(value.len())
        .saturating_add(ENTRY_OVERHEAD_BYTES)
}
