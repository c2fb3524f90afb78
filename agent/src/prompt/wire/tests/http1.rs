//! HTTP/1.1: how messages are framed and paired, and what is not read.

use super::*;

const HTTP1: Protocol = Protocol::Http1;

#[test]
fn requests_of_one_connection_are_paired_with_their_answers() {
    let script = [
        client(
            "\r\nPOST /v1/messages HTTP/1.1\r\nHost: API.example.com\r\nContent-Length: 5\r\n\r\nhello",
        ),
        server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
        client(
            "HEAD / HTTP/1.1\r\nhost: h\r\n\r\nGET /a HTTP/1.1\r\nhost: h\r\n\r\nGET /b HTTP/1.1\r\nhost: h\r\n\r\n",
        ),
        server("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\n\r\nto the end"),
    ];
    check(
        HTTP1,
        &script,
        &[
            "1 POST api.example.com /v1/messages",
            "1 > hello",
            "1 >.",
            "1 200",
            "1 < hi",
            "1 <.",
            "2 HEAD h /",
            "2 >.",
            "3 GET h /a",
            "3 >.",
            "4 GET h /b",
            "4 >.",
            "2 200",
            "2 <.",
            "3 204",
            "3 <.",
            "4 200",
            "4 < to the end",
            "4 <.",
        ],
    );
}

