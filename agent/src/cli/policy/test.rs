//! `icecore policy test`: do the policies decide as their cases say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::DateTime;
use serde::Deserialize;

use super::given::Policies;
use super::stated::{self, Before, Scopes};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::config::read_text;
use crate::identity::Principal;
use crate::policy::{self, Bundle};
use crate::snowflake::count::Count;
use crate::statement::{Catalogue, Described, Scope, Statement};

/// Decides the statements of case files and says where the outcome is another than they expect
///
/// Use it in the pipeline that reviews policies. Cases stand beside the policies, in files that end in `.cases.toml`: an
/// account as for --catalogue of `policy explain`, and `[[case]]` tables with `sql`, `allow = true` or `refuse = "rule id"`,
/// perhaps `says` for a part of the refusal's text, `as` for the host user, `used` for what was used before, such as
/// `used.session.rows = 5000`, and `at` for the time. Where a policy reads the time, each case must have an `at`, or the file
/// for all. A file may name the `policies` that it is about, files of the folder, and give more policies as `also`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy test --policies ./policies\n  icecore policy test --policies ./policies masks.cases.toml\n\nExit codes: 0 all are as expected; 1 some are not; 2 usage; 3 config or policies are not good."
)]
pub(super) struct Args {
    #[command(flatten)]
    policies: Policies,

    /// The files; default: all `.cases.toml` beside the policies
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Deserialize)]
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
    case: Vec<Case>,
}

fn acme() -> String {
    "ACME".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    sql: String,
    #[serde(default)]
    allow: bool,
    refuse: Option<String>,
    says: Option<String>,
    #[serde(rename = "as", default = "ci")]
    user: String,
    at: Option<String>,
    #[serde(default)]
    used: Scopes,
}

fn ci() -> String {
    "ci".to_owned()
}

/// Runs all cases.
pub(super) fn run(args: &Args) -> ExitCode {
    match test(args) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the cases that differ are the command's result"
)]
fn test(args: &Args) -> Result<Exit, Failure> {
    let loaded = args.policies.load()?;
    let files = if args.files.is_empty() {
        beside(&loaded.dir)?
    } else {
        args.files.clone()
    };
    let (mut read, mut wrong) = (0, 0);
    for path in &files {
        let place = path.display();
        let bad = |error: String| Failure::text(Exit::Usage, format!("{place}: {error}"));
        let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let file: File = read_text(&text).map_err(bad)?;
        let catalogue = file.catalogue.catalogue().map_err(bad)?;
        let own = match file.policies {
            Some(names) => Some(loaded.only(&names, file.also).map_err(bad)?),
            None if file.also.is_empty() => None,
            None => {
                return Err(bad(
                    "expected `policies` beside `also`, found none".to_owned()
                ));
            }
        };
        let bundle = own.as_ref().unwrap_or(&loaded.bundle);
        for case in &file.case {
            read += 1;
            let at = case.at.as_ref().or(file.at.as_ref());
            let before = case.before(bundle, at.map(String::as_str)).map_err(bad)?;
            if let Some(difference) = case.difference(bundle, &file.account, &catalogue, &before) {
                wrong += 1;
                println!(
                    "{place}: {}\n  {difference}",
                    crate::replay::terminal(case.sql.trim())
                );
            }
        }
    }
    eprintln!(
        "{read} cases in {} files, {wrong} otherwise than expected",
        files.len()
    );
    Ok(if wrong == 0 {
        Exit::Done
    } else {
        Exit::Refused
    })
}

impl Case {
    /// Takes what the case says of the time and of what was used.
    fn before(&self, bundle: &Bundle, at: Option<&str>) -> Result<Before, String> {
        let now = match at {
            Some(at) => stated::time(at)?,
            None if bundle.reads_time() => {
                return Err(format!(
                    "`{}`: expected `at` with a time such as `2026-11-26T22:30:00Z`, since policies read it, found none",
                    self.sql.trim()
                ));
            }
            // No policy reads it.
            None => DateTime::UNIX_EPOCH,
        };
        Ok(Before::new(now, self.used))
    }

    /// Says how the policies decide otherwise, if they do.
    fn difference(
        &self,
        bundle: &Bundle,
        account: &str,
        catalogue: &Catalogue,
        before: &Before,
    ) -> Option<String> {
        let principal = Principal::host_user(self.user.clone(), 0);
        let scope = Scope::new(&|_| false).with(catalogue);
        let statement = Statement::read_all(&self.sql, Count::Any, &scope);
        let verdict = policy::explain(
            bundle,
            principal.identity(),
            account,
            catalogue,
            &before.usage(),
            &statement,
        );
        let found = verdict.told();
        let says = self.says.as_deref().unwrap_or_default();
        match (&self.refuse, self.allow) {
            (None, true) if verdict.is_allowed() => None,
            (Some(rule), false)
                if !verdict.is_allowed()
                    && verdict.rules.contains(rule)
                    && found.contains(says) =>
            {
                None
            }
            (None, true) => Some(format!("expected: allowed; found: {found}")),
            (Some(rule), false) if says.is_empty() => {
                Some(format!("expected: refused by `{rule}`; found: {found}"))
            }
            (Some(rule), false) => Some(format!(
                "expected: refused by `{rule}`, saying `{says}`; found: {found}"
            )),
            (Some(_), true) | (None, false) => Some(
                "expected `allow = true` or `refuse = \"rule id\"`, found both or neither"
                    .to_owned(),
            ),
        }
    }
}

fn beside(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir)
        .map_err(|error| Failure::text(Exit::Usage, format!("{}: {error}", dir.display())))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".cases.toml"))
        .collect();
    files.sort();
    Ok(files)
}
