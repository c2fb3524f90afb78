//! Where a statement comes from: what is known of its process and its request, put beside the session's calls of models.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::behind::{Behind, IsRead};
use super::shared_provenance::SharedProvenance;
use crate::connection::environment::Environment;
use crate::id::{SessionId, StatementId};
use crate::mask::{Sample, sample};
use crate::policy::LinkGrade;
use crate::prompt::Trace;
use crate::prompt::linking::{Arrived, Delivered, Link, Sql};
use crate::prompt::provenance::{Capture, Fact, Given, Provenance};
use crate::record::{Recorder, Reply, Row, provenance_rows};
use crate::snowflake::route::QueryId;
use crate::statement::Statement;
use crate::tasks;

/// How often a statement asks whether the reader has come up with what was carried before it, how often for the session's state,
/// and how long it waits between: some 100 ms and 20 ms in all. An agent's history of a MiB is read in half of that. What it has
/// its model calls tell may take longer; then the statement is judged without it, and not its core's other sessions.
const READ_TRIES: u32 = 50;
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(2);

/// How often what came too late asks, and how long it waits between: some minutes in all.
const LATER_TRIES: u32 = 12_000;
const LATER_BETWEEN: Duration = Duration::from_millis(20);

/// Most bytes of a prompt that stand beside a statement: an approver reads them, and a card that is too long can be denied alone.
const PROMPT_MAX_BYTES: usize = 16 << 10;

/// What a statement's origin is judged by, in a session whose calls of models are read.
#[derive(Clone)]
pub struct Origin {
    /// The session's calls.
    pub provenance: Arc<SharedProvenance>,
    /// How far the reader of these calls is behind.
    pub behind: Behind,
    /// The session.
    pub session: SessionId,
    /// What may be kept of its words.
    pub in_force: InForce,
    /// Numbers of the execs that the sending process descends from: the kernel's word.
    pub execs: Vec<u64>,
    /// The request's W3C trace id, which the agent chooses.
    pub trace_id: Option<String>,
    /// What its process's environment says, once it was read; the agent writes that too.
    pub environment: Arc<OnceLock<Environment>>,
}

/// Tells what may be kept of a session's words by the config in force at that moment, however long ago a statement came.
#[derive(Clone)]
pub struct InForce(Arc<dyn Fn() -> Capture + Send + Sync>);

impl InForce {
    /// Asks this each time.
    pub fn new(now: impl Fn() -> Capture + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Gives what may be kept now.
    #[must_use]
    pub fn capture(&self) -> Capture {
        (self.0)()
    }
}

/// A statement's first link.
pub(crate) struct Linked {
    /// The link, as policies read it.
    pub(crate) link: LinkGrade,
    /// What led to it, with the grade before it; none in a session whose calls of models are not read.
    pub(crate) prompt: Option<String>,
    /// The rows that say so.
    pub(crate) rows: Vec<Row>,
    /// What goes back where these are not recorded.
    pub(crate) lent: Option<Lent>,
}

/// Words and links that went into rows: they go back into the session's memory unless these rows are on record.
pub struct Lent {
    provenance: Arc<SharedProvenance>,
    given: Vec<Given>,
}

impl Lent {
    /// Takes what goes into rows.
    #[must_use]
    pub fn new(provenance: &Arc<SharedProvenance>, facts: &[Fact]) -> Self {
        Self {
            provenance: Arc::clone(provenance),
            given: facts.iter().filter_map(Fact::given).collect(),
        }
    }

    /// Leaves out the link of a statement that is recorded with them or not at all.
    fn but_of(mut self, statement: StatementId) -> Self {
        self.given.retain(|given| match given {
            Given::Link(link) => link.statement_id != statement,
            Given::Prompt(_) | Given::Args(..) => true,
        });
        self
    }

    /// Notes that the rows are on record.
    pub fn recorded(mut self) {
        self.given.clear();
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let given = std::mem::take(&mut self.given);
        if !given.is_empty() {
            // It is dropped on threads that carry connections.
            self.provenance.take_back(given);
        }
    }
}

impl Default for Linked {
    fn default() -> Self {
        Self {
            link: LinkGrade::UNKNOWN,
            prompt: None,
            rows: Vec::new(),
            lent: None,
        }
    }
}

impl Origin {
    /// Notes by what a statement's answer may be known again in the result of a tool: its id, its error, its first values,
    /// as they leave. They stay in memory.
    pub(crate) fn delivered(
        &self,
        recorder: &Recorder,
        id: StatementId,
        query_id: Option<QueryId>,
        reply: &Reply,
    ) {
        let Sample { error, values } = sample(reply.body().text());
        let delivered = Delivered {
            query_id: query_id.map(|id| id.to_string()),
            error,
            values,
        };
        if let Some(mut provenance) = self.provenance.try_lock() {
            return provenance.delivered(id, &delivered);
        }
        self.later(recorder, None, move |provenance| {
            provenance.delivered(id, &delivered);
            Vec::new()
        });
    }

