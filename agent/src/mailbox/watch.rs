//! The one thread that looks for answers to all requests of a host that wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::asked::Asking;
use super::documents::day;
use super::look::{self, Lying};
use super::news::{Herald, News};
use super::rows::Rows;
use super::{Ended, Freshness, KeysOf, MailboxError, Told, outcome, put_outcome};
use crate::approval::{
    Counted, Given, Judged, ProofError, ProvedBy, Rules, Standing, State, Uncounted, judge,
};
use crate::clock::Clock;
use crate::id::ApprovalId;
use crate::identity::IdentityError;
use crate::record::{RecordError, Recorder, Row, Store};

/// Time between two looks at a cloud's store.
const PACE: Duration = Duration::from_secs(2);

/// Time between two looks at a folder of this host.
const LOCAL_PACE: Duration = Duration::from_millis(250);

/// What the thread is told.
pub(super) enum Order {
    /// Look for answers to a request.
    Ask(Asking),
    /// Whoever asked wants it no more.
    Withdraw(ApprovalId),
    /// Nobody waits for it in this process any more.
    Forget(ApprovalId),
}

/// What the thread looks with.
pub(super) struct Watch {
    pub(super) is_local: bool,
    pub(super) store: Arc<Store>,
    pub(super) recorder: Recorder,
    pub(super) rules: Arc<Rules>,
    pub(super) keys: KeysOf,
    pub(super) slack: Option<Zeroizing<Vec<u8>>>,
    pub(super) herald: Herald,
    pub(super) clock: Clock,
}

impl Watch {
    /// Starts the thread, which ends with the last sender of orders.
    pub(super) fn start(self, orders: Receiver<Order>) -> Result<(), MailboxError> {
        let run = move || self.run(&orders);
        let started = thread::Builder::new()
            .name("approvals".to_owned())
            .spawn(run);
        let started = started.map_err(|error| MailboxError::Form {
            expected: "a thread of the system",
            found: error.to_string(),
        })?;
        // It holds nothing that outlives the process.
        drop(started);
        Ok(())
    }

