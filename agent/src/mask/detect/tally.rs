//! How often detectors found something in one delivery.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::policy::Detector;

/// Finds by detector.
pub type Finds = BTreeMap<Detector, u64>;

/// Counts what is hidden in one delivery, whichever of its columns it stands in.
#[derive(Debug, Default)]
pub(in crate::mask) struct Tally(Mutex<Finds>);

impl Tally {
    /// Adds one find.
    pub(super) fn add(&self, detector: Detector) {
        let mut finds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = finds.entry(detector).or_default();
        *count = count.saturating_add(1);
    }

    /// Gives what was found.
    pub(in crate::mask) fn finds(&self) -> Finds {
        let finds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        finds.clone()
    }
}
