//! Attacks on masked values: each way by which a value, or whether a guess of it is right, leaves beside the column itself.
//!
//! Each channel is tried on a masked column, and by its twin on one that is not: what gives nothing here gives all there.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use super::channels::{MADE, NEVER, SHOWN_ALONE};
use super::client::{Client, login_body, login_target, statement};
use super::{Facts, Outcome};

/// The value of a masked column that the agent guesses right.
pub const GUESSED: &str = "canary-mail-51ce";

/// The value of a masked column that nobody guesses.
pub const HIDDEN: &str = "canary-hidden-7d20";

/// Logs in for results that can be read without Arrow, tries each channel, and tells what became of it and of its twin.
pub(super) fn run(facts: &Facts, mut tell: impl FnMut(Value) -> Result<()>) -> Result<()> {
    let agent = Agent::log_in(facts)?;
    for (table, channels) in [("customers", &SHOWN_ALONE[..]), ("people", &MADE[..])] {
        for (name, statements) in channels {
            let name = format!("{name} ({table})");
            let outcome = agent.attack(statements)?;
            let asked = texts(statements, "email", GUESSED);
            tell(
                json!({"attack": name, "obtained": outcome.obtained, "how": outcome.how, "asked": asked}),
            )?;
            let (ok, how) = match agent.twin(statements) {
                Ok(how) => (true, how),
                Err(error) => (false, format!("{error:#}")),
            };
            let asked = texts(statements, "name", "ada");
            tell(json!({"twin": name, "ok": ok, "how": how, "asked": asked}))?;
        }
    }
    for sql in NEVER {
        let told = agent.ask(sql)?;
        tell(json!({"attack": sql, "obtained": told.success, "how": told.text, "asked": [sql]}))?;
    }
    Ok(())
}

/// A login of the agent's.
struct Agent {
    client: Client,
    token: String,
}

/// What an answer tells: nothing of it differs by chance.
#[derive(PartialEq, Eq)]
struct Told {
    success: bool,
    rows: Value,
    /// Code, message without the record's id, number of rows.
    text: String,
    whole: String,
}

impl Agent {
    fn log_in(facts: &Facts) -> Result<Self> {
        let client = Client::in_session(facts.account)?;
        let mut body = login_body();
        if let Some(parameters) = body.pointer_mut("/data/SESSION_PARAMETERS") {
            *parameters = json!({"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON"});
        }
        let answer = client.post(&login_target("ANALYST"), None, &body)?;
        ensure!(answer.success(), "login: {}", answer.shown());
        Ok(Self {
            client,
            token: answer.text("/data/token"),
        })
    }

    fn ask(&self, sql: &str) -> Result<Told> {
        let answer =
            self.client
                .query(&self.token, &Uuid::new_v4().to_string(), &statement(sql))?;
        let shown = answer.shown();
        // A refusal ends with where it stands in the record.
        let text = shown.split("; record ").next().unwrap_or_default();
        let at = |pointer: &str| answer.body.pointer(pointer).cloned().unwrap_or_default();
        Ok(Told {
            success: answer.success(),
            rows: at("/data/rowset"),
            text: format!("{text} {}", at("/data/total")),
            whole: answer.body.to_string(),
        })
    }

    /// Asks all statements with a guess; gives what each told.
    fn ask_all(&self, statements: &[&str], column: &str, guess: &str) -> Result<Vec<Told>> {
        let all = texts(statements, column, guess);
        all.iter().map(|sql| self.ask(sql)).collect()
    }

    /// Tries a channel on the masked column: with a guess that is right and one that is wrong, where it is about that.
    fn attack(&self, statements: &[&str]) -> Result<Outcome> {
        let right = self.ask_all(statements, "email", GUESSED)?;
        let how = how(&right);
        if let Some(told) = right.iter().find(|told| shows(&told.whole)) {
            return Ok(Outcome::obtained(&told.whole));
        }
        if is_guess(statements) {
            let wrong = self.ask_all(statements, "email", "canary-none-0000")?;
            let are_alike = right.iter().map(plain).eq(wrong.iter().map(plain));
            return Ok(Outcome {
                obtained: !are_alike,
                how,
            });
        }
        Ok(Outcome {
            obtained: gives(statements, &right),
            how,
        })
    }

    /// Tries the same on a column that is not masked, where it must tell.
    fn twin(&self, statements: &[&str]) -> Result<String> {
        let right = self.ask_all(statements, "name", "ada")?;
        let how = how(&right);
        if is_guess(statements) {
            let wrong = self.ask_all(statements, "name", "eve")?;
            ensure!(
                !right.iter().map(plain).eq(wrong.iter().map(plain)),
                "a right and a wrong guess are told alike: {how}"
            );
        } else {
            let is_told = gives(statements, &right);
            let has_words = right.iter().any(|told| told.text.contains("ada"));
            ensure!(is_told || has_words, "{how}");
        }
        Ok(how)
    }
}

fn texts(statements: &[&str], column: &str, guess: &str) -> Vec<String> {
    let text = |sql: &&str| sql.replace("{c}", column).replace("{g}", guess);
    statements.iter().map(text).collect()
}

fn is_guess(statements: &[&str]) -> bool {
    statements.iter().any(|sql| sql.contains("{g}"))
}

fn plain(told: &Told) -> (bool, String, &str) {
    (told.success, told.rows.to_string(), &told.text)
}

fn how(all: &[Told]) -> String {
    let each = all
        .iter()
        .map(|told| format!("{} {}", told.text, told.rows));
    each.collect::<Vec<_>>().join(" | ")
}

/// Tells whether a masked value stands in a text.
fn shows(text: &str) -> bool {
    let text = text.to_lowercase();
    [GUESSED, HIDDEN].iter().any(|value| text.contains(value))
}

/// Tells whether a query gave cells that are neither null nor what masks make: hashes, and signs of which a few are kept.
fn gives(statements: &[&str], all: &[Told]) -> bool {
    let is_query = |sql: &str| sql.starts_with("select") || sql.starts_with("with");
    let queries = statements.iter().zip(all).filter(|(sql, _)| is_query(sql));
    let rows = queries.flat_map(|(_, told)| told.rows.as_array().into_iter().flatten());
    let mut cells = rows.flat_map(|row| row.as_array().into_iter().flatten());
    cells.any(|cell| {
        let cell = cell.as_str().unwrap_or_default();
        let is_hash = cell.len() == 32 && cell.bytes().all(|sign| sign.is_ascii_hexdigit());
        !cell.is_empty() && !is_hash && !cell.starts_with("****")
    })
}
