//! A statement whose session's calls of models are being read meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Instant;

use super::*;
use crate::clock::Clock;
use crate::inbox::card::READABLE_MAX_BYTES;
use crate::prompt::linking::evidence::Evidence;
use crate::prompt::provenance::tests::{AGENT, SQL, returns, told};
use crate::record::{RecordError, Settings, StoreAt};
use crate::replay::Archive;
use crate::snowflake::answer::Form;
use crate::statement::Scope;

/// A session, and a record on disk.
struct Bed {
    _folder: tempfile::TempDir,
    store: String,
    recorder: Recorder,
    capture: Arc<Mutex<Capture>>,
    /// How often the reader is asked before it has read all.
    waits: Arc<AtomicU32>,
    origin: Origin,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    fn new(provenance: Provenance, execs: &[u64]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("file://{}", folder.path().join("store").display());
        let settings = Settings::new(folder.path().join("state"), StoreAt::read(&store).unwrap());
        let capture = Arc::new(Mutex::new(Capture::LinkOnly));
        let now = Arc::clone(&capture);
        let waits = Arc::<AtomicU32>::default();
        let asked = Arc::clone(&waits);
        Self {
            recorder: Recorder::open(&settings, Clock::system()).unwrap(),
            origin: Origin {
                provenance: Arc::new(SharedProvenance::new(provenance)),
                behind: Behind::new(move || {
                    let asked = Arc::clone(&asked);
                    let is_read = move || {
                        let left = asked.load(Ordering::Relaxed);
                        asked.store(left.saturating_sub(1), Ordering::Relaxed);
                        left == 0
                    };
                    Some(Box::new(is_read))
                }),
                session: SessionId::from_bytes([7; 16]),
                in_force: InForce::new(move || *now.lock().unwrap()),
                execs: execs.to_vec(),
                trace_id: None,
                environment: Arc::default(),
            },
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            _folder: folder,
            store,
            capture,
            waits,
        }
    }

    fn link(&self, id: StatementId, sql: &str) -> Linked {
        let statement = Statement::read(sql, &Scope::new(&|_| false));
        let at = DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(3);
        let linking = self.origin.link(&self.recorder, id, at, &statement);
        self.runtime.block_on(linking)
    }

    /// Lets what comes later be done.
    fn go_on(&self, mut is_done: impl FnMut(&Self) -> bool) {
        for _ in 0..500 {
            self.runtime
                .block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
            if is_done(self) {
                return;
            }
        }
        panic!("expected that it is done within 5 s");
    }

