//! What root sees of the kernel's part, and of the job's user.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Host;
use super::line::Line;
use crate::config::{Config, Guard};
use crate::connection::metadata::METADATA;
use crate::connection::redirect::{
    Guarded, Inspection, Need, cgroup_id, is_on_bpffs, look_for_lineage, probe, v2_mount,
};
use crate::connection::sys::clock_is_synchronized;
use crate::supervisor::way_to_root;

/// Most pins that are looked at; there are three dozen.
const PINS_MAX: usize = 256;

/// How long until the daemon has surely looked up all hosts again; it does every 30 s.
const DAEMON_LOOKS: Duration = Duration::from_secs(35);

/// Looks at the kernel, the attach point, the programs, the pins and the guard.
pub(super) fn kernel(host: &Host<'_>) -> Vec<Line> {
    let config = host.config;
    let mut lines = vec![features(), clock(), root(&config.capture.root)];
    lines.extend(lineage(config));
    let inspection = match Inspection::of(&config.capture.pin_dir) {
        Ok(inspection) => inspection,
        Err(error) => {
            let hint = error.hint().unwrap_or(
                "start the daemon, which pins them; after a change of capture.pin_dir restart it",
            );
            let text = format!("{:#}", anyhow::Error::from(error));
            lines.push(Line::failed("programs", text, hint));
            return lines;
        }
    };
    lines.push(programs(&config.capture.root, &inspection));
    lines.push(pins(&config.capture.pin_dir));
    lines.push(guard(config, &inspection));
    lines.push(heartbeat(&inspection));
    lines
}

fn features() -> Line {
    let missing = probe();
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
    if missing.iter().any(|one| one.need == Need::Required) {
        let fix = "use a kernel that has it, and give the daemon its privileges";
        return Line::failed(
            "kernel",
            format!("Linux {release}: {}", told.join("; ")),
            fix,
        );
    }
    if !missing.is_empty() {
        let fix = "nothing is less safe; a later kernel has it";
        return Line::warning(
            "kernel",
            format!("Linux {release}: {}", told.join("; ")),
            fix,
        );
    }
    let found = format!("Linux {release} has what the programs need");
    Line::ok("kernel", found)
}

fn clock() -> Line {
    match clock_is_synchronized() {
        Ok(true) => Line::ok("clock", "something keeps the host's clock in time"),
        Ok(false) => Line::warning(
            "clock",
            "the kernel says that nothing keeps its clock in time",
            "run chrony or systemd-timesyncd: logins are refused, and times in the record wrong, where it drifts",
        ),
        Err(error) => Line::not_checked("clock", format!("adjtimex: {error}")),
    }
}

/// Looks, where model calls are read, whether the host shows who started whom: what links statements surer than E.
fn lineage(config: &Config) -> Option<Line> {
    if config.prompts.hosts.is_empty() {
        return None;
    }
    Some(match look_for_lineage() {
        Ok(()) => Line::ok("lineage", "the host shows forks and execs of sessions"),
        Err(error) => Line::warning(
            "lineage",
            format!(
                "no statement is linked to a prompt surer than E: {:#}",
                anyhow::Error::from(error)
            ),
            "mount -t tracefs tracefs /sys/kernel/tracing, then restart the daemon",
        ),
    })
}

/// Looks where the programs are attached: what starts outside of it is not governed.
fn root(root: &Path) -> Line {
    let shown = root.display();
    let Some(mount) = v2_mount() else {
        let fix = "mount -t cgroup2 none /sys/fs/cgroup";
        return Line::failed(
            "attach point",
            "no cgroup v2 hierarchy is mounted whole",
            fix,
        );
    };
    let alive = fs::metadata(root.join("cgroup.procs"));
    if let Err(error) = alive {
        return Line::failed(
            "attach point",
            format!("`{shown}` is no cgroup that lives: {error}"),
            "leave out capture.root to use the host's cgroup v2 mount, then restart the daemon",
        );
    }
    if root == mount {
        let found = format!("`{shown}` is the hierarchy's root: all that starts is below it");
        return Line::ok("attach point", found);
    }
    Line::warning(
        "attach point",
        format!(
            "`{shown}` is below `{}`: the guard holds nobody who starts outside of it",
            mount.display()
        ),
        "leave out capture.root to attach at the hierarchy's root",
    )
}

