//! What is given up on the way, how the reader's time is shared out, and what a stop leaves.

use super::*;

/// A head whose lines end in two ways, which is not read.
const ODD: &[u8] = b"POST /v1/messages HTTP/1.1\r\nHost: a.example\nContent-Length: 2\r\n\r\n{}";

const GIVEN_UP: &str = "unreadable: head: lines end with a carriage return and without";

#[test]
fn a_connection_that_is_given_up_has_a_row_and_an_event_and_no_use_is_the_only_one_then() {
    let bed = Bed::new(PromptCapture::LinkOnly);
    let copies = bed.open(HOST, OnUntrusted::Splice).unwrap();
    assert!(copies.put(Side::Client, &asks("well")));
    assert!(copies.put(Side::Server, &answers("use", "make report")));
    assert!(copies.put(Side::Client, ODD));
    let told = wait(|| Some(bed.events("NT008")).filter(|told| !told.is_empty()));
    assert_eq!(
        (&told[0]["found"], &told[0]["then"]),
        (&json!(GIVEN_UP), &json!("carried unread"))
    );
    assert_eq!(bed.statuses(), [GIVEN_UP]);
    assert_eq!(bed.tap.counts().unreadable(), 1);
    let (link, _) = bed.runs(&bed.sink(), "select ssn from hr.people");
    assert!(
        !link
            .evidence
            .has(crate::prompt::linking::evidence::Evidence::SOLE)
    );
    // It goes on, and that is not told again.
    assert!(copies.put(Side::Client, ODD));
    drop(copies);
    wait(|| (bed.tap.waiting_bytes() == 0).then_some(()));
    assert_eq!(bed.statuses().len(), 1);
}

#[test]
fn a_connection_that_is_given_up_is_closed_where_nothing_may_pass_unread() {
    let bed = Bed::new(PromptCapture::LinkOnly);
    let copies = bed.open(HOST, OnUntrusted::Fail).unwrap();
    assert!(copies.put(Side::Client, ODD));
    let told = wait(|| Some(bed.events("NT008")).filter(|told| !told.is_empty()));
    assert_eq!(told[0]["then"], "closed");
    wait(|| (!copies.put(Side::Server, b"HTTP/1.1 200 OK\r\n\r\n")).then_some(()));
}

/// Words without a secret, of which each takes the reader some time.
fn many_words(number: usize) -> String {
    format!("call {number}: {}", "what was asked. ".repeat(4 << 10))
}

#[test]
fn another_session_is_read_between_the_requests_of_one_piece() {
    const REQUESTS: usize = 24;
    let bed = Bed::new(PromptCapture::All);
    let told = bed
        .models
        .lock()
        .unwrap()
        .to_read(Some(REPOSITORY))
        .unwrap();
    let other = Arc::new(session_read(told, REPOSITORY));
    let open = |session: &Arc<Session>| {
        let sink = Sink::of_test(session, &bed.models, &bed.recorder, &bed.tap);
        let connection = ModelConnection {
            session: session.id(),
            ..bed.connection(HOST, OnUntrusted::Splice)
        };
        let waiting = session.models().waiting();
        bed.tap.read(connection, sink, waiting).unwrap()
    };
    let (greedy, modest) = (open(&bed.session), open(&other));
    let piece: Vec<Vec<u8>> = (0..REQUESTS).map(|n| asks(&many_words(n))).collect();
    assert!(greedy.put(Side::Client, &piece.concat()));
    assert!(modest.put(Side::Client, &asks("a short one")));
    let read = wait(|| {
        let rows = bed.rows("prompts");
        let is_its = |row: &Entry| row.text("text") == Some("a short one");
        rows.iter().any(is_its).then(|| rows.len() - 1)
    });
    assert!(read < REQUESTS / 2, "{read} of {REQUESTS} came first");
}

#[test]
fn a_stop_has_what_waits_be_read_without_a_rest() {
    let bed = Bed::new(PromptCapture::All);
    let copies = bed.open(HOST, OnUntrusted::Splice).unwrap();
    let minute_ns = 60_000_000_000;
    let pace = bed.session.models().pace();
    pace.spent(Clock::system().mono_ns(), minute_ns);
    assert!(copies.put(Side::Client, &asks("before the stop")));
    assert!(copies.put(Side::Server, &answers("use", "make report")));
    thread::sleep(Duration::from_millis(100));
    assert_eq!(bed.rows("prompts").len(), 0);
    // Nobody reads any more: so it would be told.
    let unread = |bed: &Bed| {
        let row = bed.session.models().last_unread(bed.session.id());
        row.and_then(|row| row.detail?["unread_bytes"].as_u64())
    };
    assert!(unread(&bed).is_some_and(|bytes| bytes > 100));
    bed.tap.stop_blocking(Duration::from_secs(20));
    assert_eq!(unread(&bed), None);
    assert_eq!(
        (bed.rows("prompts").len(), bed.rows("tool_calls").len()),
        (1, 1)
    );
    assert_eq!(bed.rows("llm_calls").len(), 1);
}
