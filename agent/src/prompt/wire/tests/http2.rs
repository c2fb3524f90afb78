//! HTTP/2: frames put together by hand, as no well-behaved peer would.

use super::*;

const HTTP2: Protocol = Protocol::Http2;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const ENDS_STREAM: u8 = 1;
const ENDS_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals that are not added to the table.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn get(path: &str) -> Vec<u8> {
    block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "h"),
        (":path", path),
    ])
}

fn ok() -> Vec<u8> {
    block(&[(":status", "200")])
}

fn opened(frames: &[Vec<u8>]) -> (Side, Vec<u8>) {
    client(
        [
            PREFACE,
            &frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
            &frames.concat(),
        ]
        .concat(),
    )
}

const WHOLE: u8 = ENDS_STREAM | ENDS_HEADERS;

#[test]
fn padding_priority_and_continuations_are_taken_off() {
    let head = get("/v1/messages");
    let (first, rest) = head.split_at(7);
    let (second, third) = rest.split_at(9);
    let padded = [&[3][..], &[0; 5], first, b"pad"].concat();
    let script = [
        opened(&[
            frame(HEADERS, PADDED | PRIORITY, 1, &padded),
            frame(CONTINUATION, 0, 1, second),
            frame(CONTINUATION, ENDS_HEADERS, 1, third),
            frame(PING, 0, 0, &[0; 8]),
            frame(DATA, PADDED, 1, b"\x04hello\0\0\0\0"),
            frame(DATA, 0, 1, b""),
            frame(0xf0, 0xff, 77, b"unknown"),
            frame(DATA, PADDED | ENDS_STREAM, 1, b"\x02\0\0"),
        ]),
        server(
            [
                frame(SETTINGS, 0, 0, &[]),
                frame(HEADERS, ENDS_HEADERS, 1, &block(&[(":status", "103")])),
                frame(HEADERS, ENDS_HEADERS, 1, &ok()),
                frame(DATA, 0, 1, b"data: 1\n\n"),
                frame(HEADERS, WHOLE, 1, &block(&[("grpc-status", "0")])),
            ]
            .concat(),
        ),
    ];
    let expected = [
        "1 GET h /v1/messages",
        "1 > hello",
        "1 >.",
        "1 200",
        "1 < data: 1\n\n",
        "1 <.",
    ];
    check(HTTP2, &script, &expected);
}

#[test]
fn streams_are_told_apart() {
    let script = [
        opened(&[
            frame(HEADERS, ENDS_HEADERS, 1, &get("/a")),
            frame(HEADERS, WHOLE, 3, &get("/b")),
        ]),
        server(
            [
                frame(HEADERS, ENDS_HEADERS, 3, &ok()),
                frame(DATA, 0, 3, b"b1"),
            ]
            .concat(),
        ),
        client(frame(DATA, ENDS_STREAM, 1, b"a")),
        server(frame(HEADERS, WHOLE, 1, &block(&[(":status", "429")]))),
        server(frame(DATA, ENDS_STREAM, 3, b"b2")),
    ];
    check(
        HTTP2,
        &script,
        &[
            "1 GET h /a",
            "3 GET h /b",
            "3 >.",
            "3 200",
            "3 < b1",
            "1 > a",
            "1 >.",
            "1 429",
            "1 <.",
            "3 < b2",
            "3 <.",
        ],
    );
}

#[test]
fn resets_and_going_away_are_told() {
    let script = [
        opened(&[
            frame(HEADERS, WHOLE, 1, &get("/a")),
            frame(HEADERS, ENDS_HEADERS, 3, &get("/b")),
            frame(HEADERS, WHOLE, 5, &get("/c")),
        ]),
        server(frame(HEADERS, ENDS_HEADERS, 1, &ok())),
        client(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])),
        server(
            [
                frame(DATA, 0, 1, b"late"),
                frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 11, b'x']),
            ]
            .concat(),
        ),
        server(
            [
                frame(HEADERS, ENDS_HEADERS, 3, &ok()),
                frame(RST_STREAM, 0, 3, &[0, 0, 0, 0]),
            ]
            .concat(),
        ),
    ];
    let gone = "broken stream: not looked at by the server, which goes away with code 11";
    check(
        HTTP2,
        &script,
        &[
            "1 GET h /a",
            "1 >.",
            "3 GET h /b",
            "5 GET h /c",
            "5 >.",
            "1 200",
            "1 Server broken stream: reset by the Client with code 8",
            &format!("5 Server {gone}"),
            "3 200",
            "3 Client broken stream: reset by the Server with code 0",
            "3 Server broken stream: reset by the Server with code 0",
        ],
    );
}

