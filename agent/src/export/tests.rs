//! What places get, and what becomes of what they do not get.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc::channel;

use super::place::Place;
use super::*;
use crate::config::Export;
use crate::record::event::no_session;
use crate::record::{Category, EventRow, Settings, Severity, StoreAt};

fn event(code: &str, severity: i64, detail: &Value) -> SeenEvent {
    SeenEvent {
        record_id: "0199a3c4-0000-7000-8000-000000000001".to_owned(),
        ts_us: 1_732_700_000_000_001,
        chain: "chain".to_owned(),
        seq: 7,
        session_id: "0199a3c4-0000-7000-8000-000000000002".to_owned(),
        code: code.to_owned(),
        severity,
        category: "net".to_owned(),
        detail: Some(detail.to_string()),
        statement_id: None,
        pid: Some(42),
        dst_host: None,
        is_recovered: false,
    }
}

fn about() -> About {
    About {
        org: "acme".to_owned(),
        host_id: "host".to_owned(),
    }
}

fn export(name: &str, codes: &[&str], min_severity: i64) -> Export {
    Export {
        name: name.to_owned(),
        url: "no address".to_owned(),
        codes: codes.iter().map(|code| (*code).to_owned()).collect(),
        min_severity,
        to: ExportTo::Otlp {
            headers: Vec::new(),
        },
    }
}

