//! The set of policies in force, which is replaced whole while statements are judged.

use std::sync::{Arc, PoisonError, RwLock};

use super::Bundle;

/// Holds the set in force. There is always one.
#[derive(Debug)]
pub struct InForce(RwLock<Arc<Bundle>>);

impl InForce {
    /// Puts the first set in force.
    #[must_use]
    pub fn new(bundle: Bundle) -> Self {
        Self(RwLock::new(Arc::new(bundle)))
    }

    /// Gives the set. Whoever judges a statement takes it once, so that one set decides and stands in the record.
    #[must_use]
    pub fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another set in its place.
    pub fn replace(&self, bundle: Arc<Bundle>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = bundle;
    }
}
