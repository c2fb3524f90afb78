//! Laws: how bytes are cut changes nothing; any bytes give values, within bounds.

use proptest::prelude::*;

use super::*;

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Http1), Just(Protocol::Http2)]
}

/// Texts of which heads and bodies are made, so that random scripts get beyond their first line.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"[..],
        b"POST /v1/messages HTTP/1.1\r\nhost: h\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n",
        b"upgrade: websocket\r\n",
        b"content-length: 7\r\n",
        b"transfer-encoding: chunked\r\n",
        b"content-encoding: gzip\r\n",
        b"content-encoding: deflate\r\n",
        b"sec-websocket-extensions: permessage-deflate\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"\x81\x05Hello",
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x88\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x87\x41",
        b"\x00\x00\x03\x01\x04\x00\x00\x00\x01\x82\x84\x87",
        b"\x00\x00\x03\x01\x05\x00\x00\x00\x03\x82\x84\x87",
        b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88",
        b"\x00\x00\x02\x00\x01\x00\x00\x00\x01hi",
        b"\x00\x00\x04\x00\x08\x00\x00\x00\x01\x02h\x00\x00",
    ]);
    prop_oneof![
        6 => known.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let piece = (side(), prop::collection::vec(fragment(), 1..6));
    prop::collection::vec(
        piece.prop_map(|(side, parts)| (side, parts.concat())),
        0..10,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn how_bytes_are_cut_changes_nothing(protocol in protocol(), script in script(), most in 1_usize..40) {
        let whole = read(protocol, &script);
        prop_assert_eq!(read_cut(protocol, Limits::default(), &script, most), whole);
    }

    #[test]
    fn any_bytes_are_read_within_small_bounds(protocol in protocol(), script in script(), most in 1_usize..40) {
        let limits = Limits { head_bytes: 200, message_bytes: 8, request_bytes: 8, memory_bytes: 70 << 10, streams: 2, held_bytes: 8, table_bytes: 64 };
        let whole = read_cut(protocol, limits, &script, usize::MAX);
        for seen in &whole {
            if let Seen::Message(message) = seen {
                prop_assert!(message.bytes.len() <= 8);
            }
        }
        prop_assert_eq!(read_cut(protocol, limits, &script, most), whole);
    }

    #[test]
    fn nothing_follows_an_end(protocol in protocol(), script in script()) {
        let mut over: Vec<(u64, Side)> = Vec::new();
        for seen in read(protocol, &script) {
            let (at, ends) = match seen {
                Seen::RequestBody { stream, .. } => ((stream, Side::Client), false),
                Seen::RequestEnd { stream } => ((stream, Side::Client), true),
                Seen::AnswerBody { stream, .. } => ((stream, Side::Server), false),
                Seen::AnswerEnd { stream } => ((stream, Side::Server), true),
                Seen::Cut { stream, from } | Seen::Rest { stream, from, .. } => ((stream, from), false),
                Seen::Broken { .. } | Seen::Request(_) | Seen::Answer(_) | Seen::Message(_) | Seen::Closed { .. } => continue,
            };
            prop_assert!(!over.contains(&at));
            if ends {
                over.push(at);
            }
        }
    }
}
