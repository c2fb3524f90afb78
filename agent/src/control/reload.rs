//! What became of a reload, as the proxy tells it and `icecore reload` and `icecore policy reload` print it.

use serde::{Deserialize, Serialize};

/// Most problems that are told of one reload; a packet and a line have room for them.
const PROBLEMS_MAX: usize = 64;

/// Longest text of a problem, in characters.
const PROBLEM_MAX_CHARS: usize = 300;

/// A set of policies, by what tells it from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// How many it has.
    pub policies: usize,
    /// SHA-256 of their files' names and texts, as the record has it, in hex.
    pub sha256: String,
}

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reload {
    /// The policies of the folder are in force.
    Taken {
        /// They.
        now: PolicySet,
        /// Those that were before.
        were: PolicySet,
        /// What may not be meant, a line each.
        warnings: Vec<String>,
    },
    /// They are not good; those that were in force still are.
    NotGood {
        /// What is wrong and what may not be meant, a line each.
        problems: Vec<String>,
        /// Those in force.
        still: PolicySet,
    },
}

/// What became of a reload of the config and its policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConfigReload {
    /// Both are in force.
    Taken {
        /// SHA-256 of the config's document, as the record has it, in hex.
        sha256: String,
        /// That of the one before; the same where nothing changed.
        were: String,
        /// What changed, by names as they are in the config.
        changed: Vec<String>,
        /// The policies.
        policies: PolicySet,
        /// What may not be meant, a line each.
        warnings: Vec<String>,
    },
    /// One of them is not good; those that were in force still are.
    NotGood {
        /// What is wrong, a line each.
        problems: Vec<String>,
        /// The config in force.
        still: String,
    },
    /// Some of what changed is taken at a start alone; nothing was taken.
    NeedsRestart {
        /// That, by names as they are in the config.
        keys: Vec<String>,
        /// The config in force.
        still: String,
    },
}

/// Gives lines of which there are not too many to hand on.
pub fn bounded(lines: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = lines.len().saturating_sub(PROBLEMS_MAX);
    let cut = |line: String| match line.char_indices().nth(PROBLEM_MAX_CHARS) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    };
    let mut told: Vec<String> = lines.take(PROBLEMS_MAX).map(cut).collect();
    if more > 0 {
        told.push(format!(
            "and {more} more; `icecore check` and `icecore policy check` tell all"
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_is_wrong_it_can_be_told() {
        let told = bounded(vec!["\u{1}".repeat(10_000); 1000].into_iter());
        assert_eq!(told.len(), PROBLEMS_MAX + 1);
        assert!(told[PROBLEMS_MAX].starts_with("and 936 more"), "{told:?}");
        assert!(serde_json::to_vec(&told).unwrap().len() < 120 << 10);
        assert_eq!(bounded(["a".to_owned()].into_iter()), ["a"]);
    }
}
