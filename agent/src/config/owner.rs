//! The user that the proxy runs as, and that owns what the proxy writes.

use std::path::{Path, PathBuf};

use toml::Value;

use super::trust::Untrusted;
use super::{Config, Daemon, StoreUrl};
use crate::identity::Users;

/// The proxy's user where the config names none and the host has it.
const DEFAULT_USER: &str = "icecore";

/// The user that many things of a host share. Source: `DEFAULT_OVERFLOWUID` in linux/include/linux/highuid.h.
const NOBODY: u32 = 65_534;

/// What names a user in the config.
pub(super) const USER: &str = "a user's name or number, such as \"icecore\"";

/// A user and its group, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl Owner {
    /// Root, as which the proxy runs where there is no user for it.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };

    /// Tells whether it is root.
    #[must_use]
    pub fn is_root(self) -> bool {
        self.uid == 0
    }
}

impl Daemon {
    /// Finds the proxy's user among the host's; root if the config says so, or if it says nothing and the host has no
    /// user `icecore`.
    pub(crate) fn owner(&self, users: &Users) -> Result<Owner, Untrusted> {
        let Some(name) = &self.user else {
            let found = users.find(DEFAULT_USER);
            return found.map_or(Ok(Owner::ROOT), |_| owner(DEFAULT_USER, users));
        };
        owner(name, users)
    }

    /// Names the folder of what a proxy leaves for the next one; it ends with the host's run.
    #[must_use]
    pub fn proxy_dir(&self) -> PathBuf {
        self.run_dir.join("proxy")
    }
}

impl Config {
    /// Names the store's folder, where it is one of this host.
    pub(crate) fn local_store(&self) -> Option<PathBuf> {
        let url = StoreUrl::read(&self.record.store)?;
        url.local().map(Path::to_owned)
    }

    /// Finds the proxy's user among the host's.
    ///
    /// # Errors
    /// When the host does not have it, or other programs share it.
    pub(crate) fn owner(&self) -> Result<Owner, Untrusted> {
        self.daemon.owner(&Users::read())
    }
}

fn owner(name: &str, users: &Users) -> Result<Owner, Untrusted> {
    let refused = |expected: &str, found: String| Untrusted {
        expected: expected.to_owned(),
        found,
    };
    let listed = users.find(name).or_else(|| {
        let uid = name.parse::<u32>().ok()?;
        users.find(&users.name(uid))
    });
    let (uid, gid) = match (listed, name.parse::<u32>()) {
        (Some(user), _) => (user.uid, user.gid),
        // A number needs no name: its group is the same number.
        (None, Ok(uid)) => (uid, uid),
        (None, Err(_)) => {
            return Err(refused(
                "a user of this host (`useradd --system --no-create-home --shell /usr/sbin/nologin icecore` makes one)",
                format!("`{name}`, which /etc/passwd does not have"),
            ));
        }
    };
    if uid == NOBODY || uid == u32::MAX {
        return Err(refused(
            "a user of the proxy's own",
            format!("`{name}`, which other programs share"),
        ));
    }
    if uid != 0 && gid == 0 {
        return Err(refused(
            "a user whose group is not root's",
            format!("`{name}` of group 0"),
        ));
    }
    Ok(Owner { uid, gid })
}

/// Takes a user's name, or its number.
pub(super) fn user(value: &Value) -> Option<String> {
    if let Some(number) = value.as_integer() {
        return u32::try_from(number).ok().map(|uid| uid.to_string());
    }
    let name = value.as_str()?;
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "._-$".contains(letter);
    (!name.is_empty() && name.len() <= 64 && name.chars().all(is_fine)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::read_for_tests;
    use super::*;

    const LIST: &str =
        "root:x:0:0::/root:/bin/sh\nicecore:x:990:980::/:/bin/false\nstaff:x:7:0::/:/bin/sh\n";

    const ACCOUNT: &str = r#"
[[account]]
host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token_file = "/keys/pat" }
"#;

    #[track_caller]
    fn check(user: &str, list: &str, expected: Result<(u32, u32), &str>) {
        let config = read_for_tests(&format!("[daemon]\n{user}\n{ACCOUNT}"));
        let found = config.daemon.owner(&Users::parse(list));
        let found = found.map(|owner| (owner.uid, owner.gid));
        assert_eq!(
            found.as_ref().map_err(|no| no.found.as_str()),
            expected.as_ref().map_err(|no| *no)
        );
    }

    #[test]
    fn the_user_is_found_by_name_by_number_or_by_default() {
        check("", LIST, Ok((990, 980)));
        check("", "root:x:0:0::/root:/bin/sh\n", Ok((0, 0)));
        check("user = \"root\"", LIST, Ok((0, 0)));
        check("user = \"icecore\"", LIST, Ok((990, 980)));
        check("user = 990", LIST, Ok((990, 980)));
        check("user = \"61234\"", LIST, Ok((61_234, 61_234)));
    }

    #[test]
    fn users_that_are_shared_or_unknown_are_refused() {
        check(
            "user = \"ghost\"",
            LIST,
            Err("`ghost`, which /etc/passwd does not have"),
        );
        check(
            "user = 65534",
            LIST,
            Err("`65534`, which other programs share"),
        );
        check("user = \"staff\"", LIST, Err("`staff` of group 0"));
    }
}
