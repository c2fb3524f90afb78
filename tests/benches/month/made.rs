//! Makes the month: recorders write each day by a clock of its own, `compact` writes it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use icecore::clock::Clock;
use icecore::compact::{Asked, Doubt, Until, compact};
use icecore::id::SessionId;
use icecore::record::chain::keys::SigningKey;
use icecore::record::{RecordLimits, RecordMode, Recorder, Settings, StoreAt};
use icecore::replay::Readers;
use icecore::verify::Trust;

use crate::rows::rows;

/// Into how many parts of a day its sessions fall.
const PARTS: usize = 24;

/// Sessions of one host where hosts stay for an hour, and where each session has its own.
pub(crate) const FLEET: usize = 100;
pub(crate) const EPHEMERAL: usize = 1;

/// The name of a clock's program in a folder.
const CLOCK: &str = "clock.so";

/// The file of the installation's key that all hosts share, in a folder as in a host's state.
const INSTALLATION: &str = "installation.key";

pub(crate) fn store(folder: &Path) -> String {
    format!("file://{}/store", folder.display())
}

/// Builds the clock that recorders of other days run by.
pub(crate) fn clock(folder: &Path) -> Result<()> {
    let source = folder.join("clock.c");
    fs::write(&source, include_str!("clock.c")).context("clock.c")?;
    let mut build = Command::new("cc");
    build.args(["-O2", "-shared", "-fPIC", "-o"]);
    let built = build.arg(folder.join(CLOCK)).arg(source).status()?;
    ensure!(built.success(), "cc: {built}");
    Ok(())
}

fn compactor(folder: &Path) -> Result<SigningKey> {
    Ok(SigningKey::of_file(&folder.join("compactor.key"))?)
}

/// Gives readers who believe the hosts and the compactor, as a trust file has them do.
pub(crate) fn readers(folder: &Path) -> Result<Readers> {
    let host = SigningKey::of_file(&folder.join(INSTALLATION))?;
    let pins = [("host", host), ("compactor", compactor(folder)?)].map(|(name, key)| {
        let key = key.public_text();
        format!("[[installation]]\nname = \"{name}\"\nkey = \"{key}\"\n")
    });
    let trust = Trust::read(&pins.concat(), &|name| Err(format!("no file `{name}`")));
    Ok(Readers {
        trust: Some(trust.map_err(anyhow::Error::msg)?),
        ..Readers::default()
    })
}

/// Makes a day that was compacted, and moves it into the store as it is after the raw objects' time: their chains' folders
/// and documents stay.
pub(crate) fn compacted_day(folder: &Path, day: NaiveDate, sessions: usize) -> Result<()> {
    let apart = folder.join(format!("day-{day}"));
    fs::create_dir(&apart)?;
    for name in [CLOCK, INSTALLATION] {
        fs::copy(folder.join(name), apart.join(name))?;
    }
    raw_day(&apart, day, sessions, FLEET)?;
    compacted(&store(&apart), folder, day)?;
    let (from, to) = (
        apart.join("store/default/v1"),
        folder.join("store/default/v1"),
    );
    for tier in ["t0", "t1"] {
        for chain in fs::read_dir(from.join(tier))? {
            let chain = chain?.path();
            fs::remove_dir_all(&chain)?;
            fs::create_dir(&chain)?;
        }
    }
    moved(&from, &to)?;
    fs::remove_dir_all(apart)?;
    Ok(())
}

/// Makes a day's sessions by recorders; names one in the middle.
pub(crate) fn raw_day(
    folder: &Path,
    day: NaiveDate,
    sessions: usize,
    of_chain: usize,
) -> Result<String> {
    let mut middle = String::new();
    for part in 0..PARTS {
        let hour = TimeDelta::hours(i64::try_from(part * 24 / PARTS)?);
        let at: DateTime<Utc> = day.and_time(NaiveTime::MIN).and_utc() + hour;
        let ahead = (at - Clock::system().now()).num_seconds();
        let (first, end) = (sessions * part / PARTS, sessions * (part + 1) / PARTS);
        let mut child = Command::new(std::env::current_exe()?);
        child.args(["step", "record"]).arg(folder);
        child.args([first, end, of_chain].map(|number| number.to_string()));
        child.env("LD_PRELOAD", folder.join(CLOCK));
        let output = child
            .env("ICECORE_CLOCK_AHEAD", ahead.to_string())
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "recording: {told}");
        if part == PARTS / 2 {
            middle = String::from_utf8(output.stdout)?.trim().to_owned();
        }
    }
    Ok(middle)
}

/// Compacts a day.
pub(crate) fn compacted(store: &str, folder: &Path, day: NaiveDate) -> Result<()> {
    let (key, readers) = (compactor(folder)?, readers(folder)?);
    let asked = Asked {
        day,
        trust: readers.trust.as_ref(),
        key: &key,
        doubt: Doubt::Stops,
        until: Until::Written,
        spill: folder,
        now: Clock::system().now() + TimeDelta::days(2),
        build: env!("CARGO_PKG_VERSION"),
        done: &|_| {},
    };
    let compacted = compact(store, &asked)?;
    let is_written = compacted.iter().all(|one| one.document.is_some());
    ensure!(is_written, "nothing to be compacted on {day}");
    Ok(())
}

/// Moves what is in a folder into another that may have folders of the same names.
fn moved(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if target.is_dir() && entry.file_type()?.is_dir() {
            moved(&entry.path(), &target)?;
        } else {
            fs::rename(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Records sessions, some by one host, and names one in the middle.
pub(crate) fn record(
    folder: &Path,
    first: usize,
    end: usize,
    of_chain: usize,
) -> Result<SessionId> {
    let ids: Vec<SessionId> = (first..end).map(|_| SessionId::new()).collect();
    let next = AtomicUsize::new(0);
    let at_once = thread::available_parallelism()?.get() * 2;
    thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let place = next.fetch_add(of_chain, Ordering::Relaxed);
                let Some(of_host) = ids.chunks(of_chain).nth(place / of_chain) else {
                    return Ok(());
                };
                let number = first + place;
                let state = folder.join(format!("host-{number}"));
                fs::create_dir(&state)?;
                fs::copy(folder.join(INSTALLATION), state.join(INSTALLATION))?;
                let recorder = Recorder::open(&settings(folder, &state, number)?, Clock::system())?;
                for (id, number) in of_host.iter().zip(number..) {
                    drop(recorder.commit_blocking(rows(*id, number))?);
                }
                recorder.close_blocking()?;
                drop(recorder);
                fs::remove_dir_all(state)?;
            }
        };
        let running: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|one| one.join());
        ended
            .map(|one| one.map_err(|_| anyhow::anyhow!("a recorder panicked"))?)
            .collect::<Result<Vec<()>>>()
    })?;
    ids.get(ids.len() / 2).copied().context("a session")
}

fn settings(folder: &Path, state: &Path, number: usize) -> Result<Settings> {
    Ok(Settings {
        host_id: format!("host-{number}"),
        mode: RecordMode::BestEffort,
        limits: RecordLimits {
            session_spool_max_bytes: 1 << 30,
            session_rows_per_second: 1_000_000_000,
            max_unacked_age: None,
        },
        ..Settings::new(PathBuf::from(state), StoreAt::read(&store(folder))?)
    })
}
