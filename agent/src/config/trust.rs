//! Whether a file can only have been written by root or by the daemon's own user.
//!
//! Root acts on what these files say, so a folder on the way that others may write to is as bad as a writable file:
//! whoever may rename a folder chooses what is in it. Symbolic links are refused, since their target has another way.
//!
//! The proxy may open none of these files: the supervisor checks and opens them for it (`open_by`).

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Dir, OFlags};
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::CommandSource;
use super::owner::Owner;

/// Mode bits by which group and others may write.
const OTHERS_WRITE: u32 = 0o022;

/// Mode bits by which group and others may do anything.
const OTHERS_ANY: u32 = 0o077;

/// Mode bit by which a folder lets only owners remove what is in it (`S_ISVTX`).
const STICKY: u32 = 0o1000;

/// Why a file or folder is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Untrusted {
    /// What it must be.
    pub(crate) expected: String,
    /// What it is.
    pub(crate) found: String,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Anybody.
    All,
    /// Its owner alone.
    Owner,
}

/// What is opened for another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening<'p> {
    /// A file, to be read.
    File(&'p Path),
    /// A folder, to be listed.
    Folder(&'p Path),
    /// What a command prints.
    Output(&'p CommandSource),
}

/// Opens what is trusted, for a process that may not.
type Opener = Box<dyn Fn(Opening<'_>) -> Result<File, Untrusted> + Send + Sync>;

/// Who opens files for this process, if it may not open them itself.
static OPENER: OnceLock<Opener> = OnceLock::new();

/// Has all files of a config opened by another from here on; the first call counts.
pub(crate) fn open_by(opener: Opener) {
    // A second opener would be the same one: a process has one supervisor.
    drop(OPENER.set(opener));
}

/// Reads a file with a secret: trusted, for its owner alone, no longer than `limit_bytes`.
pub(crate) fn read_secret_file(
    path: &Path,
    limit_bytes: u64,
) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
    read_file(path, Readers::Owner, limit_bytes)
}

/// Reads a file of roots: in the proxy as any file of the config, elsewhere whoever wrote it, since it is the caller's choice.
pub(crate) fn read_public_file(
    path: &Path,
    limit_bytes: u64,
) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
    if OPENER.get().is_some() {
        return read_file(path, Readers::All, limit_bytes);
    }
    File::open(path)
        .and_then(|file| read_all(file, limit_bytes))
        .map_err(|error| unreadable("a readable file", path, &error))
}

/// Checks a program that is run as the daemon's own user: nobody else can have written it.
pub(crate) fn check_program(path: &Path) -> Result<(), Untrusted> {
    check_parents(path)?;
    check_no_link(path)?;
    let facts = fs::metadata(path).map_err(|error| unreadable("a program", path, &error))?;
    if !facts.is_file() || facts.mode() & 0o111 == 0 {
        return Err(other_kind("a program that can be run", path));
    }
    check_owner_and_mode(path, &facts, Owner::ROOT)
}

/// Reads a whole file that is trusted, if it is no longer than `limit_bytes`.
pub(super) fn read_file(
    path: &Path,
    readers: Readers,
    limit_bytes: u64,
) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
    let file = file_opened(path)?;
    let facts = file
        .metadata()
        .map_err(|error| unreadable("a readable file", path, &error))?;
    if readers == Readers::Owner && facts.mode() & OTHERS_ANY != 0 {
        return Err(Untrusted {
            expected: "a file that only its owner can read (mode 0600 or 0400)".to_owned(),
            found: mode(path, &facts),
        });
    }
    if facts.len() > limit_bytes {
        return Err(Untrusted {
            expected: format!("a file of at most {limit_bytes} bytes"),
            found: format!("`{}` of {} bytes", path.display(), facts.len()),
        });
    }
    read_all(file, limit_bytes).map_err(|error| unreadable("a readable file", path, &error))
}

/// Has a command run by whoever opens files for this process; none where nobody does.
pub(super) fn lent_output(
    command: &CommandSource,
    limit_bytes: u64,
) -> Option<Result<Zeroizing<Vec<u8>>, Untrusted>> {
    let open = OPENER.get()?;
    let read = |file| {
        read_all(file, limit_bytes).map_err(|error| Untrusted {
            expected: "a command's output".to_owned(),
            found: format!("none: {error}"),
        })
    };
    Some(open(Opening::Output(command)).and_then(read))
}

fn file_opened(path: &Path) -> Result<File, Untrusted> {
    let opener = OPENER.get();
    opener.map_or_else(|| open_file(path), |open| open(Opening::File(path)))
}

fn folder_opened(path: &Path) -> Result<File, Untrusted> {
    let opener = OPENER.get();
    opener.map_or_else(|| open_folder(path), |open| open(Opening::Folder(path)))
}

/// Opens a file that is trusted.
pub(crate) fn open_file(path: &Path) -> Result<File, Untrusted> {
    check_parents(path)?;
    check_no_link(path)?;
    let file = open(path, OFlags::NOFOLLOW | OFlags::NONBLOCK, "a readable file")?;
    let facts = file
        .metadata()
        .map_err(|error| unreadable("a readable file", path, &error))?;
    if !facts.is_file() {
        return Err(other_kind("a file", path));
    }
    check_owner_and_mode(path, &facts, Owner::ROOT)?;
    Ok(file)
}