fn programs(root: &Path, found: &Inspection) -> Line {
    let fix = "restart the daemon, which attaches what is missing; look who detached it (the record's events say when)";
    if !found.missing.is_empty() {
        let text = format!("no link is pinned for {}", found.missing.join(", "));
        return Line::failed("programs", text, fix);
    }
    let id = match cgroup_id(root) {
        Ok(id) => id,
        Err(error) => {
            return Line::failed("programs", format!("`{}`: {error}", root.display()), fix);
        }
    };
    let elsewhere: Vec<String> = found
        .links
        .iter()
        .filter(|link| link.cgroup_id != id)
        .map(|link| match link.cgroup_id {
            0 => format!("{} (its cgroup is gone)", link.name),
            other => format!("{} (cgroup {other})", link.name),
        })
        .collect();
    if !elsewhere.is_empty() {
        let text = format!(
            "not attached to `{}`: {}",
            root.display(),
            elsewhere.join(", ")
        );
        return Line::failed("programs", text, fix);
    }
    if !found.is_armed {
        let text = "disarmed: sessions' connects are refused";
        let fix = "the daemon's log says why its proxy does not serve";
        return Line::failed("programs", text, fix);
    }
    let ids: Vec<String> = found
        .links
        .iter()
        .map(|link| link.program_id.to_string())
        .collect();
    Line::ok(
        "programs",
        format!(
            "{} links to `{}`, programs {}, armed",
            ids.len(),
            root.display(),
            ids.join(" ")
        ),
    )
}

/// Looks whether anybody but root can change what is pinned.
fn pins(pin_dir: &Path) -> Line {
    if !is_on_bpffs(pin_dir) {
        let text = format!("`{}` is not on a BPF file system", pin_dir.display());
        return Line::failed("pins", text, "mount -t bpf bpf /sys/fs/bpf");
    }
    let mut open = vec![pin_dir.to_owned()];
    let mut seen = 0;
    let (mut found, mut is_cut): (Vec<String>, bool) = (Vec::new(), false);
    while let Some(path) = open.pop() {
        if seen == PINS_MAX {
            is_cut = true;
            break;
        }
        seen += 1;
        match fs::symlink_metadata(&path) {
            Ok(facts) => {
                let mode = facts.mode() & 0o777;
                if facts.uid() != 0 || mode & 0o077 != 0 {
                    let uid = facts.uid();
                    found.push(format!(
                        "`{}` has uid {uid} and mode {mode:o}",
                        path.display()
                    ));
                }
                if facts.is_dir() {
                    let below = fs::read_dir(&path).into_iter().flatten().flatten();
                    open.extend(below.map(|entry| entry.path()));
                }
            }
            Err(error) => found.push(format!("`{}`: {error}", path.display())),
        }
    }
    let above = pin_dir.parent().map(fs::metadata);
    if let Some(Ok(facts)) = above {
        // Whoever may rename in the folder above could put others in their place (`S_ISVTX`, inode(7)).
        let mode = facts.mode();
        if facts.uid() != 0 || mode & 0o022 != 0 && mode & 0o1000 == 0 {
            found.push(format!(
                "the folder above `{}` has uid {} and mode {:o}",
                pin_dir.display(),
                facts.uid(),
                mode & 0o7777
            ));
        }
    }
    if found.is_empty() && is_cut {
        let text = format!(
            "more than {seen} below `{}`: the rest was not looked at",
            pin_dir.display()
        );
        return Line::not_checked("pins", text);
    }
    if found.is_empty() {
        let text = format!("{seen} below `{}`, root's alone", pin_dir.display());
        return Line::ok("pins", text);
    }
    Line::failed(
        "pins",
        found.join("; "),
        &format!(
            "look who changed them; then `chown -R root: {0}; chmod -R go= {0}`",
            pin_dir.display()
        ),
    )
}

/// Where a governed host is, as this host finds it.
struct Wanted {
    host: String,
    is_fixed: bool,
    places: Vec<Guarded>,
}

