//! The host's users and groups, by name and number.

use std::fs;

/// The host's list of users, `/etc/passwd`; users that only a directory knows are called by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Users(String);

/// A user of the host's list, as a login would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of passwd(5), by their names there")]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub shell: String,
}

impl Users {
    /// Reads the list as it is; one that cannot be read has no users.
    #[must_use]
    pub fn read() -> Self {
        let bytes = fs::read("/etc/passwd").unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Takes the text of a list. Source: passwd(5).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Names a user; one without a name is named by its number.
    #[must_use]
    pub fn name(&self, uid: u32) -> String {
        let named = self.all().find(|(_, other)| *other == uid);
        named.map_or_else(|| uid.to_string(), |(name, _)| name.to_owned())
    }

    /// Finds a user by name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<User> {
        self.0.lines().find_map(|line| {
            let [found, _, uid, gid, _, home, shell] =
                *line.split(':').collect::<Vec<_>>().as_slice()
            else {
                return None;
            };
            (found == name && !name.is_empty()).then_some(User {
                name: name.to_owned(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                home: home.to_owned(),
                shell: shell.to_owned(),
            })
        })
    }

    /// Says why no session can be of a user of this name, if none can be now.
    #[must_use]
    pub fn stranger(&self, user: &str) -> Option<String> {
        if self.all().any(|(name, _)| name == user) {
            return None;
        }
        let Ok(uid) = user.parse::<u32>() else {
            return Some("which this host does not have".to_owned());
        };
        let name = self.name(uid);
        (name != user).then(|| format!("who is called `{name}` here"))
    }

    fn all(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name, fields.nth(1)?.parse().ok()?))
        })
    }
}

/// The host's list of groups, `/etc/group`.
#[derive(Clone, Debug, Default)]
pub struct Groups(String);

impl Groups {
    /// Reads the list as it is; one that cannot be read has no groups.
    #[must_use]
    pub fn read() -> Self {
        let bytes = fs::read("/etc/group").unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Takes the text of a list. Source: group(5).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Gives each group's name, number and members.
    pub fn all(&self) -> impl Iterator<Item = (&str, u32, impl Iterator<Item = &str>)> {
        self.0.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok()?;
            Some((name, gid, fields.next().unwrap_or_default().split(',')))
        })
    }

    /// Gives the groups that a login of a user has, its own first.
    #[must_use]
    pub fn of(&self, user: &User) -> Vec<u32> {
        let listed = self.all().filter_map(|(_, gid, mut members)| {
            let is_one = gid != user.gid && members.any(|member| member == user.name);
            is_one.then_some(gid)
        });
        std::iter::once(user.gid).chain(listed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_with_the_groups_of_a_login() {
        let users = Users::parse("a:x:1\nci:x:1000:50:CI:/home/ci:/bin/sh\nci2:x:7:7::/:/bin/sh\n");
        let user = users.find("ci").unwrap();
        let (home, shell) = ("/home/ci".to_owned(), "/bin/sh".to_owned());
        let (name, uid, gid) = ("ci".to_owned(), 1000, 50);
        let expected = User {
            name,
            uid,
            gid,
            home,
            shell,
        };
        assert_eq!(user, expected);
        for none in ["", "a", "1000", "c"] {
            assert_eq!(users.find(none), None, "{none}");
        }
        let groups = "root:x:0:\nbuild:x:50:ci\nx:x:51:ci2,cix\ny:x:52:ada,ci\nz:x:no:ci\n";
        assert_eq!(Groups::parse(groups).of(&user), [50, 52]);
    }

    #[test]
    fn users_are_known_by_name_and_the_nameless_by_number() {
        let users = Users::parse("root:x:0:0:root:/root:/bin/sh\nci:x:1000:1000::/home/ci:\n");
        assert_eq!((users.name(1000), users.name(7)), ("ci".into(), "7".into()));
        for (user, expected) in [
            ("ci", None),
            ("7", None),
            ("ic", Some("which this host does not have")),
            ("1000", Some("who is called `ci` here")),
        ] {
            assert_eq!(users.stranger(user).as_deref(), expected, "{user}");
        }
    }
}
