//! Connections that are not read, or not to their end.

use super::*;
use crate::prompt::linking::evidence::Evidence;
use crate::prompt::linking::grade::Grade;

const OTHER: &str = "select ssn from hr.people";

/// Has the model ask for one command that shows no SQL, and waits until that is known.
fn asks_for_a_command(bed: &Bed, copies: &Copies) {
    assert!(copies.put(Side::Client, &asks("make it")));
    assert!(copies.put(Side::Server, &answers("use", "make report")));
    wait(|| (!bed.rows("tool_calls").is_empty()).then_some(()));
    let (link, _) = bed.runs(&bed.sink(), OTHER);
    assert_eq!(link.grade, Grade::Probable);
    assert!(link.evidence.has(Evidence::SOLE));
}

/// No use is the only one once something was missed.
#[track_caller]
fn has_missed(bed: &Bed) {
    let (link, _) = bed.runs(&bed.sink(), OTHER);
    assert_eq!(link.grade, Grade::Possible);
}

#[test]
fn the_connection_after_the_sixteenth_is_told_and_carried_or_closed_as_the_config_says() {
    let bed = Bed::new(PromptCapture::LinkOnly);
    let first = bed.open(HOST, OnUntrusted::Splice).unwrap();
    asks_for_a_command(&bed, &first);
    // The sinks that only had a look have given their places back.
    let rest = (1..16).map(|_| bed.open(HOST, OnUntrusted::Fail).unwrap());
    let mut places: Vec<Copies> = rest.collect();
    assert_eq!(
        (bed.statuses().len(), bed.tap.counts().unreadable()),
        (0, 0)
    );

    let spliced = bed.open(HOST, OnUntrusted::Splice).unwrap();
    assert!(spliced.put(Side::Client, &asks("unread")));
    assert!(spliced.put(Side::Server, b"HTTP/1.1 200 OK\r\n\r\n"));
    let told = wait(|| Some(bed.events("NT008")).filter(|told| !told.is_empty()));
    assert_eq!(
        (told.len(), &told[0]["host"], &told[0]["then"]),
        (1, &json!(HOST), &json!("carried unread"))
    );
    assert_eq!(bed.statuses(), [Why::NoPlace.text()]);
    has_missed(&bed);
    assert!(bed.open("b.example", OnUntrusted::Fail).is_none());
    let told = wait(|| Some(bed.events("NT008")).filter(|told| told.len() == 2));
    assert_eq!(told[1]["then"], "closed");
    assert_eq!(bed.statuses(), [Why::NoPlace.text(); 2]);
    assert_eq!(bed.tap.counts().unreadable(), 2);
    let outcomes = bed.tap.counts().connections();
    assert_eq!((outcomes[0], outcomes[3]), (("read", 1), ("unread", 2)));
    // One that ends makes room.
    places.pop();
    wait(|| bed.open(HOST, OnUntrusted::Fail));
}

#[test]
fn a_reader_that_panics_is_told_and_gives_its_place_back() {
    let bed = Bed::new(PromptCapture::LinkOnly);
    let copies = bed.open(HOST, OnUntrusted::Splice).unwrap();
    asks_for_a_command(&bed, &copies);
    for is_ill in [false, true] {
        let _entered = bed.tap.reader.get().unwrap().enter();
        let sink = Arc::new(bed.sink());
        assert!(sink.has_place());
        let connection = bed.connection(HOST, OnUntrusted::Splice);
        bed.tap.watched(connection, sink, async move {
            assert!(!is_ill, "on purpose");
        });
    }
    let told = wait(|| Some(bed.events("NT008")).filter(|told| !told.is_empty()));
    assert_eq!(
        (told.len(), &told[0]["found"]),
        (1, &json!(Why::Failed.text()))
    );
    assert_eq!(bed.statuses(), [Why::Failed.text()]);
    assert_eq!(bed.tap.counts().unreadable(), 1);
    has_missed(&bed);
    // The others are read as before, fifteen more at once.
    wait(|| {
        let all: Option<Vec<Copies>> = (1..16).map(|_| bed.open("b", OnUntrusted::Fail)).collect();
        all
    });
}

#[test]
fn copies_that_are_dropped_are_told_and_what_a_model_asked_for_by_them_was_missed() {
    let bed = Bed::new(PromptCapture::LinkOnly);
    let copies = bed.open(HOST, OnUntrusted::Splice).unwrap();
    asks_for_a_command(&bed, &copies);
    let long = b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
    assert!(copies.put(Side::Client, long));
    {
        // The reader waits for the session's conversations.
        let looking = bed.sink();
        let _held = looking.history();
        let part = vec![b'x'; 64 << 10];
        while bed.tap.counts().lost_bytes() == 0 {
            assert!(copies.put(Side::Client, &part));
        }
    }
    wait(|| (bed.tap.waiting_bytes() == 0).then_some(()));
    assert!(bed.events("NT008").is_empty());
    assert!(copies.put(Side::Client, b"behind the gap"));
    let told = wait(|| Some(bed.events("NT008")).filter(|told| !told.is_empty()));
    assert_eq!(
        (told.len(), &told[0]["found"]),
        (1, &json!(Why::Lost.text()))
    );
    let lost = bed.statuses().into_iter();
    assert_eq!(lost.filter(|status| status == Why::Lost.text()).count(), 1);
    assert_eq!(bed.tap.counts().unreadable(), 1);
    has_missed(&bed);
}

/// An answer that was not read may hold uses of tools.
#[test]
fn a_call_whose_answer_cannot_be_read_may_have_asked_for_more() {
    for (coding, is_missed) in [("x-unknown", true), ("identity", false)] {
        let bed = Bed::new(PromptCapture::LinkOnly);
        let copies = bed.open(HOST, OnUntrusted::Splice).unwrap();
        asks_for_a_command(&bed, &copies);
        assert!(copies.put(Side::Client, &asks("and more")));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        assert!(copies.put(Side::Server, head.as_bytes()));
        wait(|| (bed.rows("llm_calls").len() == 2).then_some(()));
        let (link, _) = bed.runs(&bed.sink(), OTHER);
        let expected = if is_missed {
            Grade::Possible
        } else {
            Grade::Probable
        };
        assert_eq!(link.grade, expected, "{coding}: {:?}", bed.statuses());
    }
}
