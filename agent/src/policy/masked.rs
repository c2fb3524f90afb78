//! Uses of masked columns: whoever may not see a value may not learn it by other uses either.
//!
//! A remedy `mask` on `project` forbids every other use of the column, without remedy, but those that a satisfied permit
//! on `filter` names: `@masked_use("equality join count_distinct")`.

use std::collections::{BTreeMap, BTreeSet};

use super::Reason;
use super::ask::{Ask, Resource, of_column};
use super::asking::Asking;
use super::remedy::Remedy;
use super::verb::Verb;
use crate::statement::{Catalogue, Meaning, Use};

/// Uses of a column beside `project`, which a policy may name.
pub(super) const USES: [Use; 8] = [
    Use::Where,
    Use::Equality,
    Use::Join,
    Use::Group,
    Use::Order,
    Use::Window,
    Use::Argument,
    Use::CountDistinct,
];

/// Reads names of uses, with spaces between.
///
/// # Errors
/// The first word that is no use's name; an empty one if there is no word.
pub(super) fn read(text: &str) -> Result<BTreeSet<Use>, &str> {
    let find = |name| {
        let mut uses = USES.into_iter();
        uses.find(|one| one.name() == name).ok_or(name)
    };
    let uses: BTreeSet<Use> = text
        .split_ascii_whitespace()
        .map(find)
        .collect::<Result<_, _>>()?;
    if uses.is_empty() { Err("") } else { Ok(uses) }
}

/// Lists the uses of each column but those that give its value.
pub(super) fn uses(meaning: &Meaning, catalogue: &Catalogue) -> BTreeMap<Resource, BTreeSet<Use>> {
    let mut uses: BTreeMap<Resource, BTreeSet<Use>> = BTreeMap::new();
    for found in meaning.columns() {
        if !matches!(found.how, Use::Project | Use::Store) {
            for resource in of_column(&found.column, catalogue) {
                uses.entry(resource).or_default().insert(found.how);
            }
        }
    }
    uses
}

impl Asking<'_> {
    /// Refuses uses of a column that would be masked, where no policy names them; tells whether its values are hidden, by
    /// a mask or since no policy lets them be shown.
    ///
    /// # Errors
    /// The reason, also where nobody can tell whether the column is masked.
    pub(super) fn judge_uses(
        &self,
        resource: &Resource,
        uses: &BTreeSet<Use>,
    ) -> Result<bool, Reason> {
        let bundle = self.bundle();
        let masks_some = bundle.masks_some();
        if !masks_some && !bundle.looks_at_columns() {
            return Ok(false);
        }
        let of = |verb| Ask {
            verb,
            resource: resource.clone(),
            is_stored: false,
        };
        let shown = match self.satisfied(&of(Verb::Project)) {
            Ok(shown) => shown,
            Err(reason) if masks_some => return Err(reason),
            Err(_) => return Ok(true),
        };
        let is_shown = shown.forbids.is_empty() && !shown.permits.is_empty();
        let mut masks = shown.forbids;
        masks.retain(|id| matches!(bundle.remedies.get(id), Some(Remedy::Mask(_))));
        if masks.is_empty() {
            return Ok(!is_shown);
        }
        let permits = self.satisfied(&of(Verb::Filter))?.permits;
        let named: BTreeSet<Use> = permits
            .iter()
            .filter_map(|id| bundle.masked_uses.get(id))
            .flatten()
            .copied()
            .collect();
        let others: Vec<&str> = uses.difference(&named).map(|one| one.name()).collect();
        if others.is_empty() {
            return Ok(true);
        }
        let allowed: Vec<&str> = named.iter().map(|one| one.name()).collect();
        let allowed = match allowed.as_slice() {
            [] => "no such use is allowed".to_owned(),
            some => format!("of such uses allowed are {}", some.join(", ")),
        };
        Err(Reason {
            rules: masks.iter().map(ToString::to_string).collect(),
            text: format!(
                "{} is masked, and its use as {} would tell of its values; {allowed}{}",
                resource.told(),
                others.join(", "),
                bundle.instead_of(&masks)
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::bundle;
    use super::super::{Decision, Plan, Usage, decide};
    use crate::config::Mode;
    use crate::identity::Principal;
    use crate::statement::{Catalogue, Scope, Statement};

    #[test]
    fn what_is_said_of_statements_that_use_hidden_columns_is_hidden_too() {
        let described = r#"
            database = "DB"
            schema = "S"
            [tables]
            "DB.S.T" = ["A TEXT", "B TEXT"]
        "#;
        let catalogue = Catalogue::described(described).unwrap();
        let hides = |remedy: &str, sql: &str| {
            let bundle = bundle(&format!(
                r#"@id("all") permit (principal, action, resource);
                @id("uses") {} permit (principal, action == Icecore::Action::"filter", resource);
                @id("hidden") {remedy}
                forbid (principal, action == Icecore::Action::"project", resource == Icecore::Column::"ACME.DB.S.T.A");"#,
                if remedy.is_empty() {
                    ""
                } else {
                    r#"@masked_use("where argument")"#
                },
            ));
            let decision = decide(
                &bundle,
                Mode::Enforce,
                &Principal::host_user("ci".to_owned(), 1001),
                "ACME",
                &catalogue,
                &Usage::unread(chrono::DateTime::UNIX_EPOCH),
                Statement::read(sql, &Scope::new(&|_| false).with(&catalogue)),
            );
            match decision {
                Decision::Allow(permit) => permit.plans().iter().any(Plan::hides_words),
                Decision::Forbid(refusal) => panic!("{sql}: {:?}", refusal.reason()),
                Decision::Hold(held) => panic!("{sql}: {:?}", held.holds()),
            }
        };
        for remedy in ["", r#"@remedy("mask:null")"#] {
            assert!(
                hides(remedy, "select b from t where a::number > 1"),
                "{remedy}"
            );
            assert!(
                hides(remedy, "select count(*) from t where a::number > 1"),
                "{remedy}"
            );
            assert!(
                !hides(remedy, "select b from t where b::number > 1"),
                "{remedy}"
            );
            assert!(!hides(remedy, "select b::number from t"), "{remedy}");
        }
        assert!(hides(r#"@remedy("mask:null")"#, "select a from t"));
    }
}
