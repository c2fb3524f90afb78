//! What the targets of the wire reader share: a script out of bytes, and what must hold of every script.

use std::collections::BTreeMap;

use icecore::prompt::wire::{Limits, Protocol, Reader, Reason, Seen, Side};

/// Longest body and message that is read.
const MESSAGE_BYTES: usize = 4096;

/// What each side sends, in order: a byte says who and how much, so many bytes follow.
pub fn script(mut bytes: &[u8]) -> Vec<(Side, &[u8])> {
    let mut script = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let side = if first & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        let length = usize::from(first >> 1).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        script.push((side, piece));
        bytes = behind;
    }
    script
}

/// How bytes are cut changes nothing, and no piece or message passes its bound. Of a body that is damaged, how much is
/// given before that is found, and so whether its limit is passed first, may differ.
pub fn holds(protocol: Protocol, script: &[(Side, &[u8])]) {
    let whole = read(protocol, script, usize::MAX);
    for most in [1, 7] {
        let cut = read(protocol, script, most);
        let damaged: Vec<(u64, Side)> = whole.0.iter().chain(&cut.0).filter_map(damaged).collect();
        assert_eq!(without(&cut, &damaged), without(&whole, &damaged));
    }
}

type Read = (Vec<Seen>, BTreeMap<(u64, Side), Vec<u8>>);

fn damaged(seen: &Seen) -> Option<(u64, Side)> {
    match seen {
        Seen::Broken {
            stream: Some(stream),
            from,
            reason: Reason::Coding(_),
        } => Some((*stream, *from)),
        _ => None,
    }
}

fn without((seen, bodies): &Read, damaged: &[(u64, Side)]) -> Read {
    let at = |seen: &Seen| match seen {
        Seen::RequestEnd { stream } => Some((*stream, Side::Client)),
        Seen::AnswerEnd { stream } => Some((*stream, Side::Server)),
        Seen::Cut { stream, from }
        | Seen::Rest { stream, from, .. }
        | Seen::Broken {
            stream: Some(stream),
            from,
            ..
        } => Some((*stream, *from)),
        _ => None,
    };
    let (mut seen, mut bodies) = (seen.clone(), bodies.clone());
    seen.retain(|seen| at(seen).is_none_or(|at| !damaged.contains(&at)));
    bodies.retain(|at, _| !damaged.contains(at));
    (seen, bodies)
}

/// What was seen, pieces of a body joined.
fn read(protocol: Protocol, script: &[(Side, &[u8])], most: usize) -> Read {
    let limits = Limits {
        head_bytes: 4096,
        message_bytes: MESSAGE_BYTES,
        streams: 8,
        held_bytes: 64,
        ..Limits::default()
    };
    let mut reader = Reader::limited(
        protocol,
        limits,
        Some(Box::new(|bytes| [bytes.len() as u8; 32])),
    );
    let (mut rest, mut bodies) = (Vec::new(), BTreeMap::<(u64, Side), Vec<u8>>::new());
    let mut seen = |seen| match seen {
        Seen::RequestBody { stream, bytes } => bodies
            .entry((stream, Side::Client))
            .or_default()
            .extend(bytes),
        Seen::AnswerBody { stream, bytes } => bodies
            .entry((stream, Side::Server))
            .or_default()
            .extend(bytes),
        other => {
            if let Seen::Message(message) = &other {
                assert!(message.bytes.len() <= MESSAGE_BYTES);
            }
            rest.push(other);
        }
    };
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
    assert!(bodies.values().all(|body| body.len() <= MESSAGE_BYTES));
    (rest, bodies)
}
