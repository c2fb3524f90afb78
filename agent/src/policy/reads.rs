//! What a policy reads of its context that changes from one statement to the next.

use std::collections::BTreeMap;

use cedar_policy::Policy;
use cedar_policy_core::ast::{Expr, ExprKind, Policy as Tree, Var};

/// What of the context that is another for each statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// `context.time`.
    pub(super) time: bool,
    /// `context.used`.
    pub(super) used: bool,
    /// `context.found`.
    pub(super) found: bool,
    /// `context.link`.
    pub(super) link: bool,
    /// The number of columns with tags in `context.used`.
    pub(super) columns: bool,
}

impl Reads {
    /// Reads a policy's conditions. What mentions the whole of a thing may read any part of it.
    pub(super) fn of(policy: &Policy) -> Self {
        let tree: &Tree = policy.as_ref();
        let condition = tree.condition();
        let mut reads = Self::default();
        for path in paths(&condition) {
            let (first, last) = (path.first().map(String::as_str), path.get(2));
            reads.time |= matches!(first, None | Some("time"));
            reads.found |= matches!(first, None | Some("found"));
            reads.link |= matches!(first, None | Some("link"));
            let used = matches!(first, None | Some("used"));
            reads.used |= used;
            reads.columns |= used && last.is_none_or(|last| last == "sensitive_columns");
        }
        reads
    }

    /// Tells whether what the policy says may change though the question does not.
    pub(super) fn is_volatile(self) -> bool {
        self.time || self.used || self.found || self.link
    }

    /// Adds what another policy reads.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            time: self.time || other.time,
            used: self.used || other.used,
            found: self.found || other.found,
            link: self.link || other.link,
            columns: self.columns || other.columns,
        }
    }
}

/// Lists the members of the context that a condition mentions, each by its way from there: `["used", "today"]`. What is
/// mentioned only to get at a member of it is not listed, its member is.
fn paths(condition: &Expr) -> Vec<Vec<String>> {
    let mut whole: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    let mut stems: Vec<Vec<String>> = Vec::new();
    let mut asked: Vec<Vec<String>> = Vec::new();
    for part in condition.subexpressions() {
        if let Some(path) = path(part) {
            *whole.entry(path).or_default() += 1;
        }
        match part.expr_kind() {
            ExprKind::GetAttr { expr, .. } => stems.extend(path(expr)),
            ExprKind::HasAttr { expr, attr } => {
                if let Some(stem) = path(expr) {
                    asked.push([stem.as_slice(), &[attr.to_string()]].concat());
                    stems.push(stem);
                }
            }
            ExprKind::ExtHasAttr { expr, attrs } => {
                if let Some(stem) = path(expr) {
                    let attrs: Vec<String> = attrs.iter().map(ToString::to_string).collect();
                    asked.push([stem.as_slice(), &attrs].concat());
                    stems.push(stem);
                }
            }
            ExprKind::Lit(_)
            | ExprKind::Var(_)
            | ExprKind::Slot(_)
            | ExprKind::Unknown(_)
            | ExprKind::If { .. }
            | ExprKind::And { .. }
            | ExprKind::Or { .. }
            | ExprKind::UnaryApp { .. }
            | ExprKind::BinaryApp { .. }
            | ExprKind::ExtensionFunctionApp { .. }
            | ExprKind::Like { .. }
            | ExprKind::Is { .. }
            | ExprKind::Set(_)
            | ExprKind::Record(_) => {}
        }
    }
    for stem in stems {
        if let Some(count) = whole.get_mut(&stem) {
            *count = count.saturating_sub(1);
        }
    }
    let mentioned = whole.into_iter().filter(|(_, count)| *count > 0);
    mentioned.map(|(path, _)| path).chain(asked).collect()
}

/// Gives the way from the context to a member; none for what does not begin there.
fn path(part: &Expr) -> Option<Vec<String>> {
    let kind = part.expr_kind();
    if matches!(kind, ExprKind::Var(Var::Context)) {
        return Some(Vec::new());
    }
    let ExprKind::GetAttr { expr, attr } = kind else {
        return None;
    };
    let mut way = path(expr)?;
    way.push(attr.to_string());
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(condition: &str, expected: &str) {
        let text = format!("forbid (principal, action, resource) when {{ {condition} }};");
        let policy = Policy::parse(None, text).unwrap();
        let reads = |word| expected.split(' ').any(|one| one == word);
        let expected = Reads {
            time: reads("time"),
            used: reads("used"),
            found: reads("found"),
            link: reads("link"),
            columns: reads("columns"),
        };
        assert_eq!(Reads::of(&policy), expected, "{condition}");
    }

    #[test]
    fn what_is_the_same_for_each_statement_is_not_volatile() {
        for condition in [
            "true",
            r#"context.kind == "query""#,
            "context.identity.verified && context has kind",
            "context.identity has actor",
            r#"resource.hasTag("time")"#,
            "context.identity == context.identity",
        ] {
            check(condition, "");
        }
    }

    #[test]
    fn time_and_use_are_found_wherever_they_stand() {
        for condition in [
            "context.time.hour < 8",
            r#"context["time"]["hour"] < 8"#,
            "if true then context.time.weekday == 6 else false",
            "[1, context.time.unix].contains(7)",
            "context has time",
            "context has time.hour",
            "context.time has hour",
            "{a: context.time}.a.hour == 1",
        ] {
            check(condition, "time");
        }
        check("context.used.session.rows > 5", "used");
        check("context.used.today.failures > 5", "used");
        let condition = "!(context.used.today.sensitive_columns < 5)";
        check(condition, "used columns");
    }

    #[test]
    fn what_the_text_holds_is_another_for_each_statement() {
        for condition in [
            r#"context.found.contains("card")"#,
            r#"["card"].containsAny(context["found"])"#,
            "context has found",
            "!context.found.isEmpty()",
        ] {
            check(condition, "found");
        }
    }

    #[test]
    fn where_a_statement_comes_from_is_another_for_each() {
        for condition in [
            "context.link.rank < 3",
            r#"context["link"].grade == "U""#,
            "context.link.mismatch",
            "context has link.grade",
        ] {
            check(condition, "link");
        }
    }

    #[test]
    fn who_mentions_the_whole_may_read_any_part() {
        for condition in [
            "context == context",
            "(if true then context else context).time.hour == 1",
            "[context].contains(context)",
            "{c: context}.c.kind == \"query\"",
            // Once as a whole, once for a member.
            "context.kind == \"query\" && context == context",
        ] {
            check(condition, "time used found link columns");
        }
        for condition in [
            "context.used == context.used",
            "[context.used.session].contains(context.used.today)",
            "context has used.session",
        ] {
            check(condition, "used columns");
        }
        // `has` of the context asks for one member.
        check("context has used", "used columns");
    }
}
