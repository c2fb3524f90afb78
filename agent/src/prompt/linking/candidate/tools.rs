//! What a tool does with a text in its arguments, by its name and by the argument's: a tool that is asked to search, to send or to
//! explain a statement runs none.

use serde_json::Value as Json;

use super::Role;
use super::tool_words::{OTHER, OTHER_DATABASES, OTHER_KEYS, RUN, SQL_KEYS};

/// What a tool does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// Its name says that it runs it.
    Runs,
    /// Its name says nothing of it.
    Unsaid,
    /// Its name says that it does another thing, or the arguments do.
    Other,
}

impl Tool {
    /// Reads a tool's name, and what its arguments say of it.
    pub(super) fn of(name: &str, arguments: &[u8]) -> Self {
        let document: Option<Json> = serde_json::from_slice(arguments).ok();
        if document
            .as_ref()
            .is_some_and(|document| only_looks(document, 0))
        {
            return Self::Other;
        }
        let mut words = words(name);
        // A tool that calls another one names it.
        let is_caller = matches!(
            name.to_ascii_lowercase().as_str(),
            "call_tool"
                | "use_mcp_tool"
                | "mcp_call"
                | "invoke_tool"
                | "mcp"
                | "run_tool"
                | "execute_tool"
                | "tool"
                | "mcp_tool"
                | "call_mcp_tool"
                | "use_tool"
                | "tools/call"
        );
        if is_caller {
            let members = document
                .as_ref()
                .and_then(Json::as_object)
                .into_iter()
                .flatten();
            words.clear();
            for (key, value) in members {
                let names = [
                    "tool",
                    "tool_name",
                    "toolname",
                    "server",
                    "server_name",
                    "name",
                    "function",
                ];
                if names.contains(&key.to_ascii_lowercase().as_str()) {
                    words.extend(value.as_str().map(self::words).unwrap_or_default());
                }
            }
        }
        let has = |all: &[&str]| words.iter().any(|word| all.contains(&word.as_str()));
        if has(&OTHER) || has(&OTHER_DATABASES) {
            Self::Other
        } else if has(&RUN) {
            Self::Runs
        } else {
            Self::Unsaid
        }
    }

    /// Gives the role of an argument that is a statement.
    pub(super) fn role(self, key: &str) -> Role {
        let parts = words(key);
        let is_other = parts.iter().any(|part| OTHER_KEYS.contains(&part.as_str()));
        let plain = parts.concat();
        let runs = match self {
            Self::Other => false,
            _ if is_other => false,
            Self::Runs => true,
            Self::Unsaid => SQL_KEYS.contains(&plain.as_str()),
        };
        if runs { Role::Run } else { Role::Held }
    }

    /// Gives the role of an argument that a shell reads.
    pub(super) fn shell_role(self, is_shells: bool) -> Role {
        match self {
            Self::Runs if is_shells => Role::Run,
            Self::Unsaid if is_shells => Role::Run,
            Self::Runs | Self::Unsaid | Self::Other => Role::Held,
        }
    }
}

/// Parts a name into its words in small letters: `mcp__sf__run_query`, `executeSql`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() || (letter.is_ascii_uppercase() && was_lower) {
            words.push(String::new());
        }
        if letter.is_ascii_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.push(letter.to_ascii_lowercase());
        }
        was_lower = letter.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Tells whether arguments ask for less than to run: `"dry_run": true`, `"mode": "explain"`.
fn only_looks(json: &Json, depth: usize) -> bool {
    match json {
        Json::Object(members) => members.iter().any(|(key, value)| {
            let parts = words(key);
            let has = |all: &[&str]| parts.iter().any(|part| all.contains(&part.as_str()));
            let is_flag = has(&[
                "dry",
                "dryrun",
                "explain",
                "validate",
                "validation",
                "preview",
                "lint",
                "noop",
                "simulate",
                "compile",
                "parse",
                "estimate",
                "syntax",
            ]);
            let is_mode = has(&["mode", "action", "operation", "op", "intent", "kind"]);
            let runs_not = has(&["execute", "run", "exec"]);
            match value {
                Json::Bool(flag) => (is_flag && *flag) || (runs_not && !*flag && parts.len() == 1),
                Json::String(text) => {
                    let said = words(text);
                    is_mode
                        && said.len() <= 3
                        && said.iter().any(|word| {
                            OTHER.contains(&word.as_str())
                                || matches!(word.as_str(), "compile" | "syntax" | "simulate")
                        })
                }
                Json::Object(_) | Json::Array(_) => depth < 8 && only_looks(value, depth + 1),
                Json::Null | Json::Number(_) => false,
            }
        }),
        Json::Array(items) => depth < 8 && items.iter().any(|item| only_looks(item, depth + 1)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
