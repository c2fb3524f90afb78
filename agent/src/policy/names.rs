//! Names in policies that exist nowhere: a permit or a forbid that holds one never does what its author meant.

use cedar_policy::Policy;
use cedar_policy_core::ast::{
    BinaryOp, EntityType, EntityUID, Expr, ExprKind, Literal, Policy as Tree, Var,
};

use super::detector::Detector;
use super::load::Gravity;
use super::object_ids;
use crate::config::nearest;
use crate::identity::Users;
use crate::statement::Kind;

/// The names that a host has.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    /// The accounts of its config; none where the config cannot be read, and then no account counts as unknown.
    pub accounts: Option<&'n [&'n str]>,
    /// Its users; no name counts as unknown where the accounts are not known, since policies may be for another host then.
    pub users: &'n Users,
    /// The issuers of identities in its config; none where the config cannot be read, as with the accounts.
    pub issuers: Option<&'n [&'n str]>,
    /// The groups of its config that say yes to what is held; none where the config cannot be read.
    pub approvers: Option<&'n [&'n str]>,
}

/// Members of the context that hold words of Icecore's own, and what says that a word is none of them.
const WORDS: [(&str, Told); 2] = [("kind", of_kind), ("found", of_found)];

/// Says what is wrong with a word, if anything is.
type Told = fn(&str) -> Option<String>;

/// A name that exists nowhere.
pub(super) struct Stray {
    pub(super) gravity: Gravity,
    /// The byte of the policy's file at which it stands.
    pub(super) offset: Option<usize>,
    pub(super) text: String,
}

/// Finds the byte of its file at which a policy begins.
pub(super) fn offset_of(policy: &Policy) -> Option<usize> {
    let tree: &Tree = policy.as_ref();
    tree.loc().map(|loc| loc.start())
}

/// Finds all names of a policy that exist nowhere.
pub(super) fn strays(policy: &Policy, names: &Names<'_>) -> Vec<Stray> {
    let tree: &Tree = policy.as_ref();
    let whole = tree.condition();
    let misplaced: Vec<&EntityUID> = whole.subexpressions().flat_map(misplaced).collect();
    let mut strays = Vec::new();
    for part in whole.subexpressions() {
        let stray = |(gravity, text): (Gravity, String), offset: Option<usize>| Stray {
            gravity,
            offset: offset.or_else(|| offset_of(policy)),
            text,
        };
        if let ExprKind::Lit(Literal::EntityUID(entity)) = part.expr_kind() {
            let offset = entity.loc().map(|loc| loc.start());
            let is_misplaced = misplaced
                .iter()
                .any(|one| std::ptr::eq(*one, &raw const **entity));
            if !is_misplaced {
                strays.extend(of_entity(entity, names).map(|found| stray(found, offset)));
            }
        }
        for (member, of_word) in WORDS {
            for (word, at) in words_beside(part, member) {
                let offset = at.source_loc().map(|loc| loc.start());
                let text = of_word(word).map(|text| (Gravity::Error, text));
                strays.extend(text.map(|found| stray(found, offset)));
            }
        }
    }
    strays
}

/// Finds what a policy takes for a principal though nobody can be it.
pub(super) fn no_principals(policy: &Policy) -> Vec<Stray> {
    let tree: &Tree = policy.as_ref();
    let whole = tree.condition();
    let stray = |found: String, offset: Option<usize>| Stray {
        gravity: Gravity::Error,
        offset: offset.or_else(|| offset_of(policy)),
        text: format!(
            "expected `Icecore::Principal` or `Icecore::Group` as the principal, found `{found}`"
        ),
    };
    let mut strays = Vec::new();
    for part in whole.subexpressions() {
        for entity in misplaced(part) {
            let offset = entity.loc().map(|loc| loc.start());
            strays.push(stray(entity.to_string(), offset));
        }
        if let ExprKind::Is { expr, entity_type } = part.expr_kind()
            && is_principal(expr)
            && !is_of_principals(entity_type)
        {
            let offset = part.source_loc().map(|loc| loc.start());
            strays.push(stray(entity_type.to_string(), offset));
        }
    }
    strays
}

/// Lists the entities that an expression compares with the principal, and that are neither principals nor groups.
fn misplaced(expression: &Expr) -> Vec<&EntityUID> {
    let ExprKind::BinaryApp {
        op: BinaryOp::Eq | BinaryOp::In,
        arg1,
        arg2,
    } = expression.expr_kind()
    else {
        return Vec::new();
    };
    let others = match (is_principal(arg1), is_principal(arg2)) {
        (true, false) => arg2,
        (false, true) => arg1,
        (_, _) => return Vec::new(),
    };
    let entity = |member| {
        let ExprKind::Lit(Literal::EntityUID(entity)) = Expr::expr_kind(member) else {
            return None;
        };
        Some(&**entity)
    };
    let entities = members(others).filter_map(entity);
    entities
        .filter(|entity| !is_of_principals(entity.entity_type()))
        .collect()
}

