//! A `/run` of the command's own: all that is in the host's, but for the daemons that would act for it.
//!
//! Masks over single sockets would not last: a daemon that starts again makes its socket anew, and a mount goes with the file that
//! it lies on (`d_invalidate`, fs/dcache.c). So the folder is a new one, in which each entry of the host's is shown by itself; what the
//! host makes later is not there.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, mkdirat, openat, readlinkat, statat, symlinkat,
};
use rustix::mount::MountFlags;

use super::mounts::{alike, beneath, beneath_root, bind, mount_over};

/// The folder.
const RUN: &str = "/run";

/// Where the command's own copies of files lie in it.
pub(super) const COPIES: &str = "/run/icecore-step";

/// What a session does not see of it: daemons that start programs outside of the session, as root or as its own user, or hand
/// out what opens something. A `*` at the end stands for any letters.
const HIDDEN: [&str; 25] = [
    // Containers: docker, its own containerd, containerd, podman, CRI-O, buildkit, kubelet's and k3s's.
    "docker.sock",
    "docker",
    "docker-*",
    "containerd",
    "podman",
    "crio",
    "cri-dockerd.sock",
    "buildkit",
    "k3s",
    "nri",
    // Machines, and containers as machines.
    "lxd*",
    "incus*",
    "libvirt",
    "snapd*",
    // D-Bus: the system's bus, and by `user` each user's bus, service manager, and agents of ssh and gpg.
    "dbus",
    "user",
    // systemd's own doors: private D-Bus, and the interfaces of its daemons. Names are still resolved (`systemd/resolve`).
    "systemd/private",
    "systemd/machine",
    "systemd/io.systemd*",
    "systemd/userdb/io.systemd.Home",
    // Terminals that outlive a login.
    "screen",
    "tmux*",
    // Schedulers.
    "cron*",
    "atd*",
    // Credentials of services.
    "credentials",
];

/// Most entries of a folder that are shown; more are none of a host's.
const ENTRIES_MAX: usize = 4096;

/// Puts the command's own folder over the host's.
///
/// # Errors
/// When the kernel refuses any of it.
pub(super) fn set_up() -> io::Result<()> {
    let hosts = match beneath_root(Path::new(RUN), OFlags::DIRECTORY) {
        Ok(hosts) => hosts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount_over(&hosts, c"tmpfs", flags, c"mode=755,size=16m")?;
    let own = beneath_root(Path::new(RUN), OFlags::DIRECTORY)?;
    show(&hosts, &own, "")?;
    // Only its owner looks into it, and files in it are shown elsewhere.
    mkdirat(&own, copies_name(), Mode::RWXU)?;
    Ok(())
}

/// Opens the folder of the command's own copies.
pub(super) fn copies() -> io::Result<OwnedFd> {
    beneath_root(Path::new(COPIES), OFlags::DIRECTORY)
}

fn copies_name() -> &'static str {
    COPIES.rsplit('/').next().unwrap_or_default()
}

/// Shows each entry of one folder in another, but for what is hidden.
fn show(hosts: &OwnedFd, own: &OwnedFd, path: &str) -> io::Result<()> {
    let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listed = openat(hosts, ".", readable, Mode::empty())?;
    for (count, entry) in Dir::read_from(&listed)?.enumerate() {
        let entry = entry?;
        let name = entry.file_name();
        if count >= ENTRIES_MAX {
            let text =
                format!("expected at most {ENTRIES_MAX} entries in `{RUN}/{path}`, found more");
            return Err(io::Error::other(text));
        }
        if [c".", c".."].contains(&name) {
            continue;
        }
        match show_one(hosts, own, path, name) {
            Ok(()) => {}
            // It went meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn show_one(hosts: &OwnedFd, own: &OwnedFd, folder: &str, name: &CStr) -> io::Result<()> {
    // A name that is no text is on no list.
    let text = name.to_string_lossy();
    let path = match folder {
        "" => text.into_owned(),
        folder => format!("{folder}/{text}"),
    };
    let shown = shown(&path);
    if shown == Shown::Not {
        return Ok(());
    }
    let facts = statat(hosts, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(facts.st_mode);
    if kind == FileType::Symlink {
        let to = readlinkat(hosts, name, Vec::new())?;
        return Ok(symlinkat(to, own, name)?);
    }
    let of_host = beneath(hosts, &as_path(name), OFlags::empty())?;
    if kind != FileType::Directory {
        let created = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        drop(openat(own, name, created, Mode::empty())?);
        return bind(&of_host, &beneath(own, &as_path(name), OFlags::empty())?);
    }
    mkdirat(own, name, Mode::RWXU)?;
    let of_own = beneath(own, &as_path(name), OFlags::DIRECTORY)?;
    match shown {
        Shown::Whole | Shown::Not => bind(&of_host, &of_own),
        Shown::InPart => {
            let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            alike(&of_host, openat(&of_own, ".", readable, Mode::empty())?)?;
            show(&of_host, &of_own, &path)
        }
    }
}

fn as_path(name: &CStr) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes()))
}

/// How much of an entry a session sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Whole,
    /// Something in it is hidden.
    InPart,
    Not,
}

fn shown(path: &str) -> Shown {
    let is_hidden = |hidden: &str| match hidden.strip_suffix('*') {
        Some(start) => path
            .strip_prefix(start)
            .is_some_and(|rest| !rest.contains('/')),
        None => path == hidden,
    };
    if HIDDEN.iter().any(|hidden| is_hidden(hidden)) {
        return Shown::Not;
    }
    let holds = |hidden: &str| {
        hidden
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    if HIDDEN.iter().any(|hidden| holds(hidden)) {
        Shown::InPart
    } else {
        Shown::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_hidden_and_names_are_still_resolved() {
        for hidden in [
            "docker.sock",
            "containerd",
            "dbus",
            "user",
            "snapd.socket",
            "snapd-snap.socket",
            "systemd/private",
            "systemd/io.systemd.ManagedOOM",
            "systemd/userdb/io.systemd.Home",
        ] {
            assert_eq!(shown(hidden), Shown::Not, "{hidden}");
        }
        for whole in [
            "systemd/resolve",
            "systemd/userdb/io.systemd.DynamicUser",
            "postgresql",
            "icecore",
            "nscd",
            "dockers",
            "users",
            "lock",
        ] {
            assert_eq!(shown(whole), Shown::Whole, "{whole}");
        }
        assert_eq!(shown("systemd"), Shown::InPart);
        assert_eq!(shown("systemd/userdb"), Shown::InPart);
    }

    #[test]
    fn copies_lie_in_the_folder() {
        assert_eq!(format!("{RUN}/{}", copies_name()), COPIES);
    }
}
