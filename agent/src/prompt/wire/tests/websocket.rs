//! WebSockets: RFC 6455's and RFC 7692's own examples, and connections of the Python library `websockets` 17.4.

use super::*;

const OPENING: &str =
    "GET /v1/responses HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
const DEFLATE: &str = "permessage-deflate; client_max_window_bits=15";

fn opened(extensions: &str) -> Script {
    let field = match extensions {
        "" => String::new(),
        list => format!("Sec-WebSocket-Extensions: {list}\r\n"),
    };
    let switching =
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{field}\r\n");
    vec![client(OPENING), server(switching)]
}

#[track_caller]
fn check_socket(extensions: &str, sent: &[(Side, Vec<u8>)], expected: &[&str]) {
    let script = [opened(extensions), sent.to_vec()].concat();
    let expected = [&["1 GET h /v1/responses", "1 >.", "1 101"], expected].concat();
    check(Protocol::Http1, &script, &expected);
}

const CUT: [&str; 2] = [
    "1 Client broken connection: ended before the message did",
    "1 Server broken connection: ended before the message did",
];

/// RFC 6455 section 5.7.
#[test]
fn examples_of_the_standard_are_read() {
    let long = [bytes("827e 0100"), vec![b'a'; 256]].concat();
    let longer = [bytes("827f 0000 0000 0001 0000"), vec![b'a'; 65536]].concat();
    let sent = [
        server(bytes("8105 4865 6c6c 6f")),
        client(bytes("8185 37fa 213d 7f9f 4d51 58")),
        server(bytes("0103 4865 6c 8905 4865 6c6c 6f 8002 6c6f")),
        client(bytes("8a85 37fa 213d 7f9f 4d51 58")),
        server(long),
        server(longer),
    ];
    let (long, longer) = (
        format!("1 Server Binary {}", "a".repeat(256)),
        format!("1 Server Binary {}", "a".repeat(65536)),
    );
    let expected = [
        "1 Server Text Hello",
        "1 Client Text Hello",
        "1 Server Text Hello",
        &long,
        &longer,
    ];
    check_socket("", &sent, &[&expected[..], &CUT].concat());
}

/// RFC 7692 section 7.2.3: a whole message, fragments, a shared window, no compression, a last block, two blocks.
#[test]
fn examples_of_compression_are_read() {
    let sent = [
        server(bytes("c107 f248 cdc9 c907 00")),
        server(bytes("4103 f248 cd 8004 c9c9 0700")),
        server(bytes("c105 f200 1100 00")),
        server(bytes("c10b 0005 00fa ff48 656c 6c6f 00")),
        server(bytes("c108 f348 cdc9 c907 0000")),
        server(bytes("c10d f248 0500 0000 ffff cac9 c907 00")),
        server(bytes("8105 4865 6c6c 6f")),
    ];
    check_socket(
        DEFLATE,
        &sent,
        &[&["1 Server Text Hello"; 7][..], &CUT].concat(),
    );
    // Without a shared window the third example refers to nothing; what comes of it is not the text.
    let each = "permessage-deflate; server_no_context_takeover";
    let script = [opened(each), sent[..3].to_vec()].concat();
    let hellos = lines(&read(Protocol::Http1, &script))
        .iter()
        .filter(|line| *line == "1 Server Text Hello")
        .count();
    assert_eq!(hellos, 2);
}

#[test]
fn what_breaks_the_syntax_ends_the_direction() {
    for (extensions, sent, why) in [
        (
            "",
            client(bytes("8105 4865 6c6c 6f")),
            "a client's frame is not masked, or a server's is",
        ),
        (
            "",
            server(bytes("8185 37fa 213d 7f9f 4d51 58")),
            "a client's frame is not masked, or a server's is",
        ),
        (
            "",
            server(bytes("c107 f248 cdc9 c907 00")),
            "a frame is compressed where none may be",
        ),
        (
            DEFLATE,
            server(bytes("4103 f248 cd c004 c9c9 0700")),
            "a frame is compressed where none may be",
        ),
        ("", server(bytes("a101 61")), "a frame uses reserved bits"),
        (
            "",
            server(bytes("8301 61")),
            "a frame has a reserved opcode",
        ),
        (
            "",
            server(bytes("8b01 61")),
            "a frame has a reserved opcode",
        ),
        (
            "",
            server(bytes("8001 61")),
            "a frame goes on with no message",
        ),
        (
            "",
            server(bytes("0101 61 8101 61")),
            "a message begins within another",
        ),
        (
            "",
            server(bytes("0901 61")),
            "a control frame is fragmented, compressed or too long",
        ),
        (
            "",
            server(bytes("897e 0080")),
            "a control frame is fragmented, compressed or too long",
        ),
        (
            "",
            server(bytes("8801 61")),
            "a close frame has half a code",
        ),
        (
            "",
            server(bytes("817e 0005 4865 6c6c 6f")),
            "a frame's length is not in its shortest form, or above 2^63",
        ),
        (
            "",
            server(bytes("817f ffff ffff ffff ffff")),
            "a frame's length is not in its shortest form, or above 2^63",
        ),
        ("", server(bytes("8102 c328")), "a text is not UTF-8"),
    ] {
        let (broken, other) = match sent.0 {
            Side::Client => ("Client", CUT[1]),
            Side::Server => ("Server", CUT[0]),
        };
        let late = (sent.0, bytes("8101 61"));
        let first = format!("1 {broken} broken websocket: {why}");
        check_socket(extensions, &[sent, late], &[&first, other]);
    }
}

