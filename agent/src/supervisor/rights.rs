//! Whether a session's user is root or can become root, and so can take the redirection away.
//!
//! What is cheap to read is read: who is asked, the groups that stand for root, `NOPASSWD` rules, and the sockets of
//! daemons that start containers for whoever may write to them. A way that is not seen here is recorded as `enforced`
//! though it is not, so a doubt counts as a way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::identity::{Groups, User, Users};

/// Groups whose members are root by another name, and by what.
const ROOT_GROUPS: [(&str, &str); 11] = [
    ("root", "the group of root"),
    ("sudo", "sudo"),
    ("wheel", "sudo"),
    ("admin", "sudo"),
    ("docker", "containers that docker starts as root"),
    ("lxd", "containers that lxd starts as root"),
    ("incus-admin", "containers that incus starts as root"),
    ("libvirt", "virtual machines with the host's disks"),
    ("kvm", "virtual machines"),
    ("disk", "the host's raw disks"),
    ("shadow", "password hashes"),
];

/// What is said of a rule of sudo that asks for nothing, as hosted runners have one.
const FREE_SUDO: &str = "its user has sudo without a password (take the rule out of /etc/sudoers.d; on a GitHub-hosted runner have the job begin with Icecore's action, which does: docs/install.md)";

/// Sockets that start containers as root for whoever may write to them.
const ROOT_SOCKETS: [&str; 5] = [
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/var/lib/lxd/unix.socket",
];

/// The host's files of users, groups and sudo rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    users: Users,
    groups: Groups,
    sudoers: String,
}

impl Accounts {
    /// Reads the host's files as they are.
    #[must_use]
    pub(super) fn read() -> Self {
        let text = |path: &Path| {
            fs::read(path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        };
        let mut sudoers = text(Path::new("/etc/sudoers"));
        for entry in fs::read_dir("/etc/sudoers.d")
            .into_iter()
            .flatten()
            .flatten()
        {
            sudoers.push('\n');
            sudoers.push_str(&text(&entry.path()));
        }
        Self {
            users: Users::read(),
            groups: Groups::read(),
            sudoers,
        }
    }

    /// Names a user; one without a name is named by its number.
    #[must_use]
    pub(super) fn user(&self, uid: u32) -> String {
        self.users.name(uid)
    }

    /// Finds a user by name, with the groups of a login.
    #[must_use]
    pub(super) fn find(&self, name: &str) -> Option<(User, Vec<u32>)> {
        let user = self.users.find(name)?;
        let gids = self.groups.of(&user);
        Some((user, gids))
    }

    /// Says how a user with these groups can become root, if a way is seen.
    #[must_use]
    pub(super) fn way_to_root(&self, uid: u32, gids: &[u32]) -> Option<String> {
        if uid == 0 {
            return Some("its user is root".to_owned());
        }
        let user = self.user(uid);
        let groups = self.groups_of(&user, gids);
        let by_group = ROOT_GROUPS
            .iter()
            .find(|(name, _)| groups.iter().any(|group| group == name));
        if let Some((name, way)) = by_group {
            return Some(format!("its user is in group {name}: {way}"));
        }
        if self.has_free_sudo(&user, uid, &groups) {
            return Some(FREE_SUDO.to_owned());
        }
        ROOT_SOCKETS
            .iter()
            .find(|socket| is_writable(Path::new(socket), uid, gids))
            .map(|socket| format!("its user may write to {socket}"))
    }

    /// Names the groups that the process has, and those its user would have after a new login.
    fn groups_of(&self, user: &str, gids: &[u32]) -> Vec<String> {
        let has = self.groups.all().filter_map(|(name, gid, mut members)| {
            let is_one = gids.contains(&gid) || members.any(|member| member == user);
            is_one.then(|| name.to_owned())
        });
        has.collect()
    }

    fn has_free_sudo(&self, user: &str, uid: u32, groups: &[String]) -> bool {
        self.sudoers.lines().any(|line| {
            let Some(whom) = line.split_ascii_whitespace().next() else {
                return false;
            };
            // `#1000` names a user by number, any other `#` begins a comment; an alias is capitals (sudoers(5)).
            let is_alias = |who: &str| {
                who.chars().all(|letter| {
                    letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'
                })
            };
            let names = |who: &str| {
                who == user
                    || who == format!("#{uid}")
                    || is_alias(who)
                    || who
                        .strip_prefix('%')
                        .is_some_and(|group| groups.iter().any(|own| own == group))
            };
            line.contains("NOPASSWD") && whom.split(',').any(names)
        })
    }
}

fn is_writable(socket: &Path, uid: u32, gids: &[u32]) -> bool {
    let Ok(facts) = fs::metadata(socket) else {
        return false;
    };
    let mode = facts.mode();
    mode & 0o002 != 0
        || mode & 0o020 != 0 && gids.contains(&facts.gid())
        || mode & 0o200 != 0 && facts.uid() == uid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(sudoers: &str) -> Accounts {
        Accounts {
            users: Users::parse(
                "root:x:0:0:root:/root:/bin/sh\nci:x:1000:1000::/home/ci:/bin/sh\nbob:x:1001:1001:::\n",
            ),
            groups: Groups::parse("root:x:0:\nsudo:x:27:bob\ndocker:x:999:\nbuild:x:50:ci\n"),
            sudoers: sudoers.to_owned(),
        }
    }

    #[track_caller]
    fn check(sudoers: &str, uid: u32, gids: &[u32], expected: Option<&str>) {
        let way = accounts(sudoers).way_to_root(uid, gids);
        assert_eq!(way.as_deref(), expected);
    }

    #[test]
    fn users_are_named() {
        assert_eq!(accounts("").user(1000), "ci");
        assert_eq!(accounts("").user(4711), "4711");
    }

    #[test]
    fn plain_user_has_no_way() {
        check(
            "root ALL=(ALL) ALL\nci ALL=(ALL) ALL\n",
            1000,
            &[1000],
            None,
        );
    }

    #[test]
    fn root_is_a_way() {
        check("", 0, &[0], Some("its user is root"));
    }

    #[test]
    fn groups_are_a_way_held_or_listed() {
        check(
            "",
            1000,
            &[1000, 999],
            Some("its user is in group docker: containers that docker starts as root"),
        );
        check("", 1001, &[1001], Some("its user is in group sudo: sudo"));
    }

    #[test]
    fn sudo_without_password_is_a_way() {
        let free = Some(FREE_SUDO);
        check("ci ALL=(ALL) NOPASSWD: ALL", 1000, &[1000], free);
        check("%build ALL = NOPASSWD: /usr/bin/apt", 1000, &[1000], free);
        check("#1000 ALL=NOPASSWD: ALL", 1000, &[1000], free);
        check("ALL ALL=NOPASSWD: ALL", 1000, &[1000], free);
        check("CI_USERS ALL=NOPASSWD: ALL", 1000, &[1000], free);
        check("# ci ALL=(ALL) NOPASSWD: ALL", 1000, &[1000], None);
        check("bob ALL=(ALL) NOPASSWD: ALL", 1000, &[1000], None);
    }
}
