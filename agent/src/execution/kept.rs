//! Replies that are kept for replays and polls: for a time, and no more than fit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Execution;
use crate::id::SessionId;

/// How long a reply is kept after it is ready. Drivers send a request again after 60 s of silence (protocol
/// reference 4.1).
const KEPT_FOR: Duration = Duration::from_secs(120);

/// Most bytes that are kept, those of all sessions together. Without it a fast session would fill the memory in those
/// two minutes: 5,000 statements a second are 600,000 replies.
const KEPT_MAX_BYTES: usize = 256 << 20;

/// What an execution takes beside its reply: itself and its places in the registry.
const OWN_BYTES: usize = 2 << 10;

/// Executions with replies, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Kept {
    queue: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    execution: Arc<Execution>,
    bytes: usize,
    until_ns: i64,
}

impl Kept {
    /// Keeps an execution from now on.
    pub(super) fn push(&mut self, execution: Arc<Execution>, now_ns: i64) {
        let state = execution.state();
        let reply_bytes = state.reply().map_or(0, |reply| reply.body().text().len());
        let bytes = reply_bytes + OWN_BYTES;
        let kept_ns = i64::try_from(KEPT_FOR.as_nanos()).unwrap_or(i64::MAX);
        self.bytes += bytes;
        self.queue.push_back(Entry {
            execution,
            bytes,
            until_ns: now_ns.saturating_add(kept_ns),
        });
    }

    /// Takes out the oldest, if its time is over or all together are too large.
    pub(super) fn pop(&mut self, now_ns: i64) -> Option<Arc<Execution>> {
        let oldest = self.queue.front()?;
        if oldest.until_ns > now_ns && self.bytes <= KEPT_MAX_BYTES {
            return None;
        }
        let oldest = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        Some(oldest.execution)
    }

    /// Lets go of a session's.
    pub(super) fn forget_session(&mut self, session: SessionId) {
        self.queue
            .retain(|entry| entry.execution.session() != session);
        self.bytes = self.queue.iter().map(|entry| entry.bytes).sum();
    }
}
