//! Icecore killed, stopped, replaced, wedged, starved and cut off, round after round, while real drivers ask through it.
//!
//! `ICECORE_TEST_LONG=1` has 200 rounds, `ICECORE_TEST_CHAOS_ROUNDS` as many as it says; `ICECORE_TEST_CHAOS_SEED` plays a run
//! again as far as its faults go. Whatever was executed upstream, or answered to a driver, must be in the record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use icecore_tests::chaos::{Count, Counts, Fault, Load, Random, Site};
use icecore_tests::drivers::Product;
use icecore_tests::harness::disk::SmallDisk;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::time;
use rustix::process::Pid;
use serde_json::json;

use crate::evidence::{trust_file, verified};

/// How long after a fault every session must have an answer again: drivers wait up to 15 s between two tries.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// How long what is left of ended sessions may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// What an idle daemon may hold more at the end than at the start: connections upstream that are kept for the next statement.
const MORE_DESCRIPTORS: usize = 24;
/// Threads for blocking work go after 10 s without any (tokio's `thread_keep_alive`), and a proxy has some each second.
const MORE_THREADS: usize = 24;
const MORE_MEMORY_KIB: usize = 96 * 1024;

/// Another name of the account, which leads to its address.
const ALIAS: &str = "acme-known.snowflakecomputing.com";

/// As the default is; and the store sees objects while it is away.
fn hasty(text: String) -> String {
    text.replace("heartbeat_stale = \"20s\"", "heartbeat_stale = \"2s\"")
        .replace("seal_interval = \"1h\"", "seal_interval = \"2s\"")
}

#[test]
fn nothing_is_executed_unrecorded_and_nothing_bypasses_whatever_fails() -> Result<()> {
    let is_long = std::env::var_os("ICECORE_TEST_LONG").is_some();
    let rounds = number_of("ICECORE_TEST_CHAOS_ROUNDS")?;
    let rounds = rounds.unwrap_or(if is_long { 200 } else { 15 });
    let seed = number_of("ICECORE_TEST_CHAOS_SEED")?;
    let seed = seed.unwrap_or_else(|| u64::from(time::since_epoch().subsec_nanos()));
    let mut chaos = Chaos::begin("strict_local")?;
    chaos.rounds(&Fault::ALL, rounds, seed)?;
    let end = chaos.end()?;
    println!("{end:#?}");
    assert_eq!(end.unrecorded, 0, "statements were executed unrecorded");
    assert_eq!(end.unended, 0, "answered statements have no final row");
    Ok(())
}

/// What the mode's name says: a proxy that is killed loses what it had not written down, and nothing else is worse.
#[test]
fn best_effort_loses_what_a_killed_proxy_had_in_memory_and_no_more() -> Result<()> {
    let mut chaos = Chaos::begin("best_effort")?;
    chaos.rounds(&[Fault::ProxyKilled, Fault::BothKilled], 4, 1)?;
    let end = chaos.end()?;
    println!("{end:#?}");
    // About ten statements a second are asked; a whole second's is far more than is held in memory.
    let most = 4 * 12;
    assert!(end.unrecorded <= most && end.unended <= most, "{end:?}");
    Ok(())
}

fn number_of(variable: &str) -> Result<Option<u64>> {
    let Ok(text) = std::env::var(variable) else {
        return Ok(None);
    };
    let number = text.parse().with_context(|| format!("{variable}={text}"))?;
    Ok(Some(number))
}

/// What a run came to, beside its rounds.
#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
struct End {
    answered: usize,
    failed: BTreeMap<String, u64>,
    executed: usize,
    executed_twice: usize,
    recorded: usize,
    unrecorded: usize,
    unended: usize,
    sessions: u64,
    connects: u64,
    longest_without_an_answer: Duration,
    objects: usize,
    took: Duration,
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    memory_kib: usize,
}

impl Held {
    /// Tells whether it is no more than another, but for what is kept for the next statement.
    const fn is_near(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors + MORE_DESCRIPTORS
            && self.threads <= before.threads + MORE_THREADS
            && self.memory_kib <= before.memory_kib + MORE_MEMORY_KIB
    }
}

