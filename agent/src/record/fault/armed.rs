//! In tests: one step kills the process, syncs are noted for a power cut, and the store may fail; all by environment.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::UNIX_EPOCH;

use rustix::process::{Signal, getpid, kill_process};

use super::Step;
use crate::record::RecordError;

/// Names the variable that says which step kills: `WalBeforeSync 3` at the third time.
pub(in crate::record) const ARMED: &str = "ICECORE_FAULT";

/// Names the variable that says into which folder syncs are noted.
pub(in crate::record) const SYNCS: &str = "ICECORE_FAULT_SYNCS";

/// Names the variable that says which puts fail: each third by `3`.
pub(in crate::record) const STORE: &str = "ICECORE_FAULT_STORE";

struct Faults {
    step: Option<(String, AtomicU32)>,
    syncs: Option<(PathBuf, File)>,
    store: Option<u32>,
    puts: AtomicU32,
    turn: Mutex<()>,
}

fn faults() -> &'static Faults {
    static FAULTS: OnceLock<Faults> = OnceLock::new();
    FAULTS.get_or_init(|| Faults {
        step: std::env::var(ARMED).ok().map(|text| {
            let (step, count) = text.split_once(' ').unwrap();
            (step.to_owned(), AtomicU32::new(count.parse().unwrap()))
        }),
        syncs: std::env::var_os(SYNCS).map(|folder| {
            let folder = PathBuf::from(folder);
            let mut options = OpenOptions::new();
            let log = options.create(true).append(true).open(folder.join("log"));
            (folder, log.unwrap())
        }),
        store: std::env::var(STORE).ok().map(|text| text.parse().unwrap()),
        puts: AtomicU32::new(0),
        turn: Mutex::default(),
    })
}

/// Kills the process, as nothing can prevent, if the step is the one that is armed and its time has come.
pub(in crate::record) fn at(step: Step) {
    if let Some((armed, left)) = &faults().step
        && *armed == format!("{step:?}")
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        kill_process(getpid(), Signal::KILL).unwrap();
        loop {
            thread::park();
        }
    }
}

/// Syncs a file or a folder, and notes what a power cut leaves of it.
pub(in crate::record) fn sync(
    file: &File,
    sync: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let end = file.metadata()?.len();
    sync_to(file, end, sync)
}

/// Syncs a file that counts up to a place.
pub(in crate::record) fn sync_to(
    file: &File,
    end: u64,
    sync: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let Some((folder, log)) = &faults().syncs else {
        return sync();
    };
    // Of two listings of a folder the later one must be noted last.
    let _turn = faults().turn.lock().unwrap();
    let found = file.metadata()?;
    let mut line = format!("F {} {end}\n", id(&found));
    if found.is_dir() {
        line = format!("D {}", id(&found));
        for (name, id) in listed(file)? {
            line.push_str(&format!(" {id}:{name}"));
            // What is removed and not synced may be there again after a power cut.
            let from = PathBuf::from(format!("/proc/self/fd/{}/{name}", raw(file)));
            drop(fs::hard_link(&from, folder.join(id)));
        }
        line.push('\n');
    }
    sync()?;
    (&*log).write_all(line.as_bytes())
}

fn listed(folder: &File) -> io::Result<HashMap<String, String>> {
    let entries = fs::read_dir(format!("/proc/self/fd/{}", raw(folder)))?;
    let mut listed = HashMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap();
        // One that is gone by now was not there for sure.
        if let Ok(found) = entry.metadata() {
            listed.insert(name, id(&found));
        }
    }
    Ok(listed)
}

/// Names a file for good: numbers of inodes come again.
pub(in crate::record) fn id(found: &Metadata) -> String {
    let born = found.created().unwrap().duration_since(UNIX_EPOCH).unwrap();
    format!("{}-{}", found.ino(), born.as_nanos())
}

fn raw(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}

/// Puts an object, or fails before it or after it in turn: a store that answers 500, and one whose answer was lost, whose
/// next answer is then 412.
pub(in crate::record) fn put(
    put: impl FnOnce() -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let faults = faults();
    let Some(each) = faults.store else {
        return put();
    };
    let count = faults.puts.fetch_add(1, Ordering::SeqCst) + 1;
    let failed = |cause: &str| RecordError::Store {
        store: "of the test".to_owned(),
        cause: cause.to_owned(),
    };
    if !count.is_multiple_of(each) {
        return put();
    }
    if (count / each).is_multiple_of(2) {
        put()?;
        return Err(failed("timeout"));
    }
    Err(failed("500"))
}
