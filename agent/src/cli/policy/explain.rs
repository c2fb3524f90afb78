//! `icecore policy explain`: what a statement means, and what the policies say of it.

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use super::given::{Loaded, Login, Policies};
use super::stated::{Before, When};
use super::told::Told;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::identity::Identity;
use crate::mask;
use crate::policy;
use crate::snowflake::count::Count;
use crate::statement::{Catalogue, Scope, Statement};

/// Says what a statement does, to which objects and columns, and what the policies say of it
///
/// Use it to find out why a statement was refused, or what a new policy would do. Without --catalogue nothing is known of the
/// account: columns of tables are named as the text names them, and policies that look at tags refuse.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy explain 'select email from customers'\n  icecore policy explain --catalogue account.toml --as ci \"$(cat query.sql)\"\n  icecore policy explain --as github:repo:acme/app --identity repository=acme/app 'select 1'\n  icecore policy explain --group okta:analysts 'select 1'\n  icecore policy explain --used session.statements=500 --at 2026-11-28T23:00:00Z 'select 1'\n  jq -R . statements.txt | icecore policy explain --stdin --json\n\nExit codes: 0 allowed (with --stdin: all were read); 1 refused; 2 usage; 3 config or policies are not good."
)]
pub(super) struct Args {
    #[command(flatten)]
    policies: Policies,

    #[command(flatten)]
    login: Login,

    #[command(flatten)]
    when: When,

    /// The statement
    #[arg(
        value_name = "SQL",
        required_unless_present = "stdin",
        conflicts_with = "stdin"
    )]
    sql: Option<String>,

    /// Reads statements from standard input, each a JSON string on a line of its own
    #[arg(long)]
    stdin: bool,

    /// Prints JSON, one object a statement
    #[arg(long)]
    json: bool,
}

/// Reads statements, asks the policies, and prints what they say.
pub(super) fn run(args: &Args) -> ExitCode {
    match explain(args) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn explain(args: &Args) -> Result<Exit, Failure> {
    let loaded = args.policies.load()?;
    let catalogue = args.login.catalogue()?;
    let before = args.when.before();
    let asker = Asker {
        loaded: &loaded,
        catalogue: &catalogue,
        account: args.login.account_of(&loaded),
        identity: args.login.identity()?,
        before,
    };
    let Some(sql) = &args.sql else {
        return of_lines(&asker, args.json);
    };
    let told = asker.ask(sql);
    print(if args.json { told.json() } else { told.shown() })?;
    Ok(if told.verdict.is_allowed() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn of_lines(asker: &Asker<'_>, as_json: bool) -> Result<Exit, Failure> {
    for (number, line) in (1..).zip(io::stdin().lock().lines()) {
        let line = line.map_err(|error| Failure::text(Exit::Usage, error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let sql: String = serde_json::from_str(&line).map_err(|error| {
            let text = format!("standard input, line {number}: expected a JSON string, found something else: {error}");
            Failure::text(Exit::Usage, text)
        })?;
        let told = asker.ask(&sql);
        print(if as_json {
            told.json()
        } else {
            told.shown_with_sql()
        })?;
    }
    Ok(Exit::Done)
}

/// Who asks about statements, and of what.
struct Asker<'a> {
    loaded: &'a Loaded,
    catalogue: &'a Catalogue,
    account: String,
    identity: Arc<Identity>,
    before: Before,
}

impl Asker<'_> {
    /// Tells what a text means and what the policies say of it.
    fn ask<'s>(&self, sql: &'s str) -> Told<'s> {
        let scope = Scope::new(&|_| false).with(self.catalogue);
        let statement = Statement::read_all(sql, Count::Any, &scope);
        let found = mask::found(&statement, None);
        let verdict = policy::explain(
            &self.loaded.bundle,
            &self.identity,
            &self.account,
            self.catalogue,
            &self.before.usage().holding(Some(&found)),
            &statement,
        );
        Told::new(sql, (verdict, found), &statement, &self.account)
    }
}

fn print(text: String) -> Result<(), Failure> {
    let written = writeln!(io::stdout().lock(), "{text}");
    written.map_err(|error| Failure::text(Exit::Usage, error.to_string()))
}
