//! Counters, each CPU's own, so that no two programs write the same word.
#![expect(unsafe_code, reason = "a counter is changed in its place")]

use crate::maps::STATS;

/// Counts one more at a place of the map `STATS`.
#[inline(always)]
pub(crate) fn one(place: u32) {
    if let Some(counter) = STATS.get_ptr_mut(place) {
        // SAFETY: the entry is this CPU's alone, and programs of this kind are not interrupted by each other.
        unsafe { *counter = (*counter).wrapping_add(1) };
    }
}
