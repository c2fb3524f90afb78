//! Stage 4: may they. Pure.
//!
//! A statement is allowed when a policy permits its action and none forbids it. Everything else is refused: no
//! policy, an error while one is evaluated, a statement that cannot be read.

mod bundle;
mod context;
mod load;
mod names;

use std::collections::{BTreeMap, BTreeSet};

pub use bundle::Bundle;
pub use load::{Gravity, PolicyProblem, Source};
pub use names::Names;

use crate::config::Mode;
use crate::identity::Principal;
use crate::statement::{Kind, Statement};

/// Name of the rule that refuses what no policy allows.
pub const DEFAULT_RULE: &str = "default-deny";

/// Name of the rule that refuses what cannot be read.
pub const UNREADABLE_RULE: &str = "unreadable";

/// Name of the rule that refuses when a policy cannot be evaluated.
pub const ERROR_RULE: &str = "evaluation-error";

/// Why a statement is refused, or in `observe` would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    rules: Vec<String>,
    text: String,
}

impl Reason {
    /// Names the rules that refused.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        &self.rules
    }

    /// Says why, in words for the agent; holds nothing of the statement's literals.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Lets one statement run; made only here, and neither `Clone` nor `Copy`: one decision, one execution.
#[derive(Debug)]
pub struct Permit {
    statement: Statement,
    rules: Vec<String>,
    overruled: Option<Reason>,
}

impl Permit {
    /// Gives the statement that may run, whose text is the only one sent.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Names the rules that allow.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        &self.rules
    }

    /// Says why `enforce` would have refused, where `observe` let it through.
    #[must_use]
    pub fn overruled(&self) -> Option<&Reason> {
        self.overruled.as_ref()
    }
}

/// Keeps a refused statement beside its reason, for the record.
#[derive(Debug)]
pub struct Refusal {
    statement: Statement,
    reason: Reason,
}

impl Refusal {
    /// Gives the statement that may not run.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Says why.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

/// What policy says of a statement.
#[derive(Debug)]
pub enum Decision {
    /// It may run.
    Allow(Permit),
    /// It may not.
    Forbid(Refusal),
}

/// Decides a statement; any doubt refuses. Of several statements in one text each is decided, and all must be allowed.
#[must_use]
pub fn decide(
    bundle: &Bundle,
    mode: Mode,
    principal: &Principal,
    account: &str,
    statement: Statement,
) -> Decision {
    let verdict = judge(bundle, principal, account, &statement);
    match (verdict, mode) {
        (Ok(rules), Mode::Enforce | Mode::Observe) => Decision::Allow(Permit {
            statement,
            rules,
            overruled: None,
        }),
        (Err(reason), Mode::Observe) => Decision::Allow(Permit {
            statement,
            rules: reason.rules.clone(),
            overruled: Some(reason),
        }),
        (Err(reason), Mode::Enforce) => Decision::Forbid(Refusal { statement, reason }),
    }
}

/// Names the rules that allow, or says why not.
fn judge(
    bundle: &Bundle,
    principal: &Principal,
    account: &str,
    statement: &Statement,
) -> Result<Vec<String>, Reason> {
    let parts = statement.parts();
    if parts.is_empty() {
        return judge_one(bundle, principal, account, statement);
    }
    // Rules see a statement's kind and no more, so that each kind needs to be decided once.
    let mut decided: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for (number, part) in (1..).zip(parts) {
        if part.problem().is_none() && decided.contains_key(&part.kind()) {
            continue;
        }
        let allowed = judge_one(bundle, principal, account, part).map_err(|reason| Reason {
            text: format!("statement {number} of {}: {}", parts.len(), reason.text),
            ..reason
        })?;
        decided.insert(part.kind(), allowed);
    }
    let rules: BTreeSet<String> = decided.into_values().flatten().collect();
    Ok(rules.into_iter().collect())
}

fn judge_one(
    bundle: &Bundle,
    principal: &Principal,
    account: &str,
    statement: &Statement,
) -> Result<Vec<String>, Reason> {
    match statement.kind().action() {
        Some(action) => bundle.evaluate(principal, account, action, statement.kind()),
        None => Err(Reason {
            rules: vec![UNREADABLE_RULE.to_owned()],
            text: statement
                .problem()
                .unwrap_or("its effects are not known to Icecore")
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
