//! Containers that stand still while they are looked at, each for one look at a time, and none of them for good.
//!
//! What runs could fork, pass descriptors on and move between cgroups faster than it is read, and be seen nowhere. Which ones were
//! stopped is noted in `<run_dir>/frozen` before they are: a daemon that is killed meanwhile has the next one let them go on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{error, warn};

use super::cgroup::write;

/// How often it is looked whether all stands still, and how long one look lasts: together a second.
const LOOKS_MAX: u32 = 500;
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// How long another look at the same container is waited for: longer than one lasts.
const TURN_LOOKS_MAX: u32 = 3000;

/// Name of the folder of notes in `run_dir`.
pub(super) const FOLDER: &str = "frozen";

/// All that stand still.
#[derive(Debug)]
pub(super) struct Stills {
    notes: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By the cgroup's folder.
    claims: BTreeMap<PathBuf, Claim>,
    /// Whether this program is about to end or to be replaced: nothing is stopped any more.
    is_closed: bool,
}

#[derive(Debug)]
enum Claim {
    /// Nothing was stopped for it.
    Untouched,
    /// It was stopped, and this is its note.
    Stopped(PathBuf),
    /// It was let go of before the look was over.
    LetGo,
}

/// Processes that were stopped; they go on when this is dropped.
#[derive(Debug)]
pub(super) struct Still {
    stills: Arc<Stills>,
    cgroup: PathBuf,
}

impl Stills {
    /// Knows a daemon's notes; reads none.
    #[must_use]
    pub(super) fn below(run_dir: &Path) -> Self {
        Self {
            notes: run_dir.join(FOLDER),
            held: Mutex::default(),
        }
    }

