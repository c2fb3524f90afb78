//! The limits of whoever asks for a session, kept for its command: that leaves the caller's cgroup for the session's, and
//! would leave a runner's `MemoryMax=` or a pod's limits with it.
//!
//! A session has the least of each limit on the way up from the caller's cgroup. It has that for itself: what the caller
//! itself uses does not count against it. Source: cgroup-v2.rst, "Controllers".

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use tracing::{debug, warn};

use super::cgroup::{own_path, write};

/// Controllers whose limits are kept.
const CONTROLLERS: [&str; 4] = ["pids", "memory", "cpu", "hugetlb"];

/// Files of limits: whole numbers or `max`, but for `cpu.max`, a quota in a period. Those of huge pages are named by size.
const FILES: [&str; 5] = [
    "pids.max",
    "memory.max",
    "memory.high",
    "memory.swap.max",
    "cpu.max",
];

/// A limit, by the text that its file takes.
#[derive(Clone, Debug, PartialEq)]
struct Limit {
    /// What is compared: the number, or the quota in parts of its period.
    most: f64,
    text: String,
}

impl Limit {
    /// Reads a file's text; none where there is no limit.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut words = text.split(' ');
        let first: f64 = words.next()?.parse().ok()?;
        let period: f64 = words.next().map_or(Some(1.0), |word| word.parse().ok())?;
        let most = first / period;
        most.is_finite().then(|| Self {
            most,
            text: text.to_owned(),
        })
    }
}

/// Lets cgroups below `folder`, which is below `root`, have limits, as far as the host has them.
pub(super) fn enable(root: &Path, folder: &Path) {
    for parent in [root, folder] {
        let has = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
        for controller in CONTROLLERS {
            if !has.split_whitespace().any(|one| one == controller) {
                continue;
            }
            let enabled = write(
                &parent.join("cgroup.subtree_control"),
                &format!("+{controller}"),
            );
            if let Err(failure) = enabled {
                debug!(%failure, "sessions do not keep limits of {controller}");
            }
        }
    }
}

/// Gives a session's cgroup the limits that the cgroup of a process has; `mount` shows the whole hierarchy.
pub(super) fn keep(pid: u32, mount: &Path, session: &Path) {
    let path = format!("/proc/{pid}/cgroup");
    let text = fs::read_to_string(path).unwrap_or_default();
    let Some(own) = own_path(&text) else {
        return;
    };
    for (file, limit) in least(mount, own) {
        let path = session.join(&file);
        let outcome = if path.exists() {
            write(&path, &limit.text)
        } else {
            Err(io::Error::other("the session's cgroup has no such limit"))
        };
        if let Err(failure) = outcome {
            warn!(%failure, file, limit = limit.text, "a session does not keep its caller's limit");
        }
    }
}

/// Gives the least of each limit on the way from a cgroup to the hierarchy's root, which has none itself.
fn least(mount: &Path, own: &str) -> BTreeMap<String, Limit> {
    let mut least: BTreeMap<String, Limit> = BTreeMap::new();
    let own = Path::new(own.trim_start_matches('/'));
    let above = own.ancestors().filter(|path| !path.as_os_str().is_empty());
    for cgroup in above.map(|path| mount.join(path)) {
        for file in files(&cgroup) {
            let text = fs::read_to_string(cgroup.join(&file)).unwrap_or_default();
            let Some(limit) = Limit::parse(&text) else {
                continue;
            };
            match least.get(&file) {
                Some(known) if known.most <= limit.most => {}
                Some(_) | None => {
                    least.insert(file, limit);
                }
            }
        }
    }
    least
}

/// Names the files of limits that a cgroup has.
fn files(cgroup: &Path) -> Vec<String> {
    let entries = fs::read_dir(cgroup).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            FILES.contains(&name.as_str())
                || name.starts_with("hugetlb.")
                    && name.ends_with(".max")
                    && !name.contains(".rsvd.")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_quota_and_max_is_none() {
        let most = |text: &str| Limit::parse(text).map(|limit| limit.most);
        assert_eq!(most("512\n"), Some(512.0));
        assert_eq!(most("50000 100000\n"), Some(0.5));
        assert_eq!(most("max\n"), None);
        assert_eq!(most("max 100000\n"), None);
        assert_eq!(most(""), None);
        assert_eq!(most("1 0"), None);
    }

    #[test]
    fn the_least_on_the_way_up_holds() {
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path();
        let set = |cgroup: &str, file: &str, text: &str| {
            let cgroup = mount.join(cgroup);
            fs::create_dir_all(&cgroup).unwrap();
            fs::write(cgroup.join(file), text).unwrap();
        };
        set("a", "pids.max", "100\n");
        set("a/b", "pids.max", "max\n");
        set("a/b/c", "pids.max", "200\n");
        set("a", "cpu.max", "max 100000\n");
        set("a/b", "cpu.max", "150000 100000\n");
        set("a/b/c", "cpu.max", "20000 10000\n");
        set("a/b/c", "memory.max", "max\n");
        set("a/b/c", "memory.current", "7\n");
        set("other", "memory.max", "1\n");
        let least = least(mount, "/a/b/c");
        let told: Vec<(&str, &str)> = least
            .iter()
            .map(|(file, limit)| (file.as_str(), limit.text.as_str()))
            .collect();
        assert_eq!(told, [("cpu.max", "150000 100000"), ("pids.max", "100")]);
    }
}
