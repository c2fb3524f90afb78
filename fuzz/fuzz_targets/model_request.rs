//! Any bytes are a request to a model; sent again it tells nothing anew, and its prompt keeps its name.

#![no_main]

#[path = "../body.rs"]
mod body;

use icecore::prompt::{Api, Head, History, ParseStatus, Request, RequestReader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((api, choice, body, cuts)) = body::of(bytes) else {
        return;
    };
    let mut history = History::new("s");
    // A header's value is the body's own bytes.
    let names = ["traceparent", "x-codex-turn-metadata", "session-id", "x-claude-code-session-id"];
    let value = String::from_utf8_lossy(cuts[0][0]);
    let headers = [(names[choice % names.len()], &*value)];
    let head = Head { target: "/model/amazon.nova-pro/invoke", headers: &headers };
    let first = read(api, &head, &[body], &mut history);
    for pieces in &cuts {
        assert_eq!(read(api, &head, pieces, &mut History::new("s")), first);
    }
    assert_eq!(first.bytes, body.len() as u64);
    let again = read(api, &head, &[body], &mut history);
    assert_eq!(again.prompt, first.prompt);
    if let ParseStatus::Whole = first.status {
        assert_eq!(again.known, again.messages);
        assert!(again.turns.is_empty() && again.results.is_empty());
        assert!(first.turns.iter().all(|turn| !turn.text.trim().is_empty()));
    }
});

fn read(api: Api, head: &Head<'_>, pieces: &[&[u8]], history: &mut History) -> Request {
    let mut reader = RequestReader::new(api, head);
    pieces.iter().for_each(|piece| reader.feed(piece));
    reader.finish(history)
}