/// Opens a folder that is trusted.
pub(crate) fn open_folder(path: &Path) -> Result<File, Untrusted> {
    check_parents(path)?;
    check_one_folder(path, Owner::ROOT)?;
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
    open(path, flags, "a readable folder")
}

fn open(path: &Path, with: OFlags, expected: &str) -> Result<File, Untrusted> {
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags(with))
        .open(path)
        .map_err(|error| unreadable(expected, path, &error))
}

/// Lists the names in a trusted folder, in order.
pub(super) fn list_folder(path: &Path) -> Result<Vec<OsString>, Untrusted> {
    let failed = |error: rustix::io::Errno| unreadable("a readable folder", path, &error.into());
    let folder = folder_opened(path)?;
    let mut names = Vec::new();
    for entry in Dir::new(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_owned().into_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(names)
}

/// Checks what there is of a folder that may yet have to be made, and that `owner` may own.
pub(super) fn check_folder_to_be(path: &Path, owner: Owner) -> Result<(), Untrusted> {
    for folder in from_the_top(path) {
        match fs::symlink_metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) | Ok(_) => check_one_folder(&folder, owner)?,
        }
    }
    Ok(())
}

/// Checks that `owner` may enter each folder on the way to one of its own, as far as there is any.
pub(super) fn check_way(path: &Path, owner: Owner) -> Result<(), Untrusted> {
    let Some(parent) = path.parent().filter(|_| !owner.is_root()) else {
        return Ok(());
    };
    for folder in from_the_top(parent) {
        let Ok(facts) = fs::symlink_metadata(&folder) else {
            return Ok(());
        };
        let may_enter = if facts.uid() == owner.uid {
            0o100
        } else if facts.gid() == owner.gid {
            0o010
        } else {
            0o001
        };
        if facts.mode() & may_enter == 0 {
            let shown = folder.display();
            return Err(Untrusted {
                expected: format!(
                    "folders that the proxy's user {} may enter (`chmod o+x {shown}` lets it)",
                    owner.uid
                ),
                found: mode(&folder, &facts),
            });
        }
    }
    Ok(())
}

fn check_parents(path: &Path) -> Result<(), Untrusted> {
    let path = std::path::absolute(path)
        .map_err(|error| unreadable("a path of this host", path, &error))?;
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    from_the_top(parent)
        .iter()
        .try_for_each(|folder| check_one_folder(folder, Owner::ROOT))
}

fn check_one_folder(path: &Path, owner: Owner) -> Result<(), Untrusted> {
    check_no_link(path)?;
    let facts = fs::symlink_metadata(path)
        .map_err(|error| unreadable("an existing folder", path, &error))?;
    if !facts.is_dir() {
        return Err(other_kind("a folder", path));
    }
    check_owner_and_mode(path, &facts, owner)
}

fn check_no_link(path: &Path) -> Result<(), Untrusted> {
    match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_symlink() => Err(Untrusted {
            expected: "a path without symbolic links".to_owned(),
            found: format!("the link `{}`", path.display()),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn check_owner_and_mode(path: &Path, facts: &Metadata, also: Owner) -> Result<(), Untrusted> {
    let own = geteuid().as_raw();
    if ![0, own, also.uid].contains(&facts.uid()) {
        let other = if own == 0 { also.uid } else { own };
        let owner = if other == 0 {
            "an owner of root".to_owned()
        } else {
            format!("an owner of root or uid {other}")
        };
        return Err(Untrusted {
            expected: owner,
            found: format!("`{}` owned by uid {}", path.display(), facts.uid()),
        });
    }
    // In a sticky folder others cannot rename or remove what is ours, and what comes next on the way is checked too.
    let sticky = facts.is_dir() && facts.mode() & STICKY != 0;
    if facts.mode() & OTHERS_WRITE != 0 && !sticky {
        return Err(Untrusted {
            expected: "a path that only its owner can write to".to_owned(),
            found: mode(path, facts),
        });
    }
    Ok(())
}

/// Lists the folders on the way to a path, `/` first, the path itself last.
fn from_the_top(path: &Path) -> Vec<PathBuf> {
    let mut way: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
    way.reverse();
    way
}

fn read_all(mut file: File, limit_bytes: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all at once: a vector that grows would leave copies of a key behind.
    let room = file.metadata()?.len().min(limit_bytes);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0) + 1));
    file.by_ref().take(limit_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or_default()
}

fn mode(path: &Path, facts: &Metadata) -> String {
    format!(
        "`{}` with mode {:04o}",
        path.display(),
        facts.mode() & 0o7777
    )
}

fn other_kind(expected: &str, path: &Path) -> Untrusted {
    Untrusted {
        expected: expected.to_owned(),
        found: format!("`{}`, which is something else", path.display()),
    }
}

fn unreadable(expected: &str, path: &Path, error: &io::Error) -> Untrusted {
    let reason = if error.kind() == io::ErrorKind::NotFound {
        "does not exist".to_owned()
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "may not be read by this user".to_owned()
    } else {
        error.to_string()
    };
    Untrusted {
        expected: expected.to_owned(),
        found: format!("`{}`, which {reason}", path.display()),
    }
}
