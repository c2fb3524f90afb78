//! Every attempt on a policy is refused, and its harmless twin is allowed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;

use anyhow::{Context as _, Result, anyhow};
use icecore::clock::Clock;
use icecore::identity::{Principal, Users};
use icecore::policy::{self, Bundle, Names, Source, Usage, Verdict};
use icecore::snowflake::binds::Binds;
use icecore::snowflake::count::Count;
use icecore::statement::{Catalogue, Statement};
use icecore_tests::python::folder;
use serde::Deserialize;

use crate::account::{catalogue, files, reading};
use crate::given::{Results, bound};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    attempt: Vec<Attempt>,
}

/// Statements that a policy is to refuse, and statements like them that it is to allow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    policy: String,
    #[serde(default)]
    sqls: Vec<String>,
    sql: Option<String>,
    #[serde(default)]
    twins: Vec<String>,
    twin: Option<String>,
    /// Texts that each statement binds, the twin's own if it has some.
    #[serde(default)]
    binds: Vec<String>,
    twin_binds: Option<Vec<String>>,
    why: String,
}

/// A policy, and the host user that its statements come from.
struct Policy {
    bundle: Bundle,
    principal: Principal,
}

/// What becomes of the statements of one login.
enum Told {
    /// One is refused; which, and why.
    Refused(String),
    /// All run, and each masked column of a result is null.
    Null,
    /// All run, and something of what they ask for is shown.
    Shown,
}

#[test]
fn every_attempt_is_refused_and_its_twin_allowed() -> Result<()> {
    reading(attempts)
}

fn attempts() -> Result<()> {
    let account = catalogue()?;
    let mut policies: BTreeMap<String, Policy> = BTreeMap::new();
    let (mut tried, mut wrong) = (0, Vec::new());
    for path in files("corpus/attempts")? {
        let text = fs::read_to_string(&path)?;
        let name = path.display().to_string();
        let file: File = toml::from_str(&text).context(name.clone())?;
        for attempt in file.attempt {
            tried += 1;
            let policy = match policies.entry(attempt.policy.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Policy::load(&attempt.policy)?),
            };
            let sqls = attempt.sql.iter().chain(&attempt.sqls);
            let binds = bound(&attempt.binds)?;
            if let Told::Shown = policy.tell(&account, sqls.clone(), &binds) {
                let sqls: Vec<_> = sqls.cloned().collect();
                wrong.push(format!(
                    "{name}: allowed under {}: {}\n  {}",
                    attempt.policy,
                    sqls.join("; "),
                    attempt.why
                ));
            }
            let twin_binds = bound(attempt.twin_binds.as_ref().unwrap_or(&attempt.binds))?;
            let twins = attempt.twin.iter().chain(&attempt.twins);
            if let Told::Refused(refusal) = policy.tell(&account, twins, &twin_binds) {
                wrong.push(format!(
                    "{name}: refused under {}, and harmless: {refusal}",
                    attempt.policy
                ));
            }
        }
    }
    assert!(tried > 600, "{tried} attempts");
    assert!(
        wrong.is_empty(),
        "{}\n{} of {tried} attempts",
        wrong.join("\n"),
        wrong.len()
    );
    Ok(())
}

impl Policy {
    /// Loads one of the corpus's policies.
    fn load(name: &str) -> Result<Self> {
        let file = folder("corpus/attempts/policies").join(format!("{name}.cedar"));
        let source = Source {
            text: fs::read_to_string(&file)?,
            file: file.display().to_string(),
        };
        let names = Names {
            accounts: Some(&["ACME"]),
            users: &Users::default(),
            issuers: None,
            approvers: None,
        };
        let bundle =
            Bundle::load(&[source], &names).map_err(|problems| anyhow!("{name}: {problems:?}"))?;
        Ok(Self {
            bundle,
            principal: Principal::host_user("ci".to_owned(), 0),
        })
    }

    /// Reads the statements of one login in order; gives the first refusal and its reason, or whether all are shown.
    fn tell<'s>(
        &self,
        account: &Catalogue,
        sqls: impl Iterator<Item = &'s String>,
        binds: &Binds,
    ) -> Told {
        let mut told = Told::Shown;
        let (mut catalogue, mut results) = (account.clone(), Results::default());
        for sql in sqls {
            let statement = results.read(&catalogue, binds, |scope| {
                Statement::read_all(sql, Count::Any, scope)
            });
            let verdict = self.ask(&catalogue, &statement);
            if !verdict.is_allowed() {
                return Told::Refused(format!("{sql}\n  {}", verdict.told()));
            }
            let mut made = verdict.result.iter().flatten();
            if !verdict.masks.is_empty() && made.all(|mask| mask == "null") {
                told = Told::Null;
            }
            results.add(&statement);
            let parts = statement.parts().iter().chain([&statement]);
            for meaning in parts.filter_map(Statement::meaning) {
                catalogue.follow(meaning);
            }
        }
        told
    }

    fn ask(&self, catalogue: &Catalogue, statement: &Statement) -> Verdict {
        policy::explain(
            &self.bundle,
            self.principal.identity(),
            "ACME",
            catalogue,
            &Usage::unread(Clock::system().now()),
            statement,
        )
    }
}
