//! The folders that the proxy writes to: made by root, then given to the proxy's user, once and without following links.
//!
//! A folder that is root's is given away with all in it, deepest first and itself last, so that whoever owns it can have
//! put nothing there before: no link and no name of another file is ever followed for root. One that is the proxy's
//! already is left alone for the same reason.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path};
use std::thread;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchown, open, openat, statat,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::config::{Config, Owner};

/// What a proxy leaves for the next one lay in `run_dir` itself before it had a folder of its own.
const MOVED: [&str; 5] = ["chunks", "held", "results", "used.json", "policies.json"];

/// Least depth of a folder that is given away: below `/var` or `/srv` there is more than Icecore's.
const DEPTH_MIN: usize = 2;

/// Makes the folders that the proxy writes to, and gives them to its user.
///
/// # Errors
/// With the folder: one that cannot be made, belongs to somebody else, or holds what is not Icecore's.
pub(super) fn hand_over(config: &Config, owner: Owner) -> Result<(), (Box<Path>, io::Error)> {
    let daemon = &config.daemon;
    let kept = daemon.proxy_dir();
    let store = config.local_store();
    let at = |path: &Path| {
        let path: Box<Path> = path.into();
        move |error| (path, error)
    };
    // All of them first: below a folder that is the proxy's, root may not be able to make any.
    make(&kept, 0o700).map_err(at(&kept))?;
    if let Some(store) = &store {
        make(store, 0o700).map_err(at(store))?;
    }
    move_old(&daemon.run_dir, &kept).map_err(at(&kept))?;
    let folders = [Some(&kept), Some(&daemon.state_dir), store.as_ref()];
    for folder in folders.into_iter().flatten() {
        give(folder, owner).map_err(at(folder))?;
    }
    Ok(())
}

/// Does something in a folder as the user whose it is, if that is the proxy's: a root without CAP_DAC_OVERRIDE may do nothing
/// there, and links that the proxy put there lead it no further than the proxy itself.
///
/// # Errors
/// When the user cannot be changed; nothing was done then.
pub(super) fn as_owner<T: Send>(
    owner: Owner,
    folder: &Path,
    act: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let is_its = fs::metadata(folder)?.uid() == owner.uid;
    if owner.is_root() || !is_its {
        return Ok(act());
    }
    // What is changed is a thread's own (setresuid(2), "C library/kernel differences"), so it ends with a thread of its own.
    let acting = || {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(act())
    };
    let done = thread::scope(|scope| scope.spawn(acting).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Makes a folder, unless the nearest one above it that is there is the proxy's, which then makes it itself.
fn make(folder: &Path, mode: u32) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        let nearest = parent.ancestors().find(|above| above.exists());
        if let Some(nearest) = nearest
            && fs::symlink_metadata(nearest)?.uid() != 0
        {
            return Ok(());
        }
        DirBuilder::new()
            .mode(0o755)
            .recursive(true)
            .create(parent)?;
    }
    DirBuilder::new().mode(mode).create(folder)
}

/// Moves what a daemon of before left for the next proxy; what lies in the new place already is newer.
fn move_old(run_dir: &Path, kept: &Path) -> io::Result<()> {
    for name in MOVED {
        let (old, new) = (run_dir.join(name), kept.join(name));
        if fs::symlink_metadata(&old).is_ok() && fs::symlink_metadata(&new).is_err() {
            fs::rename(old, new)?;
        }
    }
    Ok(())
}

/// Gives a folder with all in it to the proxy's user, if it is root's yet.
fn give(folder: &Path, owner: Owner) -> io::Result<()> {
    let found = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        // The proxy makes it, in a folder of its own.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if found.uid() == owner.uid {
        return Ok(());
    }
    if found.uid() != 0 {
        return Err(io::Error::other(format!(
            "expected a folder of root or of uid {}, found one of uid {}; `chown -R {}:{} {}` gives it over",
            owner.uid,
            found.uid(),
            owner.uid,
            owner.gid,
            folder.display()
        )));
    }
    // Whoever owns a folder may put a link in the place of what is in it: on such a way lies the proxy's own, made by it.
    for above in folder.ancestors().skip(2) {
        if fs::symlink_metadata(above)?.uid() == owner.uid && !owner.is_root() {
            return Ok(());
        }
    }
    let parts = folder.components();
    let depth = parts.filter(|part| matches!(part, Component::Normal(_)));
    if depth.count() < DEPTH_MIN {
        return Err(io::Error::other(
            "expected a folder of Icecore's own, such as `/var/lib/icecore`, found one of the host's",
        ));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    give_opened(open(folder, flags, Mode::empty())?, owner, folder)
}

fn give_opened(folder: OwnedFd, owner: Owner, shown: &Path) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        let found = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if found.st_uid == owner.uid {
            continue;
        }
        let kind = FileType::from_raw_mode(found.st_mode);
        let inside = shown.join(name.to_string_lossy().as_ref());
        if found.st_uid != 0 || !matches!(kind, FileType::Directory | FileType::RegularFile) {
            return Err(io::Error::other(format!(
                "expected files and folders of root's alone, found `{}`, which is another's or something else",
                inside.display()
            )));
        }
        if kind == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            give_opened(openat(&folder, name, flags, Mode::empty())?, owner, &inside)?;
        } else {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            chownat(&folder, name, Some(uid), Some(gid), flags)?;
        }
    }
    fchown(&folder, Some(uid), Some(gid))?;
    Ok(())
}

#[cfg(test)]
#[path = "owned_tests.rs"]
mod tests;
