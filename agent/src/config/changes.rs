//! What differs between two configs, and what of it a running daemon can take. Pure.

use serde_json::{Map, Value};

use super::{Account, Config, Export};

/// Sections that a running daemon does not take; of `policy` one key. Everything else is taken.
const AT_START: [&str; 7] = [
    "daemon",
    "capture",
    "upstream",
    "approvals",
    "catalogue",
    "record",
    "metrics",
];

/// What differs, by names as they are in the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What a running daemon can take.
    pub live: Vec<String>,
    /// What needs a restart.
    pub at_start: Vec<String>,
}

impl Config {
    /// Tells what another config says otherwise.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub fn changes(&self, other: &Self) -> Result<Changes, serde_json::Error> {
        let (one, another) = (serde_json::to_value(self)?, serde_json::to_value(other)?);
        let mut changes = Changes::default();
        for section in AT_START {
            differing(
                section,
                one.get(section),
                another.get(section),
                &mut |key| {
                    changes.at_start.push(key);
                },
            );
        }
        if self.policy.ask != other.policy.ask {
            changes.at_start.push("policy.ask".to_owned());
        }
        if self.policy.dir != other.policy.dir {
            changes.live.push("policy.dir".to_owned());
        }
        let name = |account: &Account| format!("account {}", account.name);
        named(&self.accounts, &other.accounts, name, &mut changes.live);
        for section in ["identity", "prompts", "stamp", "limits", "log"] {
            differing(
                section,
                one.get(section),
                another.get(section),
                &mut |key| {
                    changes.live.push(key);
                },
            );
        }
        let name = |export: &Export| format!("export {}", export.name);
        named(&self.exports, &other.exports, name, &mut changes.live);
        Ok(changes)
    }
}

/// Tells of tables with names what is not in both lists.
fn named<T: PartialEq>(
    before: &[T],
    after: &[T],
    name: impl Fn(&T) -> String,
    told: &mut Vec<String>,
) {
    let is_gone = |one: &&T| !after.iter().any(|other| name(other) == name(one));
    let gone = before.iter().filter(is_gone);
    told.extend(gone.map(|one| format!("{} (removed)", name(one))));
    for one in after.iter().filter(|one| !before.contains(one)) {
        let is_new = !before.iter().any(|other| name(other) == name(one));
        let what = if is_new { "added" } else { "changed" };
        told.push(format!("{} ({what})", name(one)));
    }
}

/// Tells which keys of a section differ; a section that is there once alone differs as a whole.
fn differing(
    section: &str,
    one: Option<&Value>,
    other: Option<&Value>,
    told: &mut dyn FnMut(String),
) {
    if one == other {
        return;
    }
    let (Some(Value::Object(one)), Some(Value::Object(other))) = (one, other) else {
        return told(section.to_owned());
    };
    for key in keys(one, other) {
        // What is kept together here stands by itself in the file.
        if key == "limits" {
            differing(section, one.get(key), other.get(key), told);
        } else if one.get(key) != other.get(key) {
            // Sizes are typed with a unit and without it in their name.
            told(format!("{section}.{}", key.trim_end_matches("_bytes")));
        }
    }
}

fn keys<'m>(one: &'m Map<String, Value>, other: &'m Map<String, Value>) -> Vec<&'m String> {
    let more = other.keys().filter(|key| !one.contains_key(*key));
    let mut keys: Vec<&String> = one.keys().chain(more).collect();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::super::read_for_tests;

    const BEFORE: &str = r#"
[log]
level = "info"
[[account]]
host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token_file = "/keys/token" }
[[account]]
host = "b.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token_file = "/keys/token" }
"#;

    #[track_caller]
    fn check(from: &str, to: &str, live: &[&str], at_start: &[&str]) {
        let after = BEFORE.replace(from, to);
        assert_ne!(after, BEFORE);
        let changes = read_for_tests(BEFORE)
            .changes(&read_for_tests(&after))
            .unwrap();
        assert_eq!((changes.live, changes.at_start), {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            (texts(live), texts(at_start))
        });
    }

    #[test]
    fn what_can_be_taken_is_told_from_what_needs_a_restart() {
        check("[log]", "# a comment\n[log]", &[], &[]);
        check("\"info\"", "\"debug\"", &["log.level"], &[]);
        let role = ("role = \"R\"\ncredential", "role = \"X\"\ncredential");
        check(
            role.0,
            role.1,
            &["account ACME (changed)", "account B (changed)"],
            &[],
        );
        let removed = BEFORE.rsplit_once("[[account]]").unwrap().1;
        check(
            &format!("[[account]]{removed}"),
            "",
            &["account B (removed)"],
            &[],
        );
        check(
            "[log]",
            "[record]\nspool_max = \"1GiB\"\nsession_rows_per_second = 99\n[metrics]\nlisten = \"127.0.0.1:9861\"\n[policy]\nask = \"ops\"\n[limits]\nstatement_max = \"64KiB\"\n[log]",
            &["limits.statement_max"],
            &[
                "record.session_rows_per_second",
                "record.session_spool_max",
                "record.spool_max",
                "metrics.listen",
                "policy.ask",
            ],
        );
        check(
            "[log]",
            "[daemon]\nmode = \"observe\"\n[identity]\nmax_session_age = \"1h\"\n[log]",
            &["identity.max_session_age"],
            &["daemon.mode"],
        );
    }
}
