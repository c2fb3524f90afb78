//! Finds drivers, as the job's user in a session: what that user cannot see, its jobs cannot use. Nothing that is found is run here.
//!
//! Folders are opened one below the other by their descriptors, and no link is followed (`O_NOFOLLOW`): whoever rules a folder
//! cannot lead the look out of it.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, accessat, open, openat, statat};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// Most entries that are looked at.
const ENTRIES_MAX: usize = 400_000;

/// How deep is looked below each folder: a runner keeps a repository three folders below its user's home, and a connector lies
/// six below the environment in it (`lib/python3.12/site-packages/snowflake/connector`).
const DEPTH_MAX: usize = 12;

/// How long is looked.
const WITHIN: Duration = Duration::from_secs(40);

/// Most drivers that are told.
const FOUND_MAX: usize = 64;

/// Folders in which no job's driver is, or which never end.
const PASSED_OVER: [&str; 6] = [".git", "__pycache__", "proc", "sys", ".npm", ".cargo"];

/// What runs a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli::doctor) enum Runtime {
    /// `snowflake.connector`.
    Python,
    /// `adbc_driver_snowflake`, which is Go's driver.
    Adbc,
    /// `snowflake-sdk`.
    Node,
    /// `snowflake-jdbc`.
    Jdbc,
    /// Go's, .NET's, ODBC's: found by a file, and run by programs that are not known.
    Other,
}

/// A driver that is installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::doctor) struct Driver {
    /// What runs it.
    pub(in crate::cli::doctor) runtime: Runtime,
    /// The interpreter, where the driver belongs to one.
    pub(in crate::cli::doctor) program: Option<PathBuf>,
    /// Where it is.
    pub(in crate::cli::doctor) at: PathBuf,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::doctor) struct Found {
    /// The drivers, each once.
    pub(in crate::cli::doctor) drivers: BTreeSet<Driver>,
    /// Whether the look was ended before all was seen.
    pub(in crate::cli::doctor) is_cut: bool,
    /// How many entries were looked at.
    pub(in crate::cli::doctor) entries: usize,
}

/// Looks below folders.
pub(super) fn find(folders: &[PathBuf]) -> Found {
    let mut look = Look {
        found: Found::default(),
        clock: Clock::system(),
    };
    for folder in folders {
        // The folder itself may be reached over links: the operator named it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(opened) = open(folder, flags, Mode::empty()) {
            look.below(&opened, folder, DEPTH_MAX);
        }
    }
    look.found
}

struct Look {
    found: Found,
    clock: Clock,
}

impl Look {
    fn is_over(&mut self) -> bool {
        let within_ns = i64::try_from(WITHIN.as_nanos()).unwrap_or(i64::MAX);
        let is_over = self.found.entries >= ENTRIES_MAX
            || self.found.drivers.len() >= FOUND_MAX
            || self.clock.mono_ns() > within_ns;
        self.found.is_cut |= is_over;
        is_over
    }

    fn below(&mut self, folder: &OwnedFd, path: &Path, depth: usize) {
        if depth == 0 {
            self.found.is_cut = true;
            return;
        }
        let Ok(entries) = Dir::read_from(folder) else {
            return;
        };
        for entry in entries {
            let Ok(entry) = entry else {
                return;
            };
            if self.is_over() {
                return;
            }
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            self.found.entries += 1;
            self.see(folder, path, name, depth);
        }
    }