#[test]
fn what_was_agreed_upon_and_is_not_read_is_told() {
    for list in [
        "x-webkit-deflate-frame",
        "permessage-deflate, other",
        "permessage-deflate; odd=1",
    ] {
        let seen = read(Protocol::Http1, &opened(list));
        assert_eq!(
            reasons(&seen)[0],
            Reason::WebSocket("an extension was agreed upon that is not read")
        );
    }
}

#[test]
fn a_message_above_the_limit_is_cut_and_hashed() {
    let limits = Limits {
        message_bytes: 1000,
        ..Limits::default()
    };
    let payload = vec![b'x'; 1001];
    let digest = ring::digest::digest(&ring::digest::SHA256, &payload);
    let sent = server([bytes("827e 03e9"), payload, bytes("8102 6869")].concat());
    let script = [opened(""), vec![sent]].concat();
    for most in [1, 7, usize::MAX] {
        let seen = read_cut(Protocol::Http1, limits, &script, most);
        assert_eq!(
            lines(&seen)[3..6],
            ["1 Server cut", "1 Server rest 1001", "1 Server Text hi"]
        );
        assert!(matches!(&seen[4], Seen::Rest { sha256, .. } if sha256 == digest.as_ref()));
    }
}

/// A compressed message that was cut is not inflated further; what may refer to it is not guessed.
#[test]
fn after_a_cut_a_shared_window_is_lost_and_a_message_of_its_own_is_not() {
    let limits = Limits {
        message_bytes: 4,
        ..Limits::default()
    };
    let hello = bytes("c107 f248 cdc9 c907 00");
    let script = |extensions| {
        [
            opened(extensions),
            vec![server(
                [hello.clone(), bytes("8102 6869"), hello.clone()].concat(),
            )],
        ]
        .concat()
    };
    let cut = ["1 Server cut", "1 Server rest 7", "1 Server Text hi"];
    let seen = lines(&read_cut(Protocol::Http1, limits, &script(DEFLATE), 1));
    assert_eq!(seen[3..6], cut);
    assert_eq!(
        seen[6],
        "1 Server broken websocket: a compressed message may refer to one that was cut"
    );
    let seen = lines(&read_cut(
        Protocol::Http1,
        limits,
        &script("permessage-deflate; server_no_context_takeover"),
        1,
    ));
    assert_eq!(seen[3..8], [cut[0], cut[1], cut[2], cut[0], cut[1]]);
}

/// Each block that is marked as last costs a window of its own.
#[test]
fn a_message_of_many_streams_is_told() {
    let message = |blocks: u8| {
        let payload = [[3, 0].repeat(usize::from(blocks)), vec![0]].concat();
        server([vec![0xc1, blocks * 2 + 1], payload].concat())
    };
    check_socket(DEFLATE, &[message(16)], &["1 Server Text ", CUT[0], CUT[1]]);
    let many = "1 Server broken content coding: deflate: more than 16 streams in one message";
    check_socket(DEFLATE, &[message(17)], &[many, CUT[0]]);
}

/// Both were recorded by a relay between client and server.
#[test]
fn connections_of_a_real_library_are_read() {
    for tape in [
        include_str!("websocket_kept.txt"),
        include_str!("websocket_each.txt"),
    ] {
        let script = recorded(tape);
        let long = "x".repeat(70000);
        let whole = read(Protocol::Http1, &script);
        let seen = lines(&whole);
        let sent: Vec<&String> = seen
            .iter()
            .filter(|line| line.starts_with("1 Client "))
            .collect();
        assert_eq!(sent.len(), 6);
        assert_eq!(
            sent[0],
            "1 Client Text select 1 from orders where customer = 'a'"
        );
        assert_eq!(
            sent[1],
            "1 Client Text select 2 from orders where customer = 'a'"
        );
        assert_eq!(sent[3], &format!("1 Client Text {long}"));
        assert_eq!(sent[4], "1 Client Text frag ment ed ü");
        assert_eq!(sent[5], "1 Client closed Some(1000)");
        let echo =
            format!("1 Server Text {{\"type\": \"response.created\", \"echo\": \"{long}\"}}");
        assert_eq!(seen.iter().filter(|line| **line == echo).count(), 1);
        assert_eq!(
            seen.iter()
                .filter(|line| line.starts_with("1 Server Text "))
                .count(),
            10
        );
        assert_eq!(
            seen.iter()
                .filter(|line| line.starts_with("1 Server Binary "))
                .count(),
            5
        );
        assert_eq!(
            seen.last().map(String::as_str),
            Some("1 Server closed Some(1000)")
        );
        assert_eq!(reasons(&whole), []);
        for most in [1, 13] {
            assert_eq!(
                read_cut(Protocol::Http1, Limits::default(), &script, most),
                whole
            );
        }
    }
}
