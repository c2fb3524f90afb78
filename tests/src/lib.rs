//! Harness shared by the end-to-end tests, the demo and the emulator.
//!
//! Nothing in `agent/` knows that this package exists: it meets Icecore as its users do, through the binary, the
//! config file, the network and the files that are left behind.

pub mod bench;
pub mod canned;
pub mod chaos;
pub mod debian;
pub mod demo;
pub mod drivers;
pub mod emulator;
pub mod harness;
mod install;
pub mod java;
pub mod model;
mod node;
pub mod python;
pub mod red;
pub mod saml;
pub mod spark;
pub mod stores;
pub mod time;
