//! What goes into the record of what is read, what waits for room, and what a reload keeps out.

use super::*;
use crate::prompt::exchange::{At, Exchanges};
use crate::prompt::wire::{Protocol, Side};
use crate::record::Row;

const SQL: &str = "select count(*) from orders";

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future);
}

/// Has the agent ask its model, which asks for a command; gives what is to be recorded of both.
fn hears(sink: &Sink, number: u8) -> Vec<Fact> {
    let command = format!("snowsql -q '{SQL} where {number} = {number}'");
    let (name, host) = (format!("c{number}"), HOST.to_owned());
    let mut exchanges = Exchanges::new(name, host, Protocol::Http1, None);
    let said = asks(&format!("how many, {number}?"));
    let answered = answers(&format!("use{number}"), &command);
    let mut told = Vec::new();
    {
        let history = &mut *sink.history();
        history.heard_from(Some(AGENT));
        let at = At {
            time: Clock::system().now(),
            boot_ns: boot_ns(),
        };
        exchanges.feed(Side::Client, &said, at, history, &mut told);
        exchanges.feed(Side::Server, &answered, at, history, &mut told);
    }
    sink.take(told, Some(AGENT))
}

/// Has the command's statement arrive.
fn queries(bed: &Bed, sink: &Sink, number: u8) -> Vec<Fact> {
    let (link, facts) = bed.runs(sink, &format!("{SQL} where {number} = {number}"));
    assert_eq!(link.tool_call_id, Some(format!("use{number}")), "{link:?}");
    facts
}

/// Counts the rows of calls, uses, prompts, arguments and links.
fn counts(bed: &Bed) -> [usize; 5] {
    let tables = [
        "llm_calls",
        "tool_calls",
        "prompts",
        "tool_call_args",
        "links",
    ];
    tables.map(|table| bed.rows(table).len())
}

#[test]
fn what_is_left_out_for_lack_of_room_is_told_and_its_words_go_with_a_later_link() {
    let limits = RecordLimits {
        session_spool_max_bytes: 64 << 10,
        ..RecordLimits::default()
    };
    let bed = Bed::with(PromptCapture::All, limits);
    let sink = bed.sink();
    let ballast = EventRow {
        session_id: Some(bed.session.id()),
        event_code: "XX000",
        severity: Severity::Low,
        category: Category::Net,
        detail: Some(json!({ "text": "x".repeat(40 << 10) })),
        ..EventRow::default()
    };
    drop(
        bed.recorder
            .commit_blocking(vec![Row::from(ballast)])
            .unwrap(),
    );
    assert!(bed.recorder.ask_beside(bed.session.id()).is_err());
    let facts = hears(&sink, 1);
    assert_eq!(facts.len(), 4, "{facts:?}");
    // A statement meanwhile: its link is written all the same, its words go with it.
    run(sink.record(facts));
    assert_eq!(counts(&bed), [0; 5]);
    let told = bed.events("GP001");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["model_calls"], &told[0]["rows"]),
        (&json!(1), &json!(4))
    );
    // The store has it all: there is room.
    assert!(bed.recorder.ask_beside(bed.session.id()).is_ok());
    run(sink.record(queries(&bed, &sink, 1)));
    assert_eq!(counts(&bed), [0, 0, 1, 1, 1]);
    let words = bed.rows("prompts");
    assert_eq!(words[0].text("text"), Some("how many, 1?"));
    run(sink.record(queries(&bed, &sink, 1)));
    assert_eq!(counts(&bed), [0, 0, 1, 1, 2]);
}

