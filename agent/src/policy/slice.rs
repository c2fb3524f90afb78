//! Policies by action: only those that can speak of an action are asked.

use std::collections::BTreeMap;

use cedar_policy::{ActionConstraint, Effect, Policy, PolicySet};
use cedar_policy_core::ast::{BinaryOp, ExprKind, Policy as Tree, Var};

use super::ask::uid;
use super::reads::Reads;
use super::verb::{VERBS, Verb};

/// The policies of one action.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// Those that say the same whenever they are asked the same.
    pub(super) steady: Sides,
    /// Those that read the time or what was used.
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
        self.looks_at_tags |= looks_at(policy, |kind| {
            let ExprKind::BinaryApp { op, .. } = kind else {
                return false;
            };
            matches!(op, BinaryOp::HasTag | BinaryOp::GetTag)
        });
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
        let action = uid("Action", verb.name())?;
        let mut slice = Slice::default();
        for policy in policies.policies() {
            let speaks = match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::In(actions) => actions.contains(&action),
                ActionConstraint::Eq(one) => one == action,
            };
            if speaks {
                slice.add(policy)?;
            }
        }
        slices.insert(verb, slice);
    }
    count_columns(&mut slices);
    Ok(slices)
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
