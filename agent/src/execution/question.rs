//! What people are asked about a statement that is held.

use super::Execution;
use super::judging::Asker;
use super::reading::Asking;
use crate::approval::{Ask, Claimed, FORMAT_VERSION, Meaning, NeedError, Plan, Request, Requester};
use crate::id::ApprovalId;
use crate::mailbox::Mailbox;
use crate::policy::{Held, Hold};
use crate::session::Stages;

impl Stages {
    /// Makes the request by which people are asked for a statement that is held.
    ///
    /// # Errors
    /// A rule names a group that the config does not have: nobody could say yes.
    pub(super) fn request(
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
            expires_at: requested_at + rules.expires_after(&asks)?,
            needs: rules.needs(&asks, &requester)?,
            asks,
            requester,
            claimed: Claimed::of(&meaning.sql, asking.labels.clone()),
            meaning,
            plan: Plan {
                bytes: None,
                partitions: None,
                partitions_total: None,
                unknown: Some("Snowflake was not asked".to_owned()),
            },
            earlier: Vec::new(),
        })
    }
}

fn ask(hold: &Hold) -> Ask {
    Ask {
        rule: hold.rule.clone(),
        group: hold.group.clone(),
        reason: hold.reason.clone(),
    }
}
