//! A statement that waits for people: they are shown what it means, and it runs only while it means that.
//!
//! While it waits, others of its login go on. Once people said yes it is alone in its login, and everything is looked up and
//! judged anew; whatever is another voids the yes.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use tokio::task::spawn_blocking;

use super::effect::Effect;
use super::judging::{Asker, Basis, Judged};
use super::reading::Asking;
use super::whole::Unclear;
use super::{Execution, State};
use crate::approval::{Approval, Difference};
use crate::id::StatementId;
use crate::mailbox::{Ended, Mailbox};
use crate::mask;
use crate::policy::{Decision, Held, Permit, Refusal};
use crate::record::{Draft, RecordError, Unsent};
use crate::session::Stages;
use crate::statement::Path;
use crate::tasks;
use crate::upstream::{self, Headers};

/// How often a login is kept alive in which a statement waits: Snowflake's session token lives for an hour, and a session
/// that is idle for four (protocol reference section 3).
const KEPT_ALIVE_EVERY: Duration = Duration::from_secs(15 * 60);

/// Why nothing waits for people inside of a transaction.
const IN_TRANSACTION: &str = "it would wait inside an open transaction, which keeps its locks all the while; commit or roll back first";

/// What is settled of a statement before it is sent.
pub enum Settled<'a> {
    /// It runs.
    Run(Box<(Permit, Basis<'a>)>),
    /// It does not.
    Unsent(Box<Unsent>),
}

impl Stages {
    /// Settles whether a statement runs, which may take as long as people need.
    ///
    /// # Errors
    /// An earlier result that it scans could not be recorded.
    pub async fn settle<'a>(
        &self,
        execution: &Execution,
        asker: Asker<'_>,
        asking: Asking<'a>,
        judged: Judged<'a>,
        draft: &mut Draft,
    ) -> Result<Settled<'a>, RecordError> {
        let known = judged.basis;
        match judged.decision {
            Decision::Allow(permit) => self.run_unasked(execution, asking, (permit, known)).await,
            Decision::Forbid(refusal) => Ok(refused(refusal, &known)),
            Decision::Hold(held) => {
                // Apart, so that statements which need nobody's yes take no room for it.
                let held = self.hold(execution, asker, asking, (held, known), draft);
                Box::pin(held).await
            }
        }
    }

    /// Asks people for a statement, waits for them, and looks whether it is still what they said yes to.
    async fn hold<'a>(
        &self,
        execution: &Execution,
        asker: Asker<'_>,
        asking: Asking<'a>,
        (held, known): (Held, Basis<'a>),
        draft: &mut Draft,
    ) -> Result<Settled<'a>, RecordError> {
        // One that waits to be alone would wait for this one.
        let Basis { bundle, turn, .. } = known;
        drop(turn);
        let sha256 = bundle.sha256();
        let unsent = |held: Held, why: &dyn Display| {
            asker.meter.ended(self.clock.now(), mask::Ended::Refused);
            let why = format!("{}: {why}", wanted(&held));
            Ok(not_sent(Unsent::refused(held.refused(why), sha256)))
        };
        let Some(mailbox) = &self.mailbox else {
            return unsent(held, &"this host's config has no `[approvals]`");
        };
        let first = match self.read_whole(asking, asking.context.share().await).await {
            Ok(first) => first,
            Err(Unclear::Record(error)) => return Err(error),
            Err(unclear) => return unsent(held, &unclear),
        };
        let judged = self.judge(asker, asking, first.reading, None).await;
        let held = match judged.decision {
            // With all names known it needs nobody's yes, or nobody's helps. What may change names runs alone.
            Decision::Allow(_) if judged.basis.effect.is_exclusive() => {
                drop(judged.basis.turn);
                return self.run_alone(execution, asker, asking, sha256).await;
            }
            Decision::Allow(permit) => {
                let allowed = (permit, judged.basis);
                return self.run_unasked(execution, asking, allowed).await;
            }
            Decision::Forbid(refusal) => return Ok(refused(refusal, &judged.basis)),
            Decision::Hold(held) => held,
        };
        drop(judged.basis.turn);
        if let Some(untold) = first.untold {
            return unsent(held, &untold);
        }
        if first.in_transaction && !held.waits_in_transaction() {
            return unsent(held, &IN_TRANSACTION);
        }
        let request = match asking.before {
            Some(request) => Ok(request.clone()),
            None => {
                let asked = (&held, first.meaning);
                self.request(mailbox, execution, asker, asking, asked).await
            }
        };
        let request = match request {
            Ok(request) => request,
            Err(error) => return unsent(held, &error),
        };
        let (id, asked_at) = (request.id, request.requested_at);
        draft.row.approval_id = Some(id.to_string());
        if asking.before.is_none() {
            self.keep_for_next(execution, asking, draft, &request).await;
        }
        tracing::info!(statement = %execution.id(), request = %id, "statement held");
        execution.advance(State::Held);
        let ended = tokio::select! {
            ended = mailbox.ask(request, execution.withdrawn()) => ended,
            never = keep_alive(asking) => match never {},
        };
        self.holds.go_on(execution).await;
        let waited_ms = (self.clock.now() - asked_at).num_milliseconds();
        draft.row.approval_wait_ms = Some(waited_ms);
        tracing::info!(statement = %execution.id(), request = %id, waited_ms, "statement held no longer");
        match ended {
            Ended::Approved(approval) => {
                let approved = (held, sha256, &approval);
                self.resume(mailbox, execution, asker, asking, approved)
                    .await
            }
            Ended::Denied(told) => {
                asker.meter.ended(self.clock.now(), mask::Ended::Refused);
                let why = format!("{}, and `{}` said no", wanted(&held), told.by.join("`, `"));
                let refusal = held.refused(why);
                Ok(not_sent(Unsent::denied(refusal, sha256, told.reason)))
            }
            Ended::Expired(told) => {
                let why = format!(
                    "nobody who may had said enough by {}; send it again to ask anew",
                    told.at.format("%H:%M:%S UTC")
                );
                unsent(held, &why)
            }
            Ended::Withdrawn => {
                let refusal = held.refused("its client took it back while it waited".to_owned());
                Ok(not_sent(Unsent::withdrawn(refusal, sha256)))
            }
            Ended::Failed(error) => unsent(held, &error),
        }
    }

    /// Judges a statement once more, alone in its login, that needs nobody's yes after all.
    async fn run_alone<'a>(
        &self,
        execution: &Execution,
        asker: Asker<'_>,
        asking: Asking<'a>,
        sha256: [u8; 32],
    ) -> Result<Settled<'a>, RecordError> {
        let reading = self.understand(asking).await?;
        let judged = self.judge(asker, asking, reading, None).await;
        match judged.decision {
            Decision::Allow(permit) => {
                let allowed = (permit, judged.basis);
                self.run_unasked(execution, asking, allowed).await
            }
            Decision::Forbid(refusal) => Ok(refused(refusal, &judged.basis)),
            Decision::Hold(held) => {
                let why = format!("{}; send it again to ask", wanted(&held));
                Ok(not_sent(Unsent::refused(held.refused(why), sha256)))
            }
        }
    }

    /// Lets a statement run that needs nobody's yes; one that waited for people in an earlier proxy is asked for no more.
    async fn run_unasked<'a>(
        &self,
        execution: &Execution,
        asking: Asking<'a>,
        (permit, basis): (Permit, Basis<'a>),
    ) -> Result<Settled<'a>, RecordError> {
        let Some(request) = asking.before else {
            return Ok(run(permit, basis));
        };
        if let Err(error) = self.give_up(execution.id()).await {
            return Err(RecordError::Io {
                action: "take a statement that is about to run off those that wait in",
                path: self.holds.folder().to_owned(),
                source: Arc::new(error),
            });
        }
        if let Some(mailbox) = self.mailbox.clone() {
            let request = request.clone();
            drop(tasks::spawn("withdrawal", async move {
                let id = request.id;
                let ended = mailbox.ask(request, std::future::ready(())).await;
                tracing::debug!(request = %id, ?ended, "request of a statement that runs without it was withdrawn");
            }));
        }
        Ok(run(permit, basis))
    }

    /// Takes a statement that is about to run off what waits: no other proxy may take it up, which would send it a second
    /// time.
    async fn give_up(&self, statement: StatementId) -> io::Result<()> {
        let holds = Arc::clone(&self.holds);
        let given_up = spawn_blocking(move || holds.give_up(statement)).await;
        given_up.unwrap_or_else(|error| Err(error.into()))
    }

    /// Judges anew what people said yes to, alone in its login; whatever is another voids the yes.
    async fn resume<'a>(
        &self,
        mailbox: &Mailbox,
        execution: &Execution,
        asker: Asker<'_>,
        asking: Asking<'a>,
        (held, sha256, approval): (Held, [u8; 32], &Approval),
    ) -> Result<Settled<'a>, RecordError> {
        let unsent = |held: Held, why: String| {
            asker.meter.ended(self.clock.now(), mask::Ended::Refused);
            Ok(not_sent(Unsent::refused(held.refused(why), sha256)))
        };
        let turn = asking.context.alone().await;
        if asking.context.is_left_open() {
            let left = Difference::Meaning {
                what: "its login",
                approved: "one that nothing else changes".to_owned(),
                found: "one that may change at any moment".to_owned(),
            };
            self.void(mailbox, execution, approval, &left).await;
            let why = "people said yes to it, and a statement that this login had sent to run by itself may change what it means at any moment; log in anew and send it again";
            return unsent(held, why.to_owned());
        }
        // What is remembered of the account may be older than what people said.
        let anything = Effect {
            defines: BTreeSet::from([Path::default()]),
            ..Effect::default()
        };
        self.catalogues.forget(&asking.account.name, &anything);
        let anew = match self.read_whole(asking, turn).await {
            Ok(anew) => anew,
            Err(Unclear::Record(error)) => return Err(error),
            Err(unclear) => {
                return unsent(held, format!("people said yes to it, and {unclear}"));
            }
        };
        let covered = if anew.in_transaction && !held.waits_in_transaction() {
            Err(Difference::Meaning {
                what: "its transaction",
                approved: "none".to_owned(),
                found: "an open one".to_owned(),
            })
        } else {
            approval.covers(&anew.meaning, self.clock.now())
        };
        let covered = covered.and_then(|discharged| match anew.untold {
            None => Ok(discharged),
            Some(untold) => Err(Difference::Meaning {
                what: "what its names lead to",
                approved: "looked up".to_owned(),
                found: format!("not to be told ({untold})"),
            }),
        });
        let discharged = match covered {
            Ok(discharged) => discharged,
            Err(difference) => {
                self.void(mailbox, execution, approval, &difference).await;
                let why = format!(
                    "people said yes to it, and that is void: {difference}; send it again to ask anew"
                );
                return unsent(held, why);
            }
        };
        let judged = self
            .judge(asker, asking, anew.reading, Some(&discharged))
            .await;
        let permit = match judged.decision {
            Decision::Allow(permit) => permit,
            Decision::Forbid(refusal) => return Ok(refused(refusal, &judged.basis)),
            Decision::Hold(others) => {
                let why = format!("people said yes to it, and {} beside", wanted(&others));
                return unsent(others, why);
            }
        };
        if let Err(error) = self.give_up(execution.id()).await {
            let why =
                format!("people said yes to it, and it cannot be taken off what waits: {error}");
            return unsent(held, why);
        }
        match mailbox.used(approval, execution.id()).await {
            Ok(()) => Ok(run(permit, judged.basis)),
            Err(error) => {
                let why = format!("people said yes to it, and its use cannot be recorded: {error}");
                unsent(held, why)
            }
        }
    }

    /// Says that people said yes to what is another by now.
    async fn void(
        &self,
        mailbox: &Mailbox,
        execution: &Execution,
        approval: &Approval,
        difference: &Difference,
    ) {
        if let Err(error) = mailbox.void(approval, difference).await {
            tracing::warn!(statement = %execution.id(), %error, "that an approval is void was not recorded");
        }
    }
}

