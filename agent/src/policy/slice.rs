//! Policies by action: only those that can speak of an action are asked.

use std::collections::BTreeMap;

use cedar_policy::{ActionConstraint, Effect, Policy, PolicySet};
use cedar_policy_core::ast::{BinaryOp, ExprKind, Policy as Tree, Var};

use super::ask::uid;
use super::verb::{VERBS, Verb};

/// The policies of one action.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// All of them.
    pub(super) all: PolicySet,
    /// The permits alone: what would be allowed if nothing were forbidden.
    pub(super) permits: PolicySet,
    /// Whether any of them looks at the resource.
    pub(super) looks: bool,
    /// Whether any that forbids looks at the resource.
    pub(super) forbids: bool,
    /// Whether any of them looks at tags.
    pub(super) looks_at_tags: bool,
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
            if !speaks {
                continue;
            }
            let looks = looks_at(policy, |kind| matches!(kind, ExprKind::Var(Var::Resource)));
            slice.looks |= looks;
            slice.forbids |= looks && policy.effect() == Effect::Forbid;
            slice.looks_at_tags |= looks_at(policy, |kind| {
                let ExprKind::BinaryApp { op, .. } = kind else {
                    return false;
                };
                matches!(op, BinaryOp::HasTag | BinaryOp::GetTag)
            });
            let add =
                |set: &mut PolicySet| set.add(policy.clone()).map_err(|error| error.to_string());
            add(&mut slice.all)?;
            if policy.effect() == Effect::Permit {
                add(&mut slice.permits)?;
            }
        }
        slices.insert(verb, slice);
    }
    Ok(slices)
}

fn looks_at(policy: &Policy, is_it: impl Fn(&ExprKind) -> bool) -> bool {
    let tree: &Tree = policy.as_ref();
    let whole = tree.condition();
    whole.subexpressions().any(|part| is_it(part.expr_kind()))
}
