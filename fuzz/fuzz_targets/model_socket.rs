//! Any messages, a line each, are those of a WebSocket: the client's behind `<`, the provider's behind anything else.

#![no_main]

use icecore::prompt::{Head, History, ResponsesSocket};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut history = History::new("s");
    let mut socket = ResponsesSocket::new(&Head { target: "/v1/responses", headers: &[] });
    let (mut told, mut given) = (0, 0);
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(message) = line.strip_prefix(b"<") {
            drop(socket.sent(message, &mut history));
            continue;
        }
        let received = socket.received(line);
        given += received.calls.len();
        told += received.answer.map_or(0, |answer| answer.tool_calls as usize);
    }
    for last in socket.finish() {
        given += last.calls.len();
        told += last.answer.map_or(0, |answer| answer.tool_calls as usize);
    }
    assert_eq!(given, told, "every call belongs to an answer");
});