fn not_sent<'a>(unsent: Unsent) -> Settled<'a> {
    Settled::Unsent(Box::new(unsent))
}

fn run<'a>(permit: Permit, basis: Basis<'a>) -> Settled<'a> {
    Settled::Run(Box::new((permit, basis)))
}

fn refused<'a>(refusal: Refusal, known: &Basis<'_>) -> Settled<'a> {
    let refusal = match &known.gap {
        Some(gap) => refusal.noting(gap),
        None => refusal,
    };
    not_sent(Unsent::refused(refusal, known.bundle.sha256()))
}

/// Says whose yes a statement needs.
fn wanted(held: &Held) -> String {
    let groups: BTreeSet<&str> = held
        .holds()
        .iter()
        .map(|hold| hold.group.as_str())
        .collect();
    let groups: Vec<&str> = groups.into_iter().collect();
    let reasons = held
        .holds()
        .iter()
        .filter_map(|hold| hold.reason.as_deref());
    let reasons: BTreeSet<&str> = reasons.collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    let why = if reasons.is_empty() {
        String::new()
    } else {
        format!("{}: ", reasons.join("; "))
    };
    format!("{why}it needs a yes of `{}`", groups.join("` and `"))
}

/// Keeps a login alive at Snowflake for as long as it is waited.
async fn keep_alive(asking: Asking<'_>) -> Infallible {
    loop {
        tokio::time::sleep(KEPT_ALIVE_EVERY).await;
        let way = asking.way;
        let path = "/session/heartbeat";
        let own = Headers::own();
        let beat = upstream::call(way.upstream, way.login, &own, Method::POST, path).await;
        if let Err(error) = beat {
            tracing::warn!(login = %asking.to.login, %error, "login of a held statement could not be kept alive");
        }
    }
}
