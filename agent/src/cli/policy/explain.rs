//! `icecore policy explain`: what a statement means, and what the policies say of it.

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::given::{Loaded, Login, Policies};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::identity::Principal;
use crate::policy::{self, Verdict};
use crate::snowflake::count::Count;
use crate::statement::{Catalogue, Output, Scope, Statement};

/// Says what a statement does, to which objects and columns, and what the policies say of it
///
/// Use it to find out why a statement was refused, or what a new policy would do. Without --catalogue nothing is known of the
/// account: columns of tables are named as the text names them, and policies that look at tags refuse.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy explain 'select email from customers'\n  icecore policy explain --catalogue account.toml --as ci \"$(cat query.sql)\"\n  jq -R . statements.txt | icecore policy explain --stdin --json\n\nExit codes: 0 allowed (with --stdin: all were read); 1 refused; 2 usage; 3 config or policies are not good."
)]
pub(super) struct Args {
    #[command(flatten)]
    policies: Policies,

    #[command(flatten)]
    login: Login,

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
    let asker = Asker::new(&loaded, &args.login, &catalogue);
    let Some(sql) = &args.sql else {
        return of_lines(&asker, args.json);
    };
    let told = asker.ask(sql);
    print(&told, args.json)?;
    Ok(if told["verdict"] == "allow" {
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
        print(&asker.ask(&sql), as_json)?;
    }
    Ok(Exit::Done)
}

/// Who asks about statements, and of what.
pub(super) struct Asker<'a> {
    loaded: &'a Loaded,
    catalogue: &'a Catalogue,
    account: String,
    principal: Principal,
}

impl<'a> Asker<'a> {
    /// Takes the login's description.
    pub(super) fn new(loaded: &'a Loaded, login: &Login, catalogue: &'a Catalogue) -> Self {
        let account = login.account.clone();
        let account = account.or_else(|| loaded.accounts.first().cloned());
        Self {
            loaded,
            catalogue,
            account: account.unwrap_or_else(|| "ACME".to_owned()),
            principal: Principal::host_user(login.user.clone(), 0),
        }
    }

    /// Tells what a text means and what the policies say of it.
    pub(super) fn ask(&self, sql: &str) -> Value {
        let scope = Scope::new(&|_| false).with(self.catalogue);
        let statement = Statement::read_all(sql, Count::Any, &scope);
        let verdict = self.judge(&statement);
        let parts = statement.parts();
        let mut told = meant(&statement);
        told["sql"] = json!(sql);
        told["verdict"] = json!(if verdict.is_allowed() {
            "allow"
        } else {
            "refuse"
        });
        told["rules"] = json!(verdict.rules);
        told["flags"] = json!(verdict.flags);
        told["reason"] = json!(verdict.reason);
        if !parts.is_empty() {
            told["statements"] = json!(parts.iter().map(meant).collect::<Vec<_>>());
        }
        told
    }

    /// Asks the policies.
    pub(super) fn judge(&self, statement: &Statement) -> Verdict {
        let identity = self.principal.identity();
        policy::explain(
            &self.loaded.bundle,
            identity,
            &self.account,
            self.catalogue,
            statement,
        )
    }
}

/// Tells what one statement means.
fn meant(statement: &Statement) -> Value {
    let meaning = statement.meaning();
    let objects: Vec<Value> = meaning
        .iter()
        .flat_map(|meaning| meaning.accesses())
        .map(|access| {
            json!({
                "action": access.action.name(),
                "class": access.object.class().name(),
                "name": access.object.path().to_string(),
                "is_settled": access.object.is_settled(),
            })
        })
        .collect();
    let columns: Vec<Value> = meaning
        .iter()
        .flat_map(|meaning| meaning.columns())
        .map(|found| json!({ "use": found.how.name(), "name": found.column.to_string() }))
        .collect();
    let output = meaning.and_then(|meaning| match meaning.output() {
        Output::Unknown(_) => None,
        Output::Known(columns) => Some(columns),
    });
    let output = output.map(|columns| {
        let column = |column: &crate::statement::OutputColumn| {
            let from: Vec<String> = column.from.iter().map(ToString::to_string).collect();
            json!({ "name": column.name, "from": from, "is_bare": column.is_bare })
        };
        columns.iter().map(column).collect::<Vec<_>>()
    });
    let doubts: Vec<&str> = meaning
        .iter()
        .flat_map(|meaning| meaning.doubts())
        .copied()
        .collect();
    json!({
        "understood": statement.problem().is_none(),
        "kind": statement.kind().name(),
        "objects": objects,
        "columns": columns,
        "output": output,
        "doubts": doubts,
        "problem": statement.problem(),
    })
}

fn print(told: &Value, as_json: bool) -> Result<(), Failure> {
    let text = if as_json {
        told.to_string()
    } else {
        shown(told)
    };
    let written = writeln!(io::stdout().lock(), "{text}");
    written.map_err(|error| Failure::text(Exit::Usage, error.to_string()))
}

/// Writes for people; what the statement holds is escaped for a terminal.
fn shown(told: &Value) -> String {
    let texts = |value: &Value, write: &dyn Fn(&Value) -> String| -> Vec<String> {
        value.as_array().into_iter().flatten().map(write).collect()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!(
        "{:9} {}",
        text(&told["verdict"]),
        texts(&told["rules"], &text).join(", ")
    )];
    if let Some(reason) = told["reason"].as_str() {
        lines.push(format!("reason    {reason}"));
    }
    lines.push(format!("kind      {}", text(&told["kind"])));
    let object = |value: &Value| {
        let unsettled = if value["is_settled"] == false {
            "?."
        } else {
            ""
        };
        format!(
            "{} {} {unsettled}{}",
            text(&value["action"]),
            text(&value["class"]),
            text(&value["name"])
        )
    };
    let column = |value: &Value| format!("{} {}", text(&value["use"]), text(&value["name"]));
    for (head, all) in [
        ("objects", texts(&told["objects"], &object)),
        ("columns", texts(&told["columns"], &column)),
        ("doubts", texts(&told["doubts"], &text)),
        ("flags", texts(&told["flags"], &text)),
    ] {
        for (place, line) in all.iter().enumerate() {
            let head = if place == 0 { head } else { "" };
            lines.push(format!("{head:9} {line}"));
        }
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|line| crate::replay::terminal(line))
        .collect();
    lines.join("\n")
}
