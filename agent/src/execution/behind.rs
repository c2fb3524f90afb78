//! Whether what a session's model connections had carried, when a statement came, was read by now.

use std::sync::Arc;

/// Tells whether all was read that had been carried when this was made.
pub type IsRead = Box<dyn Fn() -> bool + Send + Sync>;

/// Asks how far the reader of a session's model calls is behind.
#[derive(Clone)]
pub struct Behind(Arc<dyn Fn() -> Option<IsRead> + Send + Sync>);

impl Behind {
    /// Asks this each time; it gives nothing where nothing waits to be read.
    pub fn new(mark: impl Fn() -> Option<IsRead> + Send + Sync + 'static) -> Self {
        Self(Arc::new(mark))
    }

    /// Marks what was carried until now; none where all of that was read.
    pub(super) fn mark(&self) -> Option<IsRead> {
        (self.0)()
    }
}
