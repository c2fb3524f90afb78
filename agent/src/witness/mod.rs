//! `icecore witness`: signs how far chains have come, so that nobody can cut or rewrite them unseen (C2SP `tlog-witness.md`).
//!
//! It runs apart from the hosts and their store. `state` decides and keeps, `serve` speaks HTTP, `latest` asks one.

mod latest;
mod pace;
mod places;
mod serve;
mod state;

pub use latest::latest;
pub use serve::{Listening, serve, tls};
pub use state::{Refused, State, WitnessError};
