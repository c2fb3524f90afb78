//! Stage 4: may they. Pure.
//!
//! A statement is allowed when a policy permits its action and none forbids it, held where those that forbid it let
//! people lift them. Everything else is refused: no policy, an error while one is evaluated, a statement that cannot be
//! read.

mod annotations;
mod ask;
mod asker;
mod asking;
mod bundle;
mod context;
mod detector;
mod discharged;
mod entropy;
mod held;
mod in_force;
mod link;
mod load;
mod masked;
mod minted;
mod names;
mod object_ids;
mod packed;
mod plan;
mod reads;
mod remedy;
mod slice;
mod transform;
mod usage;
mod verb;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use bundle::Bundle;
pub use detector::{Detector, Detectors};
pub use discharged::Discharged;
pub use held::{Held, Hold};
pub use in_force::InForce;
pub use link::LinkGrade;
pub use load::{Gravity, PolicyProblem, Source};
pub use names::Names;
pub use packed::{pack, unpack};
pub use plan::{ColumnMask, Plan, Planned};
pub use transform::{HashScope, Places, Transform, Unit};
pub use usage::{Stated, Taken, Usage, Used};

use asker::Asker;
use plan::Masks;

use crate::config::{Mode, ResultRows};
use crate::identity::{Identity, Principal};
use crate::statement::{Access, Catalogue, Statement};

/// Name of the rule that refuses what no policy allows.
pub const DEFAULT_RULE: &str = "default-deny";

/// Name of the rule that refuses what cannot be read.
pub const UNREADABLE_RULE: &str = "unreadable";

/// Name of the rule that refuses when a policy cannot be evaluated.
pub const ERROR_RULE: &str = "evaluation-error";

/// Name of the rule that refuses what reads columns that nobody can tell.
pub const LINEAGE_RULE: &str = "unknown-lineage";

/// Name of the rule that refuses code which may reach what policies forbid.
pub const HIDDEN_RULE: &str = "unknown-effects";

/// Name of the rule that refuses where policies read what was used and nobody knows it.
pub const UNKNOWN_USE_RULE: &str = "unknown-use";

/// Name of the rule that refuses where policies look at tags that nobody can tell.
pub const TAGS_RULE: &str = "unknown-tags";

/// Name of the rule that refuses where policies look at what an object is, and only a part of its path is known.
pub const UNSETTLED_RULE: &str = "unsettled";

/// Name of the rule that refuses a column which may be a forbidden one under another name.
pub const RELATION_RULE: &str = "unknown-relation";

/// Name of the rule that refuses a credential of Snowflake's that would go elsewhere than into the result, where it is
/// hidden.
pub const MINTED_RULE: &str = "minted-credential";

/// The names of all rules that are no policies; no policy may have one of them.
const RULES: [&str; 10] = [
    DEFAULT_RULE,
    UNREADABLE_RULE,
    ERROR_RULE,
    LINEAGE_RULE,
    HIDDEN_RULE,
    UNKNOWN_USE_RULE,
    TAGS_RULE,
    UNSETTLED_RULE,
    RELATION_RULE,
    MINTED_RULE,
];

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
    flags: Vec<String>,
    discharged: Vec<String>,
    taken: Taken,
    plans: Vec<Plan>,
    masks: Vec<Masks>,
    rows: Vec<Option<ResultRows>>,
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

    /// Names the rules that people lifted for it.
    #[must_use]
    pub fn discharged(&self) -> &[String] {
        &self.discharged
    }

    /// Says what the rules that allow it note of it, each with the rule's name before it.
    #[must_use]
    pub fn flags(&self) -> &[String] {
        &self.flags
    }

    /// Gives what the statement takes of budgets.
    #[must_use]
    pub fn taken(&self) -> &Taken {
        &self.taken
    }

    /// Gives what is made of its result, one plan for the statement or for each of several; in `observe` of credentials
    /// alone.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Lists the columns that are masked, or in `observe` would be, of the statement or of each of several; a column is
    /// told as its path, with what is made of it.
    pub fn masks(&self) -> impl Iterator<Item = BTreeMap<String, &ColumnMask>> {
        self.masks.iter().map(|masks| {
            let told = masks.iter();
            told.map(|((path, name), mask)| (path.join(name).to_string(), mask))
                .collect()
        })
    }

    /// Tells how many rows of its result are kept, or of each of several: the most that a rule that allows it asks for,
    /// and none where no rule says it.
    #[must_use]
    pub fn rows(&self) -> &[Option<ResultRows>] {
        &self.rows
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

    /// Adds what kept Icecore from knowing more.
    #[must_use]
    pub fn noting(mut self, note: &str) -> Self {
        self.reason.text = format!("{}; {note}", self.reason.text);
        self
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
    /// It may once people say yes.
    Hold(Held),
}

/// Decides a statement; any doubt refuses. Of several statements in one text each is decided, and all must be allowed.
#[must_use]
pub fn decide(
    bundle: &Bundle,
    mode: Mode,
    principal: &Principal,
    account: &str,
    catalogue: &Catalogue,
    usage: &Usage<'_>,
    statement: Statement,
) -> Decision {
    let asker = Asker {
        bundle,
        identity: principal.identity(),
        account,
        catalogue,
        usage,
    };
    let mut taken = Taken::default();
    let judged = asker.judge(&statement, &mut taken);
    let judged = match (mode, judged) {
        // Nobody is asked: it is let through as what would be refused is.
        (Mode::Observe, Ok(judged)) => match judged.would_hold() {
            Some(reason) => Err(reason),
            None => Ok(judged),
        },
        (Mode::Enforce | Mode::Observe, judged) => judged,
    };
    let taken = taken.all_of(&statement);
    let nothing = Discharged::nothing();
    let lifted = usage.discharged.unwrap_or(&nothing);
    let plans = match (mode, &judged) {
        (Mode::Enforce, Ok(judged)) => Ok(judged.plans.clone()),
        (Mode::Enforce, Err(reason)) => Err(reason.clone()),
        // What policies say is not carried out; what holds without them is.
        (Mode::Observe, _) => minted::plans(&statement),
    };
    match (plans, judged) {
        (Err(reason), _) => Decision::Forbid(Refusal { statement, reason }),
        (Ok(_), Ok(judged)) if !judged.holds.is_empty() => Decision::Hold(Held {
            statement,
            holds: judged.holds,
        }),
        (Ok(plans), Ok(judged)) => Decision::Allow(Permit {
            statement,
            rules: judged.rules.into_iter().collect(),
            flags: judged.flags.into_iter().collect(),
            discharged: lifted.rules().map(str::to_owned).collect(),
            taken,
            plans,
            masks: judged.masks,
            rows: judged.rows,
            overruled: None,
        }),
        (Ok(plans), Err(reason)) => Decision::Allow(Permit {
            statement,
            rules: reason.rules.clone(),
            flags: Vec::new(),
            discharged: Vec::new(),
            taken,
            plans,
            masks: Vec::new(),
            rows: Vec::new(),
            overruled: Some(reason),
        }),
    }
}

/// What policies say of a statement, for people who ask; nothing can be run by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rules that allow, hold or refuse.
    pub rules: Vec<String>,
    /// The rules that hold it until people say yes, with their groups.
    pub holds: BTreeSet<Hold>,
    /// What the rules that allow note of it.
    pub flags: Vec<String>,
    /// Columns that are masked, and by what.
    pub masks: BTreeMap<String, String>,
    /// What is made of each column of the result, where any is masked; of several statements one after the other.
    pub result: Vec<Option<String>>,
    /// Why it is refused; none if it is allowed.
    pub reason: Option<String>,
}