    /// Stops all processes of a cgroup and below (cgroup-v2.rst, "cgroup.freeze"; since Linux 5.2).
    ///
    /// # Errors
    /// When somebody but root could have them go on, the kernel refuses, or one of them does not stop in time.
    pub(super) fn hold(self: &Arc<Self>, cgroup: &Path) -> io::Result<Still> {
        self.claim(cgroup)?;
        // From here on it is let go of, whatever happens.
        let still = Still {
            stills: Arc::clone(self),
            cgroup: cgroup.to_owned(),
        };
        self.stop(cgroup)?;
        for _ in 0..LOOKS_MAX {
            if is_frozen(cgroup)? {
                return Ok(still);
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Err(io::Error::other(
            "expected all of its processes to stop within a second, found one that did not",
        ))
    }

    /// Lets all go on and stops none from here on: whoever holds one finds that it did not stand.
    pub(super) fn close(&self) {
        let mut held = self.held();
        held.is_closed = true;
        for (cgroup, claim) in &mut held.claims {
            let was = std::mem::replace(claim, Claim::LetGo);
            if let Claim::Stopped(note) = was {
                let_go(cgroup, &note);
            }
        }
    }

    /// Takes [`Stills::close`] back.
    pub(super) fn open(&self) {
        self.held().is_closed = false;
    }

    /// Lets those go on that an earlier daemon stopped, and did not live to let go of.
    pub(super) fn let_go_of_noted(&self) {
        let notes = match fs::read_dir(&self.notes) {
            Ok(notes) => notes,
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => return,
            Err(failure) => return error!(%failure, "containers that stand still are not known"),
        };
        for note in notes.flatten().map(|note| note.path()) {
            let Ok(text) = fs::read(&note) else { continue };
            let cgroup = PathBuf::from(OsString::from_vec(text));
            let id = note
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            let is_same = fs::metadata(&cgroup).is_ok_and(|facts| Some(facts.ino()) == id);
            if is_same {
                warn!(cgroup = %cgroup.display(), "container stood still since an earlier daemon looked at it; it goes on");
                let_go(&cgroup, &note);
            } else {
                forget(&note);
            }
        }
    }

    /// Waits until nobody else looks at a cgroup.
    fn claim(&self, cgroup: &Path) -> io::Result<()> {
        for _ in 0..TURN_LOOKS_MAX {
            let mut held = self.held();
            look_for_end(&held)?;
            if !held.claims.contains_key(cgroup) {
                held.claims.insert(cgroup.to_owned(), Claim::Untouched);
                return Ok(());
            }
            drop(held);
            thread::sleep(LOOK_INTERVAL);
        }
        Err(io::Error::other(
            "another look at it goes on for long; ask again",
        ))
    }

    fn stop(&self, cgroup: &Path) -> io::Result<()> {
        let freeze = cgroup.join("cgroup.freeze");
        for file in [&freeze, &cgroup.join("cgroup.procs")] {
            look_at_owner(file)?;
        }
        // No other thread lets all go on meanwhile.
        let mut held = self.held();
        look_for_end(&held)?;
        if fs::read_to_string(&freeze)?.trim_end() == "1" {
            return Ok(());
        }
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&self.notes)?;
        let note = self.notes.join(fs::metadata(cgroup)?.ino().to_string());
        fs::write(&note, cgroup.as_os_str().as_bytes())?;
        held.claims.insert(cgroup.to_owned(), Claim::Stopped(note));
        write(&freeze, "1")
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Still {
    /// Makes sure that it still stands, and did so all the time: whoever else could have it go on is root.
    ///
    /// # Errors
    /// When it does not, or that cannot be read.
    pub(super) fn stood(&self) -> io::Result<()> {
        let is_let_go = {
            let held = self.stills.held();
            matches!(held.claims.get(&self.cgroup), None | Some(Claim::LetGo))
        };
        let freeze = fs::read_to_string(self.cgroup.join("cgroup.freeze"))?;
        if !is_let_go && freeze.trim_end() == "1" && is_frozen(&self.cgroup)? {
            return Ok(());
        }
        Err(io::Error::other(
            "expected it to stand still to the end, found that somebody let it go on; ask again",
        ))
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let mut held = self.stills.held();
        if let Some(Claim::Stopped(note)) = held.claims.remove(&self.cgroup) {
            let_go(&self.cgroup, &note);
        }
    }
}

fn look_for_end(held: &Held) -> io::Result<()> {
    match held.is_closed {
        false => Ok(()),
        true => Err(io::Error::other(
            "the daemon stops or is being replaced; ask again",
        )),
    }
}

fn is_frozen(cgroup: &Path) -> io::Result<bool> {
    let events = fs::read_to_string(cgroup.join("cgroup.events"))?;
    Ok(events.lines().any(|line| line == "frozen 1"))
}

/// Refuses a file that somebody but root may write (cgroup-v2.rst, "Model of Delegation").
fn look_at_owner(file: &Path) -> io::Result<()> {
    let facts = fs::metadata(file)?;
    if facts.uid() == 0 && facts.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "expected `{}` to be root's alone to write, found uid {} and mode {:o}: start it in a cgroup that is not delegated",
        file.display(),
        facts.uid(),
        facts.mode() & 0o7777
    )))
}

/// Lets a cgroup go on; its note stays if that fails, for the next daemon.
fn let_go(cgroup: &Path, note: &Path) {
    match write(&cgroup.join("cgroup.freeze"), "0") {
        Ok(()) => forget(note),
        // It has ended: its folder is gone, or is about to be (kernfs gives ENODEV).
        Err(_) if !cgroup.exists() => forget(note),
        Err(failure) => {
            error!(%failure, "container stands still; write 0 to that file");
        }
    }
}

