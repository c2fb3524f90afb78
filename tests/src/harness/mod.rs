//! What a test needs to make a world of its own and to leave nothing of it behind.

mod authorize;
pub mod browser;
pub mod certificates;
pub mod cgroup;
pub mod chats;
pub mod chromium;
pub mod config;
pub mod credential;
pub mod daemon;
pub mod driver;
pub mod gate;
pub mod http;
pub mod issuer;
pub mod moto;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod port;
pub mod programs;
pub mod provider;
pub mod reaper;
pub mod search;
pub mod store;
pub mod trap;
pub mod vault;
pub mod witness;
pub mod world;