impl Verdict {
    /// Tells whether the statement would run, without anybody's yes.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.reason.is_none() && self.holds.is_empty()
    }

    /// Gives the word for it: `allow`, `hold` or `refuse`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &self.reason {
            Some(_) => "refuse",
            None if self.holds.is_empty() => "allow",
            None => "hold",
        }
    }

    /// Lists the groups that would be asked.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<&str> {
        self.holds.iter().map(|hold| hold.group.as_str()).collect()
    }

    /// Says it in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let rules = self.rules.join(", ");
        match &self.reason {
            None if !self.holds.is_empty() => {
                format!("held by {rules}: {}", held::told(&self.holds))
            }
            None if self.masks.is_empty() => format!("allowed by {rules}"),
            None => {
                let masks = self.masks.iter();
                let masks: Vec<String> = masks
                    .map(|(column, mask)| format!("{column} by `{mask}`"))
                    .collect();
                format!("allowed by {rules}, masked: {}", masks.join(", "))
            }
            Some(reason) => format!("refused by {rules}: {reason}"),
        }
    }
}

/// Says what the policies would decide.
#[must_use]
pub fn explain(
    bundle: &Bundle,
    identity: &Arc<Identity>,
    account: &str,
    catalogue: &Catalogue,
    usage: &Usage<'_>,
    statement: &Statement,
) -> Verdict {
    let asker = Asker {
        bundle,
        identity,
        account,
        catalogue,
        usage,
    };
    match asker.judge(statement, &mut Taken::default()) {
        Ok(judged) => Verdict {
            rules: match judged.would_hold() {
                Some(reason) => reason.rules,
                None => judged.rules.into_iter().collect(),
            },
            holds: judged.holds,
            masks: judged
                .masks
                .into_iter()
                .flatten()
                .map(|((path, name), mask)| {
                    (path.join(&name).to_string(), mask.transform.to_string())
                })
                .collect(),
            result: judged.plans.iter().flat_map(Plan::told).collect(),
            flags: judged.flags.into_iter().collect(),
            reason: None,
        },
        Err(Reason { rules, text }) => Verdict {
            rules,
            holds: BTreeSet::new(),
            flags: Vec::new(),
            masks: BTreeMap::new(),
            result: Vec::new(),
            reason: Some(text),
        },
    }
}

/// Lists the questions of objects that a statement raises, in order, also that which it raises of the account since it
/// raises none of its own action; those of columns are its meaning's.
#[must_use]
pub fn questions(statement: &Statement) -> Vec<Access> {
    let Some(meaning) = statement.meaning() else {
        return Vec::new();
    };
    let action = statement.kind().action();
    let implied = action.and_then(|action| ask::implied(action, meaning));
    meaning.accesses().iter().cloned().chain(implied).collect()
}

#[cfg(test)]
mod naive_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod rows_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
#[cfg(test)]
mod volatile_tests;
