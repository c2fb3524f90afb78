//! A connection as the tap copies it: real requests of agents in HTTP/1.1, cut at every byte.

use chrono::DateTime;

use super::*;
use crate::prompt::Request;

const ASKED: [&[u8]; 2] = [
    include_bytes!("../testdata/claude_code_1.json"),
    include_bytes!("../testdata/claude_code_2.json"),
];
const ANSWERED: [&[u8]; 2] = [
    include_bytes!("../testdata/claude_code_1.sse"),
    include_bytes!("../testdata/claude_code_2.sse"),
];

fn at(ns: u64) -> At {
    At {
        time: DateTime::UNIX_EPOCH,
        boot_ns: ns,
    }
}

fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/messages?beta=true HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Type: application/json\r\n\
         X-Claude-Code-Session-Id: e8b98213-c283-4ee0-a3f1-a9f6d07a1668\r\nX-Api-Key: sk-dummy\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nRequest-Id: req_1\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n", body.len());
    [head.as_bytes(), chunk.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

fn exchanges() -> Exchanges {
    Exchanges::new(
        "c1".to_owned(),
        "api.anthropic.com".to_owned(),
        Protocol::Http1,
        None,
    )
}

/// Feeds both calls of a conversation, each side in pieces of a length.
fn told_of(piece: usize) -> Vec<Told> {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = exchanges();
    for (number, (asked, answered)) in (0..).zip(ASKED.iter().zip(ANSWERED)) {
        for part in request(asked).chunks(piece) {
            exchanges.feed(Side::Client, part, at(number * 10), &mut history, &mut told);
        }
        for part in answer(answered).chunks(piece) {
            exchanges.feed(
                Side::Server,
                part,
                at(number * 10 + 5),
                &mut history,
                &mut told,
            );
        }
    }
    exchanges.finish(None, at(99), &mut history, &mut told);
    told
}

fn word(told: &Told) -> String {
    match told {
        Told::Asked(asked) => format!("asked {}", asked.call),
        Told::Tool(tool) => format!("tool {} {} {}", tool.call, tool.id(), tool.tool.name),
        Told::Over(call) => format!("over {} {}", call.id, call.status),
        Told::Lost(lost) => format!("lost {}", lost.why),
    }
}

fn request_of(told: &Told) -> Option<&Request> {
    match told {
        Told::Asked(asked) => Some(&asked.request),
        Told::Tool(_) | Told::Over(_) | Told::Lost(_) => None,
    }
}

#[test]
fn a_conversation_is_told_as_it_goes_and_its_prompt_stands_with_each_call() {
    let told = told_of(usize::MAX);
    let words: Vec<String> = told.iter().map(word).collect();
    assert_eq!(
        words[..3],
        [
            "asked c1-1",
            "tool c1-1 toolu_main_1 Bash",
            "over c1-1 whole"
        ]
    );
    assert_eq!(words[3], "asked c1-2");
    assert_eq!(words.last().unwrap(), "over c1-2 whole");
    let requests: Vec<&Request> = told.iter().filter_map(request_of).collect();
    assert_eq!(requests[0].turns[0].text, "how many rows in orders?");
    assert_eq!(requests[1].turns, []);
    assert_eq!(
        requests[1].results[0].call_id.as_deref(),
        Some("toolu_main_1")
    );
    assert_eq!(requests[0].prompt, requests[1].prompt);
    let [Told::Tool(tool), Told::Over(call)] = &told[1..3] else {
        panic!("{words:?}")
    };
    assert_eq!(
        (&tool.prompt, &call.prompt),
        (&requests[0].prompt, &requests[0].prompt)
    );
    assert_eq!(
        (call.http_status, call.request_id.as_deref(), call.provider),
        (Some(200), Some("req_1"), "anthropic")
    );
    assert_eq!(
        (call.started, call.first_byte, call.completed),
        (at(0), Some(at(5)), Some(at(5)))
    );
}

#[test]
fn a_connection_cut_anywhere_tells_the_same() {
    let whole = told_of(usize::MAX);
    for piece in [1, 2, 3, 7, 100, 4096] {
        assert_eq!(told_of(piece), whole, "{piece}");
    }
}

#[test]
fn a_call_that_breaks_off_is_told_with_what_came() {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = exchanges();
    exchanges.feed(
        Side::Client,
        &request(ASKED[0]),
        at(1),
        &mut history,
        &mut told,
    );
    let answered = answer(ANSWERED[0]);
    exchanges.feed(
        Side::Server,
        &answered[..answered.len() / 2],
        at(2),
        &mut history,
        &mut told,
    );
    exchanges.finish(
        Some("lost: copies were dropped"),
        at(3),
        &mut history,
        &mut told,
    );
    let Some(Told::Over(call)) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!(call.status, "answer lost: copies were dropped");
    assert!(call.is_answer_lost());
    for (status, http_status, is_lost) in [
        ("whole", 200, false),
        ("request cut", 200, false),
        ("answer unfinished", 200, false),
        ("answer cut", 200, true),
        (
            "request unfinished; answer unreadable: not UTF-8",
            200,
            true,
        ),
        ("answer unreadable: not UTF-8", 529, false),
    ] {
        let call = Call {
            status: status.to_owned(),
            http_status: Some(http_status),
            ..(**call).clone()
        };
        assert_eq!(call.is_answer_lost(), is_lost, "{status}");
    }
    assert_eq!(call.completed, None);
    assert_eq!(
        call.answer.as_ref().unwrap().response_id.as_deref(),
        Some("msg_0001")
    );
}

#[test]
fn many_large_calls_at_once_are_not_all_held() {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = exchanges();
    // Pipelined, and none is answered.
    let large = vec![b' '; 7 << 20];
    for _ in 0..6 {
        let answered =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7340032\r\n\r\n";
        exchanges.feed(
            Side::Client,
            &request(b"{}"),
            at(1),
            &mut history,
            &mut told,
        );
        exchanges.feed(Side::Server, answered, at(2), &mut history, &mut told);
        exchanges.feed(
            Side::Server,
            &large[..large.len() - 1],
            at(2),
            &mut history,
            &mut told,
        );
        exchanges.feed(Side::Server, &large[..1], at(2), &mut history, &mut told);
    }
    assert_eq!(
        told.iter()
            .filter(|one| matches!(one, Told::Over(_)))
            .count(),
        6
    );
    let mut waiting = Exchanges::new("c".into(), "a".into(), Protocol::Http1, None);
    told.clear();
    let head = "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99000000\r\n\r\n";
    waiting.feed(
        Side::Client,
        head.as_bytes(),
        at(1),
        &mut history,
        &mut told,
    );
    for _ in 0..13 {
        waiting.feed(Side::Client, &large, at(1), &mut history, &mut told);
    }
    // One body counts for no more than its reader keeps of it.
    assert_eq!(told, []);
}

#[test]
fn what_is_no_call_and_what_cannot_be_read_are_told_apart() {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut other = exchanges();
    let plain = b"GET /v1/models HTTP/1.1\r\nHost: api.anthropic.com\r\n\r\n";
    other.feed(Side::Client, plain, at(1), &mut history, &mut told);
    other.feed(
        Side::Server,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        at(1),
        &mut history,
        &mut told,
    );
    other.finish(None, at(1), &mut history, &mut told);
    assert_eq!(told, []);
    let mut broken = exchanges();
    broken.feed(
        Side::Client,
        &request(b"{no json"),
        at(1),
        &mut history,
        &mut told,
    );
    let refused = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    broken.feed(Side::Server, refused, at(1), &mut history, &mut told);
    broken.finish(None, at(1), &mut history, &mut told);
    let Some(Told::Over(call)) = told.last() else {
        panic!("{told:?}")
    };
    assert!(
        call.status
            .starts_with("request unreadable: expected the API's JSON"),
        "{}",
        call.status
    );
}

#[test]
fn a_call_for_which_there_is_no_room_is_told_also_by_http_2() {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = Exchanges::new(
        "c1".to_owned(),
        "api.anthropic.com".to_owned(),
        Protocol::Http2,
        None,
    );
    // `:method: POST`, `:scheme: https` and `:path: /v1/messages`, without end of the stream (RFC 9113 6.2, RFC 7541 6).
    let mut head = vec![0x83, 0x87, 0x04, 12];
    head.extend(b"/v1/messages");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let streams = u32::try_from(OPEN_MAX).unwrap() + 2;
    for number in 0..streams {
        bytes.extend([0, 0, u8::try_from(head.len()).unwrap(), 1, 4]);
        bytes.extend((2 * number + 1).to_be_bytes());
        bytes.extend(&head);
    }
    exchanges.feed(Side::Client, &bytes, at(1), &mut history, &mut told);
    let words: Vec<String> = told.iter().map(word).collect();
    let name = |number: usize| 2 * number + 1;
    let expected = [OPEN_MAX, OPEN_MAX + 1].map(|number| {
        let why = "request unfinished; answer unreadable: more at once than is held";
        format!("over c1-{} {why}", name(number))
    });
    assert_eq!(words, expected);
}

/// Opens a WebSocket to the Responses API; its client's frames are not masked by anything but zeros.
fn socket() -> (Exchanges, History, Vec<Told>) {
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = Exchanges::new("c".into(), "a".into(), Protocol::Http1, None);
    let asked =
        b"GET /v1/responses HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let agreed =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    exchanges.feed(Side::Client, asked, at(1), &mut history, &mut told);
    exchanges.feed(Side::Server, agreed, at(1), &mut history, &mut told);
    (exchanges, history, told)
}

fn frame(side: Side, text: &str) -> Vec<u8> {
    let masked = match side {
        Side::Client => 0x80,
        Side::Server => 0,
    };
    let mut frame = vec![0x81];
    // In as few bytes as it takes (RFC 6455 section 5.2).
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length), _) if length < 126 => frame.push(masked | length),
        (_, Ok(length)) => {
            frame.push(masked | 126);
            frame.extend(length.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(masked | 127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    if side == Side::Client {
        frame.extend([0; 4]);
    }
    frame.extend(text.as_bytes());
    frame
}

#[test]
fn streams_of_a_web_socket_without_end_are_not_all_kept() {
    let (mut exchanges, mut history, mut told) = socket();
    for number in 0..1000 {
        let text = format!(
            r#"{{"type":"response.create","stream_id":"s{number}","model":"m","input":"hello"}}"#
        );
        let frame = frame(Side::Client, &text);
        exchanges.feed(Side::Client, &frame, at(2), &mut history, &mut told);
    }
    let over = |told: &[Told]| -> Vec<String> {
        let over = told.iter().filter(|one| matches!(one, Told::Over(_)));
        over.map(word).collect()
    };
    let given_up = over(&told);
    assert_eq!(given_up.len(), 1000 - OPEN_MAX, "{:?}", told.first());
    assert_eq!(given_up[0], format!("over c-1.1 answer {NO_ROOM}"));
    exchanges.finish(None, at(3), &mut history, &mut told);
    assert_eq!(over(&told).len(), 1000);
}

#[test]
fn answers_of_a_web_socket_count_as_held() {
    let (mut exchanges, mut history, mut told) = socket();
    let delta = "x".repeat(7 << 20);
    for number in 0..6 {
        let text = format!(
            r#"{{"type":"response.create","stream_id":"s{number}","model":"m","input":"hello"}}"#
        );
        let asked = frame(Side::Client, &text);
        exchanges.feed(Side::Client, &asked, at(2), &mut history, &mut told);
        let text = format!(
            r#"{{"type":"response.output_text.delta","stream_id":"s{number}","delta":"{delta}"}}"#
        );
        let answered = frame(Side::Server, &text);
        exchanges.feed(Side::Server, &answered, at(2), &mut history, &mut told);
    }
    let last = told.iter().rev().find_map(|one| match one {
        Told::Over(call) => Some(call.status.clone()),
        Told::Asked(_) | Told::Tool(_) | Told::Lost(_) => None,
    });
    assert_eq!(last, Some(format!("answer {NO_ROOM}")));
}

#[test]
fn of_a_request_no_more_is_decoded_than_is_kept() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gzip, &vec![b' '; 40 << 20]).unwrap();
    let body = gzip.finish().unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let mut exchanges = exchanges();
    let asked = [head.as_bytes(), &body].concat();
    exchanges.feed(Side::Client, &asked, at(1), &mut history, &mut told);
    let [Told::Asked(asked)] = &told[..] else {
        panic!("{:?}", told.len())
    };
    assert_eq!(asked.request.bytes, MESSAGE_MAX_BYTES as u64);
}

#[test]
fn calls_of_all_connections_hold_no_more_than_they_share() {
    let memory = Memory::new(12 << 20);
    let (mut history, mut told) = (History::new("s"), Vec::new());
    let large = vec![b' '; 7 << 20];
    let head = "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99000000\r\n\r\n";
    let mut open: Vec<Exchanges> = (0..3)
        .map(|_| Exchanges::within(&memory, "c".into(), "a".into(), Protocol::Http1, None))
        .collect();
    for one in &mut open {
        for bytes in [head.as_bytes(), &large] {
            one.feed(Side::Client, bytes, at(1), &mut history, &mut told);
        }
    }
    let words: Vec<String> = told.iter().map(word).collect();
    let lost = format!("over c-1 request unfinished; answer {NO_ROOM}");
    assert_eq!(words, [lost.clone(), lost]);
    assert!(
        (7 << 20..8 << 20).contains(&memory.used()),
        "{}",
        memory.used()
    );
    drop(open);
    assert_eq!(memory.used(), 0);
}
