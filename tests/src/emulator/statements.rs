//! One statement at the gate: what was asked, whether it ran, and how it ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Gate;
use super::answers::{self, SqlError};
use super::results::{Format, Outcome};
use super::sessions::Session;

/// How a statement ended.
pub(super) type Ended = Result<Arc<Outcome>, Arc<SqlError>>;

/// One statement: what was asked, and its end once there is one.
#[derive(Debug)]
pub(super) struct Statement {
    /// Snowflake's query id, a UUID.
    pub(super) id: String,
    /// The session that sent it.
    pub(super) session: Arc<Session>,
    /// The request that sent it.
    pub(super) request_id: String,
    /// When it was sent, since 1970.
    pub(super) created: Duration,
    /// The exact text.
    pub(super) sql: String,
    /// The request as v1 writes it: `sqlText`, `bindings`, `describeOnly`, `parameters`.
    pub(super) body: Value,
    /// The form in which a query's rows are answered over v1.
    pub(super) format: Format,
    /// Whether the driver asked to come back later.
    pub(super) is_async: bool,
    /// The statement that this one is a part of.
    pub(super) parent: Option<String>,
    children: Mutex<Vec<Arc<Statement>>>,
    answer: watch::Sender<Option<Ended>>,
    cancelled: watch::Sender<bool>,
}

impl Statement {
    /// Takes a request's body as a statement that nobody has run.
    #[must_use]
    pub(super) fn new(
        session: Arc<Session>,
        request_id: &str,
        body: Value,
        format: Format,
    ) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            session,
            sql: body
                .get("sqlText")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            is_async: body.get("asyncExec") == Some(&Value::Bool(true)),
            body,
            format,
            request_id: request_id.to_owned(),
            created: crate::time::since_epoch(),
            parent: None,
            children: Mutex::default(),
            answer: watch::Sender::new(None),
            cancelled: watch::Sender::new(false),
        }
    }

    /// Takes a part of this statement's text as a statement of its own, with the binds that are the part's.
    #[must_use]
    pub(super) fn part(&self, sql: &str, bindings: Value) -> Self {
        let mut body = self.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.insert("sqlText".into(), json!(sql));
            body.insert("bindings".into(), bindings);
            body.insert("asyncExec".into(), json!(false));
        }
        let mut part = Self::new(
            Arc::clone(&self.session),
            &self.request_id,
            body,
            self.format,
        );
        part.parent = Some(self.id.clone());
        part
    }

    /// Notes a part that begins.
    pub(super) fn adopt(&self, child: Arc<Self>) {
        self.lock_children().push(child);
    }

    /// Gives the parts that have begun.
    #[must_use]
    pub(super) fn children(&self) -> Vec<Arc<Self>> {
        self.lock_children().clone()
    }

    fn lock_children(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Self>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether only the shape of the result is asked for.
    #[must_use]
    pub(super) fn is_describe_only(&self) -> bool {
        self.body.get("describeOnly") == Some(&Value::Bool(true))
    }

    /// Reads a parameter: the statement's own, else the session's.
    #[must_use]
    pub(super) fn parameter(&self, name: &str) -> Option<Value> {
        let own = self.body.get("parameters").and_then(|all| all.get(name));
        own.cloned().or_else(|| self.session.parameter(name))
    }

    /// Waits for the end, but not longer than `at_most`.
    pub(super) async fn wait(&self, at_most: Duration) -> Option<Ended> {
        let mut answer = self.answer.subscribe();
        let ready = timeout(at_most, answer.wait_for(Option::is_some)).await;
        ready.ok()?.ok()?.clone()
    }

    /// Gives the end, if it has come.
    #[must_use]
    pub(super) fn ended(&self) -> Option<Ended> {
        self.answer.borrow().clone()
    }

    /// Sets the end; the first one stays.
    pub(super) fn end(&self, ended: Ended) {
        self.answer.send_if_modified(|answer| {
            let is_first = answer.is_none();
            if is_first {
                *answer = Some(ended);
            }
            is_first
        });
    }

    /// Asks a running statement to stop; false if it has ended already.
    pub(super) fn cancel(&self) -> bool {
        let running = self.answer.borrow().is_none();
        if running {
            self.cancelled.send_replace(true);
        }
        running
    }

    /// Waits until someone cancels.
    pub(super) async fn until_cancelled(&self) {
        let mut cancelled = self.cancelled.subscribe();
        if cancelled.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells the state by the names that drivers know.
    #[must_use]
    pub(super) fn status(&self) -> &'static str {
        match self.ended() {
            None if *self.cancelled.borrow() => "ABORTING",
            None => "RUNNING",
            Some(Ok(_)) => "SUCCESS",
            Some(Err(error)) if error.is_cancellation() => "ABORTED",
            Some(Err(_)) => "FAILED_WITH_ERROR",
        }
    }

    /// Gives the v1 body of an end.
    #[must_use]
    pub(super) fn answer(&self, gate: &Gate, ended: &Ended) -> Value {
        let data = match ended {
            Ok(outcome) => outcome
                .answer(gate, &self.id)
                .map_err(|words| Arc::new(SqlError::internal(&words))),
            Err(error) => Err(Arc::clone(error)),
        };
        match data {
            Ok(mut data) => {
                data.insert("queryId".into(), json!(self.id));
                let now = crate::time::since_epoch().as_millis();
                data.insert("sendResultTime".into(), json!(now));
                answers::success(Value::Object(data))
            }
            Err(error) => error.body(&self.id),
        }
    }
}
