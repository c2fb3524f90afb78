//! One statement judged: every question that it raises, and what is made of its result.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::ask;
use super::asking::Asking;
use super::bundle::{Allowed, Bundle};
use super::held::Hold;
use super::plan::{Masks, Plan, plan};
use super::usage::{Taken, Usage};
use super::{
    HIDDEN_RULE, LINEAGE_RULE, MINTED_RULE, Reason, UNREADABLE_RULE, held, masked, minted,
};
use crate::config::ResultRows;
use crate::identity::Identity;
use crate::statement::{Catalogue, Kind, Statement};

/// Who asks, of whom, and what is known.
pub(super) struct Asker<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) identity: &'a Arc<Identity>,
    pub(super) account: &'a str,
    pub(super) catalogue: &'a Catalogue,
    pub(super) usage: &'a Usage<'a>,
}

/// What policies say of a statement that they allow.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) rules: BTreeSet<String>,
    pub(super) flags: BTreeSet<String>,
    /// The rules that people must lift before any of it runs.
    pub(super) holds: BTreeSet<Hold>,
    /// One for the statement, or for each of several in one text.
    pub(super) plans: Vec<Plan>,
    /// The columns that each plan masks.
    pub(super) masks: Vec<Masks>,
    /// How many rows of each one's result are kept, where a policy says it.
    pub(super) rows: Vec<Option<ResultRows>>,
}

impl Judged {
    fn extend(&mut self, allowed: Allowed) {
        self.rules.extend(allowed.rules);
        self.flags.extend(allowed.flags);
        self.holds.extend(allowed.holds);
    }

    fn absorb(&mut self, part: Self) {
        self.rules.extend(part.rules);
        self.flags.extend(part.flags);
        self.holds.extend(part.holds);
        self.plans.extend(part.plans);
        self.masks.extend(part.masks);
        self.rows.extend(part.rows);
    }

    /// Says which rules hold it, and for whom, if any does.
    pub(super) fn would_hold(&self) -> Option<Reason> {
        let rules = self.holds.iter().map(|hold| hold.rule.clone());
        (!self.holds.is_empty()).then(|| Reason {
            rules: rules.collect(),
            text: format!("it would wait for people: {}", held::told(&self.holds)),
        })
    }
}

impl Asker<'_> {
    /// Names the rules that allow, or says why not; `taken` grows with each statement of the text.
    pub(super) fn judge(&self, statement: &Statement, taken: &mut Taken) -> Result<Judged, Reason> {
        let parts = statement.parts();
        if parts.is_empty() {
            return self.judge_one(statement, self.catalogue, taken);
        }
        let mut all = Judged::default();
        let mut catalogue = Cow::Borrowed(self.catalogue);
        for (number, part) in (1..).zip(parts) {
            let judged = self.judge_one(part, &catalogue, taken);
            all.absorb(judged.map_err(|reason| Reason {
                text: format!("statement {number} of {}: {}", parts.len(), reason.text),
                ..reason
            })?);
            if let Some(meaning) = part.meaning().filter(|meaning| meaning.changes_names()) {
                catalogue.to_mut().follow(meaning);
            }
        }
        Ok(all)
    }

    fn judge_one(
        &self,
        statement: &Statement,
        catalogue: &Catalogue,
        taken: &mut Taken,
    ) -> Result<Judged, Reason> {
        let (Some(action), Some(meaning)) = (statement.kind().action(), statement.meaning()) else {
            let problem = statement.problem();
            let rule = if statement.may_mint() {
                MINTED_RULE
            } else {
                UNREADABLE_RULE
            };
            return Err(Reason {
                rules: vec![rule.to_owned()],
                text: problem
                    .unwrap_or("its effects are not known to Icecore")
                    .to_owned(),
            });
        };
        let doubt = meaning
            .doubts()
            .first()
            .filter(|_| self.bundle.looks_at_columns());
        if let Some(doubt) = doubt {
            return Err(Reason {
                rules: vec![LINEAGE_RULE.to_owned()],
                text: format!(
                    "policies look at columns, and what this reads cannot be told: {doubt}"
                ),
            });
        }
        let hidden = meaning.hidden().first();
        if let Some(hidden) = hidden.filter(|_| self.bundle.forbids_some()) {
            return Err(Reason {
                rules: vec![HIDDEN_RULE.to_owned()],
                text: format!(
                    "policies forbid some objects, and what this does cannot be told: {hidden}"
                ),
            });
        }
        let asks = ask::asks(action, meaning, catalogue);
        taken.use_columns(self.account, &asks);
        let asker = (self.identity, self.account, statement.kind());
        let asking = Asking::new(self.bundle, asker, self.usage, taken);
        let mut judged = Judged::default();
        let mut masks = Masks::new();
        let mut rows = None;
        for ask in &asks {
            let allowed = asking.judge(ask)?;
            rows = rows.max(allowed.rows);
            if let (Some(mask), Some(column)) = (allowed.mask.clone(), ask.resource.column()) {
                masks.insert(column, mask);
            }
            judged.extend(allowed);
        }
        let mut uses_masked = false;
        for (resource, uses) in masked::uses(meaning, catalogue) {
            uses_masked |= asking.judge_uses(&resource, &uses)?;
        }
        drop(asking);
        taken.one();
        let is_compared = self.bundle.masks_some() && statement.kind() == Kind::Query;
        let plan = plan(meaning, &masks, is_compared)?;
        judged
            .plans
            .push(if uses_masked { plan.used() } else { plan });
        masks.extend(minted::masks(meaning));
        judged.masks.push(masks);
        judged.rows.push(rows);
        Ok(judged)
    }
}