    /// Links a statement, as far as it can be told by now. Where the session's state is not free in time, the link says that
    /// nothing is known, and to policies that it is none of what the agent's tools carried: another one follows.
    pub(crate) async fn link(
        &self,
        recorder: &Recorder,
        id: StatementId,
        at: DateTime<Utc>,
        statement: &Statement,
    ) -> Linked {
        // Judged by what is known: a statement never waits for it.
        let environment = self.environment.get().cloned().unwrap_or_default();
        let started_in = environment.traceparent.as_deref().and_then(Trace::read);
        let started_in = started_in.map(|trace| trace.trace_id);
        let mut arrived = Some(Arrived {
            id,
            at,
            sql: Sql::new(statement.text(), statement.normalized()),
            ancestors: self.execs.clone(),
            trace_ids: self.trace_id.iter().cloned().chain(started_in).collect(),
            agent_sessions: environment.agent_sessions,
            tag: None,
        });
        // Whoever makes its own calls slow to read is not judged as if none had been made.
        let mut behind = self.behind.mark();
        for _ in 0..READ_TRIES {
            behind = behind.filter(|is_read| !is_read());
            if behind.is_none() {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        for _ in 0..TRIES {
            if behind.is_some() {
                break;
            }
            if let Some(linked) = self.now(&mut arrived) {
                return linked;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        if let Some(arrived) = arrived {
            self.later(recorder, behind, move |provenance| {
                provenance.arrived_late(arrived)
            });
        }
        let late = Fact::Link(Box::new(Link::late(id)));
        Linked {
            link: LinkGrade::LATE,
            prompt: Some(
                "[U] (not known in time: the session's model calls are being read)".to_owned(),
            ),
            rows: provenance_rows(self.session, vec![late]),
            lent: None,
        }
    }

    /// Links a statement, if the session's state is free.
    fn now(&self, arrived: &mut Option<Arrived>) -> Option<Linked> {
        let mut provenance = self.provenance.try_lock()?;
        let arrived = arrived.take()?;
        let id = arrived.id;
        provenance.keep(self.in_force.capture());
        let (link, facts) = provenance.arrived(arrived);
        let read =
            LinkGrade::of(link.grade.letter(), link.is_mismatch).unwrap_or(LinkGrade::UNKNOWN);
        let words = link
            .prompt_key
            .as_ref()
            .and_then(|key| provenance.words(key));
        drop(provenance);
        Some(Linked {
            link: read,
            prompt: Some(format!(
                "[{}] {}",
                link.grade.letter(),
                match (words, &link.prompt_key) {
                    (Some(words), _) => shown(words),
                    (None, Some(_)) => "(its text is not kept)".to_owned(),
                    (None, None) => "(no prompt is known)".to_owned(),
                }
            )),
            lent: Some(Lent::new(&self.provenance, &facts).but_of(id)),
            rows: provenance_rows(self.session, facts),
        })
    }

    /// Has something be done once the session's calls were read so far and its state is free, and records what follows; nobody
    /// waits for it. After some minutes it is done with what was read by then.
    fn later(
        &self,
        recorder: &Recorder,
        behind: Option<IsRead>,
        change: impl FnOnce(&mut Provenance) -> Vec<Fact> + Send + 'static,
    ) {
        let (session, in_force) = (self.session, self.in_force.clone());
        let (provenance, recorder) = (Arc::clone(&self.provenance), recorder.clone());
        drop(tasks::spawn("link", async move {
            let mut change = Some(change);
            for _ in 0..LATER_TRIES {
                if behind.as_ref().is_none_or(|is_read| is_read()) {
                    break;
                }
                tokio::time::sleep(LATER_BETWEEN).await;
            }
            for _ in 0..LATER_TRIES {
                let facts = provenance.try_lock().and_then(|mut provenance| {
                    provenance.keep(in_force.capture());
                    Some(change.take()?(&mut provenance))
                });
                let Some(facts) = facts else {
                    tokio::time::sleep(LATER_BETWEEN).await;
                    continue;
                };
                let lent = Lent::new(&provenance, &facts);
                let rows = provenance_rows(session, facts);
                if rows.is_empty() {
                    return;
                }
                match recorder.commit(rows).await {
                    Ok(_receipt) => lent.recorded(),
                    Err(error) => {
                        tracing::error!(%session, %error, "a link that came late could not be recorded");
                    }
                }
                return;
            }
            tracing::error!(%session, "a session's model calls were read for minutes: a link was given up");
        }));
    }
}

/// Gives what is shown of a prompt: its front where it is long, and that it is no more than that.
fn shown(words: String) -> String {
    let front = words.get(..words.floor_char_boundary(PROMPT_MAX_BYTES));
    match front {
        Some(front) if front.len() < words.len() => format!(
            "{front}\n(the first {} of its {} bytes)",
            front.len(),
            words.len()
        ),
        Some(_) | None => words,
    }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
