//! What the kernel runs at our hooks for a cgroup: a session's, or a container's and each below it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Host;
use super::line::Line;
use crate::connection::redirect::{Inspection, PinnedLink, effective, effective_ids};

const NAME: &str = "hooks";

/// Most cgroups below one that are asked for.
const BELOW_MAX: usize = 512;

/// What to do where our program does not run.
pub(super) const ABSENT_FIX: &str =
    "restart the daemon; look who replaced or cut the link (`bpftool cgroup tree`)";

/// What to do where others run too.
pub(super) const OTHERS_FIX: &str = "see that they leave addresses and ports as they are: one that runs after ours may send a session elsewhere (`bpftool cgroup tree`)";

/// What runs at the hooks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    /// Where our program does not run, or the kernel does not tell.
    pub(super) absent: Vec<String>,
    /// Where others run too, in order.
    pub(super) others: Vec<String>,
    /// Why not all was asked.
    pub(super) unknown: Vec<String>,
}

/// Finds the links that our programs hang on.
pub(super) fn links(host: &Host<'_>) -> Result<Vec<PinnedLink>, String> {
    match Inspection::of(&host.config.capture.pin_dir) {
        Ok(found) => Ok(found.links),
        Err(error) => Err(format!("{:#}", anyhow::Error::from(error))),
    }
}

/// Asks the kernel what runs for a cgroup at each hook.
pub(super) fn at(links: &[PinnedLink], cgroup: &Path) -> At {
    let mut at = At::default();
    if links.is_empty() {
        at.absent.push("any hook (no link is pinned)".to_owned());
    }
    for link in links {
        let ids = match effective_ids(cgroup, link.attach_type) {
            Ok(ids) => ids,
            Err(error) => {
                at.absent.push(format!("{} ({error})", link.name));
                continue;
            }
        };
        if !ids.contains(&link.program_id) {
            at.absent.push(link.name.clone());
        }
        if ids.len() > 1 {
            let order = order(link, cgroup).unwrap_or_else(|error| error.to_string());
            at.others.push(format!("{}: {order}", link.name));
        }
    }
    at
}

/// Names the programs that run at a hook, in order.
fn order(link: &PinnedLink, cgroup: &Path) -> io::Result<String> {
    let running = effective(cgroup, link.attach_type)?;
    let order = running.iter().map(|one| {
        if one.id == link.program_id {
            "Icecore's".to_owned()
        } else {
            format!("`{}` (id {})", one.name, one.id)
        }
    });
    Ok(order.collect::<Vec<_>>().join(", then "))
}

/// Asks for a cgroup and for each below it: a program may hang on any of them, and runs for that one alone. None if it is gone.
pub(super) fn at_all(links: &[PinnedLink], cgroup: &Path) -> Option<At> {
    let (cgroups, mut all) = below(cgroup, BELOW_MAX);
    for (number, one) in cgroups.iter().enumerate() {
        let found = at(links, one);
        // What went meanwhile holds nobody.
        if !found.absent.is_empty() && !is_there(one) {
            if number == 0 {
                return None;
            }
            continue;
        }
        let place = one.strip_prefix(cgroup).unwrap_or(one);
        let named = |text: String| match place.as_os_str().is_empty() {
            true => text,
            false => format!("`{}`: {text}", place.display()),
        };
        all.absent.extend(found.absent.into_iter().map(named));
        all.others.extend(found.others.into_iter().map(named));
    }
    Some(all)
}

fn is_there(folder: &Path) -> bool {
    !matches!(fs::symlink_metadata(folder), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Lists a cgroup and those below it, nearest first, and why there may be more.
fn below(cgroup: &Path, most: usize) -> (Vec<PathBuf>, At) {
    let mut found = vec![cgroup.to_owned()];
    let mut told = At::default();
    let mut next = 0;
    while let Some(folder) = found.get(next).cloned() {
        next += 1;
        let listed: io::Result<Vec<fs::DirEntry>> =
            fs::read_dir(&folder).and_then(Iterator::collect);
        let entries = match listed {
            Ok(entries) => entries,
            Err(_) if !is_there(&folder) => continue,
            Err(error) => {
                let text = format!("`{}` cannot be listed: {error}", folder.display());
                told.unknown.push(text);
                continue;
            }
        };
        let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        for entry in entries.into_iter().filter(is_folder) {
            if found.len() >= most {
                let text = format!("more than {most} cgroups: the rest was not asked for");
                told.unknown.push(text);
                return (found, told);
            }
            found.push(entry.path());
        }
    }
    (found, told)
}

/// Asks the kernel what runs at our hooks for the cgroup of a session that is open, in order.
pub(super) fn line(host: &Host<'_>, cgroup: &Path) -> Line {
    let links = match links(host) {
        Ok(links) => links,
        Err(why) => return Line::not_checked(NAME, why),
    };
    let found = at(&links, cgroup);
    if !found.absent.is_empty() {
        let text = format!(
            "our program does not run for a session at {}",
            found.absent.join(", ")
        );
        return Line::failed(NAME, text, ABSENT_FIX);
    }
    if !found.others.is_empty() {
        let text = format!("others run there too, {}", found.others.join("; "));
        return Line::warning(NAME, text, OTHERS_FIX);
    }
    Line::ok(
        NAME,
        format!(
            "at each of {} our program runs for a session, and no other",
            links.len()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_below_is_asked_for_or_it_is_said_that_there_are_more() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        for name in ["a/b/c", "d"] {
            fs::create_dir_all(top.join(name)).unwrap();
        }
        fs::write(top.join("cgroup.procs"), "").unwrap();
        let (mut all, told) = below(top, 5);
        all.sort();
        let expected = ["", "a", "a/b", "a/b/c", "d"].map(|name| top.join(name));
        assert_eq!(
            all,
            expected.map(|path| path.components().collect::<PathBuf>())
        );
        assert_eq!(told, At::default());
        let (some, told) = below(top, 4);
        assert_eq!((some.len(), told.unknown.len()), (4, 1), "{told:?}");
        // One that is gone is not known to be governed, and is nobody's.
        assert_eq!(at_all(&[link()], &top.join("gone")), None);
        // No cgroup: the kernel does not tell.
        assert_eq!(at_all(&[link()], top).unwrap().absent.len(), 5);
    }

    fn link() -> PinnedLink {
        PinnedLink {
            name: "connect4".to_owned(),
            program_id: 7,
            cgroup_id: 1,
            attach_type: 10,
        }
    }
}
