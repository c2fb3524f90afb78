//! Whatever two peers of HTTP/1.1 send, how it is cut changes nothing of what is read, and all bounds hold.

#![no_main]

#[path = "../wire.rs"]
mod wire;

use icecore::prompt::wire::Protocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wire::holds(Protocol::Http1, &wire::script(bytes)));