#[test]
fn a_push_is_told_and_not_read() {
    let promise = [&[0, 0, 0, 2][..], &get("/pushed")].concat();
    let script = [
        opened(&[frame(HEADERS, WHOLE, 1, &get("/a"))]),
        server(
            [
                frame(PUSH_PROMISE, ENDS_HEADERS, 1, &promise),
                frame(HEADERS, ENDS_HEADERS, 2, &ok()),
                frame(DATA, ENDS_STREAM, 2, b"pushed"),
                frame(HEADERS, WHOLE, 1, &ok()),
            ]
            .concat(),
        ),
    ];
    let expected = [
        "1 GET h /a",
        "1 >.",
        "2 Server broken stream: pushed by the server",
        "1 200",
        "1 <.",
    ];
    check(HTTP2, &script, &expected);
}

/// A side whose frames or headers cannot be read is not read any more; the other one is.
#[test]
fn what_breaks_a_connection_ends_reading_of_that_side_alone() {
    let huge = frame(HEADERS, ENDS_HEADERS, 3, &vec![0; 200 << 10]);
    for (broken, why) in [
        (
            frame(HEADERS, ENDS_HEADERS, 3, &[0x80]),
            Reason::Hpack("an index is outside of the table"),
        ),
        (
            frame(HEADERS, ENDS_HEADERS, 2, &get("/")),
            Reason::Framing("a client opened a stream of an even number"),
        ),
        (
            huge,
            Reason::HeadTooLarge {
                limit_bytes: 128 << 10,
            },
        ),
        (
            [frame(HEADERS, 0, 3, &[]), frame(PING, 0, 0, &[0; 8])].concat(),
            Reason::Framing("a block of headers is not gone on with, or nothing is"),
        ),
        (
            frame(CONTINUATION, ENDS_HEADERS, 3, &[]),
            Reason::Framing("a block of headers is not gone on with, or nothing is"),
        ),
        (
            frame(DATA, PADDED, 1, &[5, 0, 0]),
            Reason::Framing("padding is longer than its frame"),
        ),
        (
            frame(DATA, PADDED, 1, &[]),
            Reason::Framing("padding is longer than its frame"),
        ),
        (
            frame(HEADERS, PADDED | ENDS_HEADERS, 3, &[9, 0]),
            Reason::Framing("padding is longer than its frame"),
        ),
        (
            frame(HEADERS, PRIORITY | ENDS_HEADERS, 3, &[0; 4]),
            Reason::Framing("a priority is longer than its frame"),
        ),
        (
            frame(RST_STREAM, 0, 1, &[0; 5]),
            Reason::Framing("a reset has not 4 bytes"),
        ),
        (
            frame(DATA, 0, 0, b"x"),
            Reason::Framing("a frame of a stream names none, or one of the connection does"),
        ),
        (
            frame(PUSH_PROMISE, ENDS_HEADERS, 1, &[0; 4]),
            Reason::Framing("a client pushes"),
        ),
    ] {
        let script = [
            opened(&[
                frame(HEADERS, WHOLE, 1, &get("/a")),
                broken,
                frame(HEADERS, WHOLE, 5, &get("/late")),
            ]),
            server(frame(HEADERS, WHOLE, 1, &ok())),
        ];
        let last = format!("- Client broken {why}");
        check(
            HTTP2,
            &script,
            &["1 GET h /a", "1 >.", &last, "1 200", "1 <."],
        );
    }
    check(
        HTTP2,
        &[client("GET / HTTP/1.1\r\n\r\n")],
        &["- Client broken framing: the connection does not begin as HTTP/2"],
    );
}

