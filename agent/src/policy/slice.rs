//! Policies by action: only those that can speak of an action are asked.

use std::collections::BTreeMap;

use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PolicySet};
use cedar_policy_core::ast::{BinaryOp, ExprKind, Policy as Tree, Var};

use super::reads::Reads;
use super::verb::{VERBS, Verb};

/// The policies of one action.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// Those that say the same whenever they are asked the same.
    pub(super) steady: Sides,
    /// Those that read the time, what was used, what the text holds, or where the statement comes from.
    pub(super) volatile: Sides,
    /// What the volatile ones read.
    pub(super) reads: Reads,
    /// Whether a volatile one looks at the resource.
    pub(super) volatile_looks: bool,
    /// Whether any of them looks at the resource.
    pub(super) looks: bool,
    /// Whether any that forbids looks at the resource.
    pub(super) forbids: bool,
    /// Whether any of them looks at tags.
    pub(super) looks_at_tags: bool,
}

/// Permits and forbids, apart: all that are satisfied are wanted, and Cedar tells only those that decide.
#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) permits: PolicySet,
    pub(super) forbids: PolicySet,
}

impl Sides {
    fn add(&mut self, policy: &Policy) -> Result<(), String> {
        let side = match policy.effect() {
            Effect::Permit => &mut self.permits,
            Effect::Forbid => &mut self.forbids,
        };
        let added = side.add(policy.clone());
        added.map_err(|error| error.to_string())
    }
}

impl Slice {
    fn add(&mut self, policy: &Policy) -> Result<(), String> {
        let looks = looks_at(policy, |kind| matches!(kind, ExprKind::Var(Var::Resource)));
        self.looks |= looks;
        self.forbids |= looks && policy.effect() == Effect::Forbid;
        self.looks_at_tags |= looks_at_tags(policy);
        let reads = Reads::of(policy);
        if !reads.is_volatile() {
            return self.steady.add(policy);
        }
        self.reads = self.reads.or(reads);
        self.volatile_looks |= looks;
        self.volatile.add(policy)
    }
}

/// Sorts policies into slices.
pub(super) fn slices(policies: &PolicySet) -> Result<BTreeMap<Verb, Slice>, String> {
    let mut slices = BTreeMap::new();
    for verb in VERBS {
        let mut slice = Slice::default();
        for policy in policies.policies() {
            if speaks_of(policy, verb) {
                slice.add(policy)?;
            }
        }
        slices.insert(verb, slice);
    }
    count_columns(&mut slices);
    Ok(slices)
}

/// Tells whether a policy can speak of an action.
pub(super) fn speaks_of(policy: &Policy, verb: Verb) -> bool {
    let is_it = |action: &EntityUid| is_action(action, verb);
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.iter().any(is_it),
        ActionConstraint::Eq(action) => is_it(&action),
    }
}

/// Tells whether a policy names this action and no other.
pub(super) fn speaks_only_of(policy: &Policy, verb: Verb) -> bool {
    let is_it = |action: &EntityUid| is_action(action, verb);
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::In(actions) => actions.iter().all(is_it),
        ActionConstraint::Eq(action) => is_it(&action),
    }
}

/// Compares by the id alone: that the type is `Icecore::Action`, the schema sees to.
fn is_action(action: &EntityUid, verb: Verb) -> bool {
    action.id().unescaped() == verb.name()
}

/// Tells whether a policy looks at tags.
pub(super) fn looks_at_tags(policy: &Policy) -> bool {
    looks_at(policy, |kind| {
        let ExprKind::BinaryApp { op, .. } = kind else {
            return false;
        };
        matches!(op, BinaryOp::HasTag | BinaryOp::GetTag)
    })
}

/// Has all that is done to columns looked at where a policy reads how many with tags were used, whatever it speaks of: a
/// column that nobody can tell would not be counted.
fn count_columns(slices: &mut BTreeMap<Verb, Slice>) {
    if !slices.values().any(|slice| slice.reads.columns) {
        return;
    }
    for verb in [Verb::Project, Verb::Filter] {
        let slice = slices.entry(verb).or_default();
        (slice.looks, slice.forbids, slice.looks_at_tags) = (true, true, true);
    }
}

fn looks_at(policy: &Policy, is_it: impl Fn(&ExprKind) -> bool) -> bool {
    let tree: &Tree = policy.as_ref();
    let whole = tree.condition();
    whole.subexpressions().any(|part| is_it(part.expr_kind()))
}
