//! What people are asked about a statement that is held, and what the next proxy is left of it.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::Execution;
use super::held_file::{KeptHold, NotKept, Sender, VERSION};
use super::judging::Asker;
use super::reading::Asking;
use crate::approval::{Ask, Claimed, FORMAT_VERSION, Meaning, NeedError, Plan, Request, Requester};
use crate::id::ApprovalId;
use crate::mailbox::Mailbox;
use crate::policy::{Held, Hold};
use crate::record::Draft;
use crate::session::Stages;
use crate::snowflake::query::Api;
use crate::statement::{Kind, Statement};
use crate::upstream;

impl Stages {
    /// Makes the request by which people are asked for a statement that is held.
    ///
    /// # Errors
    /// A rule names a group that the config does not have: nobody could say yes.
    pub(super) async fn request(
        &self,
        mailbox: &Mailbox,
        execution: &Execution,
        asker: Asker<'_>,
        asking: Asking<'_>,
        (held, meaning): (&Held, Meaning),
    ) -> Result<Request, NeedError> {
        let asks: Vec<Ask> = held.holds().iter().map(ask).collect();
        let requester = Requester::of(asker.principal);
        let rules = mailbox.rules();
        let (needs, expires_after) = (rules.needs(&asks, &requester)?, rules.expires_after(&asks)?);
        let explained = async {
            if rules.explain {
                plan(asking, held.statement()).await
            } else {
                unknown("this host's config does not ask for it".to_owned())
            }
        };
        let (plan, (earlier, earlier_unknown)) = tokio::join!(explained, mailbox.earlier(&meaning));
        let requested_at = self.clock.now();
        Ok(Request {
            format_version: FORMAT_VERSION,
            id: ApprovalId::new(),
            org: mailbox.org().to_owned(),
            chain: mailbox.chain().to_owned(),
            host_id: self.recorder.host_id().to_owned(),
            session_id: execution.session(),
            statement_id: execution.id(),
            requested_at,
            expires_at: requested_at + expires_after,
            needs,
            asks,
            requester,
            claimed: Claimed {
                prompt: asking.prompt.map(str::to_owned),
                ..Claimed::of(&meaning.sql, asking.labels.clone())
            },
            meaning,
            plan,
            earlier,
            earlier_unknown,
        })
    }
}

impl Stages {
    /// Keeps a statement that waits for the next proxy; what cannot be kept waits in this one alone.
    pub(super) async fn keep_for_next(
        &self,
        execution: &Execution,
        asking: Asking<'_>,
        draft: &Draft,
        request: &Request,
    ) {
        let (session, names) = (execution.session(), (execution.login(), execution.id()));
        let holds = Arc::clone(&self.holds);
        let expected = spawn_blocking(move || holds.expect(session, names)).await;
        if let Err(error) = expected.unwrap_or_else(|error| Err(std::io::Error::from(error).into()))
        {
            return not_kept(execution, &error);
        }
        let row = &draft.row;
        let body = asking.request.kept().map(String::from_utf8);
        let (Ok(Ok(body)), Some(started_at)) = (body, row.started_at) else {
            tracing::warn!(statement = %execution.id(), "statement that waits has no form to be kept in");
            return;
        };
        let hold = KeptHold {
            version: VERSION,
            statement: execution.id(),
            login: execution.login(),
            request_id: execution.request_id().to_owned(),
            meaning: execution.meaning(),
            own_query_id: execution.own_query_id(),
            host: asking.to.host.to_owned(),
            body,
            address: asking.request.api().map(Api::members),
            headers: asking.way.headers.kept(),
            sender: Sender {
                pid: row
                    .pid
                    .and_then(|pid| u32::try_from(pid).ok())
                    .unwrap_or_default(),
                uid: row
                    .uid
                    .and_then(|uid| u32::try_from(uid).ok())
                    .unwrap_or_default(),
                start_ns: row.start_ns,
                exe: row.exe.clone(),
                ancestors: row.ancestor_path.clone(),
            },
            started_at,
            own: asking.context.own(),
            is_left_open: asking.context.would_be_left_open(),
            request: request.clone(),
        };
        let holds = Arc::clone(&self.holds);
        let kept = spawn_blocking(move || holds.keep(session, &hold)).await;
        if let Err(error) = kept.unwrap_or_else(|error| Err(std::io::Error::from(error).into())) {
            not_kept(execution, &error);
        }
    }
}

/// Tells that a statement waits in this proxy alone.
fn not_kept(execution: &Execution, error: &NotKept) {
    tracing::warn!(statement = %execution.id(), %error, "statement that waits is not kept; a restart of the proxy would lose it");
}

/// Asks Snowflake what a statement would read, where it tells it without running anything.
async fn plan(asking: Asking<'_>, statement: &Statement) -> Plan {
    let is_explained = match statement.kind() {
        Kind::Query | Kind::Insert | Kind::Update | Kind::Merge | Kind::Delete => true,
        Kind::Show
        | Kind::List
        | Kind::UseWarehouse
        | Kind::CopyIn
        | Kind::Truncate
        | Kind::Grant
        | Kind::Put
        | Kind::Get
        | Kind::Remove
        | Kind::Unload
        | Kind::Session
        | Kind::UseRole
        | Kind::Create
        | Kind::Alter
        | Kind::Drop
        | Kind::Call
        | Kind::Unknown => false,
    };
    if !is_explained {
        return unknown("Snowflake explains no statement of this kind".to_owned());
    }
    if asking.request.bindings().is_some() || asking.request.api().is_some() {
        return unknown(
            "Snowflake explains no text alone that has values bound, or that is the SQL API's"
                .to_owned(),
        );
    }
    let way = asking.way;
    match upstream::explain(way.upstream, way.login, statement.text()).await {
        Ok(plan) => plan,
        Err(error) => unknown(error.to_string()),
    }
}

fn unknown(why: String) -> Plan {
    Plan {
        bytes: None,
        partitions: None,
        partitions_total: None,
        unknown: Some(why),
    }
}

fn ask(hold: &Hold) -> Ask {
    Ask {
        rule: hold.rule.clone(),
        group: hold.group.clone(),
        reason: hold.reason.clone(),
    }
}