struct Chaos {
    loads: Vec<Load>,
    world: World,
    disk: SmallDisk,
    programs: [PathBuf; 2],
    idle: [Held; 2],
    pins: BTreeSet<PathBuf>,
    began: Instant,
}

impl Chaos {
    fn begin(record_mode: &str) -> Result<Self> {
        let mut world = World::without_daemon(&Plan {
            record_mode: record_mode.into(),
            spool_max: "32MiB".into(),
            edit: hasty,
            aliases: vec![ALIAS],
            ..Plan::default()
        })?;
        // The account's address is known to be governed, as real ones are: else a connection that says nothing for long is
        // carried there by a proxy that has seen no other one yet, and the trap takes it for one that went around.
        let resolve = "[upstream.resolve]\n";
        let known = format!("{resolve}\"{ALIAS}\" = \"{}:443\"\n", world.account_address);
        let text = fs::read_to_string(world.config_file())?.replace(resolve, &known);
        fs::write(world.config_file(), text)?;
        let disk = SmallDisk::mount(&world.config.state_dir(), "96m")?;
        world.start_daemon()?;
        let programs = [world.path("icecore-a"), world.path("icecore-b")];
        for program in &programs {
            fs::copy(&world.icecore, program)?;
        }
        let idle = held_by(&mut world)?;
        let pins = files(&world.config.pins)?;
        let upstream = [world.gate.address().to_string()];
        let products = [
            (Product::Connector4, &upstream[..]),
            (Product::Connector5, &[]),
            (Product::Node, &[]),
            (Product::Adbc, &[]),
        ];
        let begun = products.iter().zip(1..);
        let loads =
            begun.map(|((product, dials), place)| Load::begin(&world, *product, place, dials));
        let mut chaos = Self {
            loads: loads.collect::<Result<_>>()?,
            world,
            disk,
            programs,
            idle,
            pins,
            began: time::instant(),
        };
        chaos.answered_again(chaos.began)?;
        Ok(chaos)
    }

    /// Has each fault happen in turn, in an order that only the seed knows.
    fn rounds(&mut self, faults: &[Fault], rounds: u64, seed: u64) -> Result<()> {
        println!("chaos of {rounds} rounds; ICECORE_TEST_CHAOS_SEED={seed} plays it again");
        let mut random = Random::of_seed(seed);
        let mut counts = Counts::default();
        let mut bag = Vec::new();
        for round in 1..=rounds {
            if bag.is_empty() {
                bag = faults.to_vec();
                random.shuffle(&mut bag);
            }
            let fault = bag.pop().context("no faults")?;
            let count = self.round(fault, &mut random);
            let count = count.with_context(|| {
                let log = self.log().unwrap_or_default();
                let from = log.len().saturating_sub(12_000);
                let last = log.get(from..).unwrap_or(&log);
                format!("round {round}, {fault}, seed {seed}: the log ends with\n{last}")
            })?;
            println!(
                "{round:>4}/{rounds} {fault:<20} {:>4} failed, {:>3} connects, {} sessions ended, again after {:.1} s",
                count.failed,
                count.connects,
                count.ended,
                count.slowest.as_secs_f64()
            );
            counts.add(fault, count);
        }
        println!("\n{counts}");
        Ok(())
    }

    fn round(&mut self, fault: Fault, random: &mut Random) -> Result<Count> {
        let before = self.count();
        let log_before = self.log()?.len();
        let mut site = Site {
            world: &mut self.world,
            disk: &self.disk,
            programs: self.programs.clone(),
        };
        site.suffer(fault, random)?;
        let over = time::instant();
        let ended = self.answered_again(over)?;
        let after = self.count();
        let direct: u64 = self.loads.iter().map(|load| load.tally().direct).sum();
        let peers = self.world.trap.peers();
        ensure!(
            direct == 0 && peers.is_empty(),
            "{direct} dials of the upstream were answered, and these came to the account's address: {peers:?}"
        );
        ensure!(
            fault.ends_sessions() || ended == 0,
            "{ended} sessions ended that should have gone on"
        );
        let log = self.log()?;
        for words in complaints(log.get(log_before..).unwrap_or_default()) {
            println!("         {words}");
        }
        Ok(Count {
            rounds: 1,
            failed: after.0 - before.0,
            connects: after.1 - before.1,
            ended,
            slowest: over.elapsed(),
            total: Duration::ZERO,
        })
    }

