//! Every statement of the corpus is understood as it says.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use icecore::snowflake::binds::Binds;
use icecore::statement::{Catalogue, Output, Statement};
use serde::Deserialize;

use crate::account::{catalogue, files, reading};
use crate::given::{Results, bound};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// A statement and what it means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    sql: String,
    /// The statement whose result it may scan.
    earlier: Option<String>,
    /// Texts that are bound.
    #[serde(default)]
    binds: Vec<String>,
    kind: Option<String>,
    #[serde(default)]
    objects: Vec<String>,
    #[serde(default)]
    columns: Vec<String>,
    output: Option<Vec<String>>,
    /// Whether something about columns cannot be followed.
    #[serde(default)]
    doubt: bool,
    /// A piece of why it is refused; such a case has nothing else.
    refused: Option<String>,
}

#[test]
fn every_statement_means_what_the_corpus_says() -> Result<()> {
    reading(statements)
}

fn statements() -> Result<()> {
    let catalogue = catalogue()?;
    let (mut read, mut wrong) = (0, Vec::new());
    for path in files("corpus")? {
        let text = fs::read_to_string(&path)?;
        let name = path.file_name().unwrap_or_default().display().to_string();
        let file: File = toml::from_str(&text).context(name.clone())?;
        for case in file.case {
            read += 1;
            let statement = case.read(&catalogue)?;
            let (found, expected) = (told(&statement, case.output.is_some()), case.told());
            let refused = case.refused.as_deref();
            let is_refused = statement
                .problem()
                .zip(refused)
                .is_some_and(|(problem, part)| problem.contains(part));
            if !is_refused && found != expected {
                wrong.push(format!(
                    "{name}: {}\n  expected {expected}\n  found    {found}",
                    case.sql.trim()
                ));
            }
        }
    }
    assert!(read > 900, "{read} statements");
    assert!(
        wrong.is_empty(),
        "{}\n{} of {read}",
        wrong.join("\n"),
        wrong.len()
    );
    Ok(())
}

impl Case {
    fn read(&self, catalogue: &Catalogue) -> Result<Statement> {
        let mut results = Results::default();
        if let Some(earlier) = &self.earlier {
            let read = results.read(catalogue, &Binds::default(), |scope| {
                Statement::read(earlier, scope)
            });
            ensure!(read.problem().is_none(), "{earlier}: {:?}", read.problem());
            results.add(&read);
        }
        let binds = bound(&self.binds)?;
        Ok(results.read(catalogue, &binds, |scope| Statement::read(&self.sql, scope)))
    }

    fn told(&self) -> String {
        if let Some(refused) = &self.refused {
            return format!("refused: {refused}");
        }
        let mut told = format!(
            "{}; {}; {}",
            self.kind.as_deref().unwrap_or_default(),
            self.objects.join(", "),
            self.columns.join(", ")
        );
        if let Some(output) = &self.output {
            told.push_str(&format!("; -> {}", output.join(", ")));
        }
        if self.doubt {
            told.push_str("; doubt");
        }
        told
    }
}

fn told(statement: &Statement, with_output: bool) -> String {
    if let Some(problem) = statement.problem() {
        return format!("refused: {problem}");
    }
    let Some(meaning) = statement.meaning() else {
        return "several statements".to_owned();
    };
    let objects: Vec<String> = meaning.accesses().iter().map(ToString::to_string).collect();
    let columns: Vec<String> = meaning.columns().iter().map(ToString::to_string).collect();
    let mut told = format!(
        "{}; {}; {}",
        statement.kind().name(),
        sorted(objects).join(", "),
        sorted(columns).join(", ")
    );
    if with_output {
        let output = match meaning.output() {
            Output::Unknown(_) => vec!["?".to_owned()],
            Output::Known(columns) => columns
                .iter()
                .map(|column| {
                    let from: Vec<String> = column.from.iter().map(ToString::to_string).collect();
                    let name = column.name.as_deref().unwrap_or("_");
                    let sign = if column.is_bare { "=" } else { "~" };
                    format!("{name} {sign} {}", from.join(" "))
                        .trim()
                        .to_owned()
                })
                .collect(),
        };
        told.push_str(&format!("; -> {}", output.join(", ")));
    }
    if !meaning.doubts().is_empty() {
        told.push_str("; doubt");
    }
    told
}

fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort();
    all
}
