//! Where container engines make cgroups, and whose each of those is.
//!
//! An ordinary user can make cgroups too, below what systemd gives it (`user.slice/user-1000.slice/user@1000.service`). What is
//! there is no engine's, unless root says so. Whoever runs in a container may make cgroups below its own, as many as it likes:
//! so each container, or each pod, has a share of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Folders from the hierarchy's root below which engines put containers, or that are one. Of several that fit the longest
/// counts: what lies in it is a container's or a pod's.
///
/// Sources: kubernetes `pkg/kubelet/cm/qos_container_manager_linux.go` and kind's `kubelet.slice`; moby `daemon/oci_linux.go`
/// (`/docker`, `docker-<id>.scope` in `system.slice`); podman's `machine.slice` and `/libpod_parent`; containerd's `ctr` and
/// nerdctl (`/<namespace>`, `nerdctl-<id>.scope`); cri-o's `crio-<id>.scope`; GitHub's hosted runners (`/actions_job`).
pub(super) const ENGINES: [&str; 22] = [
    "kubepods*",
    "kubepods*/kubepods-burstable.slice",
    "kubepods*/kubepods-besteffort.slice",
    "kubepods*/burstable",
    "kubepods*/besteffort",
    "kubelet*/kubelet-kubepods*",
    "kubelet*/kubelet-kubepods*/kubelet-kubepods-burstable.slice",
    "kubelet*/kubelet-kubepods*/kubelet-kubepods-besteffort.slice",
    "kubelet*/kubepods*",
    "kubelet*/kubepods*/burstable",
    "kubelet*/kubepods*/besteffort",
    "docker*",
    "system.slice/docker-*.scope",
    "libpod*",
    "machine.slice",
    "system.slice/libpod-*.scope",
    "system.slice/containerd*",
    "system.slice/cri-containerd-*.scope",
    "system.slice/crio-*.scope",
    "system.slice/nerdctl-*.scope",
    "default",
    "actions_job",
];

/// Most levels below the hierarchy's root; deeper ones can be no sessions (`CONTAINER_LEVELS_MAX` of the kernel programs).
const LEVELS_MAX: usize = 16;

/// Most cgroups that are looked at of one owner.
const FOLDERS_MAX: u32 = 256;

/// Names of folders, from the hierarchy's root on; `*` stands for any letters of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    /// Reads one, such as `system.slice/docker-*.scope`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<String> = (text.strip_prefix('/').unwrap_or(text))
            .split('/')
            .map(str::to_owned)
            .collect();
        let is_name = |name: &String| !name.is_empty() && name != "." && name != "..";
        if names.iter().all(is_name) && names.len() <= LEVELS_MAX {
            return Ok(Self(names));
        }
        Err(format!(
            "expected names of cgroups from the hierarchy's root on, such as system.slice/docker-*.scope, found {text:?}"
        ))
    }

    /// Tells whether a folder is one that it names, or leads to one.
    fn leads_by(&self, names: &[String]) -> bool {
        names.len() <= self.0.len()
            && (self.0.iter().zip(names)).all(|(pattern, name)| fits(pattern, name))
    }
}

/// Tells whether a name fits a pattern in which `*` stands for any letters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        // The first place will do: what is left to fit is the longest.
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Whose a cgroup is: all that one owner makes has one share of what there is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// What an engine of root's made: a container, or a pod, and all below it.
    Made(PathBuf),
    /// A user who may make as many as it likes there.
    User(u32),
}

/// A cgroup that may be a container's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) owner: Owner,
}

/// A folder that is to be walked through.
struct Open {
    folder: PathBuf,
    /// From the hierarchy's root on.
    names: Vec<String>,
    home: Option<Home>,
}

/// The folder of an engine's that another one lies in.
#[derive(Clone)]
struct Home {
    levels: usize,
    /// Whose it is, if not root's.
    user: Option<u32>,
    /// What was made in it that leads on from there.
    made: PathBuf,
}

/// Lists the cgroups that engines made, by id, but for ours. A name that is no text is no engine's.
pub(super) fn places(mount: &Path, engines: &[Pattern]) -> BTreeMap<u64, Place> {
    let mut found = BTreeMap::new();
    let mut looked_at: BTreeMap<Owner, u32> = BTreeMap::new();
    let mut open = vec![Open {
        folder: mount.to_owned(),
        names: Vec::new(),
        home: None,
    }];
    while let Some(at) = open.pop() {
        if at.names.len() >= LEVELS_MAX {
            continue;
        }
        // One that went meanwhile has nothing below it.
        for entry in fs::read_dir(&at.folder).into_iter().flatten().flatten() {
            let folder = entry.path();
            let is_ours = folder.ends_with("icecore") && folder.join("daemon").exists();
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let mut names = at.names.clone();
            names.push(name);
            let leading = |pattern: &&Pattern| pattern.leads_by(&names);
            let leads_on = engines.iter().any(|pattern| leading(&pattern));
            let mut homes = engines.iter().filter(leading);
            let home = match homes.any(|pattern| pattern.0.len() == names.len()) {
                true => Some(Home {
                    levels: names.len(),
                    user: fs::metadata(&folder).map_or(Some(u32::MAX), |facts| {
                        Some(facts.uid()).filter(|uid| *uid != 0)
                    }),
                    made: folder.clone(),
                }),
                false => at.home.clone().map(|home| Home {
                    made: match names.len() == home.levels + 1 {
                        true => folder.clone(),
                        false => home.made,
                    },
                    ..home
                }),
            };
            let Some(home) = home else {
                if leads_on {
                    open.push(Open {
                        folder,
                        names,
                        home: None,
                    });
                }
                continue;
            };
            let owner = (home.user).map_or_else(|| Owner::Made(home.made.clone()), Owner::User);
            let count = looked_at.entry(owner.clone()).or_default();
            if *count >= FOLDERS_MAX {
                continue;
            }
            *count += 1;
            let place = Place {
                folder: folder.clone(),
                owner,
            };
            found.insert(entry.ino(), place);
            open.push(Open {
                folder,
                names,
                home: Some(home),
            });
        }
    }
    found
}

#[cfg(test)]
#[path = "engines_tests.rs"]
mod tests;
