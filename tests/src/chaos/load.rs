//! A session of a real driver that sends one numbered statement after the other, and is begun anew where it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::drivers::Product;
use crate::harness::world::{AGENT_UID, World};
use crate::python;
use crate::time;

/// How far apart the numbers of two loads are, and of two sessions of one.
const LOADS_APART: u64 = 10_000_000_000;
const SESSIONS_APART: u64 = 10_000_000;

/// How long a session may take to end once it is told so.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What became of a load's statements.
#[derive(Debug, Default)]
pub struct Tally {
    /// The numbers of those that were answered.
    pub answered: BTreeSet<u64>,
    /// How many failed, by what the driver said.
    pub failed: BTreeMap<String, u64>,
    /// How many were answered with something else than was asked for.
    pub wrong: u64,
    /// How often it connected.
    pub connects: u64,
    /// How often it could not.
    pub unconnected: u64,
    /// How many dials past Icecore were answered.
    pub direct: u64,
    /// How many sessions were begun.
    pub sessions: u64,
    /// How many of them ended untold.
    pub ended: u64,
    /// The longest time between the ends of two answered statements.
    pub longest: Duration,
    /// When the last statement that was answered had begun.
    last_began: Option<Instant>,
    last_ended: Option<Instant>,
}

impl Tally {
    /// Counts the statements that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    fn take(&mut self, line: &Value) {
        let word = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
        let ok = line.get("ok") == Some(&Value::Bool(true));
        match (word("do"), ok) {
            ("connect", true) => self.connects += 1,
            ("connect", false) => self.unconnected += 1,
            ("dial", _) => self.direct += 1,
            ("sql", true) => {
                self.answered.extend(line.get("n").and_then(Value::as_u64));
                self.wrong += u64::from(line.get("right") != Some(&Value::Bool(true)));
                let took = line.get("s").and_then(Value::as_f64).unwrap_or_default();
                let now = time::instant();
                self.last_began = now.checked_sub(Duration::from_secs_f64(took));
                let since_last = self.last_ended.map(|last| now.duration_since(last));
                self.longest = self.longest.max(since_last.unwrap_or_default());
                self.last_ended = Some(now);
            }
            ("sql", false) => *self.failed.entry(kind(word("error"))).or_default() += 1,
            (..) => self.wrong += 1,
        }
    }
}

/// Cuts what differs from one failure to the next out of a driver's words.
fn kind(error: &str) -> String {
    let words = error
        .chars()
        .map(|c| if c.is_ascii_digit() { '#' } else { c });
    let text: String = words.take(160).collect();
    text.replace("########-####-####-####-############", "<id>")
}

/// A load, with the session that runs for it.
#[derive(Debug)]
pub struct Load {
    product: Product,
    place: u64,
    dials: Vec<String>,
    tally: Arc<Mutex<Tally>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    reader: JoinHandle<()>,
}

impl Load {
    /// Begins one; `place` is from 1 on and nobody else's. It dials `dials` beside its statements.
    pub fn begin(world: &World, product: Product, place: u64, dials: &[String]) -> Result<Self> {
        let mut load = Self {
            product,
            place,
            dials: dials.to_vec(),
            tally: Arc::default(),
            running: None,
        };
        load.keep_on(world)?;
        Ok(load)
    }

    /// Begins another session if the one before has ended; tells whether it had.
    pub fn keep_on(&mut self, world: &World) -> Result<bool> {
        let mut has_ended = false;
        if let Some(running) = &mut self.running {
            if running.child.try_wait()?.is_none() {
                return Ok(false);
            }
            has_ended = true;
            self.tally().ended += 1;
            self.take_in()?;
        }
        let sessions = self.tally().sessions;
        let first = self.place * LOADS_APART + sessions * SESSIONS_APART;
        let name = match self.product {
            Product::Node => "enduring.cjs",
            Product::Connector4
            | Product::Connector5
            | Product::Adbc
            | Product::Cli
            | Product::Crate
            | Product::SqlApi => "enduring.py",
        };
        let script = world.path(name);
        fs::copy(python::folder("drivers").join(name), &script)?;
        let words = self.product.words(&script)?;
        let (program, arguments) = words.split_first().context("no program")?;
        let mut command = world.session(AGENT_UID, &[], program)?;
        command.args(arguments);
        match self.product {
            Product::Node => {}
            Product::Adbc => drop(command.arg("adbc")),
            Product::Connector4
            | Product::Connector5
            | Product::Cli
            | Product::Crate
            | Product::SqlApi => drop(command.arg("connector")),
        }
        command.arg(first.to_string()).args(&self.dials);
        let errors = world.path(&format!("load-{}.stderr", self.place));
        let errors = File::options().create(true).append(true).open(errors)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("no stdout")?;
        let tally = Arc::clone(&self.tally);
        let reader = std::thread::spawn(move || read(stdout, &tally));
        self.tally().sessions += 1;
        self.running = Some(Running {
            child,
            stdin,
            reader,
        });
        Ok(has_ended)
    }

    /// Gives what became of its statements so far.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether a statement was answered that was sent after a moment.
    #[must_use]
    pub fn answered_since(&self, moment: Instant) -> bool {
        self.tally().last_began.is_some_and(|began| began > moment)
    }

    /// Tells which driver it has.
    #[must_use]
    pub const fn product(&self) -> Product {
        self.product
    }

    /// Has its session end, and waits for that.
    pub fn end(&mut self) -> Result<()> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        drop(running.stdin.take());
        let told = time::instant();
        while running.child.try_wait()?.is_none() {
            let product = self.product;
            ensure!(
                told.elapsed() < ENDS_WITHIN,
                "the session of {product:?} did not end"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self.take_in()
    }

    /// Waits until all is read that the ended session said.
    fn take_in(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        let read = running.reader.join();
        read.map_err(|_| anyhow::anyhow!("the reader panicked"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // Both fail only when the child has ended already, which is what is wanted.
            drop(running.child.kill());
            drop(running.child.wait());
        }
    }
}

fn read(stdout: ChildStdout, tally: &Mutex<Tally>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        // A killed driver's last line may be half of one; nothing was answered by it.
        let Ok(line) = serde_json::from_str(&line) else {
            continue;
        };
        tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(&line);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_counted_as_what_they_say() {
        let mut tally = Tally::default();
        for line in [
            json!({"do": "connect", "ok": true, "s": 0.1}),
            json!({"do": "sql", "ok": true, "n": 7, "s": 0.1, "right": true}),
            json!({"do": "sql", "ok": true, "n": 8, "s": 0.1, "right": false}),
            json!({"do": "sql", "ok": false, "n": 9, "s": 0.1, "error": "E: 12 of 34"}),
            json!({"do": "sql", "ok": false, "n": 10, "s": 0.1, "error": "E: 56 of 78"}),
            json!({"do": "dial", "ok": true, "to": "127.0.0.1:1"}),
        ] {
            tally.take(&line);
        }
        assert_eq!(tally.answered, BTreeSet::from([7, 8]));
        assert_eq!((tally.connects, tally.wrong, tally.direct), (1, 1, 1));
        assert_eq!(
            tally.failed,
            BTreeMap::from([("E: ## of ##".to_owned(), 2)])
        );
    }
}
