//! `icecore policy explain`: what a statement means, and what the policies say of it.

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use super::given::{Loaded, Login, Policies};
use super::stated::{Before, When};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::identity::Principal;
use crate::policy::{self, Verdict};
use crate::snowflake::count::Count;
use crate::statement::{
    Access, Catalogue, ColumnUse, Meaning, Output, OutputColumn, Scope, Statement,
};

/// Says what a statement does, to which objects and columns, and what the policies say of it
///
/// Use it to find out why a statement was refused, or what a new policy would do. Without --catalogue nothing is known of the
/// account: columns of tables are named as the text names them, and policies that look at tags refuse.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore policy explain 'select email from customers'\n  icecore policy explain --catalogue account.toml --as ci \"$(cat query.sql)\"\n  icecore policy explain --used session.statements=500 --at 2026-11-28T23:00:00Z 'select 1'\n  jq -R . statements.txt | icecore policy explain --stdin --json\n\nExit codes: 0 allowed (with --stdin: all were read); 1 refused; 2 usage; 3 config or policies are not good."
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
    let asker = Asker::new(&loaded, &args.login, &catalogue, before);
    let Some(sql) = &args.sql else {
        return of_lines(&asker, args.json);
    };
    let told = asker.ask(sql);
    print(&told, args.json)?;
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
    before: Before,
}

impl<'a> Asker<'a> {
    /// Takes the login's description.
    pub(super) fn new(
        loaded: &'a Loaded,
        login: &Login,
        catalogue: &'a Catalogue,
        before: Before,
    ) -> Self {
        let account = login.account.clone();
        let account = account.or_else(|| loaded.accounts.first().cloned());
        Self {
            loaded,
            catalogue,
            account: account.unwrap_or_else(|| "ACME".to_owned()),
            principal: Principal::host_user(login.user.clone(), 0),
            before,
        }
    }

    /// Tells what a text means and what the policies say of it.
    fn ask<'s>(&self, sql: &'s str) -> Told<'s> {
        let scope = Scope::new(&|_| false).with(self.catalogue);
        let statement = Statement::read_all(sql, Count::Any, &scope);
        Told {
            sql,
            verdict: self.judge(&statement),
            meant: Meant::of(&statement),
            statements: statement.parts().iter().map(Meant::of).collect(),
        }
    }

    /// Asks the policies.
    pub(super) fn judge(&self, statement: &Statement) -> Verdict {
        let identity = self.principal.identity();
        policy::explain(
            &self.loaded.bundle,
            identity,
            &self.account,
            self.catalogue,
            &self.before.usage(),
            statement,
        )
    }
}

/// What is printed of a text.
struct Told<'s> {
    sql: &'s str,
    verdict: Verdict,
    meant: Meant,
    /// Of a text of several statements.
    statements: Vec<Meant>,
}

/// What one statement means.
#[derive(Serialize)]
struct Meant {
    understood: bool,
    kind: &'static str,
    objects: Vec<Done>,
    columns: Vec<Used>,
    output: Option<Vec<Given>>,
    doubts: Vec<&'static str>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct Done {
    action: &'static str,
    class: &'static str,
    name: String,
    is_settled: bool,
}

#[derive(Serialize)]
struct Used {
    r#use: &'static str,
    name: String,
}

#[derive(Serialize)]
struct Given {
    name: Option<String>,
    from: Vec<String>,
    is_bare: bool,
}

impl Meant {
    fn of(statement: &Statement) -> Self {
        let done = |access: &Access| Done {
            action: access.action.name(),
            class: access.object.class().name(),
            name: access.object.path().to_string(),
            is_settled: access.object.is_settled(),
        };
        let used = |found: &ColumnUse| Used {
            r#use: found.how.name(),
            name: found.column.to_string(),
        };
        let given = |column: &OutputColumn| Given {
            name: column.name.clone(),
            from: column.from.iter().map(ToString::to_string).collect(),
            is_bare: column.is_bare,
        };
        let meaning = statement.meaning();
        let told = meaning.into_iter();
        Self {
            understood: statement.problem().is_none(),
            kind: statement.kind().name(),
            objects: told.clone().flat_map(Meaning::accesses).map(done).collect(),
            columns: told.clone().flat_map(Meaning::columns).map(used).collect(),
            output: meaning.and_then(|meaning| match meaning.output() {
                Output::Unknown(_) => None,
                Output::Known(columns) => Some(columns.iter().map(given).collect()),
            }),
            doubts: told.flat_map(Meaning::doubts).copied().collect(),
            problem: statement.problem().map(str::to_owned),
        }
    }
}

impl Told<'_> {
    fn json(&self) -> Value {
        let Verdict {
            rules,
            flags,
            reason,
        } = &self.verdict;
        let mut told = json!({
            "sql": self.sql,
            "verdict": self.verdict_word(),
            "rules": rules,
            "flags": flags,
            "reason": reason,
        });
        if let (Some(told), Value::Object(meant)) = (told.as_object_mut(), json!(self.meant)) {
            told.extend(meant);
            if !self.statements.is_empty() {
                told.insert("statements".to_owned(), json!(self.statements));
            }
        }
        told
    }

    fn verdict_word(&self) -> &'static str {
        if self.verdict.is_allowed() {
            "allow"
        } else {
            "refuse"
        }
    }
}

fn print(told: &Told<'_>, as_json: bool) -> Result<(), Failure> {
    let text = if as_json {
        in_one_line(&told.json().to_string())
    } else {
        shown(told)
    };
    let written = writeln!(io::stdout().lock(), "{text}");
    written.map_err(|error| Failure::text(Exit::Usage, error.to_string()))
}

/// Escapes what a reader may take for the end of a line, or a terminal for a change of direction.
fn in_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        let turns = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        if letter.is_control() || turns {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            line.push(letter);
        }
    }
    line
}

/// Writes for people; what the statement holds is escaped for a terminal.
fn shown(told: &Told<'_>) -> String {
    let Told { verdict, meant, .. } = told;
    let mut lines = vec![format!(
        "{:9} {}",
        told.verdict_word(),
        verdict.rules.join(", ")
    )];
    if let Some(reason) = &verdict.reason {
        lines.push(format!("reason    {reason}"));
    }
    lines.push(format!("kind      {}", meant.kind));
    let object = |done: &Done| {
        let unsettled = if done.is_settled || done.name.is_empty() {
            ""
        } else {
            "?."
        };
        format!("{} {} {unsettled}{}", done.action, done.class, done.name)
    };
    let column = |used: &Used| format!("{} {}", used.r#use, used.name);
    for (head, all) in [
        ("objects", meant.objects.iter().map(object).collect()),
        ("columns", meant.columns.iter().map(column).collect()),
        (
            "doubts",
            meant.doubts.iter().map(ToString::to_string).collect(),
        ),
        ("flags", verdict.flags.clone()),
    ] {
        let all: Vec<String> = all;
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

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[test]
    fn json_stays_in_its_line_and_direction() {
        let told = serde_json::json!({ "sql": "a\u{85}b\u{2028}c\u{202e}d\u{e9}" }).to_string();
        let line = in_one_line(&told);
        assert_eq!(line, "{\"sql\":\"a\\u0085b\\u2028c\\u202ed\u{e9}\"}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["sql"], "a\u{85}b\u{2028}c\u{202e}d\u{e9}");
    }
}