/// Looks whether each address of the accounts' hosts is guarded.
fn guard(config: &Config, found: &Inspection) -> Line {
    let hosts: BTreeSet<&str> = config.accounts.iter().flat_map(|one| one.hosts()).collect();
    let mut unknown = Vec::new();
    let mut all = Vec::new();
    for host in hosts {
        let fixed = config.upstream.resolve.get(host);
        let places: Vec<Guarded> = match fixed {
            Some(at) => Guarded::of_fixed(*at).into_iter().collect(),
            None => match (host, 443).to_socket_addrs() {
                Ok(all) => all.filter_map(|at| Guarded::of_address(at.ip())).collect(),
                Err(error) => {
                    unknown.push(format!("{host} ({error})"));
                    continue;
                }
            },
        };
        all.push(Wanted {
            host: host.to_owned(),
            is_fixed: fixed.is_some(),
            places,
        });
    }
    let fix = "see that this host resolves the name as jobs do; the daemon's log says which look-up failed; restart it";
    let unguarded = guarded_by_now(config, found, &all);
    if !unguarded.is_empty() {
        let text = format!("not guarded: {}", unguarded.join(", "));
        return Line::failed("guard", text, fix);
    }
    if found.metadata < METADATA.len() {
        let text = format!(
            "{} of {} addresses of metadata services are guarded",
            found.metadata,
            METADATA.len()
        );
        return Line::failed("guard", text, "restart the daemon");
    }
    if !unknown.is_empty() {
        let text = format!("hosts without an address: {}", unknown.join(", "));
        return Line::failed("guard", text, fix);
    }
    if config.capture.guard == Guard::Sessions {
        let places: usize = all.iter().map(|one| one.places.len()).sum();
        return Line::warning(
            "guard",
            format!(
                "{places} addresses, kept from sessions alone: others reach the accounts directly"
            ),
            "set capture.guard = \"host\"",
        );
    }
    let all = found.guarded.len();
    Line::ok(
        "guard",
        format!("{all} addresses of governed hosts, metadata services of all clouds"),
    )
}

/// Lists what is not guarded; where a name may just have answered otherwise, once the daemon must have looked again.
fn guarded_by_now(config: &Config, found: &Inspection, all: &[Wanted]) -> Vec<String> {
    let mut missing = unguarded(all, &found.guarded);
    let by_name: Vec<&Wanted> = all.iter().filter(|one| !one.is_fixed).collect();
    let may_come = |guarded: &[Guarded]| {
        let mut places = by_name.iter().flat_map(|one| &one.places);
        places.any(|place| !guarded.contains(place))
    };
    if !may_come(&found.guarded) {
        return missing;
    }
    for _ in 0..DAEMON_LOOKS.as_secs() {
        thread::sleep(Duration::from_secs(1));
        let Ok(found) = Inspection::of(&config.capture.pin_dir) else {
            break;
        };
        missing = unguarded(all, &found.guarded);
        if !may_come(&found.guarded) {
            break;
        }
    }
    missing
}

/// Lists hosts with those of their places that are not guarded. One address is as good a way out as another.
fn unguarded(all: &[Wanted], guarded: &[Guarded]) -> Vec<String> {
    all.iter()
        .filter_map(|one| {
            let missing: Vec<&Guarded> = one
                .places
                .iter()
                .filter(|place| !guarded.contains(place))
                .collect();
            let is_held = missing.is_empty() && !one.places.is_empty();
            (!is_held).then(|| format!("{} at {missing:?}", one.host))
        })
        .collect()
}

fn heartbeat(found: &Inspection) -> Line {
    let (age, stale) = (found.heartbeat_age, found.heartbeat_stale);
    if age > stale {
        return Line::failed(
            "heartbeat",
            format!(
                "the proxy's last was {} ms ago, lost after {} ms",
                age.as_millis(),
                stale.as_millis()
            ),
            "the proxy hangs or is overloaded: see its log and the host's CPU; `icecore upgrade --proxy` replaces it",
        );
    }
    Line::ok(
        "heartbeat",
        format!(
            "{} ms ago, counts as lost after {} ms",
            age.as_millis(),
            stale.as_millis()
        ),
    )
}

