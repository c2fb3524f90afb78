//! Whatever two peers of a WebSocket send, how it is cut changes nothing of what is read, and all bounds hold.

#![no_main]

#[path = "../wire.rs"]
mod wire;

use icecore::prompt::wire::{Protocol, Side};
use libfuzzer_sys::fuzz_target;

const ASKED: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\n\r\n";
const PLAIN: &[u8] = b"HTTP/1.1 101 S\r\nupgrade: websocket\r\n\r\n";
const KEPT: &[u8] =
    b"HTTP/1.1 101 S\r\nupgrade: websocket\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n";
const EACH: &[u8] =
    b"HTTP/1.1 101 S\r\nupgrade: websocket\r\nsec-websocket-extensions: permessage-deflate; \
    client_no_context_takeover; server_no_context_takeover\r\n\r\n";

fuzz_target!(|bytes: &[u8]| {
    for switched in [PLAIN, KEPT, EACH] {
        let mut script = vec![(Side::Client, ASKED), (Side::Server, switched)];
        script.extend(wire::script(bytes));
        wire::holds(Protocol::Http1, &script);
    }
});