/// Source: opentelemetry-proto, examples/logs.json.
#[test]
fn a_log_record_has_the_form_of_otlp() {
    let detail = json!({ "reason": "x", "times": 3, "part": 0.5, "ok": true, "list": ["a"] });
    let body = otlp::body(&[Arc::new(event("NT001", 4, &detail))], &about());
    let record = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1732700000000001000");
    assert_eq!(record["severityNumber"], 17);
    assert_eq!(record["severityText"], "HIGH");
    assert_eq!(record["eventName"], "icecore.NT001");
    let members = json!([
        { "key": "reason", "value": { "stringValue": "x" } },
        { "key": "times", "value": { "intValue": "3" } },
        { "key": "part", "value": { "doubleValue": 0.5 } },
        { "key": "ok", "value": { "boolValue": true } },
        { "key": "list", "value": { "arrayValue": { "values": [{ "stringValue": "a" }] } } },
    ]);
    let mut found = record["body"]["kvlistValue"]["values"]
        .as_array()
        .unwrap()
        .clone();
    let mut expected = members.as_array().unwrap().clone();
    let key = |member: &Value| member["key"].as_str().unwrap().to_owned();
    found.sort_by_key(key);
    expected.sort_by_key(key);
    assert_eq!(found, expected);
    let attribute = |name: &str| {
        let attributes = record["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|one| one["key"] == name);
        found.map(|one| one["value"].clone())
    };
    let id = json!({ "stringValue": "0199a3c4-0000-7000-8000-000000000001" });
    assert_eq!(attribute("icecore.event.id"), Some(id));
    assert_eq!(attribute("process.pid"), Some(json!({ "intValue": "42" })));
    assert_eq!(attribute("icecore.statement"), None);
    let resource = &body["resourceLogs"][0]["resource"]["attributes"];
    assert_eq!(
        resource[0],
        json!({ "key": "service.name", "value": { "stringValue": "icecore" } })
    );
}

#[test]
fn a_collector_says_how_many_it_rejected() {
    for (answer, rejected) in [
        ("", 0),
        ("{}", 0),
        (r#"{"partialSuccess":{}}"#, 0),
        (
            r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"x"}}"#,
            2,
        ),
        (r#"{"partialSuccess":{"rejectedLogRecords":3}}"#, 3),
        (r#"{"partialSuccess":{"rejectedLogRecords":"-1"}}"#, 0),
    ] {
        assert_eq!(otlp::rejected(answer.as_bytes()), rejected, "{answer}");
    }
}

#[test]
fn a_webhook_has_type_time_and_facts() {
    let body = webhook::body(&event("NT001", 4, &json!({ "reason": "x" })), &about());
    assert_eq!(body["type"], "icecore.event.NT001");
    assert_eq!(body["timestamp"], "2024-11-27T09:33:20.000001Z");
    assert_eq!(body["data"]["detail"], json!({ "reason": "x" }));
    assert_eq!(body["data"]["host_id"], "host");
}

proptest! {
    #[test]
    fn what_a_session_chose_is_a_value_of_bounded_length(text in any::<String>(), times in 1_usize..2000) {
        let detail = json!({ "name": text.repeat(times), "\"key\"": [text] });
        let event = event("NT001", 4, &detail);
        for body in [otlp::body(&[Arc::new(event.clone())], &about()), webhook::body(&event, &about())] {
            let bytes = body.to_string();
            prop_assert_eq!(serde_json::from_str::<Value>(&bytes).unwrap(), body);
            prop_assert!(bytes.len() < 100 << 10);
        }
    }
}

/// A queue of one place, and what it took.
fn queue(export: Export, most: usize) -> (Queue, Receiver<Arc<SeenEvent>>) {
    let (events, taken) = channel(most);
    let counts = Arc::<Counts>::default();
    let queue = Queue {
        export,
        events,
        counts,
    };
    (queue, taken)
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let (queue, mut taken) = queue(export("siem", &["NT"], 3), 2);
    for (code, severity) in [("NT001", 3), ("NT001", 2), ("AU001", 5), ("NT001", 5)] {
        queue.take(&Arc::new(event(code, severity, &json!({}))));
    }
    assert_eq!(queue.counts.waiting.load(Ordering::Relaxed), 2);
    queue.take(&Arc::new(event("NT001", 4, &json!({}))));
    assert_eq!(queue.counts.waiting.load(Ordering::Relaxed), 2);
    assert_eq!(queue.counts.dropped.load(Ordering::Relaxed), 1);
    assert_eq!(taken.try_recv().unwrap().severity, 3);
    assert_eq!(taken.try_recv().unwrap().severity, 5);
}

#[test]
fn that_a_place_takes_nothing_is_not_told_to_it() {
    let (queue, mut taken) = queue(export("siem", &[], 1), 9);
    for name in ["siem", "pager"] {
        queue.take(&Arc::new(event("EX001", 3, &json!({ "export": name }))));
    }
    let told = taken.try_recv().unwrap();
    assert!(told.detail.as_deref().unwrap().contains("pager"));
    assert!(taken.try_recv().is_err());
}

/// The recorder tells what it wrote, under the id that the record has, without secrets; and of what a place did not take.
#[test]
fn what_is_written_is_told_and_what_is_dropped_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("file://{}", dir.path().join("store").display());
    let settings = Settings::new(dir.path().join("state"), StoreAt::read(&store).unwrap());
    let seen = Arc::<Mutex<Vec<SeenEvent>>>::default();
    let keeping = Arc::clone(&seen);
    let (told, heard) = mpsc::channel();
    let watcher = Watcher::new(move |one| {
        if let Seen::Event(event) = one {
            keeping.lock().unwrap().push((**event).clone());
            let _gone = told.send(());
        }
    });
    let clock = Clock::system();
    let recorder = Recorder::open_watched(&settings, clock, vec![watcher]).unwrap();
    let row = EventRow {
        session_id: Some(no_session()),
        event_code: "NT001",
        severity: Severity::High,
        category: Category::Net,
        detail: Some(json!({ "reason": "x", "key": "-----BEGIN PRIVATE KEY-----\nMIIEvQ" })),
        ..EventRow::default()
    };
    let receipt = recorder.commit_blocking(vec![row.into()]).unwrap();
    let find = |code: &str| {
        let seen = seen.lock().unwrap();
        seen.iter().find(|event| event.code == code).cloned()
    };
    // Callers are answered before others are told.
    while find("NT001").is_none() {
        heard.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    let event = find("NT001").unwrap();
    assert_eq!(Some(event.seq..=event.seq), receipt.seq());
    assert_eq!((event.severity, event.category.as_str()), (4, "net"));
    assert_eq!(event.chain, recorder.chain());
    assert!(uuid::Uuid::parse_str(&event.record_id).is_ok(), "{event:?}");
    assert!(find("CH001").is_some(), "its own rows are told too");

    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (queue, taken) = queue(export("siem", &[], 1), 9);
    let to = Addressed {
        export: queue.export.clone(),
        secrets: Vec::new(),
        web: web::Client::offline().unwrap(),
        about: about(),
    };
    let place = Place::new(
        to,
        (recorder.clone(), clock),
        &WAITS,
        Arc::clone(&queue.counts),
    );
    queue.take(&Arc::new(event));
    let counts = Arc::clone(&queue.counts);
    drop(queue);
    // What cannot be sent ever is not sent again, and the place ends with its queue.
    runtime.block_on(place.run(taken));
    assert_eq!(counts.dropped.load(Ordering::Relaxed), 1);
    assert_eq!(counts.failures.load(Ordering::Relaxed), 1);
    assert_eq!(counts.waiting.load(Ordering::Relaxed), 0);
    while find("EX001").is_none() {
        heard.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    let detail: Value = serde_json::from_str(&find("EX001").unwrap().detail.unwrap()).unwrap();
    assert_eq!(detail["export"], "siem");
    assert_eq!(detail["dropped"], 1);
    let cause = detail["cause"].as_str().unwrap();
    assert!(cause.starts_with("its address is none"), "{cause}");
    recorder.close_blocking().unwrap();
}

/// A recorder that dies leaves what was not sealed to the next one, which tells of it under the same id.
#[test]
fn events_that_were_not_sealed_are_told_again_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("file://{}", dir.path().join("store").display());
    let settings = Settings::new(dir.path().join("state"), StoreAt::read(&store).unwrap());
    let open = || {
        let seen = Arc::<Mutex<Vec<SeenEvent>>>::default();
        let keeping = Arc::clone(&seen);
        let watcher = Watcher::new(move |one| {
            if let Seen::Event(event) = one {
                keeping.lock().unwrap().push((**event).clone());
            }
        });
        let clock = Clock::system();
        let recorder = Recorder::open_watched(&settings, clock, vec![watcher]).unwrap();
        (recorder, seen)
    };
    let find = |seen: &Mutex<Vec<SeenEvent>>, code: &str| {
        let seen = seen.lock().unwrap();
        let found: Vec<_> = seen.iter().filter(|event| event.code == code).collect();
        assert_eq!(found.len(), 1, "{code}: {seen:?}");
        found[0].clone()
    };
    let (recorder, seen) = open();
    let row = EventRow {
        event_code: "NT001",
        ..EventRow::default()
    };
    let _receipt = recorder.commit_blocking(vec![row.into()]).unwrap();
    // Without a close, as after a crash; its threads have ended by then.
    drop(recorder);
    let before = find(&seen, "NT001");
    assert!(!before.is_recovered);

    let (recorder, seen) = open();
    let again = find(&seen, "NT001");
    assert!(again.is_recovered);
    assert_eq!(again.record_id, before.record_id);
    assert_eq!(again.ts_us, before.ts_us);
    assert_ne!(again.chain, before.chain);
    assert!(!find(&seen, "CH004").is_recovered);
    recorder.close_blocking().unwrap();
}
