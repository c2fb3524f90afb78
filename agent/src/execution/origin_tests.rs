//! A statement whose session's calls of models are being read meanwhile.

use std::time::Instant;

use super::*;
use crate::clock::Clock;
use crate::inbox::card::READABLE_MAX_BYTES;
use crate::record::{Settings, StoreAt};
use crate::replay::Archive;
use crate::statement::Scope;

#[test]
#[expect(clippy::disallowed_methods, reason = "it is time that is looked at")]
fn a_statement_does_not_wait_for_its_sessions_state_and_is_linked_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("file://{}", folder.path().join("store").display());
    let settings = Settings::new(folder.path().join("state"), StoreAt::read(&store).unwrap());
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let origin = Origin {
        provenance: Arc::new(Mutex::new(Provenance::new(Capture::LinkOnly))),
        session: SessionId::from_bytes([7; 16]),
        capture: Capture::LinkOnly,
        execs: Vec::new(),
        trace_id: None,
        environment: Arc::default(),
    };
    let statement = Statement::read("select 1", &Scope::new(&|_| false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (free, late) = (StatementId::new(), StatementId::new());
    let link = |id| {
        let began = Instant::now();
        let linked = runtime.block_on(origin.link(&recorder, id, DateTime::UNIX_EPOCH, &statement));
        (linked, began.elapsed())
    };
    let (linked, _) = link(free);
    assert_eq!((linked.link, linked.rows.len()), (LinkGrade::UNKNOWN, 1));

    let reading = origin.provenance.lock().unwrap();
    let (linked, took) = link(late);
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Whoever refuses what is none of the agent's tools' refuses what is not known to be one of them.
    assert_eq!(linked.link, LinkGrade::LATE);
    let [Row::Link(row)] = &linked.rows[..] else {
        panic!("{:?}", linked.rows)
    };
    assert_eq!((row.method, row.mismatch), ("late", None));
    drop(reading);
    for _ in 0..500 {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
        recorder.flush_blocking().unwrap();
        if !Archive::read(&store).unwrap().table("links").is_empty() {
            break;
        }
    }
    let archive = Archive::read(&store).unwrap();
    let [told] = archive.table("links") else {
        panic!("{:?}", archive.table("links"))
    };
    let before = format!("{late}.0");
    assert_eq!(told.text("supersedes"), Some(before.as_str()));
    assert_eq!(told.text("method"), Some("none"));
}

#[test]
fn a_long_prompt_is_shown_by_its_front_and_leaves_a_card_readable() {
    assert_eq!(shown("short".to_owned()), "short");
    let whole = "x".repeat(PROMPT_MAX_BYTES);
    assert_eq!(shown(whole.clone()), whole);
    // One letter too long, and it may not be cut through.
    let long = format!(
        "{}\u{e4}{}",
        "x".repeat(PROMPT_MAX_BYTES - 1),
        "z".repeat(256 << 10)
    );
    let shown = shown(long.clone());
    assert!(shown.starts_with(&"x".repeat(PROMPT_MAX_BYTES - 1)) && !shown.contains('z'));
    let end = format!(
        "(the first {} of its {} bytes)",
        PROMPT_MAX_BYTES - 1,
        long.len()
    );
    assert!(shown.ends_with(&end), "{}", shown.len());
    assert!(shown.len() < READABLE_MAX_BYTES / 8);
}
