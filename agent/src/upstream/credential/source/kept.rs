//! A fetched secret, kept: refreshed ahead while it serves, and served on while its source is down, up to a stated age.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Bytes, Remote};
use crate::config::{Freshness, Untrusted};
use crate::tasks;

/// How long a source that failed is left alone while a kept value serves.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A source and what was last fetched from it.
pub(super) struct Kept {
    freshness: Freshness,
    remote: Remote,
    state: Mutex<State>,
    /// Held while the source is asked, so that many logins ask it once.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    tried: Option<Instant>,
}

#[derive(Clone)]
struct Held {
    bytes: Bytes,
    fetched: Instant,
}

impl Kept {
    /// Takes a source; it is not asked yet.
    pub(super) fn new(freshness: Freshness, remote: Remote) -> Self {
        Self {
            freshness,
            remote,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Gives the kept value, or asks for one if there is none or it is too old to serve.
    pub(super) async fn read(self: &Arc<Self>) -> Result<Bytes, Untrusted> {
        if let Some(held) = self.serving() {
            if self.is_due(&held) {
                let ahead = Arc::clone(self);
                drop(tasks::spawn("secret refresh", async move {
                    ahead.refresh().await
                }));
            }
            return Ok(held.bytes);
        }
        let turn = self.turn.lock().await;
        if let Some(held) = self.serving() {
            return Ok(held.bytes);
        }
        let fetched = self.fetch().await;
        drop(turn);
        fetched
    }

    /// Lets go of the value; tells whether there was one.
    pub(super) fn forget(&self) -> bool {
        self.state().held.take().is_some()
    }

    async fn refresh(&self) {
        // Whoever has the turn fetches for all.
        let Ok(turn) = self.turn.try_lock() else {
            return;
        };
        if let Err(Untrusted { expected, found }) = self.fetch().await {
            tracing::warn!(
                expected,
                found,
                "secret could not be refreshed; the kept one serves"
            );
        }
        drop(turn);
    }

    async fn fetch(&self) -> Result<Bytes, Untrusted> {
        self.state().tried = Some(Instant::now());
        let bytes = Arc::new(self.remote.fetch().await?);
        self.state().held = Some(Held {
            bytes: Arc::clone(&bytes),
            fetched: Instant::now(),
        });
        Ok(bytes)
    }

    /// Gives the kept value if it may serve still.
    fn serving(&self) -> Option<Held> {
        let held = self.state().held.clone()?;
        (held.fetched.elapsed() < self.freshness.keep).then_some(held)
    }

    /// Tells whether the value is to be fetched anew, and its source was not asked a moment ago.
    fn is_due(&self, held: &Held) -> bool {
        let tried = self.state().tried;
        held.fetched.elapsed() >= self.freshness.refresh
            && tried.is_none_or(|tried| tried.elapsed() >= AGAIN_AFTER.min(self.freshness.refresh))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
