//! A set of Cedar policies that was found good when it was loaded, and its verdicts.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, PolicyId, PolicySet, Schema};

use super::Reason;
use super::annotations::holds_in_transaction;
use super::held::Hold;
use super::load::{PolicyProblem, Source, load};
use super::names::Names;
use super::packed::pack;
use super::plan::ColumnMask;
use super::reads::Reads;
use super::remedy::Remedy;
use super::slice::Slice;
use super::verb::Verb;
use super::verdicts::Verdicts;
use crate::config::ResultRows;
use crate::statement::Use;

/// The rules that allow something, and what they note of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) rules: Vec<String>,
    pub(super) flags: Vec<String>,
    /// What is made of the column that was asked about; none of anything else.
    pub(super) mask: Option<ColumnMask>,
    /// The rules that people must lift first.
    pub(super) holds: BTreeSet<Hold>,
    /// How many of the result's rows they have kept, if one says it: the most.
    pub(super) rows: Option<ResultRows>,
}

/// The rules that allow, or why it is refused.
pub(super) type Verdict = Result<Allowed, Reason>;

/// All policies that hold, and the digest of their texts.
#[derive(Debug)]
pub struct Bundle {
    policies: PolicySet,
    pub(super) slices: BTreeMap<Verb, Slice>,
    pub(super) reasons: BTreeMap<PolicyId, String>,
    pub(super) instead: BTreeMap<PolicyId, String>,
    pub(super) remedies: BTreeMap<PolicyId, Remedy>,
    pub(super) flags: BTreeMap<PolicyId, String>,
    pub(super) masked_uses: BTreeMap<PolicyId, BTreeSet<Use>>,
    pub(super) rows: BTreeMap<PolicyId, ResultRows>,
    pub(super) schema: Schema,
    warnings: Vec<PolicyProblem>,
    document: Vec<u8>,
    // INVARIANT: of `document`.
    sha256: [u8; 32],
    pub(super) verdicts: Verdicts,
}

impl Bundle {
    /// Loads policy files; reports the problems of all of them at once.
    ///
    /// # Errors
    /// Syntax, an unknown entity, action or context member, a name that exists nowhere, a missing or repeated `@id`, an
    /// annotation that has no effect; warnings stand among them.
    pub fn load(sources: &[Source], names: &Names<'_>) -> Result<Self, Vec<PolicyProblem>> {
        let loaded = load(sources, names)?;
        let document = pack(sources);
        Ok(Self {
            slices: loaded.slices,
            policies: loaded.policies,
            reasons: loaded.reasons,
            instead: loaded.instead,
            remedies: loaded.remedies,
            flags: loaded.flags,
            masked_uses: loaded.masked_uses,
            rows: loaded.rows,
            schema: loaded.schema,
            warnings: loaded.warnings,
            sha256: digest(&document),
            document,
            verdicts: Verdicts::default(),
        })
    }

    /// Lists what may not be meant, though the policies can be used.
    #[must_use]
    pub fn warnings(&self) -> &[PolicyProblem] {
        &self.warnings
    }

    /// Gives the digest of all files' names and texts.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Gives all files as the document that has this digest (`policy::unpack` reads it).
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// Tells whether a rule of this name is a policy of the bundle, or one that needs no policy.
    #[must_use]
    pub fn has_rule(&self, id: &str) -> bool {
        let policy = self.policies.policy(&PolicyId::new(id));
        policy.is_some() || super::RULES.contains(&id)
    }

    /// Lists the rules that hold statements, each with the group that it asks.
    pub fn holds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.remedies
            .iter()
            .filter_map(|(rule, remedy)| match remedy {
                Remedy::Hold(group) => Some((rule.as_ref(), group.as_str())),
                Remedy::Mask(_) => None,
            })
    }

    /// Counts the policies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.policies.policies().count()
    }

    /// Tells whether there is no policy, so that everything is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Tells whether any policy permits something; without one everything is refused.
    #[must_use]
    pub fn permits_some(&self) -> bool {
        let mut policies = self.policies.policies();
        policies.any(|policy| policy.effect() == Effect::Permit)
    }

    /// Tells whether any policy reads what was used, so that it must be known.
    #[must_use]
    pub fn reads_use(&self) -> bool {
        self.reads().used
    }

    /// Tells whether any policy reads the time.
    #[must_use]
    pub fn reads_time(&self) -> bool {
        self.reads().time
    }

    /// Tells whether any policy reads what the text holds, so that detectors must look at it.
    #[must_use]
    pub fn reads_found(&self) -> bool {
        self.reads().found
    }

    /// Tells whether any policy reads where statements come from.
    #[must_use]
    pub fn reads_link(&self) -> bool {
        self.reads().link
    }

    fn reads(&self) -> Reads {
        let slices = self.slices.values();
        slices.fold(Reads::default(), |all, slice| all.or(slice.reads))
    }

    /// Tells whether any policy looks at which object or column it is, so that names must be known.
    #[must_use]
    pub fn looks_at_resources(&self) -> bool {
        self.slices.values().any(|slice| slice.looks)
    }

    /// Tells whether any policy looks at tags.
    #[must_use]
    pub fn looks_at_tags(&self) -> bool {
        self.slices.values().any(|slice| slice.looks_at_tags)
    }

    /// Tells whether a rule that holds does so inside a transaction too.
    pub(super) fn holds_in_transaction(&self, id: &PolicyId) -> bool {
        let policy = self.policies.policy(id);
        policy.is_some_and(holds_in_transaction)
    }

    /// Says what may be done in the place of what some policies forbid; nothing if none says it.
    pub(super) fn instead_of(&self, forbids: &BTreeSet<PolicyId>) -> String {
        let texts = forbids.iter().filter_map(|id| self.instead.get(id));
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        match texts.as_slice() {
            [] => String::new(),
            some => format!("; instead: {}", some.join("; ")),
        }
    }

    /// Tells whether any policy masks a column, so that its other uses are looked at.
    pub(super) fn masks_some(&self) -> bool {
        let mut remedies = self.remedies.values();
        remedies.any(|remedy| matches!(remedy, Remedy::Mask(_)))
    }

    /// Tells whether policies of columns look at which column it is, so that doubt about columns refuses.
    pub(super) fn looks_at_columns(&self) -> bool {
        [Verb::Project, Verb::Filter]
            .iter()
            .any(|verb| self.slices.get(verb).is_none_or(|slice| slice.looks))
    }

    /// Tells whether policies forbid some objects or columns, so that doubt about what code does refuses.
    pub(super) fn forbids_some(&self) -> bool {
        self.slices.values().any(|slice| slice.forbids)
    }
}

fn digest(document: &[u8]) -> [u8; 32] {
    let mut sha256 = [0; 32];
    let digest = ring::digest::digest(&ring::digest::SHA256, document);
    sha256.copy_from_slice(digest.as_ref());
    sha256
}
