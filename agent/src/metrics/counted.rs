//! What is counted of rows. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use super::{Histogram, Page};
use crate::record::{Enforcement, Phase, Seen, SeenEvent, SeenStatement};

/// Most codes of events, kinds of statements and the like that have a number each: they are words of ours, so that there
/// are never as many.
const WORDS_MAX: usize = 512;

/// Reasons of refused connections, as events have them, and their words.
const REASONS: [(&str, &str); 6] = [
    ("the session is over", "session_over"),
    ("more connections than a session may have open", "too_many"),
    (
        "more connections a second than a session may make",
        "too_fast",
    ),
    (
        "a governed account's address under another name",
        "governed_address",
    ),
    ("a cloud's metadata address", "metadata_address"),
    ("metrics were asked for in a session", "metrics"),
];

/// Counts since the process began.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    sessions_opened: BTreeMap<&'static str, u64>,
    sessions_closed: u64,
    logins_opened: u64,
    logins_closed: u64,
    credential_failures: u64,
    statements: BTreeMap<(&'static str, String, &'static str), u64>,
    rows: u64,
    bytes: u64,
    decision: Histogram,
    upstream: Histogram,
    first_byte: Histogram,
    overhead: Histogram,
    durability: Histogram,
    approval: Histogram,
    approvals: BTreeMap<&'static str, u64>,
    chunks: BTreeMap<bool, u64>,
    chunk_bytes: u64,
    transfers: BTreeMap<(bool, bool), u64>,
    transfer_bytes: BTreeMap<bool, u64>,
    masked_columns: u64,
    masked_cells: u64,
    refused: BTreeMap<&'static str, u64>,
    events: BTreeMap<(String, i64), u64>,
}

impl Counted {
    /// Counts a row.
    pub(super) fn take(&mut self, seen: &Seen) {
        match seen {
            Seen::Session { phase, enforcement } => match phase {
                Phase::Open => {
                    let word = enforcement.unwrap_or(Enforcement::Advisory).as_str();
                    *self.sessions_opened.entry(word).or_default() += 1;
                }
                Phase::Close => self.sessions_closed += 1,
            },
            Seen::Login(Phase::Open) => self.logins_opened += 1,
            Seen::Login(Phase::Close) => self.logins_closed += 1,
            Seen::Statement(statement) => self.take_statement(statement),
            Seen::Chunk {
                is_whole,
                bytes,
                cells,
            } => {
                *self.chunks.entry(*is_whole).or_default() += 1;
                self.chunk_bytes += bytes;
                self.masked_cells += cells;
            }
            Seen::Cells(cells) => self.masked_cells += cells,
            Seen::Transfer {
                is_put,
                is_whole,
                bytes,
            } => {
                *self.transfers.entry((*is_put, *is_whole)).or_default() += 1;
                *self.transfer_bytes.entry(*is_put).or_default() += bytes;
            }
            Seen::Approval(state) => *self.approvals.entry(state).or_default() += 1,
            // It was counted by the process that it happened to.
            Seen::Event(event) if event.is_recovered => {}
            Seen::Event(event) => self.take_event(event),
        }
    }

    fn take_statement(&mut self, statement: &SeenStatement) {
        let decision = statement.decision.map_or("", |decision| decision.as_str());
        let words = (decision, statement.kind.clone(), statement.status.as_str());
        count(&mut self.statements, words, 1);
        self.rows += statement.rows;
        self.bytes += statement.bytes;
        self.masked_columns += statement.masked_columns;
        self.decision.add_us(statement.decision_us);
        let span = |span: Option<TimeDelta>| span.and_then(|span| span.to_std().ok());
        if let Some(upstream) = span(statement.upstream) {
            self.upstream.add(upstream);
        }
        if let Some(first_byte) = span(statement.first_byte) {
            self.first_byte.add(first_byte);
        }
        if let Some(us) = statement.overhead_us {
            self.overhead.add_us(us);
        }
        if let Some(us) = statement.durability_us {
            self.durability.add_us(us);
        }
        if let Some(ms) = statement.approval_ms {
            self.approval.add(Duration::from_millis(ms));
        }
    }