#[test]
fn what_breaks_a_stream_leaves_the_others() {
    let twice = block(&[(":method", "GET"), (":path", "/"), (":path", "/b")]);
    let upper = [get("/a"), block(&[("User-Agent", "x")])].concat();
    for head in [
        twice,
        upper,
        block(&[(":method", "GET")]),
        block(&[(":path", "/")]),
        block(&[(":odd", "x")]),
    ] {
        let script = [
            opened(&[
                frame(HEADERS, ENDS_HEADERS, 1, &head),
                frame(DATA, ENDS_STREAM, 1, b"x"),
                frame(HEADERS, WHOLE, 3, &get("/b")),
            ]),
            server(
                [
                    frame(HEADERS, WHOLE, 1, &ok()),
                    frame(HEADERS, WHOLE, 3, &ok()),
                ]
                .concat(),
            ),
        ];
        let seen = lines(&read(HTTP2, &script));
        assert!(seen[0].starts_with("1 Client broken head: "), "{seen:?}");
        assert!(seen[1].starts_with("1 Server broken head: "), "{seen:?}");
        assert_eq!(seen[2..], ["3 GET h /b", "3 >.", "3 200", "3 <."]);
    }
    let script = [
        opened(&[
            frame(HEADERS, WHOLE, 1, &get("/a")),
            frame(HEADERS, WHOLE, 3, &get("/b")),
        ]),
        server(
            [
                frame(DATA, 0, 1, b"x"),
                frame(HEADERS, WHOLE, 3, &block(&[(":status", "+20")])),
            ]
            .concat(),
        ),
    ];
    let expected = [
        "1 Server broken framing: content before a head",
        "3 Server broken head: an answer has no status of three digits",
    ];
    assert_eq!(lines(&read(HTTP2, &script))[4..], expected);
}

/// A block that refers to one long field many times costs its length, not what it stands for.
#[test]
fn a_block_of_many_references_is_told_as_too_large() {
    let mut head = get("/a");
    head.extend([0x40, 1, b'x', 0x7f, 0x81, 0x1e]);
    head.extend([b'v'; 3968]);
    head.extend([0xbe; 4000]);
    let script = [opened(&[
        frame(HEADERS, WHOLE, 1, &head),
        frame(HEADERS, WHOLE, 3, &get("/b")),
    ])];
    let limit = "broken head: expected at most 131072 bytes, found more";
    let cut = "3 Server broken connection: ended before the message did";
    check(
        HTTP2,
        &script,
        &[
            &format!("1 Client {limit}"),
            &format!("1 Server {limit}"),
            "3 GET h /b",
            "3 >.",
            cut,
        ],
    );
}

#[test]
fn limits_are_told() {
    let limits = Limits {
        streams: 2,
        ..Limits::default()
    };
    let frames: Vec<Vec<u8>> = [1, 3, 5]
        .map(|id| frame(HEADERS, WHOLE, id, &get("/")))
        .to_vec();
    let script = [
        opened(&frames),
        server(frame(HEADERS, WHOLE, 1, &ok())),
        client(frame(HEADERS, WHOLE, 7, &get("/late"))),
    ];
    let seen = lines(&read_cut(HTTP2, limits, &script, usize::MAX));
    let many = "broken connection: expected at most 2 requests under way, found more";
    let (client, server) = (format!("5 Client {many}"), format!("5 Server {many}"));
    assert_eq!(
        seen[4..10],
        [
            "5 GET h /",
            client.as_str(),
            &server,
            "1 200",
            "1 <.",
            "7 GET h /late"
        ]
    );
}

/// RFC 8441 section 5.1, with a message each way; what a client sends too early waits for the answer.
#[test]
fn websockets_open_over_streams() {
    let connect = block(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/v1/responses"),
        (":authority", "h"),
    ]);
    let hello = [
        0x81,
        0x85,
        1,
        2,
        3,
        4,
        b'H' ^ 1,
        b'e' ^ 2,
        b'l' ^ 3,
        b'l' ^ 4,
        b'o' ^ 1,
    ];
    let script = [
        opened(&[
            frame(HEADERS, ENDS_HEADERS, 1, &connect),
            frame(DATA, 0, 1, &hello[..5]),
        ]),
        server(frame(HEADERS, ENDS_HEADERS, 1, &ok())),
        client(frame(DATA, 0, 1, &hello[5..])),
        server(frame(
            DATA,
            ENDS_STREAM,
            1,
            &[0x81, 2, b'h', b'i', 0x88, 2, 3, 0xe8],
        )),
        client(frame(DATA, ENDS_STREAM, 1, &[0x88, 0x80, 0, 0, 0, 0])),
    ];
    check(
        HTTP2,
        &script,
        &[
            "1 CONNECT h /v1/responses",
            "1 >.",
            "1 200",
            "1 Client Text Hello",
            "1 Server Text hi",
            "1 Server closed Some(1000)",
            "1 Client closed None",
        ],
    );
    let refused = [
        script[0].clone(),
        server(frame(HEADERS, WHOLE, 1, &block(&[(":status", "403")]))),
    ];
    check(
        HTTP2,
        &refused,
        &["1 CONNECT h /v1/responses", "1 >.", "1 403", "1 <."],
    );
}