    fn run(&self, orders: &Receiver<Order>) {
        let pace = if self.is_local { LOCAL_PACE } else { PACE };
        let mut waiting: BTreeMap<ApprovalId, Asking> = BTreeMap::new();
        let mut look_ns = 0;
        loop {
            // Nobody waits: the thread sleeps until somebody asks.
            let order = match waiting.is_empty() {
                true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => {
                    let left_ns = look_ns - self.clock.mono_ns();
                    orders.recv_timeout(Duration::from_nanos(u64::try_from(left_ns).unwrap_or(0)))
                }
            };
            match order {
                Ok(order) => {
                    if waiting.is_empty() {
                        look_ns = self.clock.mono_ns() + nanos(pace);
                    }
                    self.take(&mut waiting, order);
                    // Many orders do not keep it from looking.
                    if self.clock.mono_ns() < look_ns {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look(&mut waiting);
            waiting.retain(|_, asking| !asking.is_over());
            look_ns = self.clock.mono_ns() + nanos(pace);
        }
    }

    fn take(&self, waiting: &mut BTreeMap<ApprovalId, Asking>, order: Order) {
        match order {
            Order::Ask(asking) => drop(waiting.insert(asking.request.id, asking)),
            Order::Forget(id) => drop(waiting.remove(&id)),
            Order::Withdraw(id) => {
                if let Some(mut asking) = waiting.remove(&id) {
                    let told = Told {
                        by: Vec::new(),
                        reason: None,
                        at: self.clock.now(),
                    };
                    self.end(&mut asking, State::Withdrawn, &told, Vec::new());
                }
            }
        }
    }

    /// Looks at the folder of each day that has a request which waits: one listing a day, however many wait.
    fn look(&self, waiting: &mut BTreeMap<ApprovalId, Asking>) {
        let mut days: BTreeMap<String, Vec<ApprovalId>> = BTreeMap::new();
        for (id, asking) in waiting.iter() {
            let request = &asking.request;
            let folder = day(&request.org, request.requested_at);
            days.entry(folder).or_default().push(*id);
        }
        for (folder, ids) in days {
            let Some(first) = ids.first() else { continue };
            let listed = look::day(&self.store, &folder, *first);
            let mut by_request: BTreeMap<ApprovalId, Vec<&Lying>> = BTreeMap::new();
            for object in listed.iter().flatten() {
                by_request.entry(object.request).or_default().push(object);
            }
            for id in ids {
                let Some(asking) = waiting.get_mut(&id) else {
                    continue;
                };
                let found = match &listed {
                    Ok(_) => {
                        let lying = by_request.get(&id).map(Vec::as_slice).unwrap_or_default();
                        let installation = &self.recorder.approvals_key().installation;
                        look::read(&self.store, asking, lying, installation)
                    }
                    Err(error) => Err(error.clone()),
                };
                self.consider(asking, found);
            }
        }
    }

    /// Goes on with a request by what a look found.
    fn consider(&self, asking: &mut Asking, found: Result<look::News, RecordError>) {
        let now = self.clock.now();
        match found {
            Ok(news) => {
                asking.unread = None;
                for what in news.rubbish {
                    if asking.tells(&what) {
                        tracing::warn!(approval = %asking.request.id, what, "rubbish beside a request");
                        let row = self.rows(asking).rubbish(&what);
                        self.tell(vec![row]);
                    }
                }
                if let Some(outcome) = news.outcome {
                    // Another process of this installation ended it: what it approved may have run.
                    return asking.end(Ended::Failed(MailboxError::Ended(outcome.state)));
                }
                if let Err(error) = self.decide(asking, now) {
                    return asking.end(Ended::Failed(error));
                }
            }
            Err(error) => {
                if asking.unread.is_none() {
                    tracing::warn!(approval = %asking.request.id, %error, "mailbox could not be read");
                }
                asking.unread = Some(error.to_string());
            }
        }
        if !asking.is_over() && now >= asking.request.expires_at {
            self.expire(asking, now);
        }
    }

    fn expire(&self, asking: &mut Asking, now: DateTime<Utc>) {
        match asking.unread.take() {
            Some(cause) => {
                let row = self.rows(asking).ended("failed", Vec::new(), now);
                self.tell(vec![row]);
                self.herald.tell(News {
                    state: State::Expired,
                    reason: Some("the host could not read the mailbox until then".to_owned()),
                    at: now,
                    ..News::asked(&asking.request, asking.digest)
                });
                asking.end(Ended::Failed(MailboxError::Unread(cause)));
            }
            None => {
                let told = Told {
                    by: Vec::new(),
                    reason: None,
                    at: now,
                };
                self.end(asking, State::Expired, &told, Vec::new());
            }
        }
    }

    /// Judges a request by the decisions that are known.
    fn decide(&self, asking: &mut Asking, now: DateTime<Utc>) -> Result<(), MailboxError> {
        if asking.given.is_empty() {
            return Ok(());
        }
        let given: Vec<Given> = asking
            .given
            .values()
            .map(|(given, _)| given.clone())
            .collect();
        let mut judged = self.judge(asking, &given, Freshness::Held, now)?;
        let has_new = |one: &str| !asking.recorded.contains(one);
        let lacks_key = judged.not_counted.iter().any(|one| {
            let token = matches!(
                &one.why,
                Uncounted::Proof(ProofError::Token(IdentityError::Key { .. }))
            );
            token && has_new(&one.sha256)
        });
        if lacks_key {
            judged = self.judge(asking, &given, Freshness::Looked, now)?;
        }
        let known = asking.recorded.len();
        self.record(asking, &judged)?;
        match judged.standing {
            Standing::Waiting(_) if asking.recorded.len() > known => {
                self.herald.tell(News {
                    by: judged.counted,
                    at: now,
                    ..News::asked(&asking.request, asking.digest)
                });
            }
            Standing::Waiting(_) => {}
            Standing::Denied(denial) => {
                let decision = denial.decision;
                let told = Told {
                    by: vec![decision.person.clone()],
                    reason: decision.reason.clone(),
                    at: now,
                };
                self.end(asking, State::Denied, &told, vec![decision]);
            }
            // Nothing can run by it any more.
            Standing::Approved(_) if now >= asking.request.expires_at => {}
            Standing::Approved(approval) => {
                let rows = self.rows(asking).approved(&approval, now);
                let _receipt = self.recorder.commit_blocking(rows)?;
                let digest = asking.digest;
                let news = News::of_approval(&approval, digest, State::Approved, now);
                self.herald.tell(news);
                asking.end(Ended::Approved(approval));
            }
        }
        Ok(())
    }

    fn judge(
        &self,
        asking: &Asking,
        given: &[Given],
        freshness: Freshness,
        now: DateTime<Utc>,
    ) -> Result<Judged, MailboxError> {
        let keys = (self.keys)(freshness);
        if let Err(cause) = &keys {
            tracing::warn!(cause, "no keys of the approvers' issuer");
        }
        let by = ProvedBy {
            keys: keys.as_ref().ok(),
            slack: self.slack.as_ref().map(|secret| secret.as_slice()),
        };
        Ok(judge(&self.rules, by, &asking.request, given, now)?)
    }

    /// Writes rows of decisions that are new.
    fn record(&self, asking: &mut Asking, judged: &Judged) -> Result<(), MailboxError> {
        for counted in &judged.counted {
            let Some((_, text)) = asking.given.get(&counted.sha256) else {
                continue;
            };
            if asking.recorded.contains(&counted.sha256) {
                continue;
            }
            let rows = self.rows(asking).decision(counted, text);
            let _receipt = self.recorder.commit_blocking(rows)?;
            asking.recorded.insert(counted.sha256.clone());
        }
        for refused in &judged.not_counted {
            // It may count yet, by keys that are read or at a time that comes.
            let may_count = matches!(
                refused.why,
                Uncounted::Proof(ProofError::Unchecked(_)) | Uncounted::Time { .. }
            );
            if !may_count && asking.tells(&refused.sha256) {
                let row = self.rows(asking).not_counted(refused);
                self.tell(vec![row]);
            }
        }
        Ok(())
    }

    /// Ends a request: the record first, then people, then whoever waits.
    fn end(&self, asking: &mut Asking, state: State, told: &Told, decisions: Vec<Counted>) {
        let row = self
            .rows(asking)
            .ended(state.as_str(), told.by.clone(), told.at);
        if let Err(error) = self.recorder.commit_blocking(vec![row]) {
            return asking.end(Ended::Failed(error.into()));
        }
        let named = decisions.iter().map(|one| one.sha256.clone()).collect();
        let by = (named, told.by.clone());
        let put =
            outcome(&asking.request, state, by, told.reason.clone(), told.at).and_then(|outcome| {
                put_outcome(&self.store, &self.recorder, &asking.request, &outcome)
            });
        if let Err(error) = put {
            tracing::warn!(approval = %asking.request.id, %error, "outcome of an approval could not be put");
        }
        let told = told.clone();
        self.herald.tell(News {
            state,
            by: decisions,
            reason: told.reason.clone(),
            at: told.at,
            ..News::asked(&asking.request, asking.digest)
        });
        asking.end(match state {
            State::Denied => Ended::Denied(told),
            State::Withdrawn => Ended::Withdrawn,
            State::Expired => Ended::Expired(told),
            State::Requested | State::Approved | State::Void => {
                Ended::Failed(MailboxError::Ended(state))
            }
        });
    }

    fn rows<'a>(&'a self, asking: &'a Asking) -> Rows<'a> {
        Rows {
            recorder: &self.recorder,
            request: &asking.request,
            digest: asking.digest,
        }
    }

    /// Records what no decision rests on.
    fn tell(&self, rows: Vec<Row>) {
        if let Err(error) = self.recorder.commit_blocking(rows) {
            tracing::error!(%error, "events could not be recorded");
        }
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