#[test]
fn chunks_are_taken_off_and_interim_answers_are_passed_over() {
    let script = [
        client(
            "POST /v1/responses HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        server("HTTP/1.1 100 Continue\r\n\r\n"),
        client(
            "4\r\nWiki\r\n5;name=\"v\"\r\npedia\r\n0E \r\n in \r\n\r\nchunks\r\n0\r\nx-trailer: v\r\n\r\n",
        ),
        server(
            "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n",
        ),
        server("6\r\ndata: \r\n"),
        server("3\r\n1\n\n\r\n0\r\n\r\n"),
    ];
    check(
        HTTP1,
        &script,
        &[
            "1 POST h /v1/responses",
            "1 > Wikipedia in \r\n\r\nchunks",
            "1 >.",
            "1 200",
            "1 < data: 1\n\n",
            "1 <.",
        ],
    );
}

#[test]
fn an_answer_may_come_before_its_request_is_whole() {
    let script = [
        client("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 6\r\n\r\nabc"),
        server("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"),
        client("def"),
    ];
    let expected = ["1 POST h /", "1 > abc", "1 413", "1 <.", "1 > def", "1 >."];
    check(HTTP1, &script, &expected);
}

/// Whoever waits for `100 Continue` and is answered otherwise may leave its body out.
#[test]
fn a_body_that_was_not_asked_for_is_not_guessed() {
    let head = "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-Continue\r\ncontent-length: 3\r\n\r\n";
    let refused = server("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n");
    let doubt =
        "broken framing: a body may follow an answer that came before it was asked for, or may not";
    let script = [
        client(head),
        refused.clone(),
        client("GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n"),
    ];
    let (stream, side) = (format!("1 Client {doubt}"), format!("- Client {doubt}"));
    check(
        HTTP1,
        &script,
        &["1 POST h /", "1 401", &stream, &side, "1 <."],
    );
    let asked = server("HTTP/1.1 100 Continue\r\n\r\n");
    let script = [client(head), asked, refused.clone(), client("abc")];
    check(
        HTTP1,
        &script,
        &["1 POST h /", "1 401", "1 <.", "1 > abc", "1 >."],
    );
    let script = [client(head), client("a"), refused, client("bc")];
    check(
        HTTP1,
        &script,
        &["1 POST h /", "1 > a", "1 401", "1 <.", "1 > bc", "1 >."],
    );
}

#[test]
fn what_ends_early_is_told() {
    let get = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    let cut = "broken connection: ended before the message did";
    let begun = ["1 GET h /", "1 >."];
    let script = [
        client(get),
        server("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"),
    ];
    let last = format!("1 Server {cut}");
    check(
        HTTP1,
        &script,
        &[&begun[..], &["1 200", "1 < ab", &last]].concat(),
    );
    let script = [client(get), server("HTTP/1.1 200 OK\r\n")];
    let nobody = format!("- Server {cut}");
    check(HTTP1, &script, &[&begun[..], &[&nobody, &last]].concat());
    let script = [client(
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\na",
    )];
    let first = format!("1 Client {cut}");
    check(HTTP1, &script, &["1 POST h /", "1 > a", &first, &last]);
}

/// What another reader could take in another way is not read.
#[test]
fn heads_that_could_be_read_in_two_ways_are_not_read() {
    let head = |fields: &str| client(format!("POST / HTTP/1.1\r\nhost: h\r\n{fields}\r\n\r\nabc"));
    for (script, why) in [
        (
            head("content-length: 3\r\ntransfer-encoding: chunked"),
            "both a length and chunks",
        ),
        (
            head("content-length: 3\r\ncontent-length: 4"),
            "more than one length, or one that is not a number",
        ),
        (
            head("content-length: +3"),
            "more than one length, or one that is not a number",
        ),
        (
            head("content-length: 3,3"),
            "more than one length, or one that is not a number",
        ),
        (
            head("transfer-encoding: gzip, chunked"),
            "a transfer coding other than chunked, or in HTTP/1.0",
        ),
        (
            head("transfer-encoding: chunked\r\ntransfer-encoding: identity"),
            "a transfer coding other than chunked, or in HTTP/1.0",
        ),
        (head("host: other"), "more than one host"),
        (
            head("a: b\nc: d"),
            "lines end with a carriage return and without",
        ),
        (head("a: b\r c: d"), "a carriage return within a line"),
        (head("a: b\r\n c: d"), "a field's name breaks its syntax"),
        (
            head("content-length : 3"),
            "a field's name breaks its syntax",
        ),
        (
            client("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n"),
            "a transfer coding other than chunked, or in HTTP/1.0",
        ),
        (
            client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            "the version is not 1.0 or 1.1",
        ),
        (
            client("GET http://h /\r\n\r\n"),
            "the version is not 1.0 or 1.1",
        ),
    ] {
        assert_eq!(
            reasons(&read(HTTP1, std::slice::from_ref(&script))),
            [Reason::Head(why)],
            "{script:?}"
        );
    }
}

/// What recipients may read (RFC 9112 section 2.2, RFC 9110 section 8.6), and what has no bound but a head's own.
#[test]
fn heads_that_can_be_read_in_one_way_are_read() {
    let many: String = (0..2000).map(|n| format!("x-{n}: y\r\n")).collect();
    for (head, body) in [
        (
            "\nPOST / HTTP/1.1\nhost: h\ncontent-length: 3\n\n".to_owned(),
            "abc",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\nContent-Length: 3\r\n\r\n"
                .to_owned(),
            "abc",
        ),
        (
            format!("POST / HTTP/1.1\r\nhost: h\r\n{many}content-length: 3\r\n\r\n"),
            "abc",
        ),
    ] {
        let script = [client(head), client(body)];
        let read = lines(&read(HTTP1, &script));
        assert_eq!(read[..3], ["1 POST h /", "1 > abc", "1 >."], "{read:?}");
    }
}

#[test]
fn what_is_held_for_another_protocol_does_not_go_by() {
    let asked = "GET / HTTP/1.1\r\nhost: h\r\nupgrade: x\r\n\r\n";
    let behind = "POST /v1/messages HTTP/1.1\r\nhost: h\r\n\r\n";
    let answer = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let both = || client(format!("{asked}{behind}"));
    let seen = read(HTTP1, &[both(), answer.clone(), answer]);
    assert!(
        lines(&seen).contains(&"2 POST h /v1/messages".to_owned()),
        "{seen:?}"
    );
    // Nor where its sender says that it is all.
    let mut reader = Reader::new(HTTP1);
    let mut all = Vec::new();
    let mut seen = |next| all.push(next);
    reader.client(&both().1, &mut seen);
    reader.ended(Side::Client, &mut seen);
    let why = Reason::Framing("it ended before a protocol was agreed upon");
    assert_eq!(reasons(&all), [why]);
}

#[test]
fn one_message_is_read_at_a_time() {
    let one = "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nx";
    let bytes = one.repeat(5);
    let (mut reader, mut rest, mut ends) = (Reader::new(HTTP1), bytes.as_bytes(), 0);
    while !rest.is_empty() {
        let mut now = 0;
        let taken = reader.step(Side::Client, rest, &mut |seen| {
            now += usize::from(matches!(seen, Seen::RequestEnd { .. }));
        });
        assert!(taken > 0 && now <= 1, "{taken} {now}");
        (rest, ends) = (&rest[taken..], ends + now);
    }
    assert_eq!(ends, 5);
}

#[test]
fn chunks_that_break_their_syntax_are_told() {
    for chunks in [
        "\r\n",
        "g\r\n",
        "1\nx",
        "1\r\nxy",
        "1\r\nx\n",
        "1 2\r\n",
        "1;a\n",
        "1000000000000000\r\n",
        "0\r\na\n",
    ] {
        let head = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        let seen = read(HTTP1, &[client(format!("{head}{chunks}"))]);
        let reasons = reasons(&seen);
        assert!(
            matches!(reasons[..2], [Reason::Framing(_), Reason::Framing(_)]),
            "{chunks:?}: {seen:?}"
        );
    }
}

#[test]
fn an_answer_that_nobody_asked_for_ends_reading() {
    let script = [server(
        "HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    )];
    check(
        HTTP1,
        &script,
        &["- Server broken answer: expected a request before it, found none"],
    );
}

#[test]
fn other_protocols_are_told() {
    let upgrade = "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    let script = [
        client(upgrade),
        server("HTTP/1.1 101 Switching\r\nupgrade: h2c\r\n\r\nxyz"),
        client("xyz"),
    ];
    let unread = |protocol: &str| {
        format!("broken connection: expected http or websocket, found `{protocol}`")
    };
    let (first, second) = (
        format!("- Client {}", unread("h2c")),
        format!("- Server {}", unread("h2c")),
    );
    check(
        HTTP1,
        &script,
        &["1 GET h /", "1 >.", "1 101", &first, &second],
    );
    let script = [
        client("CONNECT h:443 HTTP/1.1\r\nhost: h:443\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\n\r\nxyz"),
        client("abc"),
    ];
    let (first, second) = (
        format!("- Client {}", unread("connect")),
        format!("- Server {}", unread("connect")),
    );
    check(
        HTTP1,
        &script,
        &["1 CONNECT h:443 h:443", "1 >.", "1 200", &first, &second],
    );
}

#[test]
fn a_refused_upgrade_goes_on_as_http() {
    let upgrade = "GET / HTTP/1.1\r\nhost: h\r\nupgrade: h2c\r\n\r\n";
    let script = [
        client(upgrade),
        client("GET /next HTTP/1.1\r\nhost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"),
        server("HTTP/1.1 204 None\r\n\r\n"),
    ];
    let expected = [
        "1 GET h /",
        "1 >.",
        "1 200",
        "1 < x",
        "1 <.",
        "2 GET h /next",
        "2 >.",
        "2 204",
        "2 <.",
    ];
    let seen = read(HTTP1, &script);
    let mut sorted = lines(&seen);
    sorted.sort();
    let mut expected = expected.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn limits_are_told() {
    let limits = Limits {
        head_bytes: 64,
        streams: 2,
        held_bytes: 8,
        ..Limits::default()
    };
    let limited = |script: &[(Side, Vec<u8>)]| {
        let whole = read_cut(HTTP1, limits, script, usize::MAX);
        assert_eq!(whole, read_cut(HTTP1, limits, script, 3));
        reasons(&whole)
    };
    let long = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(60));
    assert_eq!(
        limited(&[client(long)]),
        [Reason::HeadTooLarge { limit_bytes: 64 }]
    );
    let many = "GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(3);
    let expected = [Reason::TooMany { limit: 2 }, Reason::CutOff, Reason::CutOff];
    assert_eq!(limited(&[client(many)]), expected);
    let held = "GET / HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\n\r\n123456789";
    assert!(matches!(
        limited(&[client(held)])[..],
        [Reason::Framing(_), Reason::CutOff]
    ));
}
