//! Statements as the agent writes them down, for the benchmarks of the record: each its intent, its text and its end.
//!
//! As in a day of CI jobs: 64 sessions at a time of 50 statements each, some hundred statements in flight, which end in
//! another order than they began in. Half of the texts come again and again, half occur once; ids are random where a
//! driver's are, and Snowflake's query ids have their form. A reply holds its query id, so that no two digests of replies
//! are alike, and members of it that nobody listed do not leave, so that what came and what left differ.

use anyhow::{Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use icecore::clock::Clock;
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::{
    Decision, Mode, Object, Recorder, ResultColumn, Row, StatementRow, StatementTextRow, Status,
    commitment,
};
use mimalloc::MiMalloc;
use uuid::Builder;

/// The allocator of the program that ships.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Statements that begin between two commits, as many in flight do.
const TOGETHER: usize = 64;

/// Statements that are in flight.
const IN_FLIGHT: usize = 256;

/// Statements of a session.
const OF_SESSION: usize = 50;

/// Texts that come again and again.
const TEXTS: usize = 1000;

/// Their forms without literals.
const FORMS: usize = 40;

/// Statements that are under way, and the sessions that send them.
pub(crate) struct Statements {
    sessions: Vec<(SessionId, LoginId)>,
    in_flight: Vec<(usize, StatementRow)>,
    begun: usize,
}

impl Statements {
    /// Begins a day without a statement.
    pub(crate) fn new() -> Self {
        Self {
            sessions: Vec::new(),
            in_flight: Vec::new(),
            begun: 0,
        }
    }

    /// Gives the rows of those that begin, and of those that end meanwhile.
    pub(crate) fn step(&mut self, recorder: &Recorder, upto: usize) -> [Vec<Row>; 2] {
        let (mut intents, mut ends) = (Vec::new(), Vec::new());
        let more = TOGETHER.min(upto - self.begun);
        for number in self.begun..self.begun + more {
            let (row, text) = intent(recorder, number, self.session(number));
            self.in_flight.push((number, row.clone()));
            intents.extend([Row::from(row), Row::from(text)]);
        }
        self.begun += more;
        let stay = if more == 0 { 0 } else { IN_FLIGHT };
        while self.in_flight.len() > stay {
            let newest = self.in_flight.last().map_or(0, |(number, _)| *number);
            let which = below(mixed(newest as u64), self.in_flight.len());
            let (number, row) = self.in_flight.swap_remove(which);
            ends.push(Row::from(end(recorder, row, number)));
        }
        [intents, ends]
    }

    /// Tells whether as many statements are over.
    pub(crate) fn are_over(&self, upto: usize) -> bool {
        self.begun == upto && self.in_flight.is_empty()
    }

    fn session(&mut self, number: usize) -> (SessionId, LoginId) {
        let at = number / (TOGETHER * OF_SESSION) * TOGETHER + number % TOGETHER;
        loop {
            if let Some(session) = self.sessions.get(at) {
                return *session;
            }
            self.sessions.push((SessionId::new(), LoginId::new()));
        }
    }
}

/// Records as many statements.
pub(crate) fn record(recorder: &Recorder, count: usize) -> Result<()> {
    let mut statements = Statements::new();
    while !statements.are_over(count) {
        for rows in statements.step(recorder, count) {
            if !rows.is_empty() {
                drop(recorder.commit_blocking(rows)?);
            }
        }
        ensure!(!recorder.is_degraded(), "the recorder refuses");
    }
    Ok(())
}

/// Gives bits that look random, the same at each run (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Takes a number below a bound from bits.
fn below(bits: u64, bound: usize) -> usize {
    usize::try_from(bits % bound as u64).unwrap_or(0)
}

fn after(time: Option<DateTime<Utc>>, us: u64) -> Option<DateTime<Utc>> {
    time?.checked_add_signed(TimeDelta::microseconds(us.cast_signed()))
}

fn intent(
    recorder: &Recorder,
    number: usize,
    (session, login): (SessionId, LoginId),
) -> (StatementRow, StatementTextRow) {
    let bits = mixed(number as u64);
    let literal = if bits & 1 == 0 {
        number
    } else {
        below(bits / 2, TEXTS)
    };
    let form = literal % FORMS;
    let text = |literal: &str| {
        format!(
            "select o.id, o.total, o.f{form}, c.name from sales.public.orders o join sales.public.customers c on c.id = o.customer where o.id = {literal} and o.region = {literal}"
        )
    };
    let sql = text(&literal.to_string());
    let mut salt = [0; 16];
    salt.copy_from_slice(&recorder.mac(&number.to_le_bytes())[16..]);
    let mut request = [0; 16];
    request.copy_from_slice(&recorder.mac(&number.to_le_bytes())[..16]);
    let object = |name: &str, columns: &[&str]| Object {
        catalog: Some("SALES".into()),
        schema: Some("PUBLIC".into()),
        name: Some(name.into()),
        kind: Some("table".into()),
        access: Some("read".into()),
        columns: columns.iter().copied().map(str::to_owned).collect(),
        resolved: true,
    };
    let started_at = Some(Clock::system().now());
    let decision_us = 60 + (bits >> 8) % 60;
    let row = StatementRow {
        session_id: Some(session),
        login_id: Some(login),
        statement_id: Some(StatementId::new()),
        request_id: Some(Builder::from_random_bytes(request).into_uuid().to_string()),
        sequence_id: i32::try_from(number / TOGETHER % OF_SESSION).ok(),
        is_internal: Some(false),
        is_describe: Some(false),
        is_async: Some(false),
        started_at,
        decided_at: after(started_at, decision_us + 8),
        decision_us: decision_us.cast_signed(),
        pid: Some(4711 + i32::try_from(number % TOGETHER).unwrap_or(0)),
        uid: Some(1001),
        start_ns: Some(7_000_000_000 + (number % TOGETHER) as i64),
        exe: Some("/usr/bin/python3.12".into()),
        ancestor_path: vec!["/usr/bin/bash".into(), "/usr/bin/python3.12".into()],
        sql_mac: Some(recorder.mac(sql.as_bytes())),
        sql_commit: Some(commitment(&salt, &sql)),
        sql_len: i32::try_from(sql.len()).unwrap_or(i32::MAX),
        sql_fingerprint: Some(mixed(form as u64).cast_signed()),
        sql_normalized: Some(text("?")),
        sql_kind: Some("query".into()),
        parse_ok: true,
        bind_count: Some(0),
        database_ctx: Some("SALES".into()),
        schema_ctx: Some("PUBLIC".into()),
        warehouse: Some("WH".into()),
        role_ctx: Some("ANALYST".into()),
        objects: vec![
            object("ORDERS", &["CUSTOMER", "ID", "REGION", "TOTAL"]),
            object("CUSTOMERS", &["ID", "NAME"]),
        ],
        decision: Some(Decision::Allow),
        rule_ids: vec!["read-only".into()],
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        status: Status::Running,
        ..StatementRow::default()
    };
    let text = StatementTextRow {
        session_id: row.session_id,
        statement_id: row.statement_id,
        sql_text: Some(sql),
        salt: Some(salt),
        ..StatementTextRow::default()
    };
    (row, text)
}

fn end(recorder: &Recorder, intent: StatementRow, number: usize) -> StatementRow {
    let bits = mixed(!(number as u64));
    let wait_us = 300 + bits % 3000;
    let forwarded_at = after(intent.decided_at, wait_us);
    let completed_at = Some(Clock::system().now());
    let column = |name: &str| ResultColumn {
        name: name.into(),
        kind: "TEXT".into(),
        nullable: Some(true),
        masked: false,
    };
    let minute = forwarded_at.map_or(0, |time| time.timestamp() / 60) & 0x00ff_ffff;
    let second = bits % 60;
    StatementRow {
        is_final: true,
        revision: 1,
        status: Status::Success,
        query_id: Some(format!(
            "01{minute:06x}-0{second:02x}4-{:04x}-0000-f9c1{:08x}",
            (bits >> 12) & 0xffff,
            0x0123_b4ca + number * 8 + below(bits >> 32, 8)
        )),
        forwarded_at,
        first_byte_at: after(completed_at, 0).map(|time| time - TimeDelta::microseconds(80)),
        completed_at,
        durability_wait_us: Some(wait_us.cast_signed()),
        rows_returned: Some(((bits >> 16) % 500).cast_signed()),
        bytes_returned: Some((800 + (bits >> 24) % 60_000).cast_signed()),
        result_format: Some("arrow".into()),
        result_schema: ["ID", "TOTAL", "F", "NAME"].map(column).into(),
        upstream_mac: Some(recorder.mac(format!("came {number}").as_bytes())),
        delivered_mac: Some(recorder.mac(format!("left {number}").as_bytes())),
        sf_statement_type_id: Some(4096),
        ..intent
    }
}
