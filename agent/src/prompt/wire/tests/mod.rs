//! The reader by data: bytes in, what was seen out.

mod codings;
mod http1;
mod http2;
mod peers;
mod secrets;
mod splits;
mod websocket;

use bytes::{Bytes, BytesMut};

use super::{Answer, Limits, Message, Protocol, Reader, Reason, Request, Seen, Side};

/// What each side sent, in order.
type Script = Vec<(Side, Vec<u8>)>;

fn client(bytes: impl Into<Vec<u8>>) -> (Side, Vec<u8>) {
    (Side::Client, bytes.into())
}

fn server(bytes: impl Into<Vec<u8>>) -> (Side, Vec<u8>) {
    (Side::Server, bytes.into())
}

/// Reads a script, both sides ending after it.
fn read(protocol: Protocol, script: &[(Side, Vec<u8>)]) -> Vec<Seen> {
    read_cut(protocol, Limits::default(), script, usize::MAX)
}

/// The same under limits, each piece cut into pieces of `most` bytes.
fn read_cut(
    protocol: Protocol,
    limits: Limits,
    script: &[(Side, Vec<u8>)],
    most: usize,
) -> Vec<Seen> {
    let fingerprint = |bytes: &[u8]| mark(bytes);
    let mut reader = Reader::limited(protocol, limits, Some(Box::new(fingerprint)));
    let mut all = Vec::new();
    let mut seen = |next| all.push(next);
    for (side, bytes) in script {
        for piece in bytes.chunks(most) {
            match side {
                Side::Client => reader.client(piece, &mut seen),
                Side::Server => reader.server(piece, &mut seen),
            }
        }
    }
    reader.ended(Side::Client, &mut seen);
    reader.ended(Side::Server, &mut seen);
    reader.ended(Side::Client, &mut seen);
    reader.ended(Side::Server, &mut seen);
    assert_eq!(reader.memory_used(), 0);
    joined(all)
}

/// A fingerprint by which tests know a credential again.
fn mark(bytes: &[u8]) -> [u8; 32] {
    let mut mark = [0; 32];
    for (at, byte) in bytes.iter().enumerate() {
        mark[at % 32] = byte.wrapping_add(mark[at % 32]).rotate_left(3);
    }
    mark
}

/// Joins neighbouring pieces of one body.
fn joined(seen: Vec<Seen>) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    for next in seen {
        match (all.last_mut(), &next) {
            (
                Some(Seen::RequestBody { stream, bytes }),
                Seen::RequestBody {
                    stream: same,
                    bytes: more,
                },
            )
            | (
                Some(Seen::AnswerBody { stream, bytes }),
                Seen::AnswerBody {
                    stream: same,
                    bytes: more,
                },
            ) if stream == same => *bytes = both(bytes, more),
            _ => all.push(next),
        }
    }
    all
}

fn both(first: &Bytes, second: &Bytes) -> Bytes {
    let mut both = BytesMut::from(&first[..]);
    both.extend_from_slice(second);
    both.freeze()
}

/// One line for each thing seen, which tests compare.
fn lines(seen: &[Seen]) -> Vec<String> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let line = |seen: &Seen| match seen {
        Seen::Request(Request {
            stream,
            method,
            authority,
            path,
            ..
        }) => format!("{stream} {method} {authority} {path}"),
        Seen::RequestBody { stream, bytes } => format!("{stream} > {}", text(bytes)),
        Seen::RequestEnd { stream } => format!("{stream} >."),
        Seen::Answer(Answer { stream, status, .. }) => format!("{stream} {status}"),
        Seen::AnswerBody { stream, bytes } => format!("{stream} < {}", text(bytes)),
        Seen::AnswerEnd { stream } => format!("{stream} <."),
        Seen::Message(Message {
            stream,
            from,
            kind,
            bytes,
        }) => format!("{stream} {from:?} {kind:?} {}", text(bytes)),
        Seen::Closed { stream, from, code } => format!("{stream} {from:?} closed {code:?}"),
        Seen::Cut { stream, from } => format!("{stream} {from:?} cut"),
        Seen::Rest {
            stream,
            from,
            coded_bytes,
            ..
        } => format!("{stream} {from:?} rest {coded_bytes}"),
        Seen::Broken {
            stream,
            from,
            reason,
        } => format!(
            "{} {from:?} broken {reason}",
            stream.map_or("-".to_owned(), |stream| stream.to_string())
        ),
    };
    seen.iter().map(line).collect()
}

/// Compares, for the script whole and cut into single bytes.
#[track_caller]
fn check(protocol: Protocol, script: &[(Side, Vec<u8>)], expected: &[&str]) {
    assert_eq!(lines(&read(protocol, script)), expected);
    let single = read_cut(protocol, Limits::default(), script, 1);
    assert_eq!(lines(&single), expected, "cut into single bytes");
}

fn reasons(seen: &[Seen]) -> Vec<Reason> {
    let reason = |seen: &Seen| match seen {
        Seen::Broken { reason, .. } => Some(reason.clone()),
        Seen::Request(_)
        | Seen::RequestBody { .. }
        | Seen::RequestEnd { .. }
        | Seen::Answer(_)
        | Seen::AnswerBody { .. }
        | Seen::AnswerEnd { .. }
        | Seen::Message(_)
        | Seen::Closed { .. }
        | Seen::Cut { .. }
        | Seen::Rest { .. } => None,
    };
    seen.iter().filter_map(reason).collect()
}

/// All bytes of one body.
fn body(seen: &[Seen], of: u64, from: Side) -> Vec<u8> {
    let mut all = Vec::new();
    for next in seen {
        match (next, from) {
            (Seen::RequestBody { stream, bytes }, Side::Client)
            | (Seen::AnswerBody { stream, bytes }, Side::Server)
                if *stream == of =>
            {
                all.extend_from_slice(bytes);
            }
            _ => {}
        }
    }
    all
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let digits: Vec<u8> = hex
        .split_whitespace()
        .flat_map(str::bytes)
        .map(digit)
        .collect();
    let pairs = digits.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "half a byte");
    pairs.map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A script that a relay between two peers wrote: `c` or `s`, and in hex what it sent.
fn recorded(tape: &str) -> Script {
    let line = |line: &str| match line.split_once(' ') {
        Some(("c", hex)) => client(bytes(hex)),
        Some((_, hex)) => server(bytes(hex)),
        None => unreachable!("a line has a side"),
    };
    tape.lines().map(line).collect()
}
