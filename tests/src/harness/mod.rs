//! What a test needs to make a world of its own and to leave nothing of it behind.

pub mod certificates;
pub mod driver;
pub mod gate;
pub mod namespace;