/// Tells whether the job's user can become root, and so take the redirection away.
pub(super) fn rights(user: &str) -> Line {
    match way_to_root(user) {
        None => Line::not_checked("rights", format!("the host has no user `{user}`")),
        Some(None) => Line::ok(
            "rights",
            format!(
                "no way is seen by which `{user}` becomes root: groups, sudo rules, container sockets"
            ),
        ),
        Some(Some(way)) => Line::failed(
            "rights",
            format!("{way}: sessions are `advisory`"),
            &format!(
                "take it away from `{user}` (gpasswd -d, /etc/sudoers.d), or run jobs as another user"
            ),
        ),
    }
}

/// Places that the guard denies on a port that is not redirected.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Those that are tried.
    pub(super) tried: Vec<SocketAddr>,
    /// How many more there are.
    pub(super) left_out: usize,
}

/// Lists places that the guard denies on a port that is not redirected, for those that try it.
pub(super) fn places(config: &Config) -> Places {
    let Ok(found) = Inspection::of(&config.capture.pin_dir) else {
        return Places::default();
    };
    to_try(&found.guarded, &config.capture.redirect_ports)
}

fn to_try(guarded: &[Guarded], redirected: &[u16]) -> Places {
    /// Of the kernel's denials a session's end tells 256 different ones, and each place is tried two ways.
    const TRIED_MAX: usize = 100;
    /// Ports that nobody redirects as a rule; one of them is dialled at an address that is guarded with all its ports.
    const OTHERS: [u16; 3] = [8443, 9443, 22];
    let is_redirected = |port: &u16| redirected.contains(port);
    let Some(other) = OTHERS.into_iter().find(|port| !is_redirected(port)) else {
        return Places {
            tried: Vec::new(),
            left_out: guarded.len(),
        };
    };
    let mut tried: Vec<SocketAddr> = guarded
        .iter()
        .filter_map(|place| match place {
            Guarded::Address(address) => Some(SocketAddr::new(*address, other)),
            Guarded::Port(at) => (!is_redirected(&at.port())).then_some(*at),
        })
        .collect();
    let left_out = tried.len().saturating_sub(TRIED_MAX);
    tried.truncate(TRIED_MAX);
    Places { tried, left_out }
}

/// Tells whether this process is below the capture root, whose guard alone holds it; `None` where that cannot be told.
pub(super) fn is_below(root: &Path) -> Option<bool> {
    let mount = v2_mount()?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own: PathBuf = mount.join(own);
    let is_daemons = own == root.join("icecore/daemon");
    Some(own.starts_with(root) && !is_daemons)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Guarded {
        Guarded::Address([192, 0, 2, last].into())
    }

    #[test]
    fn one_address_that_is_not_guarded_is_told_beside_others_that_are() {
        let wanted = |places: &[u8]| Wanted {
            host: "acme".to_owned(),
            is_fixed: false,
            places: places.iter().map(|last| address(*last)).collect(),
        };
        let guarded = [address(1), address(2)];
        let check = |places: &[u8]| unguarded(&[wanted(places)], &guarded);
        assert_eq!(check(&[1, 2]), [""; 0]);
        assert_eq!(check(&[1, 2, 3]), ["acme at [Address(192.0.2.3)]"]);
        // A host without any address that could be guarded is not.
        assert_eq!(check(&[]), ["acme at []"]);
    }

    #[test]
    fn all_places_are_tried_and_what_is_left_out_is_counted() {
        let guarded: Vec<Guarded> = (0..120).map(address).collect();
        let at = |last, port| SocketAddr::from(([192, 0, 2, last], port));
        let some = to_try(&guarded[..17], &[443]);
        assert_eq!((some.tried.len(), some.left_out), (17, 0));
        assert_eq!(some.tried[16], at(16, 8443));
        let many = to_try(&guarded, &[443, 8443]);
        assert_eq!((many.tried.len(), many.left_out), (100, 20));
        assert_eq!(many.tried[0], at(0, 9443));
        let none = to_try(&guarded, &[8443, 9443, 22]);
        assert_eq!((none.tried.len(), none.left_out), (0, 120));
        let port = [Guarded::Port(at(1, 443)), Guarded::Port(at(1, 444))];
        assert_eq!(to_try(&port, &[443]).tried, [at(1, 444)]);
    }
}