fn forget(note: &Path) {
    if let Err(failure) = fs::remove_file(note) {
        error!(%failure, note = %note.display(), "note of a container that stood still stays");
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder with the files of a cgroup that stands still as soon as it is told to.
    fn cgroup(folder: &TempDir, name: &str) -> PathBuf {
        let cgroup = folder.path().join(name);
        fs::create_dir(&cgroup).unwrap();
        for (file, text) in [
            ("cgroup.freeze", "0\n"),
            ("cgroup.procs", ""),
            ("cgroup.events", "populated 1\nfrozen 1\n"),
        ] {
            fs::write(cgroup.join(file), text).unwrap();
        }
        cgroup
    }

    fn freeze(cgroup: &Path) -> String {
        let text = fs::read_to_string(cgroup.join("cgroup.freeze")).unwrap();
        text.trim_end().to_owned()
    }

    fn notes(folder: &TempDir) -> usize {
        fs::read_dir(folder.path().join(FOLDER)).unwrap().count()
    }

    #[test]
    fn a_second_look_waits_for_the_first_and_is_not_let_go_of_by_it() {
        let folder = TempDir::new().unwrap();
        let one = cgroup(&folder, "c1");
        let stills = Arc::new(Stills::below(folder.path()));
        let first = stills.hold(&one).unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        let (other, path) = (Arc::clone(&stills), one.clone());
        let second = thread::spawn(move || {
            begun.send(()).unwrap();
            let still = other.hold(&path).unwrap();
            (freeze(&path), still.stood().is_ok())
        });
        begins.recv().unwrap();
        first.stood().unwrap();
        drop(first);
        assert_eq!(second.join().unwrap(), ("1".to_owned(), true));
        assert_eq!((freeze(&one).as_str(), notes(&folder)), ("0", 0));
    }

    #[test]
    fn who_lets_it_go_on_meanwhile_is_found_and_who_could_is_refused() {
        let folder = TempDir::new().unwrap();
        let one = cgroup(&folder, "c1");
        let stills = Arc::new(Stills::below(folder.path()));
        let still = stills.hold(&one).unwrap();
        fs::write(one.join("cgroup.freeze"), "0\n").unwrap();
        assert!(still.stood().is_err());
        drop(still);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        fs::set_permissions(one.join("cgroup.freeze"), mode).unwrap();
        let refused = stills.hold(&one).unwrap_err().to_string();
        assert!(refused.contains("root's alone"), "{refused}");
        assert_eq!(freeze(&one), "0");
    }

    #[test]
    fn what_a_daemon_leaves_stopped_the_next_one_lets_go_of_and_no_other() {
        let folder = TempDir::new().unwrap();
        let (one, paused) = (cgroup(&folder, "c1"), cgroup(&folder, "c2"));
        fs::write(paused.join("cgroup.freeze"), "1\n").unwrap();
        let stills = Arc::new(Stills::below(folder.path()));
        let held = [&one, &paused].map(|cgroup| stills.hold(cgroup).unwrap());
        assert_eq!(notes(&folder), 1);
        // As a kill leaves it.
        held.into_iter().for_each(std::mem::forget);
        assert_eq!(freeze(&one), "1");
        // Another cgroup of that name is not the one.
        let gone = folder.path().join(FOLDER).join("1");
        fs::write(&gone, paused.as_os_str().as_bytes()).unwrap();
        Stills::below(folder.path()).let_go_of_noted();
        assert_eq!(
            (freeze(&one).as_str(), freeze(&paused).as_str()),
            ("0", "1")
        );
        assert_eq!(notes(&folder), 0);
    }

    #[test]
    fn a_program_that_is_replaced_leaves_none_stopped_and_a_look_under_way_knows() {
        let folder = TempDir::new().unwrap();
        let one = cgroup(&folder, "c1");
        let stills = Arc::new(Stills::below(folder.path()));
        let still = stills.hold(&one).unwrap();
        stills.close();
        assert_eq!((freeze(&one).as_str(), notes(&folder)), ("0", 0));
        fs::write(one.join("cgroup.freeze"), "1\n").unwrap();
        assert!(still.stood().is_err(), "stopped again by somebody");
        drop(still);
        assert!(stills.hold(&one).is_err());
        stills.open();
        assert!(stills.hold(&one).is_ok());
    }
}
