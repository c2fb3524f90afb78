//! Whatever two peers of HTTP/2 send, how it is cut changes nothing of what is read, and all bounds hold.

#![no_main]

#[path = "../wire.rs"]
mod wire;

use icecore::prompt::wire::{Protocol, Side};
use libfuzzer_sys::fuzz_target;

/// What a client sends first, so that inputs need not find it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fuzz_target!(|bytes: &[u8]| {
    wire::holds(Protocol::Http2, &wire::script(bytes));
    let mut script = vec![(Side::Client, PREFACE)];
    script.extend(wire::script(bytes));
    wire::holds(Protocol::Http2, &script);
});