fn is_principal(expression: &Expr) -> bool {
    matches!(expression.expr_kind(), ExprKind::Var(Var::Principal))
}

fn is_of_principals(of: &EntityType) -> bool {
    ["Icecore::Principal", "Icecore::Group"].contains(&of.to_string().as_str())
}

/// Says what is wrong with an entity, if anything is.
fn of_entity(entity: &EntityUID, names: &Names<'_>) -> Option<(Gravity, String)> {
    let id: &str = entity.eid().as_ref();
    match entity.entity_type().to_string().as_str() {
        "Icecore::Group" => of_issuer(entity, names),
        // No user of a host has a colon in its name (passwd(5)).
        "Icecore::Principal" if id.contains(':') => of_issuer(entity, names),
        "Icecore::Principal" => {
            let stranger = names.accounts.and_then(|_| names.users.stranger(id))?;
            let text = format!("expected a user of this host, found `{entity}`, {stranger}");
            Some((Gravity::Warning, text))
        }
        // Unknown actions and types are found by the schema.
        _ => object_ids::wrong(entity, names.accounts).map(|text| (Gravity::Error, text)),
    }
}

/// Says what is wrong with a name that an issuer gives, `<issuer>:<group or subject>`, if there is no such issuer.
///
/// Which groups and subjects an issuer has, only its tokens tell.
fn of_issuer(entity: &EntityUID, names: &Names<'_>) -> Option<(Gravity, String)> {
    let id: &str = entity.eid().as_ref();
    let known = names.issuers?;
    let issuer = id.split_once(':').map(|(issuer, _)| issuer);
    if issuer.is_some_and(|issuer| known.contains(&issuer)) {
        return None;
    }
    let what = if known.is_empty() {
        "no group or subject, since the config has no issuer of identities".to_owned()
    } else {
        let listed = known.join("`, `");
        format!("`ISSUER:NAME` with an issuer of the config (`{listed}`)")
    };
    let guess = guess(issuer.unwrap_or_default(), known);
    let text = format!("expected {what}, found `{entity}`{guess}");
    Some((Gravity::Error, text))
}

/// Says what is wrong with a word that is compared with `context.kind`, if it is none of the kinds.
fn of_kind(word: &str) -> Option<String> {
    let known: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.action().is_some())
        .map(Kind::name)
        .collect();
    of_words(word, "a kind of statement", &known)
}

/// Says what is wrong with a word that is looked for in `context.found`, if it is no detector's name.
fn of_found(word: &str) -> Option<String> {
    of_words(word, "a detector", &Detector::ALL.map(Detector::name))
}

fn of_words(word: &str, what: &str, known: &[&str]) -> Option<String> {
    let listed = known.join(", ");
    let guess = guess(word, known);
    let text = || format!("expected {what} ({listed}), found {word:?}{guess}");
    (!known.contains(&word)).then(text)
}

/// Finds the words that an expression compares with a member of the context, alone or in a set.
fn words_beside<'e>(expression: &'e Expr, member: &str) -> Vec<(&'e str, &'e Expr)> {
    let ExprKind::BinaryApp { op, arg1, arg2 } = expression.expr_kind() else {
        return Vec::new();
    };
    let compares = matches!(
        op,
        BinaryOp::Eq | BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny
    );
    match (
        compares,
        members(arg1).any(|one| is_member(one, member)),
        members(arg2).any(|one| is_member(one, member)),
    ) {
        (true, true, false) => words(arg2),
        (true, false, true) => words(arg1),
        (_, _, _) => Vec::new(),
    }
}

/// Gives the members of a set, or the expression itself if it is none.
fn members(expression: &Expr) -> impl Iterator<Item = &Expr> {
    if let ExprKind::Set(members) = expression.expr_kind() {
        members
    } else {
        std::slice::from_ref(expression)
    }
    .iter()
}

fn words(expression: &Expr) -> Vec<(&str, &Expr)> {
    let word = |member| {
        let ExprKind::Lit(Literal::String(word)) = Expr::expr_kind(member) else {
            return None;
        };
        Some((word.as_str(), member))
    };
    members(expression).filter_map(word).collect()
}

fn is_member(expression: &Expr, member: &str) -> bool {
    let ExprKind::GetAttr { expr, attr } = expression.expr_kind() else {
        return false;
    };
    attr == member && matches!(expr.expr_kind(), ExprKind::Var(Var::Context))
}

/// Names the known word that was most likely meant.
pub(super) fn guess(typed: &str, known: &[&str]) -> String {
    nearest(typed, known).map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"))
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
