//! A sample of the corpus through an unmodified driver: what is refused and allowed there is so here, in an account that
//! describes itself as the corpus does.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use icecore::statement::{Catalogue, Class};
use icecore_tests::emulator::{Described, DescribedColumn, Tag};
use icecore_tests::harness::driver::Finished;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::{Generation, folder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalogue::CANARY;

/// One statement in so many is tried.
const EVERY_STATEMENT: usize = 14;

/// Policies, and of how many of their attempts one is tried: each costs a daemon.
const EVERY_ATTEMPT: [(&str, usize); 4] = [
    ("no-pii", 10),
    ("no-pii-anything", 8),
    ("no-other-database", 8),
    ("no-functions", 5),
];

#[derive(Deserialize)]
struct Statements {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    sql: String,
    refused: Option<String>,
    earlier: Option<String>,
    #[serde(default)]
    binds: Vec<String>,
}

#[derive(Deserialize)]
struct Attempts {
    attempt: Vec<Attempt>,
}

#[derive(Clone, Deserialize)]
struct Attempt {
    policy: String,
    #[serde(default)]
    sqls: Vec<String>,
    sql: Option<String>,
    #[serde(default)]
    twins: Vec<String>,
    twin: Option<String>,
    #[serde(default)]
    binds: Vec<String>,
}

impl Attempt {
    fn texts(&self) -> [Vec<String>; 2] {
        let all = |one: &Option<String>, several: &[String]| {
            one.iter().chain(several).cloned().collect::<Vec<_>>()
        };
        [all(&self.sql, &self.sqls), all(&self.twin, &self.twins)]
    }

    /// Several statements in one text go by another step, ids of results are not those of this account, and the emulator
    /// has no such schemas to go to.
    fn is_plain(&self) -> bool {
        let texts = self.texts().concat();
        let is_plain = |sql: &String| {
            !sql.contains(';') && !sql.contains("01bf3a2e") && !sql.starts_with("use ")
        };
        self.binds.is_empty() && texts.iter().all(is_plain)
    }
}

fn files(name: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder(name))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "toml") && !path.ends_with("catalogue.toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads every case of some files.
fn read<F: for<'d> Deserialize<'d>, T>(name: &str, of: fn(F) -> Vec<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for path in files(name)? {
        let text = fs::read_to_string(&path)?;
        let file: F = toml::from_str(&text).with_context(|| path.display().to_string())?;
        all.extend(of(file));
    }
    Ok(all)
}

/// Serves under one policy of the corpus's, or under one that allows everything.
fn serve(world: &mut World, policy: Option<&str>) -> Result<()> {
    drop(world.daemon.take());
    let text = match policy {
        Some(name) => {
            fs::read_to_string(folder("corpus/attempts/policies").join(format!("{name}.cedar")))?
        }
        None => "@id(\"all\") permit (principal, action, resource);".to_owned(),
    };
    fs::write(world.config.policies().join("test.cedar"), text)?;
    world.start_daemon()
}

fn world() -> Result<World> {
    let world = World::without_daemon(&Plan::default())?;
    fs::remove_file(world.config.policies().join("read-only.cedar"))?;
    let file = world.config_file();
    let config = fs::read_to_string(&file)?.replace(
        "warehouse = \"WH\"",
        &format!("warehouse = \"WH\"\n{CANARY}"),
    );
    fs::write(&file, config)?;
    world.gate.describe(&described()?)?;
    world.gate.set_tags(&[Tag {
        table: "ACME_DB.PUBLIC.CANARY".into(),
        column: "C".into(),
        name: "SEEN".into(),
        value: "yes".into(),
    }])?;
    Ok(world)
}

/// The corpus's account, as it tells of itself.
fn described() -> Result<Vec<Described>> {
    let text = fs::read_to_string(folder("corpus/catalogue.toml"))?;
    let catalogue = Catalogue::described(&text).map_err(anyhow::Error::msg)?;
    let relations = catalogue.relations.into_iter();
    let objects = relations.map(|(path, facts)| {
        let columns = facts.columns.into_iter().map(|column| DescribedColumn {
            name: column.name,
            data_type: column.data_type,
            tags: column.tags.unwrap_or_default(),
        });
        Ok(Described {
            told: path.to_string(),
            path: path
                .names()
                .to_vec()
                .try_into()
                .map_err(|_| anyhow!("{path}"))?,
            is_view: facts.class == Class::View,
            text: facts.text,
            columns: columns.collect(),
        })
    });
    objects.collect()
}

/// A login where the corpus's is.
fn connect() -> Value {
    json!({"do": "connect", "settings": {"database": "DB", "schema": "S"}})
}

fn sql(name: &str, sql: &str) -> Value {
    json!({"do": "sql", "name": name, "sql": sql})
}

/// Tells whether Icecore refused a step, with its code and a rule.
fn is_refused(finished: &Finished, name: &str) -> Result<bool> {
    let step = finished.step(name)?;
    let message = step["message"].as_str().unwrap_or_default();
    let is_refused = message.contains("Icecore refused this statement: ");
    if is_refused {
        assert!(
            message.contains("(rule ") && step["errno"] == 3001,
            "{step}"
        );
    }
    Ok(is_refused)
}

#[test]
fn a_sample_of_the_corpus_is_refused_and_allowed_as_it_says() -> Result<()> {
    let mut world = world()?;
    serve(&mut world, None)?;
    let cases = read("corpus", |file: Statements| file.case)?;
    // The emulator cuts a text at each semicolon, in a block's body too.
    let plain =
        |case: &&Case| case.earlier.is_none() && case.binds.is_empty() && !case.sql.contains(';');
    let sample: Vec<&Case> = cases
        .iter()
        .filter(plain)
        .step_by(EVERY_STATEMENT)
        .collect();
    assert!(sample.len() >= 60, "{}", sample.len());
    // Each in a login of its own: what the emulator cannot run may end one.
    let steps = (0..).zip(&sample).flat_map(|(number, case): (usize, _)| {
        let statement = sql(&number.to_string(), &case.sql);
        [connect(), statement, json!({"do": "close"})]
    });
    let steps: Vec<Value> = steps.collect();
    let finished = world.drive(Generation::Four, &json!(steps))?;
    let mut wrong = Vec::new();
    let (mut sent, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for (number, case) in sample.iter().enumerate() {
        let is_refused = is_refused(&finished, &number.to_string())?;
        if is_refused != case.refused.is_some() {
            wrong.push(format!(
                "{}: {:?}",
                case.sql,
                finished.step(&number.to_string())?
            ));
        }
        let texts = if is_refused { &mut kept } else { &mut sent };
        texts.insert(case.sql.trim().to_owned());
    }

    let attempts = read("corpus/attempts", |file: Attempts| file.attempt)?;
    let mut tried = 0;
    for (policy, every) in EVERY_ATTEMPT {
        serve(&mut world, Some(policy))?;
        let sample: Vec<&Attempt> = attempts
            .iter()
            .filter(|attempt| attempt.policy == policy && attempt.is_plain())
            .step_by(every)
            .collect();
        tried += sample.len();
        let mut steps = Vec::new();
        for (number, attempt) in sample.iter().enumerate() {
            for (texts, kind) in attempt.texts().iter().zip(["attempt", "twin"]) {
                steps.push(connect());
                for (at, text) in texts.iter().enumerate() {
                    steps.push(sql(&format!("{kind} {number} {at}"), text));
                }
                steps.push(json!({"do": "close"}));
            }
        }
        let finished = world.drive(Generation::Four, &json!(steps))?;
        for (number, attempt) in sample.iter().enumerate() {
            for (texts, kind) in attempt.texts().iter().zip(["attempt", "twin"]) {
                let mut any = false;
                for (at, text) in texts.iter().enumerate() {
                    let name = format!("{kind} {number} {at}");
                    let is_refused = is_refused(&finished, &name)?;
                    any |= is_refused;
                    let texts = if is_refused { &mut kept } else { &mut sent };
                    texts.insert(text.trim().to_owned());
                }
                if any != (kind == "attempt") {
                    let last = finished.step(&format!("{kind} {number} {}", texts.len() - 1))?;
                    wrong.push(format!("{policy}, {kind}: {texts:?}: {last}"));
                }
            }
        }
    }
    assert!(tried >= 40, "{tried}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let executed = world.gate.executed()?;
    let executed: BTreeSet<String> = executed.iter().map(|sql| sql.trim().to_owned()).collect();
    let leaked: Vec<_> = kept
        .difference(&sent)
        .filter(|sql| executed.contains(*sql))
        .collect();
    assert!(leaked.is_empty(), "refused and sent: {leaked:?}");
    let lost: Vec<_> = sent.difference(&executed).collect();
    assert!(lost.is_empty(), "allowed and not sent: {lost:?}");
    Ok(())
}