    fn count(&self, table: &str) -> usize {
        self.recorder.flush_blocking().unwrap();
        let archive = Archive::read(&self.store).unwrap();
        archive.table(table).len()
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is time that is looked at")]
fn a_statement_does_not_wait_for_its_sessions_state_and_is_linked_later() {
    let bed = Bed::new(Provenance::new(Capture::LinkOnly), &[]);
    let (free, late) = (StatementId::new(), StatementId::new());
    let linked = bed.link(free, "select 1");
    assert_eq!((linked.link, linked.rows.len()), (LinkGrade::UNKNOWN, 1));

    let reading = bed.origin.provenance.lock();
    let began = Instant::now();
    let linked = bed.link(late, "select 1");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Whoever refuses what is none of the agent's tools' refuses what is not known to be one of them.
    assert_eq!(linked.link, LinkGrade::LATE);
    let [Row::Link(row)] = &linked.rows[..] else {
        panic!("{:?}", linked.rows)
    };
    assert_eq!((row.method, row.mismatch), ("late", None));
    drop(reading);
    bed.go_on(|bed| bed.count("links") > 0);
    let archive = Archive::read(&bed.store).unwrap();
    let [told] = archive.table("links") else {
        panic!("{:?}", archive.table("links"))
    };
    let before = format!("{late}.0");
    assert_eq!(told.text("supersedes"), Some(before.as_str()));
    assert_eq!(told.text("method"), Some("none"));
}

/// Whoever makes its own calls slow to read is not judged as if nothing were open.
#[test]
fn a_statement_is_late_whose_sessions_calls_wait_to_be_read() {
    let bed = Bed::new(Provenance::new(Capture::LinkOnly), &[9, AGENT]);
    // The reader comes up in time.
    bed.waits.store(5, Ordering::Relaxed);
    let in_time = bed.link(StatementId::new(), SQL);
    assert_eq!(in_time.link, LinkGrade::UNKNOWN);
    bed.waits.store(u32::MAX, Ordering::Relaxed);
    let late = bed.link(StatementId::new(), SQL);
    assert_eq!(late.link, LinkGrade::LATE);
    // What follows waits for what was carried before the statement.
    bed.runtime
        .block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
    assert_eq!(bed.count("links"), 0);
    *bed.origin.provenance.lock() = told(Capture::LinkOnly);
    bed.waits.store(0, Ordering::Relaxed);
    bed.go_on(|bed| bed.count("links") > 0);
    let archive = Archive::read(&bed.store).unwrap();
    let [told] = archive.table("links") else {
        panic!("{:?}", archive.table("links"))
    };
    assert!(told.text("supersedes").is_some() && told.text("tool_call_id").is_some());
}

#[test]
fn no_thread_of_a_core_waits_for_the_state_to_say_what_was_missed_or_to_give_words_back() {
    let bed = Bed::new(told(Capture::LinkOnly), &[9, AGENT]);
    let linked = bed.link(StatementId::new(), SQL);
    let all = linked.rows.len();
    let provenance = Arc::clone(&bed.origin.provenance);
    let reading = bed.origin.provenance.lock();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        provenance.missed(DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(2));
        drop(linked);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(5)).unwrap();
    drop(reading);
    // Both count for whoever comes next.
    let next = bed.link(StatementId::new(), SQL);
    assert_eq!(next.rows.len(), all);
    let links = next.rows.iter().filter_map(|row| {
        let Row::Link(link) = row else { return None };
        Some(link.evidence)
    });
    assert!(
        links
            .into_iter()
            .all(|evidence| evidence & Evidence::SOLE.bits() == 0)
    );
}

/// A config that keeps less comes into force while a statement waits: it is that one which counts, not the one that it came under.
#[test]
fn a_link_that_comes_late_brings_the_words_that_may_be_kept_by_then() {
    for (by_then, written) in [(Capture::LinkOnly, 1), (Capture::None, 0)] {
        let bed = Bed::new(told(Capture::LinkOnly), &[9, AGENT]);
        let reading = bed.origin.provenance.lock();
        assert_eq!(bed.link(StatementId::new(), SQL).link, LinkGrade::LATE);
        *bed.capture.lock().unwrap() = by_then;
        drop(reading);
        bed.go_on(|bed| bed.count("links") > 0);
        let words = ["prompts", "tool_call_args"].map(|table| bed.count(table));
        assert_eq!(words, [written; 2], "{by_then:?}");
        // Nor is any shown that a statement is linked to at once.
        let linked = bed.link(StatementId::new(), SQL);
        let is_shown = linked
            .prompt
            .is_some_and(|words| words.contains("how many"));
        assert_eq!(is_shown, by_then != Capture::None);
    }
}

#[test]
fn an_answer_that_finds_the_state_taken_is_known_again_all_the_same() {
    let bed = Bed::new(told(Capture::LinkOnly), &[9, AGENT]);
    let error = RecordError::Share {
        found: "so much".to_owned(),
        limit: "less than that".to_owned(),
    };
    let query = QueryId::mint();
    let reply = Reply::unsent(Form::V1, query, &error);
    let id = StatementId::new();
    bed.link(id, "select ssn from hr.people");
    let reading = bed.origin.provenance.lock();
    {
        let _entered = bed.runtime.enter();
        bed.origin.delivered(&bed.recorder, id, Some(query), &reply);
    }
    drop(reading);
    // Whoever does it later holds the state until it is done.
    bed.go_on(|bed| Arc::strong_count(&bed.origin.provenance) == 1);
    let mut provenance = bed.origin.provenance.lock();
    let links = returns(&mut provenance, &format!("failed: {query}"));
    let is_echo = |link: &Link| link.statement_id == id && link.evidence.has(Evidence::ECHO);
    assert!(links.iter().any(is_echo), "{links:?}");
}

#[test]
fn words_go_back_where_the_rows_of_their_statement_are_refused_and_its_link_does_not() {
    let bed = Bed::new(told(Capture::LinkOnly), &[9, AGENT]);
    let tables = |linked: &Linked| -> Vec<&'static str> {
        let named = linked.rows.iter().map(|row| {
            if matches!(row, Row::Prompt(_)) {
                "prompt"
            } else if matches!(row, Row::ToolCallArgs(_)) {
                "args"
            } else if matches!(row, Row::Link(_)) {
                "link"
            } else {
                "another"
            }
        });
        named.collect()
    };
    let all = ["prompt", "args", "link"];
    let refused = bed.link(StatementId::new(), SQL);
    assert_eq!(tables(&refused), all);
    drop(refused);
    let recorded = bed.link(StatementId::new(), SQL);
    assert_eq!(tables(&recorded), all);
    recorded.lent.unwrap().recorded();
    assert_eq!(tables(&bed.link(StatementId::new(), SQL)), ["link"]);
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
