//! Which policies, which account and whose login a command of `icecore policy` is about.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::who::Who;
use crate::cli::failure::{Failure, report_config};
use crate::cli::{ConfigFile, Exit, check};
use crate::config::{Config, ForPolicies, policy_files};
use crate::identity::{Identity, Users};
use crate::policy::{Bundle, Names, PolicyProblem, Source};
use crate::statement::{Catalogue, read_name};

/// Names the policies.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Policies {
    #[command(flatten)]
    config: ConfigFile,

    /// Reads the policies of this folder instead of the config's; its accounts, issuers and approvals are not looked at then
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
}

/// Policies, and the folder that they are in.
pub(super) struct Loaded {
    pub(super) dir: PathBuf,
    pub(super) bundle: Bundle,
    sources: Vec<Source>,
    /// The config's accounts; none where they are not known.
    pub(super) accounts: Vec<String>,
}

impl Policies {
    /// Loads them, and says all that is wrong with them on standard error.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let found = match &self.policies {
            Some(dir) => ForPolicies {
                dir: dir.clone(),
                accounts: None,
                issuers: None,
                approvers: None,
            },
            None => self.of_config()?,
        };
        let dir = &found.dir;
        let sources = sources(dir)?;
        if sources.is_empty() {
            let text = format!(
                "{}: expected at least one `*.cedar` file, found none; without policies every statement is refused",
                dir.display()
            );
            return Err(Failure::text(Exit::Config, text));
        }
        let bundle = match check::load(&sources, &found, &Users::read()) {
            Ok(bundle) => bundle,
            Err(problems) => {
                tell(&problems);
                let text = format!("{}: the policies are not good", dir.display());
                return Err(Failure::text(Exit::Config, text));
            }
        };
        tell(bundle.warnings());
        Ok(Loaded {
            dir: found.dir,
            bundle,
            sources,
            accounts: found.accounts.unwrap_or_default(),
        })
    }

    /// Reads what policies need of the config, and warns of what is wrong with the rest.
    fn of_config(&self) -> Result<ForPolicies, Failure> {
        let (found, errors) = Config::for_policies(&self.config.file).map_err(|errors| {
            report_config(&errors);
            let text = "the config does not say where the policies are; name a folder with --policies to go without one";
            Failure::text(Exit::Config, text)
        })?;
        if let Some(errors) = errors {
            for line in errors.to_string().lines() {
                crate::cli::tell::tell(format_args!("warning: {line}"));
            }
        }
        Ok(found)
    }
}

impl Loaded {
    /// Loads some of the files, by their names, and a text beside them.
    pub(super) fn only(&self, names: &[String], also: String) -> Result<Bundle, String> {
        let mut chosen = vec![Source {
            file: "also".to_owned(),
            text: also,
        }];
        for name in names {
            let path = self.dir.join(name).display().to_string();
            let found = self.sources.iter().find(|source| source.file == path);
            let missing = || format!("policies: expected a file of the folder, found `{name}`");
            chosen.push(found.ok_or_else(missing)?.clone());
        }
        let any = Names {
            accounts: None,
            users: &Users::read(),
            issuers: None,
            approvers: None,
        };
        let told = |problems: Vec<PolicyProblem>| {
            let lines: Vec<String> = problems.iter().map(PolicyProblem::told).collect();
            lines.join("; ")
        };
        Bundle::load(&chosen, &any).map_err(told)
    }
}

fn sources(dir: &Path) -> Result<Vec<Source>, Failure> {
    let files = policy_files(dir).and_then(|files| {
        let read = |file: &PathBuf| {
            let text = fs::read_to_string(file)?;
            let file = file.display().to_string();
            Ok(Source { file, text })
        };
        files.iter().map(read).collect()
    });
    files.map_err(|error| Failure::text(Exit::Config, format!("{}: {error}", dir.display())))
}

fn tell(problems: &[PolicyProblem]) {
    for problem in problems {
        crate::cli::tell::tell(problem.told());
    }
}

/// Describes the login that a statement is read in.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Login {
    /// The account; default: the config's first, or ACME
    #[arg(long, value_name = "NAME")]
    account: Option<String>,

    #[command(flatten)]
    who: Who,

    /// The login's database, as SQL writes it
    #[arg(long, value_name = "NAME", value_parser = read_name)]
    database: Option<String>,

    /// The login's schema, as SQL writes it
    #[arg(long, value_name = "NAME", value_parser = read_name)]
    schema: Option<String>,

    /// Tables, views and tags of the account, as a TOML file (docs/configuration.md)
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
}

impl Login {
    /// Names the account.
    pub(super) fn account_of(&self, loaded: &Loaded) -> String {
        let account = self.account.as_ref().or(loaded.accounts.first());
        account.map_or_else(|| "ACME".to_owned(), Clone::clone)
    }

    /// Says who asks.
    pub(super) fn identity(&self) -> Result<Arc<Identity>, Failure> {
        let identity = self.who.identity();
        identity.map_err(|error| Failure::text(Exit::Usage, error))
    }

    /// Reads what is known of the account.
    pub(super) fn catalogue(&self) -> Result<Catalogue, Failure> {
        let mut catalogue = match &self.catalogue {
            Some(file) => read_catalogue(file)?,
            None => Catalogue::default(),
        };
        catalogue.database = self.database.clone().or(catalogue.database);
        catalogue.schema = self.schema.clone().or(catalogue.schema);
        Ok(catalogue)
    }
}

/// Reads a catalogue's file.
pub(super) fn read_catalogue(file: &Path) -> Result<Catalogue, Failure> {
    let wrong = |error: String| Failure::text(Exit::Usage, format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Catalogue::described(&text).map_err(wrong)
}
