//! What steady policies said of questions, kept for as long as the policies hold.
//!
//! All that they can see is in the question: who asks of which account by which kind of statement, what is done to what,
//! and the tags of that. Volatile policies are never asked for an answer that is kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::PolicyId;

use super::Reason;
use super::ask::Ask;
use crate::identity::Identity;
use crate::statement::Kind;

/// Most answers that are kept; there is one for each identity, account, kind and question.
const ANSWERS_MAX: usize = 16_384;

/// The policies that are satisfied, whatever follows from that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Satisfied {
    pub(super) permits: BTreeSet<PolicyId>,
    pub(super) forbids: BTreeSet<PolicyId>,
}

impl Satisfied {
    /// Adds those of other policies.
    pub(super) fn and(&self, others: &Self) -> Self {
        Self {
            permits: &self.permits | &others.permits,
            forbids: &self.forbids | &others.forbids,
        }
    }
}

/// What steady policies say of a question, or why it is refused whatever others say.
pub(super) type Answer = Arc<Result<Satisfied, Reason>>;

/// Who asks, of which account, by which kind of statement.
type Asker = (Arc<Identity>, String, Kind);

/// The answers of all askers.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    // INVARIANT: each is what the steady policies say; they never change, and can read nothing but the question.
    askers: RwLock<HashMap<Asker, Arc<Answers>>>,
    kept: Arc<AtomicUsize>,
}

/// The answers to one asker.
#[derive(Debug)]
pub(super) struct Answers {
    by_question: RwLock<HashMap<Ask, Answer>>,
    kept: Arc<AtomicUsize>,
}

impl Verdicts {
    /// Gives the answers to an asker; those to all are let go of when there are too many.
    pub(super) fn of(&self, identity: &Arc<Identity>, account: &str, kind: Kind) -> Arc<Answers> {
        let asker = (Arc::clone(identity), account.to_owned(), kind);
        let is_full = self.kept.load(Ordering::Relaxed) >= ANSWERS_MAX;
        if !is_full
            && let Some(answers) = self
                .askers
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&asker)
        {
            return Arc::clone(answers);
        }
        let mut askers = self.askers.write().unwrap_or_else(PoisonError::into_inner);
        if is_full {
            askers.clear();
            self.kept.store(0, Ordering::Relaxed);
        }
        let answers = askers.entry(asker).or_insert_with(|| {
            self.kept.fetch_add(1, Ordering::Relaxed);
            Arc::new(Answers {
                by_question: RwLock::default(),
                kept: Arc::clone(&self.kept),
            })
        });
        Arc::clone(answers)
    }
}

impl Answers {
    /// Gives the answer to a question, which is found out if nobody asked it before.
    pub(super) fn to(
        &self,
        ask: &Ask,
        find_out: impl FnOnce() -> Result<Satisfied, Reason>,
    ) -> Answer {
        let known = self
            .by_question
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(ask)
            .cloned();
        if let Some(answer) = known {
            return answer;
        }
        let answer = Arc::new(find_out());
        // One statement may ask more than is kept; what is not kept is found out again.
        if self.kept.fetch_add(1, Ordering::Relaxed) < 2 * ANSWERS_MAX {
            self.by_question
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(ask.clone(), Arc::clone(&answer));
        }
        answer
    }
}
