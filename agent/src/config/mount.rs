//! Finds the cgroup v2 mount: on hybrid hosts it is not at `/sys/fs/cgroup` itself.

use std::fs;
use std::path::PathBuf;

/// Finds where cgroup v2 is mounted, if it is.
pub(super) fn cgroup2() -> Option<PathBuf> {
    cgroup2_in(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// Reads the first cgroup2 mount point out of mountinfo's text (proc(5), fields 5 and 9).
fn cgroup2_in(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        if source.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let root = mount.split(' ').nth(3)?;
        let point = mount.split(' ').nth(4)?;
        // A bind mount of a lower cgroup would hide the sessions of others; `\` marks an octal escape.
        (root == "/" && !point.contains('\\')).then(|| PathBuf::from(point))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mountinfo: &str, expected: Option<&str>) {
        assert_eq!(cgroup2_in(mountinfo), expected.map(PathBuf::from));
    }

    #[test]
    fn hybrid_hosts_have_it_in_a_sub_folder() {
        check(
            "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n",
            Some("/sys/fs/cgroup/unified"),
        );
    }

    #[test]
    fn unified_hosts_have_it_at_the_top() {
        check(
            "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
            Some("/sys/fs/cgroup"),
        );
    }

    #[test]
    fn bind_mounts_of_lower_groups_do_not_count() {
        check("1 1 0:26 /pod7 /mnt/x rw - cgroup2 cgroup2 rw\n", None);
    }
}
