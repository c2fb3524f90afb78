//! The rules whose hold people have lifted for one statement.

use std::collections::BTreeSet;

/// Names of rules that an approval lifts. Only `approval` makes one that names any: a policy that is named here and holds
/// a statement holds it no more, and forbids without that remedy stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discharged(BTreeSet<String>);

impl Discharged {
    /// Lifts nothing: what is decided before anybody was asked.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Lifts what an approval names; `approval` alone calls this.
    pub(crate) fn of_approval(rules: impl IntoIterator<Item = String>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// Tells whether a rule's hold is lifted.
    #[must_use]
    pub fn lifts(&self, rule: &str) -> bool {
        self.0.contains(rule)
    }

    /// Names the rules.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Tells whether nothing is lifted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
