//! What the reader gives up is told, whatever a client writes: no call goes by without a word.

use chrono::DateTime;
use proptest::prelude::*;

use super::*;

/// What the last call of each script says.
const MARK: &str = "the last call";

fn at() -> At {
    At {
        time: DateTime::UNIX_EPOCH,
        boot_ns: 1,
    }
}

fn body(said: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{said}"}}]}}"#)
}

fn call(said: &str, fields: &str) -> String {
    let body = body(said);
    let length = body.len();
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Feeds a script, each side's bytes in pieces.
fn told_of(protocol: Protocol, script: &[(Side, Vec<u8>)], piece: usize) -> Vec<Told> {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = Exchanges::new("c".to_owned(), "a".to_owned(), protocol, None);
    for (side, bytes) in script {
        for part in bytes.chunks(piece) {
            exchanges.feed(*side, part, at(), &mut history, &mut told);
        }
    }
    exchanges.finish(None, at(), &mut history, &mut told);
    told
}

fn words(told: &[Told]) -> Vec<String> {
    let word = |told: &Told| match told {
        Told::Asked(_) => "asked".to_owned(),
        Told::Tool(_) => "tool".to_owned(),
        Told::Over(call) => format!("over {}", call.status),
        Told::Lost(lost) => format!("lost {}", lost.why),
    };
    told.iter().map(word).collect()
}

/// Tells whether the last call was read, or something was said of what was not.
fn is_told(told: &[Told]) -> bool {
    told.iter().any(|one| match one {
        Told::Asked(asked) => asked.request.turns.iter().any(|turn| turn.text == MARK),
        Told::Over(call) => {
            call.status.contains("unreadable") || call.status.contains("request unfinished")
        }
        Told::Lost(_) => true,
        Told::Tool(_) => false,
    })
}

fn client(bytes: impl Into<Vec<u8>>) -> (Side, Vec<u8>) {
    (Side::Client, bytes.into())
}

fn server(bytes: impl Into<Vec<u8>>) -> (Side, Vec<u8>) {
    (Side::Server, bytes.into())
}

#[track_caller]
fn check(script: &[(Side, Vec<u8>)], expected: &[&str]) {
    for piece in [usize::MAX, 7, 1] {
        assert_eq!(
            words(&told_of(Protocol::Http1, script, piece)),
            expected,
            "pieces of {piece}"
        );
    }
}

#[test]
fn a_head_that_is_not_read_is_told_once_though_nothing_was_open() {
    let lost = "lost unreadable: head: lines end with a carriage return and without";
    let odd = call("x", "A: b\n");
    check(&[client(odd.clone())], &[lost]);
    check(&[client(format!("{odd}{odd}")), client(odd)], &[lost]);
    let two = call("x", "Content-Length: 9\r\n");
    let lost = "lost unreadable: head: more than one length, or one that is not a number";
    check(&[client(two)], &[lost]);
    let many: String = (0..130).map(|n| format!("x-{n}: y\r\n")).collect();
    check(
        &[client(call(MARK, &many))],
        &["asked", "over answer unfinished"],
    );
}

#[test]
fn a_request_behind_one_for_another_protocol_is_read_or_told() {
    let asked = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
    let answer = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let short = client(format!("{asked}{}", call(MARK, "")));
    check(
        &[short, answer.clone()],
        &["asked", "over answer unfinished"],
    );
    let long = client(format!("{asked}{}", call(&"x".repeat(17 << 10), "")));
    let lost = "lost unreadable: framing: too much was sent before a protocol was agreed upon";
    check(&[long, answer], &[lost]);
    let switched = server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
    let lost = "lost unreadable: connection: expected http or websocket, found `x`";
    check(&[client(asked), switched, client("anything")], &[lost]);
}

#[test]
fn an_end_within_a_head_hides_nothing() {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = Exchanges::new("c".into(), "a".into(), Protocol::Http1, None);
    exchanges.feed(
        Side::Client,
        b"POST /v1/mess",
        at(),
        &mut history,
        &mut told,
    );
    exchanges.ended(Side::Client, at(), &mut history, &mut told);
    assert_eq!(told, []);
}

/// A client's frame, masked by zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[test]
fn a_web_socket_that_is_given_up_is_told() {
    let asked = "GET /v1/responses HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let agreed =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let create = frame(1, br#"{"type":"response.create","model":"m","input":"x"}"#);
    let open = [client(asked), server(agreed)];
    let with = |frames: &[Vec<u8>]| [&open[..], &[client(frames.concat())]].concat();
    check(
        &with(std::slice::from_ref(&create)),
        &["asked", "over answer unfinished"],
    );
    let lost = "lost unreadable: websocket: a text is not UTF-8";
    check(&with(&[frame(1, &[0xff]), create.clone()]), &[lost]);
    let lost = "lost unreadable: websocket: bytes come behind a close";
    check(&with(&[frame(8, &[]), create]), &[lost]);
    // Both sides' farewells are none.
    check(&with(&[frame(8, &[])]), &[]);
}

fn header(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [
        &[0, length(name)],
        name.as_bytes(),
        &[length(value)],
        value.as_bytes(),
    ]
    .concat()
}

fn http2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A call over HTTP/2: where its two frames begin, and its bytes.
fn call2(stream: u32, said: &str) -> ([usize; 2], Vec<u8>) {
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/v1/messages"),
        ("content-type", "application/json"),
    ];
    let block: Vec<u8> = fields
        .iter()
        .flat_map(|(name, value)| header(name, value))
        .collect();
    let head = http2(1, 4, stream, &block);
    (
        [0, head.len()],
        [head, http2(0, 1, stream, body(said).as_bytes())].concat(),
    )
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[test]
fn an_http2_connection_that_breaks_is_told() {
    let of = |frames: Vec<u8>| {
        let bytes = [PREFACE, &frames, &call2(9, MARK).1].concat();
        words(&told_of(Protocol::Http2, &[client(bytes)], usize::MAX))
    };
    assert_eq!(of(Vec::new()), ["asked", "over answer unfinished"]);
    // An index that no table has; a stream that comes once more, or too late; a head without a method.
    for (frames, why) in [
        (http2(1, 4, 1, &[0xff, 0x7f]), "hpack"),
        (
            [call2(1, "x").1, http2(3, 0, 1, &[0; 4]), call2(1, "y").1].concat(),
            "framing: a request on",
        ),
        (call2(11, "x").1, "framing: a request on"),
        (
            http2(1, 5, 1, &header(":path", "/v1/messages")),
            "head: a request has no method",
        ),
    ] {
        let words = of(frames);
        let lost = format!("lost unreadable: {why}");
        assert!(
            words.iter().any(|word| word.starts_with(&lost)),
            "{why}: {words:?}"
        );
    }
}

fn fragment() -> impl Strategy<Value = String> {
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    prop_oneof![
        4 => Just(call("x", "")),
        1 => Just(call("x", "A: b\n")),
        1 => Just(call("x", "").replace("\r\n", "\n")),
        1 => Just(call("x", "Content-Length: 4\r\n")),
        1 => Just(call("x", "Transfer-Encoding: chunked\r\n")),
        1 => Just(call("x", &many)),
        1 => Just(call("x", "Expect: 100-continue\r\n")),
        1 => Just(call("x", "Content-Encoding: gzip\r\n")),
        1 => Just("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        1 => Just("\r\n\n".to_owned()),
        1 => "[ -~]{0,9}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Either the last call is read, or that something is not.
    #[test]
    fn no_call_goes_by_without_a_word(
        fragments in prop::collection::vec(fragment(), 0..5),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..3),
        piece in prop_oneof![Just(usize::MAX), 1_usize..200],
    ) {
        let mut bytes = fragments.concat().into_bytes();
        // No digit is written: a longer body would be one that the other end waits for, too.
        for (place, byte, is_more) in changes.into_iter().filter(|change| !change.1.is_ascii_digit()) {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes.splice(place..place + usize::from(!is_more), [byte]);
            }
        }
        // What came before ends with its line: else it would be a part of this one's method.
        bytes.extend(format!("\r\n{}", call(MARK, "")).into_bytes());
        let script = [client(bytes.clone())];
        let told = told_of(Protocol::Http1, &script, piece);
        prop_assert!(is_told(&told), "{:?}: {:?}", String::from_utf8_lossy(&bytes), words(&told));
    }

    /// The same of HTTP/2, of which one byte is another one; not one of a frame's length.
    #[test]
    fn no_call_over_http2_goes_by_without_a_word(
        calls in 1_u32..4,
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        piece in prop_oneof![Just(usize::MAX), 1_usize..200],
    ) {
        let (mut bytes, mut lengths) = (PREFACE.to_vec(), Vec::new());
        for number in 0..calls {
            let (begins, frames) = call2(2 * number + 1, "x");
            lengths.extend(begins.iter().flat_map(|at| (bytes.len() + at)..(bytes.len() + at + 3)));
            bytes.extend(frames);
        }
        let place = place.index(bytes.len());
        if !lengths.contains(&place) {
            bytes[place] = byte;
        }
        bytes.extend(call2(2 * calls + 1, MARK).1);
        let told = told_of(Protocol::Http2, &[client(bytes)], piece);
        prop_assert!(is_told(&told), "{place} {byte}: {:?}", words(&told));
    }
}
