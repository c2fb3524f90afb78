//! What a check came to: findings, and what was looked at.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::record::chain::documents::time;
use crate::record::chain::problem::{Code, Problem};

/// Most findings of one code and chain that are told one by one.
const TOLD_MAX: u64 = 50;

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub code: Code,
    /// The chain; empty where it is of none.
    pub chain: String,
    /// The object or document.
    pub object: String,
    /// The row's place in the chain.
    pub row: Option<u64>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// Why it is nothing to worry about, where that is known.
    pub explained: Option<String>,
    /// What to do.
    pub advice: &'static str,
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code,
            chain: problem.chain,
            object: problem.what,
            row: None,
            expected: problem.expected,
            found: problem.found,
            explained: None,
            advice: problem.code.advice(),
        }
    }
}

impl Finding {
    /// Says what is wrong with something of a chain.
    pub(super) fn new(
        code: Code,
        (chain, object): (&str, &str),
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self {
            code,
            chain: chain.to_owned(),
            object: object.to_owned(),
            row: None,
            expected: expected.to_string(),
            found: found.to_string(),
            explained: None,
            advice: code.advice(),
        }
    }

    /// Says which row it is about.
    pub(super) fn at(self, row: u64) -> Self {
        Self {
            row: Some(row),
            ..self
        }
    }

    /// Says why it is nothing to worry about, if that is known.
    pub(super) fn explained(self, explained: Option<String>) -> Self {
        Self { explained, ..self }
    }
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Chains.
    pub chains: u64,
    /// Manifests that are believed.
    pub manifests: u64,
    /// Objects whose bytes were compared.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that believed manifests vouch for.
    pub rows: u64,
    /// Rows whose leaf was made from the row itself.
    pub rows_read: u64,
    /// Rows whose leaf was taken from a list of leaves: their content cannot be read here.
    pub rows_by_leaf: u64,
    /// Rows after the last manifest of a chain that the store acknowledged: not sealed.
    pub acknowledged_rows: u64,
    /// Objects that are encrypted, whose rows were not read.
    pub encrypted_objects: u64,
    /// Objects that an erasure explains.
    pub erased_objects: u64,
    /// Objects with prompts that are gone, and whose time is over.
    pub expired_objects: u64,
    /// Compactions that are believed.
    pub compactions: u64,
    /// Objects that are gone, whose rows are in compacted files.
    pub compacted_objects: u64,
    /// Texts that were compared with their commitment.
    pub texts: u64,
    /// Statements whose decision was made again, and is the same.
    pub decisions_again: u64,
    /// Statements of which that cannot be told.
    pub decisions_untold: u64,
    /// Approvals that statements ran by, whose request, decisions and proofs agree.
    pub approvals_again: u64,
    /// Approvals of which that cannot be told.
    pub approvals_untold: u64,
    /// Rules of masks whose policies are not in the store.
    pub rules_untold: u64,
}

impl Counts {
    /// Adds those of a part.
    pub(super) fn add(&mut self, part: &Self) {
        let Self {
            chains,
            manifests,
            objects,
            bytes,
            rows,
            rows_read,
            rows_by_leaf,
            acknowledged_rows,
            encrypted_objects,
            erased_objects,
            expired_objects,
            compactions,
            compacted_objects,
            texts,
            decisions_again,
            decisions_untold,
            approvals_again,
            approvals_untold,
            rules_untold,
        } = part;
        self.chains += chains;
        self.manifests += manifests;
        self.objects += objects;
        self.bytes += bytes;
        // Of forged chains it is what they say.
        self.rows = self.rows.saturating_add(*rows);
        self.rows_read += rows_read;
        self.rows_by_leaf += rows_by_leaf;
        self.acknowledged_rows += acknowledged_rows;
        self.encrypted_objects += encrypted_objects;
        self.erased_objects += erased_objects;
        self.expired_objects += expired_objects;
        self.compactions += compactions;
        self.compacted_objects += compacted_objects;
        self.texts += texts;
        self.decisions_again += decisions_again;
        self.decisions_untold += decisions_untold;
        self.approvals_again += approvals_again;
        self.approvals_untold += approvals_untold;
        self.rules_untold += rules_untold;
    }
}

/// One chain that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainTold {
    /// Organisation.
    pub org: String,
    /// The chain.
    pub chain: String,
    /// The host that wrote it.
    pub host: String,
    /// Who pins the installation: the name in the trust file.
    pub installation: Option<String>,
    /// When it began.
    #[serde(serialize_with = "time::serialize")]
    pub from: DateTime<Utc>,
    /// When its last believed manifest was signed.
    #[serde(serialize_with = "time::serialize")]
    pub to: DateTime<Utc>,
    /// How many manifests are believed.
    pub manifests: u64,
    /// How many rows they vouch for.
    pub rows: u64,
    /// Whether it ended in order.
    pub closed: bool,
    /// Rows after its last manifest that the store acknowledged: not sealed.
    pub acknowledged_rows: u64,
    /// Up to how many rows a pinned witness has seen it.
    pub witnessed_rows: Option<u64>,
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether installations were pinned by a trust file; if not, a forged chain would look like any other.
    pub pinned: bool,
    /// What was looked at.
    pub checked: Counts,
    /// The chains.
    pub chains: Vec<ChainTold>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are told, by code and chain.
    pub more: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(super) told: BTreeMap<(Code, String), u64>,
}

impl Report {
    /// Adds a finding.
    pub(super) fn tell(&mut self, finding: Finding) {
        let of = (finding.code, finding.chain.clone());
        let told = self.told.entry(of).or_default();
        *told += 1;
        if *told <= TOLD_MAX {
            self.findings.push(finding);
        } else {
            let name = format!("{} {}", finding.code, finding.chain);
            *self.more.entry(name).or_default() += 1;
        }
    }

    /// Tells whether something was checked, nothing is wrong that is not explained, and installations were pinned.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.pinned
            && self.checked.chains > 0
            && self
                .findings
                .iter()
                .all(|finding| finding.explained.is_some())
    }

    /// Gives it as one JSON document.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = json.as_object_mut() {
            members.insert("clean".to_owned(), self.is_clean().into());
        }
        json
    }
}
