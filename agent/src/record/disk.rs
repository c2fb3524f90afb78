//! Folders and files that only this user can use, and that are there after a power cut.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown, lchown};
use std::path::Path;

use rustix::process::geteuid;

use super::error::RecordError;
use super::fault::{self, Step};

/// Turns an I/O error into one that says what was tried on which file.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    move |source| RecordError::Io {
        action,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// Creates a folder and those above it, each for this user only, and syncs the folders that list them.
pub(crate) fn create_private_dirs(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        create_private_dirs(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            give_to_the_folders_owner(path)?;
            sync_parent(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a file that must not be there yet, for this user only, durably but for its name.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // By the descriptor: whoever owns the folder may have put something else at its path meanwhile.
    if let Some((uid, gid)) = folders_owner(path)? {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.write_all(bytes)?;
    fault::sync(&file, || file.sync_all())
}

/// Gives what root has just made to whom its folder belongs: a command of root's works in the proxy's folders too.
pub(crate) fn give_to_the_folders_owner(path: &Path) -> io::Result<()> {
    match folders_owner(path)? {
        Some((uid, gid)) => lchown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

/// Gives whom root has to give something to that it made in a folder of another's.
fn folders_owner(path: &Path) -> io::Result<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = fs::symlink_metadata(parent.unwrap_or(Path::new(".")))?;
    Ok((folder.uid() != 0).then(|| (folder.uid(), folder.gid())))
}

/// Tells whether a file is this process's user's; to root also what belongs to whom its folder belongs.
pub(crate) fn is_ours(path: &Path, found: &Metadata) -> bool {
    let own = geteuid();
    let folder = || {
        path.parent()
            .and_then(|parent| fs::symlink_metadata(parent).ok())
    };
    found.uid() == own.as_raw()
        || own.is_root() && folder().is_some_and(|folder| folder.uid() == found.uid())
}

/// Writes a file beside its place and moves it there, so that a crash leaves the old one or the whole new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    remove_if_there(draft)?;
    write_new(draft, bytes)?;
    fault::at(Step::ReplaceBeforeRename);
    fs::rename(draft, path)?;
    sync_parent(path)
}

/// Syncs the folder that lists a path.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Syncs a folder, so that the names in it are durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    let folder = File::open(path)?;
    fault::sync(&folder, || folder.sync_all())
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    fine_if_missing(fs::remove_file(path))
}

/// Removes a folder with all in it; one that is not there is fine.
pub(super) fn remove_dir_if_there(path: &Path) -> io::Result<()> {
    fine_if_missing(fs::remove_dir_all(path))
}

fn fine_if_missing(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Tells whether an error says that there is no room: a full disk or a used-up quota.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
