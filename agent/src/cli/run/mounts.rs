//! The command's own view of files, where root hands it over: no daemon that acts for others, no other user's processes.
//!
//! All of it is done in the command's process, in a mount namespace of its own, before it becomes the other user. Whatever path
//! a mount goes to is opened first, beneath `/` and over no link (openat2(2)), and mounted by that descriptor.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, open, openat2};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::process::{chdir, getcwd};

use super::own_run;
use super::user::Login;
use crate::connection::sys::unshare_mounts;

/// Folders outside of `/run` in which daemons listen that start containers and machines as root.
const HIDDEN: [&str; 6] = [
    "/var/lib/lxd",
    "/var/lib/incus",
    "/var/snap/lxd/common/lxd",
    "/var/lib/rancher/k3s/agent/containerd",
    "/var/lib/docker",
    "/var/lib/containerd",
];

/// Flags of every file system that is mounted here: nothing on them is a device or gives rights.
const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Gives this process its own view of files, for a command of this user's; these files are copies of its own there, which
/// begin empty and go with the session.
///
/// # Errors
/// When the kernel refuses any of it; the text says what.
pub(super) fn set_up(user: &Login, copies: &[PathBuf]) -> io::Result<()> {
    unshare_mounts().map_err(|error| said("a mount namespace of its own", &error))?;
    // Nothing that is mounted here is seen outside, nor the other way round (mount_namespaces(7)).
    let own = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", own).map_err(|error| said("mounts of its own", &error.into()))?;
    let folder = getcwd(Vec::new()).map_err(io::Error::from)?;
    own_run::set_up().map_err(|error| said("a `/run` of its own", &error))?;
    for path in HIDDEN {
        hide(Path::new(path)).map_err(|error| said(path, &error))?;
    }
    for path in copies {
        own_copy(path, user).map_err(|error| said(&path.display().to_string(), &error))?;
    }
    // The last: what was opened so far was mounted by its descriptor's name in the old one.
    // `invisible`: processes of other users are not there at all (proc(5), `hidepid`; a word since Linux 5.8).
    mount_over(
        &beneath_root(Path::new("/proc"), OFlags::DIRECTORY)?,
        c"proc",
        PLAIN | MountFlags::NOEXEC,
        c"hidepid=invisible",
    )
    .map_err(|error| said("a `/proc` without others' processes", &error))?;
    // The working folder may lie in what was mounted over, and would lead around it.
    chdir(&folder).map_err(|error| said("the working folder", &error.into()))
}

/// Opens a path beneath `/` that leads over no link.
pub(super) fn beneath_root(path: &Path, kind: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = open("/", flags | OFlags::DIRECTORY, Mode::empty())?;
    beneath(&root, path.strip_prefix("/").unwrap_or(path), kind)
}

/// Opens what lies beneath a folder, over no link.
pub(super) fn beneath(folder: &OwnedFd, path: &Path, kind: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC | kind;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(folder, path, flags, Mode::empty(), resolve)?)
}

/// Mounts a new file system over what a descriptor names.
pub(super) fn mount_over(
    target: &OwnedFd,
    kind: &CStr,
    flags: MountFlags,
    options: &CStr,
) -> io::Result<()> {
    Ok(mount(kind, by_descriptor(target), kind, flags, options)?)
}

/// Shows what one descriptor names, and what is mounted below, where another names something.
pub(super) fn bind(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    Ok(mount_bind_recursive(
        by_descriptor(from),
        by_descriptor(to),
    )?)
}

/// Names what a descriptor stands for, whatever its path leads to by now (proc(5), `/proc/pid/fd`).
fn by_descriptor(descriptor: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// Puts an empty folder that nobody can look into over one, if it is there.
fn hide(path: &Path) -> io::Result<()> {
    // A link may lead to where it is: the folder itself is hidden, wherever that is.
    let Ok(real) = path.canonicalize() else {
        return Ok(());
    };
    let folder = beneath_root(&real, OFlags::DIRECTORY)?;
    let flags = PLAIN | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount_over(&folder, c"tmpfs", flags, c"mode=000,size=4k")
}

/// Puts an empty file of the user's over one, if it is there.
///
/// Nothing is copied into it: root would read for the user whatever the caller's variables name.
fn own_copy(path: &Path, user: &Login) -> io::Result<()> {
    let Ok(real) = path.canonicalize() else {
        return Ok(());
    };
    let file = beneath_root(&real, OFlags::empty())?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(io::Error::other("expected a file, found something else"));
    }
    let folder = own_run::copies()?;
    let name = format!("{}", fs::read_dir(own_run::COPIES)?.count());
    let created = openat2(
        &folder,
        name.as_str(),
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )?;
    let (uid, gid) = user.ids();
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    chownat(
        &folder,
        name.as_str(),
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    drop(File::from(created));
    bind(&beneath(&folder, Path::new(&name), OFlags::empty())?, &file)
}

/// Says what could not be had.
fn said(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Copies a descriptor's facts of ownership and rights to a folder that stands for it.
pub(super) fn alike(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let facts = rustix::fs::fstat(from)?;
    let (uid, gid) = (Uid::from_raw(facts.st_uid), Gid::from_raw(facts.st_gid));
    rustix::fs::fchown(&to, Some(uid), Some(gid))?;
    Ok(rustix::fs::fchmod(to, Mode::from_raw_mode(facts.st_mode))?)
}
