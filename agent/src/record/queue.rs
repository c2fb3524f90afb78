//! What waits to be recorded: bounded by bytes, handed to the recorder thread all at once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::body::Body;
use super::error::RecordError;

/// Most bytes that may wait. At 1 KB a statement this is far beyond what can be in flight; more means a stuck disk.
const QUEUE_MAX_BYTES: usize = 64 << 20;

/// Where rows ended up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) first_seq: i64,
    pub(super) last_seq: i64,
}

/// Where the recorder thread answers.
pub(super) type Answer<T> = oneshot::Sender<Result<T, RecordError>>;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Write rows; answer when they are durable, if anyone waits.
    Commit(Vec<Body>, Option<Answer<Written>>),
    /// Seal what is written and answer when the store has it.
    Flush(Answer<()>),
    /// End the chain, then as for a flush.
    Close(Answer<()>),
}

/// The queue between callers and the recorder thread.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    queued_bytes: usize,
    closed: bool,
}

impl Queue {
    /// Adds a job.
    pub(super) fn push(&self, job: Job) -> Result<(), RecordError> {
        let bytes = weight(&job);
        let mut state = self.lock();
        if state.closed {
            return Err(RecordError::Closed);
        }
        if bytes > 0 && state.queued_bytes + bytes > QUEUE_MAX_BYTES {
            return Err(RecordError::Busy {
                queued_bytes: state.queued_bytes,
            });
        }
        state.queued_bytes += bytes;
        state.closed = matches!(job, Job::Close(_));
        let was_empty = state.jobs.is_empty();
        state.jobs.push_back(job);
        drop(state);
        // Who takes one takes all, so that one waking is enough.
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Takes everything that waits; nothing after `wait` without a job, none when closed and empty.
    ///
    /// With a `pause`, more may gather after the first job before all are taken.
    pub(super) fn take(&self, wait: Option<Duration>, pause: Duration) -> Option<VecDeque<Job>> {
        let idle = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let mut state = match wait {
            Some(wait) => {
                let (state, _) = self
                    .filled
                    .wait_timeout_while(self.lock(), wait, idle)
                    .unwrap_or_else(PoisonError::into_inner);
                state
            }
            None => self
                .filled
                .wait_while(self.lock(), idle)
                .unwrap_or_else(PoisonError::into_inner),
        };
        if state.jobs.is_empty() && state.closed {
            return None;
        }
        if !pause.is_zero() && !state.jobs.is_empty() && !state.closed {
            drop(state);
            thread::sleep(pause);
            state = self.lock();
        }
        state.queued_bytes = 0;
        Some(std::mem::take(&mut state.jobs))
    }

    /// Takes no more jobs; those that wait are still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A caller that panicked while it held the lock left whole jobs behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(job: &Job) -> usize {
    match job {
        Job::Commit(rows, _) => rows.iter().map(Body::len).sum(),
        Job::Flush(_) | Job::Close(_) => 0,
    }
}
