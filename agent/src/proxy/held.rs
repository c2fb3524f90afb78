//! Statements that waited for people in an earlier proxy are taken up here, under the names that they had, so that their
//! drivers' polls lead to them.

use std::sync::Arc;

use super::core::Core;
use super::door::Door;
use super::logins::OpenLogin;
use super::query;
use super::sessions::Session;
use super::v2::pinned;
use crate::connection::peer::Peer;
use crate::execution::{Execution, Joined, KeptHold};
use crate::record::{Draft, StatementRow};
use crate::session::Asked;
use crate::snowflake::query::QueryRequest;
use crate::snowflake::v2;
use crate::upstream::Headers;

/// Takes up what waits in a login that was restored. On a core, whose tasks go on with it.
pub(super) fn take_up(core: &Arc<Core>, session: &Arc<Session>, login: &Arc<OpenLogin>) {
    let holds = &core.shared.stages.holds;
    for kept in holds.take(session.id(), login.id) {
        let statement = kept.statement;
        if let Err(why) = take_up_one(core, session, login, kept) {
            tracing::warn!(%statement, why, "a statement that waited for people is not taken up");
            holds.forget(statement);
        }
    }
}

fn take_up_one(
    core: &Arc<Core>,
    session: &Arc<Session>,
    login: &Arc<OpenLogin>,
    kept: KeptHold,
) -> Result<(), String> {
    let limit = core.shared.current().config.limits.statement_max_bytes;
    let body = kept.body.as_bytes();
    let request = match &kept.address {
        None => QueryRequest::read(body, limit),
        Some(address) => v2::read(body, Some(address), limit, pinned(&login.account)),
    };
    let request = request.map_err(|error| error.to_string())?;
    let Some(slot) = session.take_statement() else {
        return Err("its session has as many statements under way as it may".to_owned());
    };
    let execution = Execution::resumed(session.id(), login.realm.clone(), &kept);
    let shared = &core.shared;
    let Joined::New(execution) = query::join(
        &shared.stages.registry,
        (session, &shared.logins),
        execution,
    ) else {
        return Err("its request was sent again already".to_owned());
    };
    let sender = kept.sender;
    let peer = Peer {
        pid: sender.pid,
        uid: sender.uid,
        comm: String::new(),
        start_ns: sender.start_ns,
        exe: sender.exe,
        ancestors: sender.ancestors,
        // What it descends from was looked at when it was judged first.
        ..Peer::default()
    };
    let (core, session) = (Arc::clone(core), Arc::clone(session));
    let door = Arc::new(Door::new(core, session, peer, kept.host));
    let draft = door.draft(&execution, login, &request);
    let draft = Draft {
        row: StatementRow {
            started_at: Some(kept.started_at),
            ..draft.row
        },
        ..draft
    };
    let headers = Headers::of_kept(&kept.headers);
    let asked = Asked {
        before: Some(kept.request),
        ..door.asked(login, request, headers, draft)
    };
    asked.context.recall(kept.own.as_ref(), kept.is_left_open);
    door.carry(&execution, login, asked, slot);
    Ok(())
}
