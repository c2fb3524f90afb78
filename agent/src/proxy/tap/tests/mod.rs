//! Connections to model APIs by the tap's own doors, from their bytes to the record: what is read, what is not, and what is told.

mod reading;
mod record;
mod unread;

use serde_json::Value;
use tempfile::TempDir;

use super::copies::Side;
use super::models::Models;
use super::models::tests::models_but;
use super::reading::Protocol;
use super::*;
use crate::config::{ModelApi, PromptCapture};
use crate::connection::peer::Peer;
use crate::connection::sys::boot_ns;
use crate::id::StatementId;
use crate::prompt::linking::{Arrived, Link, Sql};
use crate::prompt::provenance::Fact;
use crate::proxy::sessions::tests::session_read;
use crate::record::entry::Entry;
use crate::record::{RecordLimits, Recorder, Settings, StoreAt};
use crate::replay::Archive;

/// The exec of the agent's process.
const AGENT: u64 = 5;

/// A host whose model calls are read.
const HOST: &str = "a.example";

/// The repository that its session is of.
const REPOSITORY: &str = "acme/app";

/// A session whose model calls are read, and a record on disk.
struct Bed {
    folder: TempDir,
    store: String,
    recorder: Recorder,
    session: Arc<Session>,
    /// The config in force.
    models: Arc<Mutex<Models>>,
    tap: Tap,
}

fn models(capture: PromptCapture) -> Models {
    models_but(&[(HOST, false)], capture, &[])
}

impl Bed {
    fn new(capture: PromptCapture) -> Self {
        Self::with(capture, RecordLimits::default())
    }

    fn with(capture: PromptCapture, limits: RecordLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("file://{}", folder.path().join("store").display());
        let settings = Settings {
            limits,
            ..Settings::new(folder.path().join("state"), StoreAt::read(&store).unwrap())
        };
        let models = models(capture);
        let told = models.to_read(Some(REPOSITORY)).unwrap();
        let tap = Tap::new(folder.path(), "host", Clock::system());
        tap.prepare(&models).unwrap();
        tap.reader.get_or_init(|| super::reading::begin().unwrap());
        Self {
            recorder: Recorder::open(&settings, Clock::system()).unwrap(),
            session: Arc::new(session_read(told, REPOSITORY)),
            models: Arc::new(Mutex::new(models)),
            folder,
            store,
            tap,
        }
    }

    fn sink(&self) -> Sink {
        self.sink_to(&self.recorder)
    }

    fn sink_to(&self, recorder: &Recorder) -> Sink {
        Sink::of_test(&self.session, &self.models, recorder, &self.tap)
    }

    fn connection(&self, host: &str, on_unread: OnUntrusted) -> ModelConnection {
        ModelConnection {
            number: self.tap.number(),
            session: self.session.id(),
            peer: Peer {
                pid: 7,
                exec_id: AGENT,
                ..Peer::default()
            },
            environment: Arc::default(),
            host: host.to_owned(),
            destination: ([127, 0, 0, 1], 443).into(),
            api: ModelApi::Messages,
            protocol: Protocol::Http1,
            is_verified: true,
            capture: PromptCapture::LinkOnly,
            on_unread,
        }
    }

    /// Opens a connection, as one that was carried would be.
    fn open(&self, host: &str, on_unread: OnUntrusted) -> Option<Copies> {
        let waiting = self.session.models().waiting();
        let connection = self.connection(host, on_unread);
        self.tap.read(connection, self.sink(), waiting)
    }

    /// Has a statement arrive that a process of the agent's sends.
    fn runs(&self, sink: &Sink, sql: &str) -> (Link, Vec<Fact>) {
        let process = boot_ns();
        sink.arrives(Arrived {
            id: StatementId::new(),
            at: Clock::system().now(),
            sql: Sql::new(sql, None),
            ancestors: vec![process, AGENT],
            trace_ids: Vec::new(),
            agent_sessions: Vec::new(),
            tag: None,
        })
    }

    /// Gives the rows of a table, by now.
    fn rows(&self, table: &str) -> Vec<Entry> {
        self.recorder.flush_blocking().unwrap();
        Archive::read(&self.store).unwrap().table(table).to_vec()
    }

    /// Gives the details of events of a code, by now.
    fn events(&self, code: &str) -> Vec<Value> {
        let events = self.rows("events").into_iter();
        let details = events.filter(|row| row.text("event_code") == Some(code));
        details
            .map(|row| serde_json::from_str(row.text("detail").unwrap()).unwrap())
            .collect()
    }

    /// Gives what the record says of calls that were not read as a whole, by now.
    fn statuses(&self) -> Vec<String> {
        let rows = self.rows("llm_calls").into_iter();
        let status = |row: Entry| row.text("parse_status").unwrap_or_default().to_owned();
        rows.map(status)
            .filter(|status| status != "whole")
            .collect()
    }
}

/// Waits until something is there.
#[track_caller]
fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("expected something within 20 s")
}

fn asks(text: &str) -> Vec<u8> {
    let body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}]});
    let body = body.to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

/// An answer that asks for a command, in a use of this name.
fn answers(id: &str, command: &str) -> Vec<u8> {
    let tool = json!({"type": "tool_use", "id": id, "name": "Bash", "input": {"command": command}});
    let body = json!({
        "id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [tool], "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}
