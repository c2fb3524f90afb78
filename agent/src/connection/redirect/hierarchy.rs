//! Where in the cgroup v2 hierarchy the programs attach, and how deep the sessions lie below it.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::error::{KernelError, system};

/// Folder below the capture root that holds the daemon's and the sessions' cgroups.
const HOME: &str = "icecore";

/// Source: `CGROUP2_SUPER_MAGIC` in linux/include/uapi/linux/magic.h.
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// Name of the host's cgroup namespace; source: `PROC_CGROUP_INIT_INO` in linux/include/linux/proc_ns.h.
const INITIAL_NAMESPACE: &str = "cgroup:[4026531835]";

/// The cgroups that the programs are told about.
#[derive(Debug)]
pub(super) struct Home {
    /// The capture root.
    pub root: PathBuf,
    /// Id of the capture root.
    pub root_id: u64,
    /// `<root>/icecore`.
    pub path: PathBuf,
    /// Id of `<root>/icecore`.
    pub cgroup_id: u64,
    /// Depth of `<root>/icecore/<session>`; the hierarchy's root is 0.
    pub session_level: u32,
}

impl Home {
    /// Finds them, and checks that the daemon's cgroup is where the programs look for it.
    pub(super) fn find(root: &Path, daemon_cgroup_id: u64) -> Result<Self, KernelError> {
        // Elsewhere `mountinfo` does not tell how deep a cgroup really lies.
        let namespace = Path::new("/proc/self/ns/cgroup");
        let found = fs::read_link(namespace).map_err(|e| system("read", namespace, e))?;
        if found.as_os_str() != INITIAL_NAMESPACE {
            return Err(KernelError::CgroupNamespace {
                found: found.display().to_string(),
            });
        }
        let not_a_cgroup = || KernelError::NotACgroup {
            found: root.to_owned(),
        };
        let root = fs::canonicalize(root).map_err(|_| not_a_cgroup())?;
        let file_system = rustix::fs::statfs(&root).map_err(|_| not_a_cgroup())?;
        if u64::try_from(file_system.f_type) != Ok(CGROUP2_MAGIC) {
            return Err(not_a_cgroup());
        }
        let depth = mounts()?
            .iter()
            .filter_map(|mount| mount.depth_of(&root))
            .min()
            .ok_or_else(not_a_cgroup)?;

        let home = root.join(HOME);
        let daemon_is_child = fs::read_dir(&home)
            .map_err(|e| system("read", &home, e))?
            .filter_map(Result::ok)
            .filter_map(|entry| entry.metadata().ok())
            .any(|metadata| metadata.is_dir() && metadata.ino() == daemon_cgroup_id);
        if !daemon_is_child {
            return Err(KernelError::DaemonCgroup {
                home,
                found: daemon_cgroup_id,
            });
        }
        Ok(Self {
            root_id: id(&root)?,
            cgroup_id: id(&home)?,
            path: home,
            session_level: depth.saturating_add(2),
            root,
        })
    }
}

/// Finds where the whole cgroup v2 hierarchy is mounted.
#[must_use]
pub fn v2_mount() -> Option<PathBuf> {
    mounts()
        .ok()?
        .into_iter()
        .find(|mount| mount.root == Path::new("/"))
        .map(|mount| mount.point)
}

/// Tells how deep a cgroup lies below the hierarchy's root, if it is one that is mounted here.
#[must_use]
pub fn cgroup_depth(cgroup: &Path) -> Option<u32> {
    let depths = mounts().ok()?;
    let depths = depths.iter().filter_map(|mount| mount.depth_of(cgroup));
    depths.min()
}

/// A cgroup's id is the number of its folder's inode.
fn id(cgroup: &Path) -> Result<u64, KernelError> {
    let metadata = fs::metadata(cgroup).map_err(|e| system("read", cgroup, e))?;
    Ok(metadata.ino())
}

/// A mount of the hierarchy, or of a part of it.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// The cgroup that is mounted, from the hierarchy's root.
    root: PathBuf,
    /// Where it is mounted.
    point: PathBuf,
}

impl Mount {
    /// Tells how deep below the hierarchy's root the cgroup at `path` lies, if this mount shows it.
    fn depth_of(&self, path: &Path) -> Option<u32> {
        let below = path.strip_prefix(&self.point).ok()?;
        u32::try_from(names(&self.root) + names(below)).ok()
    }
}

fn names(path: &Path) -> usize {
    let is_name = |component: &Component<'_>| matches!(component, Component::Normal(_));
    path.components().filter(is_name).count()
}

fn mounts() -> Result<Vec<Mount>, KernelError> {
    let path = Path::new("/proc/self/mountinfo");
    let text = fs::read(path).map_err(|e| system("read", path, e))?;
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter_map(parse)
        .collect())
}

/// Reads a line of `mountinfo`; format: proc_pid_mountinfo(5).
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = unescape(fields.nth(3)?);
    let point = unescape(fields.next()?);
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    (rest.next()? == b"cgroup2").then_some(Mount { root, point })
}

/// Undoes the kernel's octal escapes (`\040` is a blank).
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = |digit: &u8| digit.checked_sub(b'0').filter(|value| *value < 8);
        if let (b'\\', [a, b, c, after @ ..]) = (first, tail)
            && let (Some(a), Some(b), Some(c)) = (octal(a), octal(b), octal(c))
        {
            path.push((a << 6) | (b << 3) | c);
            rest = after;
        } else {
            path.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn mount(line: &str) -> Mount {
        parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn hybrid_mount_is_found() {
        let line = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
        let mount = mount(line);
        assert_eq!(mount.point, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(
            mount.depth_of(Path::new("/sys/fs/cgroup/unified/a/b")),
            Some(2)
        );
        assert_eq!(mount.depth_of(Path::new("/sys/fs/cgroup/unified")), Some(0));
        assert_eq!(mount.depth_of(Path::new("/sys/fs/cgroup")), None);
    }

    #[test]
    fn part_of_the_hierarchy_counts_from_its_root() {
        let mount = mount("1 2 0:3 /ci/job /mnt/my\\040job rw - cgroup2 none rw");
        assert_eq!(mount.point, Path::new("/mnt/my job"));
        assert_eq!(mount.depth_of(Path::new("/mnt/my job/x")), Some(3));
    }

    #[test]
    fn other_file_systems_are_no_mounts_of_it() {
        assert_eq!(
            parse(b"36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"),
            None
        );
        assert_eq!(parse(b""), None);
    }
}
