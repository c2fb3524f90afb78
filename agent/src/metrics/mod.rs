//! Metrics: what the record says, counted, under names that others rely on.
//!
//! Whatever is counted is told by the recorder's thread once it is written (`record::Watcher`), so that counts are those
//! of the rows, and no statement pays for them. Gauges are read when somebody asks (`proxy/metrics/`).

pub mod contract;
mod counted;
mod histogram;
mod page;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use histogram::Histogram;
pub use page::{MEDIA_TYPE, Page};

use crate::record::{Seen, Watcher};
use counted::Counted;

/// Counts of this process.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Counted>);

impl Metrics {
    /// Gives what is to be told of each row that is written.
    #[must_use]
    pub fn watcher(self: &Arc<Self>) -> Watcher {
        let metrics = Arc::clone(self);
        Watcher::new(move |seen| metrics.take(seen))
    }

    /// Counts a row.
    pub fn take(&self, seen: &Seen) {
        self.counted().take(seen);
    }

    /// Writes all that is counted.
    pub fn write(&self, page: &mut Page) {
        // Copied, so that the recorder's thread waits for no page.
        let counted = self.counted().clone();
        counted.write(page);
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // Counts alone: a panic elsewhere leaves them good enough.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