    /// Waits until each load has had an answer to what it asked after a moment; begins those anew that ended, and counts them.
    fn answered_again(&mut self, moment: Instant) -> Result<u64> {
        let start = time::instant();
        let mut ended = 0;
        loop {
            for load in &mut self.loads {
                ended += u64::from(load.keep_on(&self.world)?);
            }
            let waiting = self
                .loads
                .iter()
                .filter(|load| !load.answered_since(moment));
            let waiting: Vec<Product> = waiting.map(Load::product).collect();
            if waiting.is_empty() {
                return Ok(ended);
            }
            ensure!(
                start.elapsed() < AGAIN_WITHIN,
                "no answer for {AGAIN_WITHIN:?} to {waiting:?}; {ended} sessions ended"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Counts failed statements and connects.
    fn count(&self) -> (u64, u64) {
        let of = |load: &Load| {
            let tally = load.tally();
            (tally.failures(), tally.connects)
        };
        let all = self.loads.iter().map(of);
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.world.path("daemon.log"))?)
    }

    /// Ends the sessions, looks what is left, and compares the record with what happened.
    fn end(mut self) -> Result<End> {
        for load in &mut self.loads {
            load.end()?;
        }
        let took = self.began.elapsed();
        self.nothing_is_left()?;
        self.world.flush()?;
        let trust = trust_file(&self.world)?;
        ensure!(self.world.daemon()?.terminate()?.success());
        self.world.daemon = None;

        let upstream = self.world.gate.executed()?;
        let executed: BTreeSet<&str> = upstream.iter().map(String::as_str).collect();
        let trail = self.world.query(
            "select sql_text, bool_or(status = 'success') as good from trail group by sql_text",
        )?;
        let recorded: BTreeMap<&str, bool> = trail
            .iter()
            .filter_map(|row| Some((row["sql_text"].as_str()?, row["good"] == true)))
            .collect();
        let unrecorded = executed.iter().filter(|sql| !recorded.contains_key(*sql));
        let unrecorded: Vec<&&str> = unrecorded.collect();
        let tallies: Vec<_> = self.loads.iter().map(Load::tally).collect();
        let answered = tallies.iter().flat_map(|tally| &tally.answered);
        let unended = answered.filter(|number| {
            let sql = format!("select {number} as A");
            recorded.get(sql.as_str()) != Some(&true)
        });
        let unended: Vec<&u64> = unended.collect();
        for (what, found) in [
            ("unrecorded", format!("{unrecorded:?}")),
            ("unended", format!("{unended:?}")),
        ] {
            println!(
                "{what}: {}",
                found.get(..found.len().min(500)).unwrap_or_default()
            );
        }
        let mut failed = BTreeMap::new();
        for (words, count) in tallies.iter().flat_map(|tally| &tally.failed) {
            *failed.entry(words.clone()).or_default() += count;
        }
        let end = End {
            answered: tallies.iter().map(|tally| tally.answered.len()).sum(),
            failed,
            executed: executed.len(),
            executed_twice: upstream.len() - executed.len(),
            recorded: recorded.len(),
            unrecorded: unrecorded.len(),
            unended: unended.len(),
            sessions: tallies.iter().map(|tally| tally.sessions).sum(),
            connects: tallies.iter().map(|tally| tally.connects).sum(),
            longest_without_an_answer: tallies
                .iter()
                .map(|tally| tally.longest)
                .max()
                .unwrap_or_default(),
            objects: files(&self.world.config.store)?.len(),
            took,
        };
        assert!(
            tallies.iter().all(|tally| tally.wrong == 0),
            "wrong answers"
        );
        assert_eq!(
            self.world.trap.arrivals(),
            0,
            "something bypassed the proxy"
        );
        drop(tallies);
        self.record_is_whole(&trust)?;
        Ok(end)
    }

    /// No session, process, pin or descriptor is left of all that was.
    fn nothing_is_left(&mut self) -> Result<()> {
        let start = time::instant();
        while !self.world.cgroup.sessions()?.is_empty() && start.elapsed() < GONE_WITHIN {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.world.cgroup.sessions()?, Vec::<String>::new());
        assert_eq!(files(&self.world.config.pins)?, self.pins, "pins");
        let daemon = self.world.daemon()?;
        let ours = [daemon.supervisor()?, daemon.proxy()?];
        let ours = BTreeSet::from(ours.map(|pid| pid.as_raw_nonzero().get()));
        while processes(self.world.cgroup.path())? != ours && start.elapsed() < GONE_WITHIN {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(processes(self.world.cgroup.path())?, ours, "processes");
        let mut after = held_by(&mut self.world)?;
        // What waited for work may take a while to go.
        while !self
            .idle
            .iter()
            .zip(&after)
            .all(|(before, after)| after.is_near(before))
            && start.elapsed() < GONE_WITHIN
        {
            std::thread::sleep(Duration::from_millis(200));
            after = held_by(&mut self.world)?;
        }
        for ((name, before), after) in ["supervisor", "proxy"].iter().zip(&self.idle).zip(after) {
            println!("{name}, idle: {before:?}, then {after:?}");
            assert!(after.is_near(before), "{name}");
        }
        let log = self.log()?;
        let panics: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("panicked"))
            .collect();
        assert_eq!(panics, Vec::<&str>::new());
        Ok(())
    }

    /// Each session has both its rows, each statement its session, and `icecore verify` finds nothing that is not explained.
    fn record_is_whole(&self, trust: &str) -> Result<()> {
        let halves = self.world.query(
            "select session_id, list(distinct phase) as phases from sessions_all group by session_id \
             having count(distinct phase) filter (phase in ('open', 'close')) < 2",
        )?;
        assert_eq!(
            halves,
            Vec::<serde_json::Value>::new(),
            "sessions without a row"
        );
        let strangers = self.world.query(
            "select count(*) as n from trail where session_id not in (select session_id from sessions_all)",
        )?;
        assert_eq!(strangers, [json!({"n": 0})], "statements without a session");
        let (_, findings, report) = verified(&self.world, &["--trust", trust])?;
        assert!(findings.is_empty(), "{findings:?} {report}");
        Ok(())
    }
}

/// Gives what a piece of a log complains of, each once.
fn complaints(log: &str) -> BTreeSet<String> {
    let of = |line: &str| {
        let (_, words) = line
            .split_once(" WARN ")
            .or_else(|| line.split_once("ERROR "))?;
        let words: String = words.chars().take(170).collect();
        // What each start says on this host.
        let is_usual = ["lineage of", "memory may", "best_effort record"];
        let is_usual = is_usual.iter().any(|usual| words.starts_with(usual));
        (!is_usual).then(|| {
            words
                .chars()
                .map(|c| if c.is_ascii_digit() { '#' } else { c })
                .collect()
        })
    };
    log.lines().filter_map(of).collect()
}

/// Tells what supervisor and proxy hold.
fn held_by(world: &mut World) -> Result<[Held; 2]> {
    let daemon = world.daemon()?;
    let of = |process: Pid| -> Result<Held> {
        let folder = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
        let status = fs::read_to_string(folder.join("status"))?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|text| text.split_whitespace().next());
        Ok(Held {
            descriptors: fs::read_dir(folder.join("fd"))?.count(),
            threads: fs::read_dir(folder.join("task"))?.count(),
            memory_kib: memory.context("no VmRSS")?.parse()?,
        })
    };
    Ok([of(daemon.supervisor()?)?, of(daemon.proxy()?)?])
}

/// Lists the processes below a cgroup.
fn processes(cgroup: &Path) -> Result<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for line in fs::read_to_string(cgroup.join("cgroup.procs"))?.lines() {
        found.insert(line.parse()?);
    }
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(processes(&entry.path())?);
        }
    }
    Ok(found)
}

/// Lists the files below a folder.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.insert(entry.path());
        }
    }
    Ok(found)
}