    fn take_event(&mut self, event: &SeenEvent) {
        count(&mut self.events, (event.code.clone(), event.severity), 1);
        match event.code.as_str() {
            "AU005" | "AU006" => self.credential_failures += 1,
            "NT001" => {
                let (reason, times) = refused(event);
                *self.refused.entry(reason).or_default() += times;
            }
            _ => {}
        }
    }

    /// Writes all of it.
    pub(super) fn write(&self, page: &mut Page) {
        page.begin("icecore_sessions_opened_total");
        for (enforcement, number) in &self.sessions_opened {
            page.put(&[enforcement], number);
        }
        page.one("icecore_sessions_closed_total", self.sessions_closed);
        page.one("icecore_logins_opened_total", self.logins_opened);
        page.one("icecore_logins_closed_total", self.logins_closed);
        page.one(
            "icecore_credential_failures_total",
            self.credential_failures,
        );
        page.begin("icecore_statements_total");
        for ((decision, kind, status), number) in &self.statements {
            page.put(&[decision, kind, status], number);
        }
        page.one("icecore_statement_rows_total", self.rows);
        page.one("icecore_statement_bytes_total", self.bytes);
        page.histogram("icecore_decision_seconds", &self.decision);
        page.histogram("icecore_upstream_seconds", &self.upstream);
        page.histogram("icecore_first_byte_seconds", &self.first_byte);
        page.histogram("icecore_overhead_seconds", &self.overhead);
        page.histogram("icecore_durability_wait_seconds", &self.durability);
        page.histogram("icecore_approval_wait_seconds", &self.approval);
        page.begin("icecore_approvals_total");
        for (state, number) in &self.approvals {
            page.put(&[state], number);
        }
        page.begin("icecore_chunks_total");
        for (is_whole, number) in &self.chunks {
            page.put(&[outcome(*is_whole)], number);
        }
        page.one("icecore_chunk_bytes_total", self.chunk_bytes);
        page.begin("icecore_transfers_total");
        for ((is_put, is_whole), number) in &self.transfers {
            page.put(&[direction(*is_put), outcome(*is_whole)], number);
        }
        page.begin("icecore_transfer_bytes_total");
        for (is_put, number) in &self.transfer_bytes {
            page.put(&[direction(*is_put)], number);
        }
        page.one("icecore_masked_columns_total", self.masked_columns);
        page.one("icecore_masked_cells_total", self.masked_cells);
        page.begin("icecore_connections_refused_total");
        for (reason, number) in &self.refused {
            page.put(&[reason], number);
        }
        page.begin("icecore_events_total");
        for ((code, severity), number) in &self.events {
            page.put(&[code, &severity.to_string()], number);
        }
    }
}

/// Adds to the count of words; further words than there can be are not counted by themselves.
fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, words: K, times: u64) {
    if counts.len() < WORDS_MAX || counts.contains_key(&words) {
        *counts.entry(words).or_default() += times;
    }
}

/// Gives the word for why a connection was refused, and how many such refusals the event tells.
fn refused(event: &SeenEvent) -> (&'static str, u64) {
    let detail = event.detail.as_deref().unwrap_or_default();
    let detail: Value = serde_json::from_str(detail).unwrap_or_default();
    let reason = detail.get("reason").and_then(Value::as_str);
    let word = REASONS.iter().find(|(text, _)| reason == Some(text));
    let times = detail.get("repeats").and_then(Value::as_u64);
    (word.map_or("other", |(_, word)| word), times.unwrap_or(1))
}

fn outcome(is_whole: bool) -> &'static str {
    if is_whole { "whole" } else { "broken" }
}

fn direction(is_put: bool) -> &'static str {
    if is_put { "put" } else { "get" }
}