#[test]
fn what_is_left_out_after_its_session_ended_is_told_when_its_connection_does() {
    let limits = RecordLimits {
        session_spool_max_bytes: 1 << 10,
        ..RecordLimits::default()
    };
    let bed = Bed::with(PromptCapture::All, limits);
    let sink = bed.sink();
    let ballast = EventRow {
        session_id: Some(bed.session.id()),
        event_code: "XX000",
        severity: Severity::Low,
        category: Category::Net,
        detail: Some(json!({ "text": "x".repeat(900) })),
        ..EventRow::default()
    };
    drop(
        bed.recorder
            .commit_blocking(vec![Row::from(ballast)])
            .unwrap(),
    );
    let is_full = || bed.recorder.ask_beside(bed.session.id()).is_err();
    assert!(is_full());
    let (first, second) = (hears(&sink, 1), hears(&sink, 2));
    run(async {
        sink.record(first).await;
        assert!(bed.session.models().last_unkept(bed.session.id()).is_none());
        // The last row came too short a time ago.
        assert!(is_full());
        sink.record(second).await;
        sink.end().await;
        sink.end().await;
    });
    let calls: Vec<Value> = bed
        .events("GP001")
        .iter()
        .map(|told| told["model_calls"].clone())
        .collect();
    assert_eq!(calls, [1, 1]);
}

#[test]
fn what_a_commit_failed_on_is_recorded_with_the_next_and_the_rest_is_told() {
    let bed = Bed::new(PromptCapture::LinkOnly);
    let elsewhere = format!("file://{}", bed.folder.path().join("else").display());
    let settings = Settings::new(
        bed.folder.path().join("broken"),
        StoreAt::read(&elsewhere).unwrap(),
    );
    let closed = Recorder::open(&settings, Clock::system()).unwrap();
    closed.close_blocking().unwrap();
    let (broken, well) = (bed.sink_to(&closed), bed.sink());
    run(broken.record(hears(&broken, 1)));
    run(broken.record(queries(&bed, &broken, 1)));
    assert_eq!(counts(&bed), [0; 5]);
    // Use and call of the first are lost, its link and its words are not.
    run(well.record(hears(&well, 2)));
    assert_eq!(counts(&bed), [1, 1, 1, 1, 1]);
    assert_eq!(bed.rows("prompts")[0].text("text"), Some("how many, 1?"));
    let told = bed.events("GP001");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["model_calls"], &told[0]["rows"]),
        (&json!(1), &json!(4))
    );
    run(well.record(queries(&bed, &well, 1)));
    assert_eq!(counts(&bed), [1, 1, 1, 1, 2]);
}

#[test]
fn a_reload_to_a_lesser_capture_or_that_keeps_the_repository_out_holds_for_what_runs() {
    let out = || models_but(&[(HOST, false)], PromptCapture::All, &["Acme/App"]);
    let none = || models_but(&[], PromptCapture::All, &[]);
    let less = || models(PromptCapture::LinkOnly);
    // Words of the first turn were written as they came; of the second nothing may be, or what a statement is linked to.
    for (name, next, written) in [
        ("link_only", &less as &dyn Fn() -> Models, [2, 2, 2, 2, 2]),
        ("none", &|| models(PromptCapture::None), [2, 2, 1, 1, 2]),
        ("kept out", &out, [2, 2, 1, 1, 2]),
        ("no host", &none, [2, 2, 1, 1, 2]),
    ] {
        let bed = Bed::new(PromptCapture::All);
        let sink = bed.sink();
        run(sink.record(hears(&sink, 1)));
        assert_eq!(counts(&bed), [1, 1, 1, 1, 0], "{name}");
        *bed.models.lock().unwrap() = next();
        run(sink.record(hears(&sink, 2)));
        assert_eq!(counts(&bed), [2, 2, 1, 1, 0], "{name}");
        run(sink.record(queries(&bed, &sink, 1)));
        run(sink.record(queries(&bed, &sink, 2)));
        assert_eq!(counts(&bed), written, "{name}");
        // What was seen meanwhile stays in memory once more may be kept again.
        *bed.models.lock().unwrap() = models(PromptCapture::All);
        run(sink.record(hears(&sink, 3)));
        run(sink.record(queries(&bed, &sink, 2)));
        let [_, _, prompts, args, links] = written;
        assert_eq!(
            counts(&bed),
            [3, 3, prompts + 1, args + 1, links + 1],
            "{name}"
        );
    }
}
