//! What rows of one table say that those of another must agree with. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::report::Finding;
use crate::record::chain::documents::Listed;
use crate::record::chain::problem::Code;
use crate::record::{Facts, StatementFact, hex};

/// Decisions that let a statement go.
const LETS_GO: [&str; 4] = ["allow", "mask", "flag", "approve"];

/// What is known of a chain's statements so far.
#[derive(Debug, Default)]
pub(super) struct Cross {
    intents: HashSet<u128>,
    ended: HashSet<u128>,
    /// Statements that were sent and whose intent is in no row of the chain, and the row that says so.
    pub(super) orphans: HashMap<u128, u64>,
    /// Rules of masks, by the policies that are said to have them, with a row that says so.
    pub(super) rules: BTreeMap<([u8; 32], String), u64>,
    /// Documents that rows name by their SHA-256, with a row that says so.
    pub(super) documents: BTreeMap<[u8; 32], u64>,
    /// The row that says that the host's clock was furthest off, and by how many milliseconds.
    pub(super) clock: Option<(u64, i64)>,
    /// Sessions of which the chain has rows, each with one of them.
    pub(super) sessions: HashMap<u128, u64>,
    /// Texts that were compared.
    pub(super) texts: u64,
}

impl Cross {
    /// Takes what a segment says, and tells what does not agree.
    pub(super) fn take(
        &mut self,
        place: (&str, &str),
        facts: Facts,
        listed: &[Listed],
        findings: &mut Vec<Finding>,
    ) {
        let mut commits = HashMap::new();
        let mut statements = facts.statements;
        statements.sort_by_key(|fact| fact.seq);
        for fact in &statements {
            if let Some(commit) = fact.sql_commit {
                commits.insert(fact.statement, commit);
            }
            self.statement(place, fact, findings);
        }
        for text in &facts.texts {
            if let (Some(found), Some(expected)) = (text.commitment, commits.get(&text.statement)) {
                self.texts += 1;
                if found != *expected {
                    let expected = format!("a text that {} commits to", hex(expected));
                    let finding = Finding::new(Code::E64, place, expected, "another");
                    findings.push(finding.at(text.seq));
                }
            }
        }
        for (seq, sha256) in facts.documents {
            self.documents.entry(sha256).or_insert(seq);
        }
        self.sessions.extend(facts.sessions);
        let off = |(_, ms): &(u64, i64)| ms.unsigned_abs();
        self.clock = facts.clocks.into_iter().chain(self.clock).max_by_key(off);
        for result in &facts.results {
            let differs = match &result.stored {
                Ok(None) => None,
                Ok(Some((key, sha256))) => {
                    let is_listed =
                        |object: &Listed| object.key == *key && object.sha256 == hex(sha256);
                    (!listed.iter().any(is_listed))
                        .then(|| format!("`{key}`, which it does not list so"))
                }
                Err(half) => Some(half.clone()),
            };
            if let Some(found) = differs {
                let expected = "rows that the manifest lists";
                findings.push(Finding::new(Code::E63, place, expected, found).at(result.seq));
            }
        }
    }

    fn statement(
        &mut self,
        place: (&str, &str),
        fact: &StatementFact,
        findings: &mut Vec<Finding>,
    ) {
        let mut tell = |code, expected: &str, found: &str| {
            findings.push(Finding::new(code, place, expected, found).at(fact.seq));
        };
        if fact.is_forwarded && !LETS_GO.contains(&fact.decision.as_str()) {
            tell(Code::E60, "a decision that lets it go", &fact.decision);
        }
        if fact.decision == "approve" && !fact.has_approval {
            tell(Code::E61, "the approval that let it go", "none");
        }
        if fact.lacks_digests {
            tell(Code::E63, "digests of what came and was delivered", "none");
        }
        for rule in &fact.mask_rules {
            let of = (fact.bundle, rule.clone());
            self.rules.entry(of).or_insert(fact.seq);
        }
        if !fact.is_final {
            self.intents.insert(fact.statement);
        } else if fact.is_forwarded && !self.intents.contains(&fact.statement) {
            self.orphans.entry(fact.statement).or_insert(fact.seq);
        }
        if fact.is_final {
            self.ended.insert(fact.statement);
        }
    }

    /// Gives the statements whose end is in no row of the chain.
    pub(super) fn open(&self) -> impl Iterator<Item = u128> {
        self.intents.difference(&self.ended).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(seq: u64, statement: u128) -> StatementFact {
        StatementFact {
            seq,
            statement,
            is_final: false,
            is_forwarded: false,
            decision: "allow".to_owned(),
            has_approval: false,
            sql_commit: None,
            mask_rules: Vec::new(),
            bundle: [0; 32],
            lacks_digests: false,
        }
    }

    fn ended(seq: u64, statement: u128) -> StatementFact {
        StatementFact {
            is_final: true,
            is_forwarded: true,
            ..fact(seq, statement)
        }
    }

    #[track_caller]
    fn check(statements: Vec<StatementFact>, expected: &[Code], orphans: usize) {
        let mut cross = Cross::default();
        let mut findings = Vec::new();
        let facts = Facts {
            statements,
            ..Facts::default()
        };
        cross.take(("c", "m"), facts, &[], &mut findings);
        let codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, expected);
        assert_eq!(cross.orphans.len(), orphans);
    }

    #[test]
    fn a_statement_is_sent_after_its_intent_and_by_a_decision() {
        check(vec![fact(0, 1), ended(1, 1)], &[], 0);
        check(vec![ended(1, 1), fact(2, 1)], &[], 1);
        let blocked = StatementFact {
            decision: "block".to_owned(),
            ..ended(1, 1)
        };
        check(vec![fact(0, 1), blocked], &[Code::E60], 0);
        let approved = StatementFact {
            decision: "approve".to_owned(),
            ..fact(0, 1)
        };
        check(vec![approved.clone()], &[Code::E61], 0);
        let with_approval = StatementFact {
            has_approval: true,
            ..approved
        };
        check(vec![with_approval], &[], 0);
    }
}
