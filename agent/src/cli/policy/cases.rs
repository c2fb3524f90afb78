//! Case files: statements, and what the policies beside them must say of each.

use std::fs;
use std::path::Path;

use chrono::DateTime;
use serde::Deserialize;

use super::given::Loaded;
use super::stated::{self, Before, Scopes, StatedLink};
use super::who::{Facts, identity};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::config::read_text;
use crate::mask;
use crate::policy::{self, Bundle, LinkGrade, Verdict};
use crate::snowflake::count::Count;
use crate::statement::{Catalogue, Described, Scope, Statement};

/// The cases of one file, with all that they are judged by.
pub(super) struct Cases {
    account: String,
    catalogue: Catalogue,
    at: Option<String>,
    /// The file's own policies, if it has any.
    own: Option<Bundle>,
    pub(super) all: Vec<Case>,
}

/// One file, as it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "acme")]
    account: String,
    #[serde(default)]
    catalogue: Described,
    /// When cases are judged that say no time of their own.
    at: Option<String>,
    policies: Option<Vec<String>>,
    #[serde(default)]
    also: String,
    #[serde(default)]
    case: Vec<Case>,
}

fn acme() -> String {
    "ACME".to_owned()
}

/// One case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) sql: String,
    #[serde(default)]
    allow: bool,
    refuse: Option<String>,
    /// Groups that are asked.
    hold: Option<Vec<String>>,
    says: Option<String>,
    /// What is made of each column of the result, `-` where it stays as it is.
    #[serde(default)]
    result: Vec<String>,
    #[serde(rename = "as")]
    user: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    identity: Option<Facts>,
    at: Option<String>,
    #[serde(default)]
    used: Scopes,
    link: Option<StatedLink>,
}

impl Cases {
    /// Reads a file; one without a case would test nothing, and is told.
    pub(super) fn read(path: &Path, loaded: &Loaded) -> Result<Self, Failure> {
        let place = path.display();
        let bad = |error: String| Failure::text(Exit::Usage, format!("{place}: {error}"));
        let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let file: File = read_text(&text).map_err(bad)?;
        if file.case.is_empty() {
            let text = format!("{place}: expected at least one `[[case]]`, found none");
            return Err(Failure::text(Exit::Config, text));
        }
        let own = match file.policies {
            Some(names) => Some(loaded.only(&names, file.also).map_err(bad)?),
            None if file.also.is_empty() => None,
            None => {
                return Err(bad(
                    "expected `policies` beside `also`, found none".to_owned()
                ));
            }
        };
        Ok(Self {
            account: file.account,
            catalogue: file.catalogue.catalogue().map_err(bad)?,
            at: file.at,
            own,
            all: file.case,
        })
    }

    /// Says how the policies decide a case otherwise than it expects, if they do.
    ///
    /// # Errors
    /// What is missing in the case.
    pub(super) fn difference(
        &self,
        loaded: &Loaded,
        case: &Case,
    ) -> Result<Option<String>, String> {
        let bundle = self.own.as_ref().unwrap_or(&loaded.bundle);
        let at = case.at.as_ref().or(self.at.as_ref());
        let before = case.before(bundle, at.map(String::as_str))?;
        let identity = identity(case.user.as_deref(), &case.groups, case.identity.as_ref())?;
        let scope = Scope::new(&|_| false).with(&self.catalogue);
        let statement = Statement::read_all(&case.sql, Count::Any, &scope);
        let found = mask::found(&statement, None);
        let verdict = policy::explain(
            bundle,
            &identity,
            &self.account,
            &self.catalogue,
            &before.usage().holding(Some(&found)),
            &statement,
        );
        Ok(case.difference(&verdict))
    }
}

impl Case {
    /// Takes what the case says of the time and of what was used.
    fn before(&self, bundle: &Bundle, at: Option<&str>) -> Result<Before, String> {
        let now = match at {
            Some(at) => stated::time(at)?,
            None if bundle.reads_time() => {
                return Err(
                    "expected `at` with a time such as `2026-11-26T22:30:00Z`, since policies read it, found none"
                        .to_owned(),
                );
            }
            // No policy reads it.
            None => DateTime::UNIX_EPOCH,
        };
        let link = self.link.as_ref().map(StatedLink::read).transpose()?;
        Ok(Before::new(
            now,
            self.used,
            link.unwrap_or(LinkGrade::UNKNOWN),
        ))
    }

    /// Says how a verdict is another than is expected, if it is.
    fn difference(&self, verdict: &Verdict) -> Option<String> {
        let found = verdict.told();
        let made = verdict.result.iter();
        let result: Vec<&str> = made.map(|mask| mask.as_deref().unwrap_or("-")).collect();
        let says = self.says.as_deref().unwrap_or_default();
        if let (Some(groups), None, false) = (&self.hold, &self.refuse, self.allow) {
            let is_held = verdict.word() == "hold" && verdict.groups().iter().eq(groups.iter());
            let is_as_expected = is_held && self.result == result && found.contains(says);
            return (!is_as_expected).then(|| self.held_otherwise(groups, &found));
        }
        match (&self.refuse, self.allow) {
            _ if self.hold.is_some() => Some(
                "expected one of `allow = true`, `hold = [groups]` and `refuse = \"rule id\"`, found more"
                    .to_owned(),
            ),
            (None, true) if verdict.is_allowed() && self.result == result => None,
            (Some(rule), false)
                if verdict.word() == "refuse"
                    && verdict.rules.contains(rule)
                    && found.contains(says) =>
            {
                None
            }
            (None, true) if verdict.is_allowed() => Some(format!(
                "expected `result = {:?}`; found {result:?}: {found}",
                self.result
            )),
            (None, true) => Some(format!("expected: allowed; found: {found}")),
            (Some(rule), false) if says.is_empty() => {
                Some(format!("expected: refused by `{rule}`; found: {found}"))
            }
            (Some(rule), false) => Some(format!(
                "expected: refused by `{rule}`, saying `{says}`; found: {found}"
            )),
            (Some(_), true) | (None, false) => Some(
                "expected `allow = true`, `hold = [groups]` or `refuse = \"rule id\"`, found two of them or none"
                    .to_owned(),
            ),
        }
    }

    fn held_otherwise(&self, groups: &[String], found: &str) -> String {
        let says = self.says.as_ref();
        let says = says.map_or_else(String::new, |says| format!(", saying `{says}`"));
        format!(
            "expected: held for {}{says}; found: {found}",
            groups.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::policy::Hold;

    #[test]
    fn what_is_held_is_neither_allowed_nor_refused() {
        let hold = Hold {
            rule: "r".to_owned(),
            group: "owners".to_owned(),
            reason: None,
            in_transaction: false,
        };
        let held = Verdict {
            rules: vec!["r".to_owned()],
            holds: BTreeSet::from([hold]),
            flags: Vec::new(),
            masks: BTreeMap::new(),
            result: Vec::new(),
            reason: None,
        };
        let fits = |mut case: serde_json::Value| {
            case["sql"] = json!("x");
            let case: Case = serde_json::from_value(case).unwrap();
            case.difference(&held).is_none()
        };
        assert!(fits(json!({ "hold": ["owners"] })));
        for other in [
            json!({ "allow": true }),
            json!({ "refuse": "r" }),
            json!({ "hold": ["others"] }),
            json!({ "hold": ["owners", "others"] }),
            json!({ "hold": ["owners"], "refuse": "r" }),
        ] {
            assert!(!fits(other.clone()), "{other}");
        }
    }
}
