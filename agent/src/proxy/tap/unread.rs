//! What is told of a connection to a model API that is not read, or not to its end: a call must not go by without a word.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::reading::ModelConnection;
use crate::clock::Clock;
use crate::config::OnUntrusted;
use crate::proxy::sessions::Session;
use crate::record::event::code;
use crate::record::{Category, EventRow, LlmCallRow, Recorder, Row, Severity};

/// Why a connection is not read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The session has too many at once.
    NoPlace,
    /// Copies were dropped, since they were not read in time.
    Lost,
    /// The reader failed.
    Failed,
    /// It is a tunnel in which no TLS for its host begins that could be read: what is there instead.
    Tunnel(&'static str),
    /// What is said on it is not what can be read: why, in the record's words.
    GivenUp(String),
}

impl Why {
    /// Says it, for `parse_status` and the event.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Tunnel(found) => found,
            Self::NoPlace => "connection not read: more at once than are read",
            Self::Lost => "connection read no further: copies were dropped",
            Self::Failed => "connection read no further: the reader failed",
            Self::GivenUp(why) => why,
        }
    }
}

/// Says so: by a row of the connection, as far as its session has any left, and an event, one a host.
fn told(
    connection: &ModelConnection,
    session: &Session,
    (why, at): (Why, DateTime<Utc>),
) -> (Option<LlmCallRow>, Option<EventRow>) {
    let standing = session.models();
    let row = standing.take_unread().then(|| LlmCallRow {
        session_id: Some(connection.session),
        llm_call_id: Some(Uuid::now_v7().to_string()),
        endpoint_host: Some(connection.host.clone()),
        started_at: Some(at),
        pid: i32::try_from(connection.peer.pid).ok(),
        start_ns: connection.peer.start_ns,
        parse_status: Some(why.text().to_owned()),
        ..LlmCallRow::default()
    });
    let is_first = standing.is_first(&connection.host, code::MODEL_PART_UNREAD);
    let event = is_first.then(|| EventRow {
        session_id: Some(connection.session),
        event_code: code::MODEL_PART_UNREAD,
        severity: Severity::Low,
        category: Category::Net,
        detail: Some(json!({
            "host": connection.host,
            "destination": connection.destination.to_string(),
            "pid": connection.peer.pid,
            "exe": connection.peer.exe,
            "found": why.text(),
            "then": match connection.on_unread {
                OnUntrusted::Splice => "carried unread",
                OnUntrusted::Fail => "closed",
            },
        })),
        ..EventRow::default()
    });
    (row, event.and_then(|event| session.admit(event)))
}

/// Records that a connection is not read, or not to its end.
pub(super) async fn tell(
    recorder: &Recorder,
    connection: &ModelConnection,
    session: &Session,
    (why, clock): (Why, Clock),
) {
    let (row, event) = told(connection, session, (why, clock.now()));
    let rows = row.map(Row::from).into_iter().chain(event.map(Row::from));
    let rows: Vec<Row> = rows.collect();
    let count = rows.len();
    if count > 0
        && let Err(error) = recorder.commit(rows).await
    {
        tracing::error!(session = %connection.session, count, %error, "an unread model call could not be recorded");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{ModelApi, PromptCapture};
    use crate::connection::peer::Peer;
    use crate::proxy::sessions::tests::session;
    use crate::proxy::tap::reading::Protocol;

    #[test]
    fn each_connection_that_is_not_read_has_a_row_and_each_host_an_event() {
        let session = session();
        let connection = |host: &str| ModelConnection {
            number: 1,
            session: session.id(),
            peer: Peer {
                pid: 7,
                ..Peer::default()
            },
            environment: Arc::default(),
            host: host.to_owned(),
            destination: ([127, 0, 0, 1], 443).into(),
            api: ModelApi::Messages,
            protocol: Protocol::Http1,
            is_verified: true,
            capture: PromptCapture::LinkOnly,
            on_unread: OnUntrusted::Splice,
        };
        let at = DateTime::UNIX_EPOCH;
        let (row, event) = told(&connection("a"), &session, (Why::NoPlace, at));
        let (row, event) = (row.unwrap(), event.unwrap());
        assert_eq!(
            (row.session_id, row.endpoint_host.as_deref(), row.pid),
            (Some(session.id()), Some("a"), Some(7))
        );
        assert_eq!(row.parse_status.as_deref(), Some(Why::NoPlace.text()));
        assert_eq!(event.event_code, "NT008");
        assert_eq!(event.detail.unwrap()["found"], Why::NoPlace.text());
        let (row, event) = told(&connection("a"), &session, (Why::Lost, at));
        assert!(row.is_some() && event.is_none());
        let (row, event) = told(&connection("b"), &session, (Why::Failed, at));
        assert!(row.is_some() && event.is_some());
    }
}
