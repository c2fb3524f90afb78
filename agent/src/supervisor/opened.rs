//! Files that are held open: whether one leads out of a session. What is not known counts as a way.
//!
//! A link says what a process chose; its mount and the inode say what it is. A file system that may wait for somebody, a
//! container's own among them, is not asked: there the mount alone is judged (`AT_STATX_DONT_SYNC` keeps FUSE from asking).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, statx};

/// File systems that lead to processes, cgroups, namespaces and programs of the kernel's.
const LEADING: [&str; 5] = ["bpf", "cgroup", "cgroup2", "nsfs", "proc"];

/// File systems that answer by themselves.
const LOCAL: [&str; 18] = [
    "btrfs",
    "devpts",
    "devtmpfs",
    "erofs",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "overlay",
    "ramfs",
    "squashfs",
    "tmpfs",
    "vfat",
    "xfs",
    "zfs",
];

/// Memory that has a name and no place (memfd_create(2)). Source: linux/mm/memfd.c, `MFD_NAME_PREFIX`.
const MEMORY: &str = "/memfd:";

/// Null, zero, full, random, urandom; the thread's own terminal, and the makers of terminals in a `devpts`.
/// Source: linux/Documentation/admin-guide/devices.txt, as for the majors of terminals.
const OF_NOTHING: [(u32, u32); 5] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)];
const OF_TERMINALS: [(u32, u32); 2] = [(5, 0), (5, 2)];
const TERMINALS: std::ops::RangeInclusive<u32> = 136..=143;

/// The mounts of a mount namespace that a thread in there sees, by their ids.
#[derive(Debug, Default)]
pub(super) struct Mounts(BTreeMap<u64, Mount>);

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    kind: String,
    /// Whether devices can be opened there.
    has_devices: bool,
}

