//! No credential becomes part of a value; the same one has the same fingerprint.

use super::*;

const CANARY: &str = "canary-5e0c";

fn request(target: &str, fields: &str) -> Request {
    let script = [client(format!(
        "POST {target} HTTP/1.1\r\nhost: user:{CANARY}@h\r\n{fields}\r\n"
    ))];
    let mut seen = read(Protocol::Http1, &script);
    assert!(!format!("{seen:?}").contains(CANARY), "{seen:?}");
    let Seen::Request(request) = seen.remove(0) else {
        unreachable!("{seen:?}");
    };
    request
}

#[test]
fn credentials_are_given_to_the_fingerprint_alone() {
    let expected = mark(CANARY.as_bytes());
    for (target, fields) in [
        ("/", format!("Authorization: Bearer {CANARY}\r\n")),
        ("/", format!("authorization: {CANARY}\r\n")),
        (
            "/",
            format!("X-Api-Key: {CANARY}\r\nauthorization: Bearer {CANARY}\r\n"),
        ),
        ("/", format!("api-key: {CANARY}\r\n")),
        ("/", format!("x-goog-api-key: {CANARY}\r\n")),
        (
            "/",
            format!("sec-websocket-protocol: realtime, openai-insecure-api-key.{CANARY}, x\r\n"),
        ),
        (
            "/",
            format!(
                "authorization: AWS4-HMAC-SHA256 Credential={CANARY}/20261127/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab\r\n"
            ),
        ),
        (&format!("/?alt=sse&key={CANARY}"), String::new()),
        (
            &format!("/?X-Amz-Credential={CANARY}%2F20261127%2Fus"),
            String::new(),
        ),
    ] {
        let request = request(target, &fields);
        assert_eq!(request.credentials, [expected], "{target} {fields}");
        assert_eq!(request.authority, "h");
    }
}

#[test]
fn two_credentials_are_two_fingerprints() {
    let script = [client(
        "GET /?key=a HTTP/1.1\r\nhost: h\r\nx-api-key: b\r\nauthorization: Basic a\r\n\r\n",
    )];
    let seen = read(Protocol::Http1, &script);
    let Seen::Request(request) = &seen[0] else {
        unreachable!("{seen:?}");
    };
    assert_eq!(request.credentials, [mark(b"b"), mark(b"a")]);
}

#[test]
fn fields_and_queries_that_may_be_secret_are_not_kept() {
    let fields: String = [
        "cookie",
        "x-amz-security-token",
        "proxy-authorization",
        "x-claude-code-token",
        "x-codex-api-key",
        "x-codex-account-id",
        "sec-websocket-key",
        "x-other",
    ]
    .map(|name| format!("{name}: {CANARY}\r\n"))
    .concat();
    let kept = "Session-Id: s\r\nX-Codex-Turn-Metadata: {\"turn_id\":1}\r\nx-claude-code-session-id: c\r\n";
    let target = format!(
        "/v1beta/models/m:streamGenerateContent?x={CANARY}&alt=sse&X-Amz-Signature={CANARY}#{CANARY}"
    );
    let request = request(&target, &format!("{fields}{kept}"));
    assert_eq!(
        request.path,
        "/v1beta/models/m:streamGenerateContent?alt=sse"
    );
    let headers: Vec<(&str, &str)> = request.headers.iter().collect();
    let expected = [
        ("session-id", "s"),
        ("x-codex-turn-metadata", "{\"turn_id\":1}"),
        ("x-claude-code-session-id", "c"),
    ];
    assert_eq!(headers, expected);
    assert_eq!(request.headers.first("session-id"), Some("s"));
    assert_eq!(request.headers.first("cookie"), None);
}

#[test]
fn targets_are_shown_without_their_query() {
    for (target, authority, path) in [
        ("/", "h", "/"),
        ("*", "h", "*"),
        ("/a?alt=json", "h", "/a?alt=json"),
        ("/a?alt=b%20c", "h", "/a"),
        ("/a?alt=0123456789abcdefg", "h", "/a"),
        ("/a?b=c?alt=sse", "h", "/a"),
        (
            "http://user:canary-5e0c@Other:8080/p?q=r",
            "other:8080",
            "/p",
        ),
        ("https://other?q=r", "other", "/"),
        ("/redirect?to=http://other/", "h", "/redirect"),
    ] {
        let request = request(target, "");
        assert_eq!(
            (request.authority.as_str(), request.path.as_str()),
            (authority, path),
            "{target}"
        );
    }
}

/// What is printed of the reader itself, for a log, holds none either.
#[test]
fn a_reader_prints_no_credential() {
    let mut reader = Reader::new(Protocol::Http2);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let field = [b"\x40\x0dauthorization\x0b", CANARY.as_bytes()].concat();
    let length = u8::try_from(field.len()).unwrap();
    let frame = [&[0, 0, length, 1, 4, 0, 0, 0, 1][..], &field].concat();
    reader.client(&[&preface[..], &frame].concat(), &mut |_| {});
    let printed = format!("{reader:?}");
    assert!(printed.contains("Table(1 entries)"), "{printed}");
    let decimal = format!("{:?}", CANARY.as_bytes());
    assert!(!printed.contains(CANARY) && !printed.contains(decimal.trim_matches(['[', ']'])));
}
