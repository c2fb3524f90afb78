//! Chaos: sessions of real drivers that ask and ask while Icecore, its host and its upstream fail one fault after the other.

mod counts;
mod fault;
mod load;
mod random;

pub use counts::{Count, Counts};
pub use fault::{Fault, Site};
pub use load::{Load, Tally};
pub use random::Random;