impl Mounts {
    /// Tells a way that a file leads, which a thread has open by a number.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(super) fn way(
        &mut self,
        thread: &Path,
        number: &OsStr,
        link: &str,
    ) -> io::Result<Option<String>> {
        let told = |what: &str| Ok(Some(format!("`{}` open, {what}", link.escape_default())));
        let info = match fs::read_to_string(thread.join("fdinfo").join(number)) {
            Ok(info) => info,
            // Closed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(id) = super::descriptors::member(&info, "mnt_id") else {
            return told("of which the kernel does not tell the mount");
        };
        if !self.0.contains_key(&id) {
            self.read(thread)?;
        }
        let known = self.0.get(&id);
        match known {
            Some(mount) if LEADING.contains(&mount.kind.as_str()) => {
                return told(&format!("which is of the file system `{}`", mount.kind));
            }
            Some(mount) if !mount.has_devices => return Ok(None),
            Some(mount) if !LOCAL.contains(&mount.kind.as_str()) => {
                return told(&format!(
                    "which may be a device on the file system `{}`; mount that with nodev",
                    mount.kind
                ));
            }
            Some(_) | None => {}
        }
        let wanted = StatxFlags::TYPE | StatxFlags::NLINK;
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let facts = match statx(CWD, thread.join("fd").join(number), flags, wanted) {
            Ok(facts) => facts,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match (is_harmless(&facts, link, known.is_some()), known) {
            (true, _) => Ok(None),
            (false, Some(_)) => told("which is a device"),
            (false, None) => told("which is on no mount of its own: close it before"),
        }
    }

    /// Tells whether a namespace is mounted somewhere, which whoever has the rights may enter by its name.
    pub(super) fn have_namespaces(&self) -> bool {
        self.0.values().any(|mount| mount.kind == "nsfs")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those that a thread sees.
    pub(super) fn read(&mut self, thread: &Path) -> io::Result<()> {
        let text = fs::read_to_string(thread.join("mountinfo"))?;
        for line in text.lines() {
            let (id, mount) = mount(line).ok_or_else(|| {
                io::Error::other("expected mounts as proc_pid_mountinfo(5) has them")
            })?;
            self.0.insert(id, mount);
        }
        Ok(())
    }
}

/// Reads a line of a `mountinfo`; blanks in names are escaped there.
fn mount(line: &str) -> Option<(u64, Mount)> {
    let (of_mount, of_file_system) = line.split_once(" - ")?;
    let mut fields = of_mount.split(' ');
    let id = fields.next()?.parse().ok()?;
    let mut options = fields.nth(4)?.split(',');
    let mount = Mount {
        kind: of_file_system.split(' ').next()?.to_owned(),
        has_devices: !options.any(|option| option == "nodev"),
    };
    Some((id, mount))
}

fn is_harmless(facts: &Statx, link: &str, is_mounted: bool) -> bool {
    let device = (facts.stx_rdev_major, facts.stx_rdev_minor);
    match FileType::from_raw_mode(facts.stx_mode.into()) {
        FileType::CharacterDevice => {
            let is_terminal = OF_TERMINALS.contains(&device) || TERMINALS.contains(&device.0);
            OF_NOTHING.contains(&device) || is_mounted && is_terminal
        }
        // A pipe has a name where engines make it.
        FileType::Fifo => true,
        FileType::RegularFile => is_mounted || facts.stx_nlink == 0 && link.starts_with(MEMORY),
        FileType::Directory | FileType::Symlink | FileType::Socket => is_mounted,
        FileType::BlockDevice | FileType::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn way(mounts: &mut Mounts, file: &impl std::os::fd::AsFd) -> Option<String> {
        let thread = Path::new("/proc/thread-self");
        let number = file.as_fd().as_raw_fd().to_string();
        let link = fs::read_link(thread.join("fd").join(&number)).unwrap();
        let link = link.to_string_lossy();
        mounts.way(thread, OsStr::new(&number), &link).unwrap()
    }

    #[test]
    fn a_file_is_judged_by_its_mount_and_inode_whatever_its_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let open = |path: &Path| fs::File::open(path).unwrap();
        let mut all = Mounts::default();
        for harmless in ["/dev/null", "/dev/urandom", "/etc/passwd"] {
            assert_eq!(
                way(&mut all, &open(Path::new(harmless))),
                None,
                "{harmless}"
            );
        }
        assert_eq!(way(&mut all, &open(folder.path())), None);
        let memory = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(way(&mut all, &memory), None);
        // A device by another name, as `mknod` makes it: /dev/mem and /dev/net/tun.
        for (name, major, minor) in [("quiet", 1, 1), ("memfd:x", 10, 200)] {
            let path = folder.path().join(name);
            let mode = rustix::fs::Mode::RUSR;
            let device = rustix::fs::makedev(major, minor);
            rustix::fs::mknodat(CWD, &path, FileType::CharacterDevice, mode, device).unwrap();
            let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
            let opened = rustix::fs::open(&path, flags, mode).unwrap();
            let told = way(&mut all, &opened).unwrap();
            assert!(told.contains("device"), "{told}");
        }
        for leading in ["/proc/self/mem", "/proc/self", "/sys/fs/cgroup"] {
            let told = way(&mut all, &open(Path::new(leading)));
            // A hybrid host has a tmpfs in that place.
            assert!(told.is_some() || leading.starts_with("/sys"), "{leading}");
        }
    }

    #[test]
    fn what_no_mount_of_the_thread_has_is_a_way_but_for_devices_of_nothing() {
        // As if this thread saw no mount: it is in a namespace of its own with one mount.
        let mut none = Mounts::default();
        let id = |file: &fs::File| {
            let info = format!("/proc/thread-self/fdinfo/{}", file.as_raw_fd());
            super::super::descriptors::member(&fs::read_to_string(info).unwrap(), "mnt_id")
        };
        let file = fs::File::open("/etc/passwd").unwrap();
        none.read(Path::new("/proc/thread-self")).unwrap();
        assert!(none.0.remove(&id(&file).unwrap()).is_some());
        let facts = |path: &str| {
            let wanted = StatxFlags::TYPE | StatxFlags::NLINK;
            statx(CWD, path, AtFlags::STATX_DONT_SYNC, wanted).unwrap()
        };
        for (path, mounted, foreign) in [
            ("/etc/passwd", true, false),
            ("/etc", true, false),
            ("/dev/null", true, true),
            ("/dev/ptmx", true, false),
        ] {
            assert_eq!(is_harmless(&facts(path), path, true), mounted, "{path}");
            assert_eq!(is_harmless(&facts(path), path, false), foreign, "{path}");
        }
        assert!(
            !is_harmless(&facts("/etc/passwd"), "/memfd:x", false),
            "it has a name"
        );
    }

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let line =
            r"36 35 98:0 /a\040-\040b /mnt2 rw,nodev master:1 - ext3 /dev/root rw,errors=continue";
        let expected = Mount {
            kind: "ext3".to_owned(),
            has_devices: false,
        };
        assert_eq!(mount(line), Some((36, expected)));
        let (_, has_devices) = mount("1 0 0:2 / / rw - tmpfs t rw").unwrap();
        assert!(has_devices.has_devices);
        for wrong in ["", "x 0 0:2 / / rw - tmpfs t rw", "1 0 0:2 / /", "1 0 - x"] {
            assert_eq!(mount(wrong), None, "{wrong:?}");
        }
    }
}
