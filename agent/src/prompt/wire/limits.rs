//! What a connection may cost its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Reason;

/// What one connection may cost its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest head of a request or an answer, compressed or not. Claude Code's have about 2 KiB; Node reads 16 KiB, hyper
    /// about 400 KiB.
    pub head_bytes: usize,
    /// Longest body or message that is told whole, decoded. 8 MiB; source: `audit-prompt-perf.md` 2.2.
    pub message_bytes: usize,
    /// Longest body of a request, beside that: who reads it may keep less.
    pub request_bytes: usize,
    /// What decoders and messages not yet whole may hold together. zstd's windows have 8 MiB at most, brotli's 16 MiB, with
    /// up to 4 MiB of tables.
    pub memory_bytes: usize,
    /// Requests under way at once.
    pub streams: usize,
    /// What a client may send on one stream before a WebSocket is agreed to; it should send nothing (RFC 6455 section 4.1).
    pub held_bytes: usize,
    /// Largest dynamic table of HPACK, of each side. RFC 9113 begins with 4 KiB; browsers ask for 64 KiB.
    pub table_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 128 << 10,
            message_bytes: 8 << 20,
            request_bytes: 8 << 20,
            memory_bytes: 128 << 20,
            streams: 256,
            held_bytes: 16 << 10,
            table_bytes: 256 << 10,
        }
    }
}

/// The memory of one connection, shared by what claims parts of it.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    used: Arc<AtomicUsize>,
    limit_bytes: usize,
}

impl Memory {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            used: Arc::default(),
            limit_bytes,
        }
    }

    /// Claims nothing yet.
    pub(super) fn claim(&self) -> Claim {
        Claim {
            memory: self.clone(),
            bytes: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of a connection's memory, given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    memory: Memory,
    bytes: usize,
}

impl Claim {
    /// Claims more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Reason> {
        let limit_bytes = self.memory.limit_bytes;
        let within = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit_bytes);
        self.memory
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .map_err(|_| Reason::Memory { limit_bytes })?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Gives a part back.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.memory.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Gives all of it back.
    pub(super) fn release(&mut self) {
        self.shrink(self.bytes);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.release();
    }
}
