//! Whether a file can only have been written by root or by the daemon's own user.
//!
//! Root acts on what these files say, so a folder on the way that others may write to is as bad as a writable file:
//! whoever may rename a folder chooses what is in it. Symbolic links are refused, since their target has another way.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use zeroize::Zeroizing;

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

/// Reads a file with a secret: trusted, for its owner alone, no longer than `limit_bytes`.
pub(crate) fn read_secret_file(
    path: &Path,
    limit_bytes: u64,
) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
    read_file(path, Readers::Owner, limit_bytes)
}

/// Checks a program that is run as the daemon's own user: nobody else can have written it.
pub(crate) fn check_program(path: &Path) -> Result<(), Untrusted> {
    check_parents(path)?;
    check_no_link(path)?;
    let facts = fs::metadata(path).map_err(|error| unreadable("a program", path, &error))?;
    if !facts.is_file() || facts.mode() & 0o111 == 0 {
        return Err(other_kind("a program that can be run", path));
    }
    check_owner_and_mode(path, &facts)
}

/// Reads a whole file that is trusted, if it is no longer than `limit_bytes`.
pub(super) fn read_file(
    path: &Path,
    readers: Readers,
    limit_bytes: u64,
) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
    check_parents(path)?;
    check_no_link(path)?;
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)
        .map_err(|error| unreadable("a readable file", path, &error))?;
    let facts = file
        .metadata()
        .map_err(|error| unreadable("a readable file", path, &error))?;
    if !facts.is_file() {
        return Err(other_kind("a file", path));
    }
    check_owner_and_mode(path, &facts)?;
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

/// Checks a folder that must be there.
pub(super) fn check_folder(path: &Path) -> Result<(), Untrusted> {
    check_parents(path)?;
    check_one_folder(path)
}

/// Checks what there is of a folder that may yet have to be made.
pub(super) fn check_folder_to_be(path: &Path) -> Result<(), Untrusted> {
    for folder in from_the_top(path) {
        match fs::symlink_metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) | Ok(_) => check_one_folder(&folder)?,
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
        .try_for_each(|folder| check_one_folder(folder))
}

fn check_one_folder(path: &Path) -> Result<(), Untrusted> {
    check_no_link(path)?;
    let facts = fs::symlink_metadata(path)
        .map_err(|error| unreadable("an existing folder", path, &error))?;
    if !facts.is_dir() {
        return Err(other_kind("a folder", path));
    }
    check_owner_and_mode(path, &facts)
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

fn check_owner_and_mode(path: &Path, facts: &Metadata) -> Result<(), Untrusted> {
    let own = geteuid().as_raw();
    if facts.uid() != 0 && facts.uid() != own {
        let owner = if own == 0 {
            "an owner of root".to_owned()
        } else {
            format!("an owner of root or uid {own}")
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
