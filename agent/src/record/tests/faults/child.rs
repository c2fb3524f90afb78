//! One life: statements on many threads, and what became of each told at once.

use std::io::{self, Write};
use std::thread;

use super::super::masks::{bundle, permit, runtime};
use super::*;
use crate::config::Mode as PolicyMode;
use crate::mask::mask_for;
use crate::policy::Bundle;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::statement::Kind;
use crate::upstream::Unmasked;

/// Names the variable that says where spool and store are.
pub(super) const PLACE: &str = "ICECORE_FAULT_PLACE";

/// Names the variable that says that what is acknowledged is in the store.
pub(super) const REMOTE: &str = "ICECORE_FAULT_REMOTE";

/// Statements that are in flight at once.
const IN_FLIGHT: usize = 16;

/// Statements that each thread has one after the other.
const ROUNDS: usize = 4;

/// Lives the life of a recorder, if this process was started to.
pub(super) fn lived() -> bool {
    let Some(dir) = env::var_os(PLACE) else {
        return false;
    };
    let dir = Path::new(&dir);
    let settings = Settings {
        state_dir: dir.join("state"),
        mode: match env::var_os(REMOTE) {
            Some(_) => RecordMode::StrictRemote,
            None => RecordMode::StrictLocal,
        },
        store: store_at(&dir.join("store")),
        seal_interval: Duration::from_millis(10),
        heartbeat: Duration::from_millis(200),
        ..Place::new().settings
    };
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let bundle = bundle("@id(\"reads\") @rows(\"full\") permit (principal, action, resource);");
    thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(|| (0..ROUNDS).for_each(|_| run(&recorder, &bundle)));
        }
    });
    // A store that fails keeps the record in the spool, which the next life ships.
    drop(recorder.close_blocking());
    true
}

fn run(recorder: &Recorder, bundle: &Bundle) {
    let id = StatementId::new();
    tell(&format!("began {id}"));
    let permit = permit(bundle, PolicyMode::Enforce, "select id from t");
    let draft = Draft {
        row: StatementRow {
            policy_mode: Some(PolicyMode::Enforce),
            started_at: Some(Clock::system().now()),
            ..statement(id)
        },
        binds: None,
        beside: Vec::new(),
    };
    let clock = Clock::system();
    let runtime = runtime();
    let intending = intend(recorder, permit, draft, [2; 32], clock.now(), &clock);
    let Some(intent) = acknowledged(runtime.block_on(intending)) else {
        return;
    };
    tell(&format!("forwarded {id}"));
    let query = uuid::Uuid::new_v4();
    let unmasked = Unmasked::of_answer(Kind::Query, answer(query)).under(intent);
    let masked = mask_for(unmasked, QueryId::mint(), Form::V1, "host");
    let session = SessionId::from_bytes([7; 16]);
    let delivering = deliver(recorder, session, masked, None, clock.now());
    if acknowledged(runtime.block_on(delivering)).is_none() {
        return;
    }
    tell(&format!("answered {id} {query}"));
}

/// Gives what came of a commit, unless a store that fails now and then has failed each try: then it is refused.
fn acknowledged<T: std::fmt::Debug>(outcome: Result<T, RecordError>) -> Option<T> {
    match outcome {
        Err(RecordError::Unacknowledged { .. }) => None,
        outcome => Some(outcome.unwrap()),
    }
}

fn answer(query: uuid::Uuid) -> &'static str {
    let text = format!(
        r#"{{"data":{{"queryId":"{query}","total":2,"statementTypeId":4096,"rowtype":[{{"name":"ID","type":"fixed","precision":5,"scale":0,"nullable":false}}],"rowset":[["1"],["2"]],"queryResultFormat":"json"}},"code":null,"message":null,"success":true}}"#
    );
    text.leak()
}

/// Tells in one write, so that what was told before the end is whole.
fn tell(line: &str) {
    let mut out = io::stderr().lock();
    out.write_all(format!("> {line}\n").as_bytes()).unwrap();
}