    fn see(&mut self, folder: &OwnedFd, path: &Path, name: &CStr, depth: usize) {
        let text = OsStr::from_bytes(name.to_bytes());
        let at = path.join(text);
        let Ok(facts) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return;
        };
        match FileType::from_raw_mode(facts.st_mode) {
            FileType::Directory => {
                if let Some(driver) = of_folder(&at) {
                    self.found.drivers.insert(driver);
                    return;
                }
                if PASSED_OVER.iter().any(|passed| text == *passed) {
                    return;
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(below) = openat(folder, name, flags, Mode::empty()) {
                    self.below(&below, &at, depth - 1);
                }
            }
            FileType::RegularFile => {
                self.found.drivers.extend(of_file(&at));
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
    }
}

/// Tells the driver that a folder is, by its name and those above it.
fn of_folder(at: &Path) -> Option<Driver> {
    let (name, above) = (at.file_name()?.to_str()?, at.parent()?);
    let above_name = above.file_name()?.to_str()?;
    if name == "snowflake-sdk" && above_name == "node_modules" {
        return Some(Driver {
            runtime: Runtime::Node,
            program: None,
            at: at.to_owned(),
        });
    }
    let (runtime, packages) = match (name, above_name) {
        ("connector", "snowflake") => (Runtime::Python, above.parent()?),
        ("adbc_driver_snowflake", _) => (Runtime::Adbc, above),
        _ => return None,
    };
    let kind = packages.file_name()?.to_str()?;
    ["site-packages", "dist-packages"]
        .contains(&kind)
        .then(|| Driver {
            runtime,
            program: interpreter(packages),
            at: packages.to_owned(),
        })
}

/// Finds the interpreter whose packages these are: of `<prefix>/lib/python3.12/site-packages` it is `<prefix>/bin/python3.12`.
/// Source: Python, module `sysconfig`, installation schemes; Debian's `dist-packages` of `python3`.
fn interpreter(packages: &Path) -> Option<PathBuf> {
    let version = packages.parent()?;
    let prefix = version.parent()?.parent()?;
    let name = version.file_name()?.to_str()?;
    let of_user = prefix.ends_with(".local");
    let prefixes = [prefix, Path::new("/usr/local"), Path::new("/usr")];
    let is_host = of_user || prefix.starts_with("/usr");
    let prefixes = prefixes.iter().take(if is_host { 3 } else { 1 });
    let mut candidates = prefixes.flat_map(|prefix| {
        let bin = prefix.join("bin");
        [bin.join(name), bin.join("python3"), bin.join("python")]
    });
    candidates.find(|program| may_execute(program))
}

fn may_execute(program: &Path) -> bool {
    let is_file = std::fs::metadata(program).is_ok_and(|facts| facts.is_file());
    is_file && accessat(rustix::fs::CWD, program, Access::EXEC_OK, AtFlags::empty()).is_ok()
}

/// Tells the driver that a file is, by its name.
fn of_file(at: &Path) -> Option<Driver> {
    let name = at.file_name()?.to_str()?;
    let runtime = if name.starts_with("snowflake-jdbc") && name.ends_with(".jar") {
        Runtime::Jdbc
    } else if [
        "Snowflake.Data.dll",
        "libSnowflake.so",
        "libsnowflake_odbc.so",
    ]
    .contains(&name)
    {
        Runtime::Other
    } else {
        return None;
    };
    Some(Driver {
        runtime,
        program: None,
        at: at.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn make(folder: &Path, path: &str) -> PathBuf {
        let at = folder.join(path);
        fs::create_dir_all(&at).unwrap();
        at
    }

    #[test]
    fn drivers_are_found_by_where_they_lie_with_their_interpreters() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        make(
            root,
            "venv/lib/python3.12/site-packages/snowflake/connector",
        );
        let bin = make(root, "venv/bin");
        fs::write(bin.join("python3.12"), "").unwrap();
        fs::set_permissions(bin.join("python3.12"), fs::Permissions::from_mode(0o755)).unwrap();
        make(
            root,
            "app/node_modules/snowflake-sdk/node_modules/snowflake-sdk",
        );
        // Another package of that name, and a copy of the sources, are no installed driver.
        make(root, "src/snowflake/connector");
        fs::write(root.join("snowflake-jdbc-3.24.0.jar"), "").unwrap();
        let found = find(&[root.to_owned()]);
        let expected = [
            (Runtime::Python, "venv/lib/python3.12/site-packages"),
            (Runtime::Node, "app/node_modules/snowflake-sdk"),
            (Runtime::Jdbc, "snowflake-jdbc-3.24.0.jar"),
        ];
        let expected: Vec<_> = expected
            .map(|(runtime, at)| (runtime, root.join(at)))
            .into();
        let told: Vec<_> = found
            .drivers
            .iter()
            .map(|one| (one.runtime, one.at.clone()))
            .collect();
        assert_eq!(told, expected);
        let python = found.drivers.first().unwrap();
        assert_eq!(python.program, Some(bin.join("python3.12")));
        assert!(!found.is_cut);
    }

    #[test]
    fn no_link_leads_out_or_round_in_circles() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(other.path(), "node_modules/snowflake-sdk");
        symlink(other.path(), folder.path().join("out")).unwrap();
        symlink(folder.path(), folder.path().join("round")).unwrap();
        let modules = make(folder.path(), "node_modules");
        symlink(
            other.path().join("node_modules/snowflake-sdk"),
            modules.join("snowflake-sdk"),
        )
        .unwrap();
        let found = find(&[folder.path().to_owned()]);
        assert_eq!((found.drivers.len(), found.is_cut), (0, false));
    }

    #[test]
    fn a_tree_without_end_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), &"a/".repeat(DEPTH_MAX + 2));
        assert!(find(&[folder.path().to_owned()]).is_cut);
    }
}
