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

/// Memory that is shared by what claims parts of it: a connection's, a session's of which connections have theirs, the host's.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    used: AtomicUsize,
    limit_bytes: usize,
    /// Of which it is a part.
    outer: Option<Memory>,
    /// Whether it may be no larger than what is free outside.
    is_share: bool,
}

impl Memory {
    /// Begins with all of it free.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self::of(limit_bytes, None, false)
    }

    /// Begins a part of another one, whose claims are claims of that too.
    #[must_use]
    pub fn within(limit_bytes: usize, outer: &Self) -> Self {
        Self::of(limit_bytes, Some(outer.clone()), false)
    }

    /// The same, and it never takes more than it leaves free for other parts.
    #[must_use]
    pub fn share_of(limit_bytes: usize, outer: &Self) -> Self {
        Self::of(limit_bytes, Some(outer.clone()), true)
    }

    fn of(limit_bytes: usize, outer: Option<Self>, is_share: bool) -> Self {
        Self(Arc::new(Shared {
            used: AtomicUsize::new(0),
            limit_bytes,
            outer,
            is_share,
        }))
    }

    /// Claims nothing yet.
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim {
            memory: self.clone(),
            bytes: 0,
        }
    }

    /// Tells how much is claimed.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Gives the most that it may hold now, with `bytes` more.
    fn limit(&self, bytes: usize) -> usize {
        let free = self.0.outer.as_ref().filter(|_| self.0.is_share);
        let free = free.map(|outer| {
            let taken = outer.used().saturating_add(bytes);
            outer.0.limit_bytes.saturating_sub(taken)
        });
        self.0.limit_bytes.min(free.unwrap_or(usize::MAX))
    }

    fn grow(&self, bytes: usize) -> Result<(), Reason> {
        let limit_bytes = self.limit(bytes);
        let within = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit_bytes);
        self.0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .map_err(|_| Reason::Memory { limit_bytes })?;
        match &self.0.outer {
            Some(outer) => outer.grow(bytes).inspect_err(|_| {
                self.0.used.fetch_sub(bytes, Ordering::Relaxed);
            }),
            None => Ok(()),
        }
    }

    fn shrink(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(outer) = &self.0.outer {
            outer.shrink(bytes);
        }
    }
}

/// A part of a connection's memory, given back when dropped.
#[derive(Debug)]
pub struct Claim {
    memory: Memory,
    bytes: usize,
}

impl Claim {
    /// Claims more.
    ///
    /// # Errors
    /// There is not so much left.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Reason> {
        self.memory.grow(bytes)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Claims as much as this in all.
    ///
    /// # Errors
    /// There is not so much left; what was claimed stays.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Reason> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.grow(more),
            None => {
                self.shrink(self.bytes.saturating_sub(bytes));
                Ok(())
            }
        }
    }

    /// Gives a part back.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.memory.shrink(bytes);
    }

    /// Gives all of it back.
    pub fn release(&mut self) {
        self.shrink(self.bytes);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_one_of_all_that_it_is_within_and_is_given_back_to_all() {
        let host = Memory::new(100);
        let session = Memory::within(60, &host);
        let (one, other) = (Memory::within(50, &session), Memory::within(50, &session));
        let (mut first, mut second) = (one.claim(), other.claim());
        first.grow(40).unwrap();
        assert_eq!(second.grow(30), Err(Reason::Memory { limit_bytes: 60 }));
        // What was refused outside is not held inside.
        assert_eq!((other.used(), session.used(), host.used()), (0, 40, 40));
        second.resize(20).unwrap();
        second.resize(5).unwrap();
        assert_eq!((session.used(), host.used()), (45, 45));
        drop((first, second));
        assert_eq!((one.used(), session.used(), host.used()), (0, 0, 0));
    }

    #[test]
    fn a_share_leaves_as_much_free_as_it_takes() {
        let host = Memory::new(100);
        let shares = [(); 3].map(|()| Memory::share_of(1000, &host));
        let mut claims = shares.each_ref().map(Memory::claim);
        for claim in &mut claims {
            while claim.grow(1).is_ok() {}
        }
        assert_eq!(shares.each_ref().map(Memory::used), [50, 25, 12]);
    }
}
