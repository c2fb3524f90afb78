//! Replies that are kept for replays and polls: for a time, and no more than fit, each session its fair share.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Execution;
use crate::id::SessionId;

/// How long a reply is kept after it is ready. Drivers send a request again after 60 s of silence (protocol
/// reference 4.1).
const KEPT_FOR: Duration = Duration::from_secs(120);

/// Most bytes that are kept, those of all sessions together: memory that a fast session would otherwise take anew for
/// each statement. A reply that has gone before its time is fetched from Snowflake by its query id.
const KEPT_MAX_BYTES: usize = 64 << 20;

/// What an execution takes beside its reply: itself and its places in the registry.
const OWN_BYTES: usize = 2 << 10;

/// Executions with replies, by session.
///
/// Where all together are too large, the session that holds the most loses its oldest: one that holds no more than an
/// equal share loses nothing to another.
#[derive(Debug)]
pub(super) struct Kept {
    shares: HashMap<SessionId, Share>,
    bytes: usize,
    max_bytes: usize,
}

/// What one session holds.
#[derive(Debug, Default)]
struct Share {
    /// The oldest first.
    queue: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    execution: Arc<Execution>,
    bytes: usize,
    until_ns: i64,
}

impl Default for Kept {
    fn default() -> Self {
        Self::of_size(KEPT_MAX_BYTES)
    }
}

impl Kept {
    fn of_size(max_bytes: usize) -> Self {
        Self {
            shares: HashMap::new(),
            bytes: 0,
            max_bytes,
        }
    }

    /// Keeps an execution from now on, and gives those that must make room for it.
    pub(super) fn push(&mut self, execution: Arc<Execution>, now_ns: i64) -> Vec<Arc<Execution>> {
        let state = execution.state();
        let reply_bytes = state.reply().map_or(0, |reply| reply.body().text().len());
        let bytes = reply_bytes + OWN_BYTES;
        let kept_ns = i64::try_from(KEPT_FOR.as_nanos()).unwrap_or(i64::MAX);
        let share = self.shares.entry(execution.session()).or_default();
        share.bytes += bytes;
        share.queue.push_back(Entry {
            execution,
            bytes,
            until_ns: now_ns.saturating_add(kept_ns),
        });
        self.bytes += bytes;
        let mut surplus = Vec::new();
        while self.bytes > self.max_bytes
            && let Some((session, _)) = self.shares.iter().max_by_key(|(_, share)| share.bytes)
            && let Some(oldest) = self.take_oldest(*session)
        {
            surplus.push(oldest);
        }
        surplus
    }

    /// Takes out those whose time is over.
    pub(super) fn take_due(&mut self, now_ns: i64) -> Vec<Arc<Execution>> {
        let due = |share: &Share| {
            let over = |entry: &&Entry| entry.until_ns <= now_ns;
            share.queue.iter().take_while(over).count()
        };
        let counts: Vec<(SessionId, usize)> = self
            .shares
            .iter()
            .map(|(session, share)| (*session, due(share)))
            .collect();
        counts
            .into_iter()
            .flat_map(|(session, count)| std::iter::repeat_n(session, count))
            .filter_map(|session| self.take_oldest(session))
            .collect()
    }

    /// Lets go of a session's.
    pub(super) fn forget_session(&mut self, session: SessionId) {
        if let Some(share) = self.shares.remove(&session) {
            self.bytes = self.bytes.saturating_sub(share.bytes);
        }
    }

    fn take_oldest(&mut self, session: SessionId) -> Option<Arc<Execution>> {
        let share = self.shares.get_mut(&session)?;
        let oldest = share.queue.pop_front()?;
        share.bytes = share.bytes.saturating_sub(oldest.bytes);
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        if share.queue.is_empty() {
            self.shares.remove(&session);
        }
        Some(oldest.execution)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::execution::{Realm, State};
    use crate::id::LoginId;
    use crate::record::Reply;
    use crate::snowflake::answer::Form;

    fn replied(session: SessionId) -> Arc<Execution> {
        let execution = Execution::new(
            session,
            LoginId::new(),
            Realm::new("ACME", None),
            "r".to_owned(),
            [0; 32],
            Form::V1,
        );
        let reply = Reply::broken(Form::V1, execution.own_query_id());
        execution.advance(State::Ready(reply));
        Arc::new(execution)
    }

    proptest! {
        #[test]
        fn a_session_within_an_equal_share_loses_nothing_to_others(
            pushes in prop::collection::vec(0_usize..4, 1..200),
            fits in 4_usize..60,
        ) {
            let sessions: Vec<SessionId> = (0..4).map(|_| SessionId::new()).collect();
            let one = replied(sessions[0]);
            let size = OWN_BYTES + one.state().reply().unwrap().body().text().len();
            let mut kept = Kept::of_size(fits * size);
            let mut lost = [0; 4];
            for (now, of) in (0..).zip(&pushes) {
                for execution in kept.push(replied(sessions[*of]), now) {
                    let whose = sessions.iter().position(|held| *held == execution.session());
                    lost[whose.unwrap()] += 1;
                }
                prop_assert!(kept.bytes <= kept.max_bytes);
                let held: usize = kept.shares.values().map(|share| share.bytes).sum();
                prop_assert_eq!(held, kept.bytes);
            }
            for (of, lost) in lost.into_iter().enumerate() {
                let pushed = pushes.iter().filter(|held| **held == of).count();
                prop_assert!(pushed > fits / 4 || lost == 0, "{pushed} of {fits} pushed, {lost} lost");
            }
        }
    }
}
