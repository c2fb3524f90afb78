//! Who outside of a container is in its namespaces: what it may not do, they could do for it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::deadline::Deadline;
use super::threads::{Seen, is_own, network_capability};

/// Kinds of namespaces by which a process is the host's, and not another container's.
const OF_HOST: [&str; 3] = ["pid", "mnt", "user"];

/// Who was found outside.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outside {
    /// A way out by one of them.
    pub(super) way: Option<String>,
    /// Whether one shares its PID namespace, and perhaps its uid.
    pub(super) is_near: bool,
}

/// Looks at all processes that are not among those that were seen, but for this one.
///
/// # Errors
/// When one of them cannot be looked at.
pub(super) fn look(seen: &Seen, deadline: Deadline) -> io::Result<Outside> {
    let own = fs::read_link("/proc/self/ns/net")?;
    // In the host's network all is the host's.
    let networks: BTreeSet<&PathBuf> = seen.networks.keys().filter(|link| **link != own).collect();
    let mut found = Outside::default();
    for entry in fs::read_dir("/proc")? {
        deadline.look()?;
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // The system's first is the first of this process's own PID namespace, and hidden on some hosts.
        if pid == 1 || pid == std::process::id() || seen.pids.contains(&pid) {
            continue;
        }
        let process = entry.path();
        match one(&process, seen, &networks, deadline) {
            Ok(None) => {}
            Ok(Some(by)) => {
                found.is_near |= by.is_near;
                let text = by.text;
                (found.way).get_or_insert_with(|| {
                    format!("process {pid}, which is outside of its cgroup, {text}")
                });
            }
            // One that has ended, or had no namespace any more, does nothing for it.
            Err(failure) if failure.kind() == io::ErrorKind::NotFound || !process.exists() => {}
            Err(failure) => {
                return Err(io::Error::new(
                    failure.kind(),
                    format!("process {pid}: {failure}"),
                ));
            }
        }
    }
    Ok(found)
}

struct By {
    text: String,
    is_near: bool,
}

fn one(
    process: &Path,
    seen: &Seen,
    networks: &BTreeSet<&PathBuf>,
    deadline: Deadline,
) -> io::Result<Option<By>> {
    if seen
        .pid_namespaces
        .contains(&fs::read_link(process.join("ns/pid"))?)
    {
        let text = "shares its PID namespace: let it have one of its own, without `shareProcessNamespace`, `--pid` or a cgroup that it splits itself";
        return Ok(Some(By {
            text: text.to_owned(),
            is_near: true,
        }));
    }
    if networks.is_empty() {
        return Ok(None);
    }
    for thread in fs::read_dir(process.join("task"))? {
        deadline.look()?;
        let thread = thread?.path();
        let is_there = match fs::read_link(thread.join("ns/net")) {
            Ok(link) => networks.contains(&link),
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => false,
            Err(_) if !thread.exists() => false,
            Err(failure) => return Err(failure),
        };
        // What is wholly the host's is its administrator's.
        if !is_there || !OF_HOST.iter().any(|kind| is_own(&thread, kind)) {
            continue;
        }
        let status = match fs::read_to_string(thread.join("status")) {
            Err(_) if !thread.exists() => continue,
            status => status?,
        };
        if let Some(name) = network_capability(&status) {
            return Ok(Some(By {
                text: format!(
                    "has {name} over its network, or a program can get it; drop that there too, or set no_new_privs"
                ),
                is_near: false,
            }));
        }
    }
    Ok(None)
}
