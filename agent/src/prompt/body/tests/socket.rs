//! The Responses API over a WebSocket.

use super::*;

#[test]
fn a_web_sockets_streams_are_kept_apart() {
    let mut socket = ResponsesSocket::new(&Head {
        target: "/v1/responses",
        headers: &[("session-id", "s")],
    });
    let mut history = History::new("s");
    let sent = socket
        .sent(
            br#"{"type":"response.create","stream_id":"a","model":"m","input":"x"}"#,
            &mut history,
        )
        .unwrap();
    assert_eq!((sent.stream.as_str(), sent.request.turns.len()), ("a", 1));
    assert_eq!(sent.request.ids.session.as_deref(), Some("s"));
    assert_eq!(
        socket.sent(br#"{"type":"response.cancel"}"#, &mut history),
        None
    );
    assert!(
        socket
            .sent(b"\xff", &mut history)
            .is_some_and(|sent| sent.request.status != ParseStatus::Whole)
    );
    let event = |stream: &str, rest: &str| format!(r#"{{"stream_id":"{stream}",{rest}}}"#);
    let created = |id: &str| format!(r#""type":"response.created","response":{{"id":"{id}"}}"#);
    let done = |id: &str| {
        format!(
            r#""type":"response.output_item.done","output_index":0,"item":{{"type":"function_call","call_id":"{id}","name":"n","arguments":"{{}}"}}"#
        )
    };
    let mut told = Vec::new();
    for message in [
        event("a", &created("r1")),
        event("b", &created("r2")),
        event("a", &done("c1")),
        event("b", &done("c2")),
        event(
            "b",
            r#""type":"response.completed","response":{"id":"r2","status":"completed"}"#,
        ),
        event("a", &created("r3")),
    ] {
        let received = socket.received(message.as_bytes());
        let calls: Vec<_> = received
            .calls
            .into_iter()
            .filter_map(|call| call.id)
            .collect();
        told.push((
            received.stream,
            calls,
            received
                .answer
                .map(|answer| (answer.response_id.unwrap(), answer.status)),
        ));
    }
    let text = str::to_owned;
    assert_eq!(told[2], (text("a"), vec![text("c1")], None));
    assert_eq!(told[3], (text("b"), vec![text("c2")], None));
    assert_eq!(
        told[4],
        (text("b"), vec![], Some((text("r2"), ParseStatus::Whole)))
    );
    assert_eq!(
        told[5],
        (
            text("a"),
            vec![],
            Some((text("r1"), ParseStatus::Unfinished))
        )
    );
    let last = socket.finish();
    assert_eq!(last.len(), 1);
    assert_eq!(
        last[0].answer.as_ref().unwrap().response_id.as_deref(),
        Some("r3")
    );
}
